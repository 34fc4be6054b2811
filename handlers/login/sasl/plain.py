"""PLAIN (RFC 4616): the client sends the password itself."""

from collections.abc import Callable

from handlers.login.sasl.exchange import Verdict, claimed_account, text_of
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID


class Plain:
    """The server's side. `is_password(account, password)` may yield, and takes as long if there is no such account."""

    def __init__(self, host: str, is_password: Callable[[JID, str], bool]) -> None:
        self._host = host
        self._is_password = is_password

    def respond(self, data: bytes) -> Verdict:
        """Take authzid NUL authcid NUL password."""
        parts = text_of(data).split("\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise SASLFailure("malformed-request", "expected [authzid] NUL authcid NUL password")
        authzid, name, password = parts
        account = claimed_account(name, authzid, self._host)
        return Verdict(account, self._is_password(account, password))
