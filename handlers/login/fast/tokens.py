"""The tokens of FAST: how they are made and found again, and what one attempt to log in with one is checked with.

The server has to know a token to check it, so that it cannot be kept hashed. It is not kept at all, but worked out each
time, from a secret of the server's, a salt that is kept, and all that it is bound to: the mechanism, and the client,
whose name says at which account. Used for anything else, it is another token.
"""

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from db import accounts, fast_tokens
from db.fast_tokens import NEW, Token
from db.secrets import secret
from handlers.login.clients import client_of
from handlers.login.fast.hashed_token import HASH, Fits
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

TOKENS = "fast tokens"
SALT_BYTES = 16
NO_SALT = bytes(SALT_BYTES)


@dataclass(frozen=True)
class Use:
    """What a client says with a token (<fast/>): how often it has used it, None if it does not count; and whether this
    is the last time."""

    count: int | None = None
    is_last: bool = False


class Lifetime(NamedTuple):
    """For how many seconds a token is good, and how many clients of an account may have one."""

    seconds: float
    clients: int


class PresentedToken:
    """What one attempt rests on: the tokens of this client at the account that it names."""

    kind = "token"

    def __init__(self, server: "Server", mechanism: str, agent: str, use: Use) -> None:
        self._server, self._mechanism, self._agent, self._use = server, mechanism, agent, use
        self._client = ""
        self._salt = b""
        self.account: JID | None = None
        self.identity: str | None = None

    def token(self, account: JID, fits: Fits) -> bytes | None:
        """The one that fits, among the two that the client may have. Takes as long if it has none."""
        db = self._server.db
        self.account, self.identity = account, accounts.identity(db, account)
        self._client = client_of(self._server, self.identity or "", self._agent)
        kept = {each.slot: each for each in fast_tokens.tokens(db, account, self._client)}
        found = None
        for slot in (NEW, fast_tokens.CURRENT):
            salt = kept[slot].salt if slot in kept else NO_SALT
            text = worked_out(self._server, self._client, self._mechanism, salt)
            if fits(text) & (slot in kept) and found is None and self._may_be_used(kept[slot]):
                found, self._salt = text, salt
        return found

    def still_holds(self) -> bool:
        """True if the account is still the same, and the token was not used up meanwhile. Raises SASLFailure for a
        token that has expired: who has shown it may know."""
        token = self._kept()
        if token is None or not self._may_be_used(token):
            return False
        if token.expires <= time.time():
            raise SASLFailure("credentials-expired")
        return True

    def complete(self) -> None:
        """The token was used: the one before it is void, and so is this one if that is what the client wants."""
        token = self._kept()
        assert token is not None and self.account is not None
        if self._use.is_last:
            fast_tokens.remove(self._server.db, self.account, self._client)
        elif token.slot == NEW or self._use.count is not None:
            fast_tokens.use(self._server.db, self.account, self._client, token, self._use.count)

    def _kept(self) -> Token | None:
        db, account = self._server.db, self.account
        if account is None or not self._salt or accounts.identity(db, account) != self.identity:
            return None
        kept = fast_tokens.tokens(db, account, self._client)
        return next((each for each in kept if each.salt == self._salt), None)

    def _may_be_used(self, token: Token) -> bool:
        """False if it was used with this count, or a later one: the message is an old one."""
        return self._use.count is None or self._use.count > token.counted


def give(server: "Server", account: JID, client: str, mechanism: str, lifetime: Lifetime) -> tuple[str, float]:
    """Make a token for a client, in place of one that it has not used; returns it, and when it expires."""
    now, salt = time.time(), secrets.token_bytes(SALT_BYTES)
    expires = now + lifetime.seconds
    fast_tokens.give(server.db, account, client, Token(NEW, salt, now, expires), lifetime.clients)
    return worked_out(server, client, mechanism, salt).decode(), expires


def is_due(server: "Server", account: JID, client: str, seconds: float) -> bool:
    """True if the token that a client has just used is older than that."""
    kept = fast_tokens.tokens(server.db, account, client)
    return any(each.slot == fast_tokens.CURRENT and time.time() - each.issued >= seconds for each in kept)


def worked_out(server: "Server", client: str, mechanism: str, salt: bytes) -> bytes:
    """The token, as the client writes it."""
    bound_to = "\0".join((client, mechanism)).encode() + b"\0" + salt
    return urlsafe_b64encode(hmac.digest(secret(server.db, TOKENS), bound_to, HASH)).rstrip(b"=")
