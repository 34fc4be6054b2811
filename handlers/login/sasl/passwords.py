"""Passwords of accounts: salted and checked in threads of their own, so that nobody else waits for that."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gevent.threadpool import ThreadPool

from db import accounts
from db.secrets import secret
from handlers.login.sasl import salted_keys
from handlers.login.sasl.kept_keys import kept_keys
from handlers.login.sasl.saslprep import saslprep
from handlers.login.sasl.settings import SASLSettings
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

PLAIN_HASH = "sha-256"  # the credential that PLAIN checks a password with
FALSE_SALTS = "false salts"
THREADS = 2  # they compete with the event loop for the processor: as many as the hub's pool has would slow it down
IDLE_SECONDS = 60
NICER = 10  # than the loop: where both are on one core, whoever guesses passwords would have half of it
NICEST = 19


class HashingThreads(ThreadPool):
    """The threads in which a server hashes passwords; they end after IDLE_SECONDS without work. The loop goes first."""

    def __init__(self) -> None:
        super().__init__(THREADS, idle_task_timeout=IDLE_SECONDS)
        self._niceness = min(NICEST, os.getpriority(os.PRIO_PROCESS, 0) + NICER)

    def spawn(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:  # type: ignore[override]
        """Have a thread do something."""
        return super().spawn(self._do, act, *arguments, **named)

    def _do(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if sys.platform == "linux":  # elsewhere it would be the priority of the process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        return act(*arguments, **named)


def salted(server: "Server", passwords: Sequence[str]) -> list[dict[str, accounts.Credential]]:
    """The credentials to keep of each of these new passwords, by hash. Yields. Raises ValueError for a password that is
    not allowed."""
    derive = partial(salted_keys.derive, iterations=server.settings(SASLSettings).iterations)
    derived: list[dict[str, accounts.Credential]] = server.state(HashingThreads).map(
        derive, [saslprep(each) for each in passwords]
    )
    return derived


def salted_or_kept(server: "Server", texts: Sequence[str]) -> Sequence[accounts.Credentials]:
    """The same of passwords, or of keys as another server has kept them, which are taken as they are. Yields. Raises
    ValueError for what is neither."""
    kept = [kept_keys(each) for each in texts]
    new = iter(salted(server, [text for text, keys in zip(texts, kept, strict=True) if keys is None]))
    return [next(new) if keys is None else keys for keys in kept]


class Check:
    """Looks up what one attempt to log in is checked with, and at its end whether that is still so: meanwhile the
    password may be changed, or the account removed and made anew."""

    kind = "password"

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._account: JID | None = None
        self._hash = ""
        self._kept: accounts.Credential | None = None
        self._missing: accounts.Credentials = {}
        self.identity: str | None = None
        """The identity of the account that was asked for; None if it does not exist."""

    def credential(self, account: JID, hash: str) -> accounts.Credential:
        """What to check a password with; if there is no such account, a false credential that looks the same (RFC 5802
        section 9)."""
        db = self._server.db
        self._account, self._hash = account, hash
        self.identity = accounts.identity(db, account)
        self._kept = accounts.credential(db, account, hash)
        if self._kept is not None:
            return self._kept
        iterations = self._server.settings(SASLSettings).iterations
        return salted_keys.false_credential(secret(db, FALSE_SALTS), account, hash, iterations)

    def is_right(self, account: JID, password: str) -> bool:
        """True if that is the account's password. Yields, just as long if there is no such account. Keys that the
        account lacks are worked out as well: see `complete`."""
        known = accounts.hashes(self._server.db, account)
        hash = PLAIN_HASH if PLAIN_HASH in known or not known else min(known)
        kept = self.credential(account, hash)
        try:
            prepared = saslprep(password)
        except ValueError:
            return False
        threads, settings = self._server.state(HashingThreads), self._server.settings(SASLSettings)
        if not threads.apply(salted_keys.is_right, (prepared, hash, kept)):
            return False
        if known and known < salted_keys.HASHES.keys():
            missing = [each for each in salted_keys.HASHES if each not in known]
            self._missing = threads.apply(salted_keys.derive, (prepared, settings.iterations, missing))
        return True

    def complete(self) -> None:
        """Keep what was worked out; `still_holds` has said yes in this turn."""
        if self._account is not None and self._missing:
            accounts.add_credentials(self._server.db, self._account, self._missing)

    @property
    def account(self) -> JID | None:
        """The account that was asked for; None if the client has not named one yet."""
        return self._account

    def still_holds(self) -> bool:
        """True if the account is still the one that was asked for, with the password that was checked."""
        if self._account is None or self._kept is None or self.identity is None:
            return False
        db = self._server.db
        return (
            accounts.identity(db, self._account) == self.identity
            and accounts.credential(db, self._account, self._hash) == self._kept
        )
