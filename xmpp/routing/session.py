"""A session: one resource of one account, from binding to its end (RFC 6120 section 7).

It outlives no stanza and knows no socket: `connection` writes for it.
"""

import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
from lxml import etree

from xmpp.data.errors import StanzaError, StreamError, not_stored
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.routing.bulk import Bulk
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.tables import CONNECTION_LOST, HANDLED, SESSION_ENDED, WRITTEN
from xmpp.running.handling import Handled, even_if_lost, handled
from xmpp.running.logs import log_refusal
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.streams import Connection

log = logging.getLogger(__name__)

State = TypeVar("State")


class Session:
    """What the server knows of one connected resource.

    `number` is unique: no earlier or later session at the same address has it. `identity` belongs to the account and
    not to its name, which may pass to somebody else. `since` is when it began, in seconds since 1970. `presence` is the
    last available presence as the client sent it, None while it is unavailable; `priority` is that presence's,
    `presence_at` when it came. `directed` holds the addresses that were sent directed presence. `interests` names the
    lists that the client asked for in this session and therefore gets pushes of: "roster", "blocking". `connection`
    writes for it, and is None while it hibernates. A feature keeps what it knows of a session in `state`, under a class
    of its own. `language` is the client's, None if it is that of our streams.
    """

    __slots__ = (
        "server", "jid", "number", "account", "identity", "connection", "since", "presence", "presence_at",
        "priority", "language", "directed", "interests", "_states", "_written", "_handled", "_bulk", "_ticket",
        "_stored", "_is_resumed", "_ended",
    )  # fmt: skip

    def __init__(self, server: "Server", jid: JID, identity: str, connection: "Connection | None") -> None:
        self.server = server
        self.jid = jid
        self.number = server.online.next_number()
        self.account = jid.bare
        self.identity = identity
        self.connection = connection
        self.since = time.time()
        self.presence: Stanza | None = None
        self.presence_at = 0.0
        self.priority = 0
        self.language: str | None = None
        self.directed: set[JID] = set()
        self.interests: set[str] = set()
        self._states: dict[type, Any] = {}
        self._choose_steps()
        self._bulk: Bulk | None = None
        self._ticket: Ticket | None = None  # of what this client had stored last
        self._stored: list[Stanza] = []  # what it sent, under that ticket
        self._is_resumed = False
        self._ended = False

    @property
    def is_available(self) -> bool:
        """True if its last presence was available."""
        return self.presence is not None

    # -- out

    def send(self, stanza: Stanza) -> None:
        """Pass a stanza to the client, unless a WRITTEN step holds it back. Only enqueues: never yields, never raises.

        The stanza goes behind what is being sent in bulk. A failure ends this session only, since the caller may be
        sending to many.
        """
        bulk = self._bulk
        if bulk is not None and not bulk.is_passing and self.connection is not None:
            bulk.add(stanza)
            return
        try:
            for step in self._written:
                if step(self, stanza) is STOP:
                    return
            if self.connection is not None:
                self.connection.write(stanza.wire())
        except Exception:
            log.exception("%r: sending failed", self)
            self.fail_soon()

    def send_all(self, stanzas: Iterable[Stanza | bytes | None], *, first: bool = False, held: int = 0) -> None:
        """Send what may be a lot: it is fetched as the client reads, and all that is sent later goes behind it.

        Bytes are written as they are; None sends nothing and gives others a turn. A generator has to check for itself
        whether things are still as they were when it began. `first`: before other bulks. `held`: bytes of memory that
        only this iterator keeps alive; they count towards `unsent_bytes`.
        """
        if self._bulk is None:
            self._bulk = Bulk(self)
        self._bulk.begin(iter(stanzas), first=first, held=held)
        self.send_more()

    def send_more(self) -> None:
        """Go on sending in bulk, as far as the client reads. To be called by whoever stopped it in MORE_SENT."""
        bulk = self._bulk
        if bulk is not None and not bulk.is_passing and self.connection is not None and bulk.send_some():
            self._bulk = None

    def fail_soon(self) -> None:
        """End the session because of a mistake of ours, after the caller has finished."""
        gevent.get_hub().loop.run_callback(self._fail)

    def write(self, data: bytes) -> None:
        """Write bytes without the WRITTEN steps: they are not a stanza, or have been through the steps before."""
        if self.connection is not None:
            self.connection.write(data)

    def write_ahead(self, data: bytes) -> None:
        """Write bytes ahead of all that waits for the disk. They must not say that anything has been stored."""
        if self.connection is not None:
            self.connection.write_ahead(data)

    def state(self, of: type[State]) -> State | None:
        """What a feature has kept for this session, or None."""
        return self._states.get(of)

    def keep(self, state: object) -> None:
        """Keep what a feature knows of this session, under the object's class."""
        self._states[type(state)] = state
        self._choose_steps()

    def _choose_steps(self) -> None:
        self._written = self.server.tables.for_states(WRITTEN, self._states.keys())
        self._handled = self.server.tables.for_states(HANDLED, self._states.keys())

    # -- in

    def handle(self, element: etree._Element, content: bytes | None = None) -> None:
        """Handle a stanza from the client: checked, stamped, run through its SENT steps, routed.

        `content`: see XMLFeed. Raises StreamError where RFC 6120 says that the stream ends. If the stanza has caused
        work in portions, this yields until that is done, and nothing more is read from the client meanwhile.
        """
        own = handled()
        try:
            stanza = Stanza.read(element, origin=self, content=content)
        except MalformedJID:
            self._refuse_address(element)
        else:
            self._receive(stanza, own)
        for step in self._handled:
            step(self)
        if own.works_left:
            self.server.portions.wait_for_own()

    def _receive(self, stanza: Stanza, own: Handled) -> None:
        try:
            self.admit(stanza)
            if self.language is not None:  # RFC 6120 section 8.1.5: its addressee's stream may speak another one
                stanza.speak(self.language)
            delivery = Delivery(self.server, self.account, stanza)
            if self.server.tables.sent[stanza.kind].run(delivery):
                self.server.router.route(delivery.stanza)
            if own.ticket is not None and stanza.kind != "iq":
                self._refuse_if_not_stored(stanza, own.ticket)
        except StreamError:
            raise
        except StanzaError as error:
            self._refuse(stanza, error, own)
        except self.server.storage_errors as error:
            log_refusal(log, error, "cannot store what %s sent", self.jid)
            self._refuse(stanza, not_stored(), own)
        except Exception:
            log.exception("handling failed: %r", stanza)
            self._refuse(stanza, StanzaError("internal-server-error"), own)

    def _refuse(self, stanza: Stanza, error: StanzaError, own: Handled) -> None:
        own.forget_lost()  # the error says that nothing was stored
        self.server.router.refuse(stanza, error)

    def _refuse_if_not_stored(self, stanza: Stanza, ticket: Ticket) -> None:
        """Tell the sender if what this stanza stored does not reach the disk. (The answer to an iq waits for the ticket
        anyway.)"""
        if ticket is self._ticket:
            self._stored.append(stanza.kept())
            return
        self._ticket, self._stored = ticket, [stanza.kept()]
        ticket.when_closed(partial(self._refuse_not_stored, ticket, self._stored))

    def _refuse_not_stored(self, ticket: Ticket, stanzas: list[Stanza]) -> None:
        if self._ticket is ticket:
            self._ticket, self._stored = None, []
        if ticket.failed is None:
            return
        with Handled():
            for stanza in stanzas:
                self.server.router.refuse(stanza, not_stored())

    def admit(self, stanza: Stanza) -> None:
        """Check `from`, `type` and `id`, and write the true sender in (RFC 6120 section 8.1)."""
        if stanza.sender is not None and stanza.sender != self.jid and not self._may_name(stanza.sender):
            raise StreamError("invalid-from", f"this stream speaks for {self.jid}")
        to = stanza.to
        if to is None and stanza.kind != "presence":  # RFC 6120 section 10.3: it is for the sender's own account
            to = self.account
        stanza.stamp(self.jid, to)
        if stanza.kind != "message":
            stanza.check()

    def _may_name(self, sender: JID) -> bool:
        """Whether the client may give this as `from`. Once it has resumed, any resource of its account is overridden:
        Converse.js resumes after a reload of its page, and goes on in the name of a resource made up meanwhile."""
        return sender == self.account or (self._is_resumed and sender.bare == self.account)

    def _refuse_address(self, element: etree._Element) -> None:
        """Answer a stanza with a malformed address (RFC 6120 sections 8.1.1.1 and 8.3.3.8)."""
        sender = element.get("from")
        if sender is not None and not _is_address(sender):
            raise StreamError("invalid-from", "`from` is not an address")
        if element.get("type") in ("error", "result"):
            return
        del element.attrib["to"]
        stanza = Stanza.read(element, origin=self)
        stanza.sender = self.jid
        self.send(stanza.error_reply(StanzaError("jid-malformed")))

    # -- the end

    def connection_lost(self) -> None:
        """The connection is gone: the session hibernates if a CONNECTION_LOST step says so, else it ends."""
        self.connection = None
        self._release_bulk()
        if not self._ended and not self._hibernates():
            self.end()

    def _release_bulk(self) -> None:
        if self._bulk is not None and not self._bulk.release():
            self._bulk = None

    def _hibernates(self) -> bool:
        try:
            return any(step(self) is STOP for step in self.server.tables[CONNECTION_LOST])
        except Exception:
            log.exception("%r: it cannot wait for another connection", self)
            return False

    def resume(self, connection: "Connection") -> None:
        """Go on with another connection; if the session still has an older one, that is closed."""
        older, self.connection = self.connection, connection
        self._is_resumed = True
        if older is not None:
            older.detach(StreamError("conflict", "resumed by another connection"))

    def end(self) -> None:
        """End the session for good: it is no longer online, and its contacts are told. Safe to call twice."""
        if self._ended:
            return
        self._release_bulk()
        self._bulk = None
        self._ended = True
        self.server.online.remove(self)
        for step in self.server.tables[SESSION_ENDED]:
            try:
                with even_if_lost():
                    step(self)
            except Exception:  # one feature's failure must not keep the others from saying good-bye
                log.exception("%r: ending it failed", self)

    def close(self, error: StreamError | None = None) -> None:
        """End the session, and close its stream, with an error if one is given."""
        self.end()
        if self.connection is not None:
            self.connection.close(error)

    def _fail(self) -> None:
        with Handled():
            self.close(StreamError("internal-server-error"))

    def __repr__(self) -> str:
        return f"<Session {self.jid}>"


def _is_address(text: str) -> bool:
    try:
        JID.parse(text)
    except MalformedJID:
        return False
    return True


def session_of(stanza: Stanza) -> Session:
    """The session that sent a stanza, for handlers that serve sessions only. Raises StanzaError where it was sent in an
    account's name by something else (XEP-0356)."""
    if not isinstance(stanza.origin, Session):
        raise StanzaError("not-allowed", "this is for sessions alone")
    return stanza.origin
