"""Passwords of accounts: salted and checked in the thread pool, where the work stops nobody else."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import gevent
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


def salted(server: "Server", passwords: Sequence[str]) -> list[dict[str, accounts.Credential]]:
    """What to keep of each of these new passwords. Yields; raises ValueError for one that is not allowed."""
    derive = partial(salted_keys.derive, iterations=server.settings(SASLSettings).iterations)
    derived: list[dict[str, accounts.Credential]] = _threads().map(derive, [saslprep(each) for each in passwords])
    return derived


def is_right(server: "Server", account: JID, password: str) -> bool:
    """Whether that is the account's password. Yields, for as long where there is no such account."""
    try:
        prepared = saslprep(password)
    except ValueError:
        return False
    kept = credential(server, account, PLAIN_HASH)
    return bool(_threads().apply(salted_keys.is_right, (prepared, PLAIN_HASH, kept)))


def credential(server: "Server", account: JID, hash: str) -> accounts.Credential:
    """What to check a password with: where there is no such account, a false one that looks the same (RFC 5802
    section 9)."""
    kept = accounts.credential(server.db, account, hash)
    if kept is not None:
        return kept
    return salted_keys.false_credential(
        secret(server.db, FALSE_SALTS), account, hash, server.settings(SASLSettings).iterations
    )


def _threads() -> ThreadPool:
    return gevent.get_hub().threadpool
