"""A session: one resource of one account, from binding to its end (RFC 6120 section 7).

It outlives no stanza and knows no socket: `connection` writes for it.
"""

import logging
from typing import TYPE_CHECKING, Any

from lxml import etree

from xmpp.errors import StanzaError, StreamError
from xmpp.jid import JID, MalformedJID
from xmpp.routing.delivery import Delivery, run
from xmpp.stanza import IQ_TYPES, PRESENCE_TYPES, SUBSCRIPTION_TYPES, Stanza

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)


class Session:
    """What the server knows of one connected resource.

    `presence` is the last available presence as the client sent it, None while it is unavailable, `priority` goes
    with it, `presence_at` is its time. `directed` are the addresses that were sent directed presence. `interests`
    names the lists that the client asked for in this session and so gets pushes of: "roster", "blocking".
    """

    __slots__ = (
        "server", "jid", "account", "connection", "presence", "presence_at", "priority", "directed", "interests",
        "_ended",
    )  # fmt: skip

    def __init__(self, server: "Server", jid: JID, connection: Any) -> None:
        self.server = server
        self.jid = jid
        self.account = jid.bare
        self.connection = connection
        self.presence: Stanza | None = None
        self.presence_at = 0.0
        self.priority = 0
        self.directed: set[JID] = set()
        self.interests: set[str] = set()
        self._ended = False

    @property
    def is_available(self) -> bool:
        """Whether its last presence was available."""
        return self.presence is not None

    # -- out

    def send(self, stanza: Stanza) -> None:
        """Pass a stanza to the client. Only enqueues: never yields, never fails."""
        self.connection.write(stanza.wire())

    # -- in

    def receive(self, element: etree._Element) -> None:
        """Handle a stanza from the client: checked, stamped, run through its SENT steps, routed.

        Raises StreamError where RFC 6120 says that the stream ends.
        """
        try:
            stanza = Stanza(element, origin=self)
        except MalformedJID:
            self._refuse_address(element)
            return
        try:
            self._admit(stanza)
            delivery = Delivery(self.server, self.account, stanza)
            if run(self.server.tables.sent(stanza.kind), delivery):
                self.server.router.route(delivery.stanza)
        except StreamError:
            raise
        except StanzaError as error:
            self.server.router.refuse(stanza, error)
        except self.server.storage_errors as error:
            log.error("cannot store what %s sent: %s", self.jid, error)
            self.server.router.refuse(stanza, StanzaError("resource-constraint", "the server cannot store this now"))
        except Exception:
            log.exception("handling failed: %r", stanza)
            self.server.router.refuse(stanza, StanzaError("internal-server-error"))

    def _admit(self, stanza: Stanza) -> None:
        """Check `from`, `type` and `id`, and write the true sender in (RFC 6120 section 8.1)."""
        if stanza.sender is not None and stanza.sender != self.jid and stanza.sender != self.account:
            raise StreamError("invalid-from", f"this stream speaks for {self.jid}")
        to = stanza.to
        if stanza.kind == "presence":
            if stanza.type in SUBSCRIPTION_TYPES:  # RFC 6121 section 3: from bare to bare
                stanza.stamp(self.account, to.bare if to is not None else None)
                return
            stanza.stamp(self.jid, to)
            if stanza.type is not None and stanza.type not in PRESENCE_TYPES:
                raise StanzaError("bad-request", f"presence has no type {stanza.type!r}")
            return
        # RFC 6120 section 10.3: without `to` it is for the sender's own account.
        stanza.stamp(self.jid, to if to is not None else self.account)
        if stanza.kind == "iq":
            if stanza.type not in IQ_TYPES:
                raise StanzaError("bad-request", "an iq has the type get, set, result or error")
            if not stanza.id:
                raise StanzaError("bad-request", "an iq needs an id")

    def _refuse_address(self, element: etree._Element) -> None:
        """Answer a stanza with a malformed address (RFC 6120 sections 8.1.1.1 and 8.3.3.8)."""
        sender = element.get("from")
        if sender is not None and not _is_address(sender):
            raise StreamError("invalid-from", "`from` is not an address")
        if element.get("type") in ("error", "result"):
            return
        del element.attrib["to"]
        stanza = Stanza(element, origin=self)
        stanza.sender = self.jid
        self.send(stanza.error_reply(StanzaError("jid-malformed")))

    # -- the end

    def end(self) -> None:
        """Take the session out and let its contacts know. Safe to call twice."""
        if self._ended:
            return
        self._ended = True
        self.server.online.remove(self)
        for step in self.server.tables.session_ended:
            try:
                step(self)
            except Exception:  # one feature's failure must not keep the others from saying good-bye
                log.exception("%r: ending it failed", self)

    def close(self, error: StreamError | None = None) -> None:
        """End the session and its stream, with an error if one is given."""
        self.end()
        self.connection.close(error)

    def __repr__(self) -> str:
        return f"<Session {self.jid}>"


def _is_address(text: str) -> bool:
    try:
        JID.parse(text)
    except MalformedJID:
        return False
    return True
