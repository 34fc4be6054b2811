"""Passwords of accounts: salted and checked in threads of their own, where the work stops nobody else."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from gevent.threadpool import ThreadPool

from db import accounts
from db.secrets import secret
from handlers.sasl import salted_keys
from handlers.sasl.saslprep import saslprep
from handlers.sasl.settings import SASLSettings
from xmpp.jid import JID

if TYPE_CHECKING:
    from xmpp.server import Server

PLAIN_HASH = "sha-256"  # of the credential that a plain password is checked with
FALSE_SALTS = "false salts"
THREADS = 2  # they compete with the event loop for the processor: as many as the hub's pool has would slow it down
IDLE_SECONDS = 60


class HashingThreads(ThreadPool):
    """A server's threads for this work; they end when there is none for a while."""

    def __init__(self) -> None:
        super().__init__(THREADS, idle_task_timeout=IDLE_SECONDS)


def salted(server: "Server", passwords: Sequence[str]) -> list[dict[str, accounts.Credential]]:
    """What to keep of each of these new passwords. Yields; raises ValueError for one that is not allowed."""
    derive = partial(salted_keys.derive, iterations=server.settings(SASLSettings).iterations)
    derived: list[dict[str, accounts.Credential]] = server.state(HashingThreads).map(
        derive, [saslprep(each) for each in passwords]
    )
    return derived


def is_right(server: "Server", account: JID, password: str) -> bool:
    """Whether that is the account's password. Yields, for as long where there is no such account."""
    try:
        prepared = saslprep(password)
    except ValueError:
        return False
    kept = credential(server, account, PLAIN_HASH)
    return bool(server.state(HashingThreads).apply(salted_keys.is_right, (prepared, PLAIN_HASH, kept)))


def credential(server: "Server", account: JID, hash: str) -> accounts.Credential:
    """What to check a password with: where there is no such account, a false one that looks the same (RFC 5802
    section 9)."""
    kept = accounts.credential(server.db, account, hash)
    if kept is not None:
        return kept
    return salted_keys.false_credential(
        secret(server.db, FALSE_SALTS), account, hash, server.settings(SASLSettings).iterations
    )
