"""EXTERNAL (RFC 4422 appendix A, XEP-0178): a client that has shown a certificate for an account here logs in with it,
without a password. It is offered to nobody else."""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from db import accounts
from handlers.admin.comings_and_goings import shown_address
from handlers.login.sasl.exchange import Verdict, text_of
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID, MalformedJID
from xmpp.routing.streams import Stream
from xmpp.running.lines import LimitedLines

log = logging.getLogger(__name__)

MECHANISM = "EXTERNAL"


class RefusedCertificates(LimitedLines):
    """The lines about certificates that are not good. A server has one."""


class Shown(NamedTuple):
    """The accounts, if there are such, that a client's certificate is for, and when that expires, in seconds since
    1970."""

    accounts: tuple[JID, ...] = ()
    until: float = 0.0


def accounts_shown(stream: Stream) -> Shown:
    """Those of this stream's domain; none if the client has shown no certificate, or one that is not good, which is
    logged."""
    shown = stream.client_certificate()
    if shown is None:
        return Shown()
    found = tuple(dict.fromkeys(_accounts_at(stream.host, shown.addresses)))
    if not found:
        _tell(stream, shown.refused or f"is for nobody at {stream.host}")
    return Shown(found, shown.until)


def _accounts_at(host: str, addresses: Sequence[str]) -> Iterator[JID]:
    for each in addresses:
        try:
            address = JID.parse(each)
        except MalformedJID:
            continue
        if address.local and not address.resource and address.domain == host:
            yield address


def _tell(stream: Stream, reason: str) -> None:
    lines, peer = stream.server.state(RefusedCertificates), shown_address(stream.peer)
    lines.say(log.info, "nobody can log in by the certificate of a client from %s: it %s", peer, reason)


class Certified:
    """Looks up the account that a certificate is for, and at the end of the attempt whether both still hold."""

    kind = "certificate"

    def __init__(self, stream: Stream) -> None:
        self._server, self._stream = stream.server, stream
        self.account: JID | None = None
        self.identity: str | None = None

    def look_up(self, account: JID) -> bool:
        """True if there is such an account."""
        self.account, self.identity = account, accounts.identity(self._server.db, account)
        return self.identity is not None

    def still_holds(self) -> bool:
        """True if it is still the one that was looked up, and the certificate was not revoked since it was shown."""
        if self.account is None or accounts.identity(self._server.db, self.account) != self.identity:
            return False
        return self.account in accounts_shown(self._stream).accounts

    def complete(self) -> None:
        """There is nothing to keep."""


class External:
    """The server's side. The client says as which of the accounts it logs in, if there are several (XEP-0178)."""

    def __init__(self, shown: Sequence[JID], certified: Certified) -> None:
        self._shown, self._certified = shown, certified

    def respond(self, data: bytes) -> Verdict:
        """Take the authorization identity, or nothing."""
        account = self._chosen(text_of(data))
        return Verdict(account, self._certified.look_up(account))

    def _chosen(self, authzid: str) -> JID:
        if not authzid and len(self._shown) == 1:
            return self._shown[0]
        if not authzid:
            raise SASLFailure("invalid-authzid", "your certificate has several addresses: say which one")
        try:
            account = JID.parse(authzid).bare
        except MalformedJID:
            raise SASLFailure("invalid-authzid") from None
        if account not in self._shown:
            raise SASLFailure("invalid-authzid", "your certificate is for somebody else")
        return account
