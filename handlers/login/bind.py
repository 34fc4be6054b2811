"""Resource binding (RFC 6120 section 7), and the session request of RFC 3921 that older clients still make."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from db import accounts
from xmpp.config.configuration import setting
from xmpp.data import names
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import OWN, SERVER, STREAM, Feature, State
from xmpp.routing.session import Session
from xmpp.routing.streams import Stream, stream_of
from xmpp.routing.tables import SessionStep, Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

BIND = f"{{{names.BIND}}}bind"
RESOURCE = f"{{{names.BIND}}}resource"
SESSION = f"{{{names.SESSION}}}session"


@dataclass(frozen=True)
class BindSettings:
    """Resources: the clients of one account."""

    resources: int = setting(10, "How many clients of one account may be connected at a time.",
                             minimum=1, maximum=1_000)  # fmt: skip


feature = Feature("bind", rfc="6120", settings=BindSettings, optional=False)

SESSION_BOUND = Table[SessionStep]("SESSION_BOUND")  # before its client can ask for anything


@feature.stream_feature(when=State.AUTHENTICATED)
def offer_bind(stream: Stream) -> etree._Element:
    """Section 7.4."""
    return etree.Element(BIND, nsmap={None: names.BIND})


@feature.stream_feature(when=State.AUTHENTICATED)
def offer_session(stream: Stream) -> etree._Element:
    """Binding makes the session; <optional/> says so to clients that know it."""
    session = etree.Element(SESSION, nsmap={None: names.SESSION})
    etree.SubElement(session, f"{{{names.SESSION}}}optional")
    return session


@feature.iq_set(BIND, to=[STREAM])
def bind(server: "Server", iq: Stanza) -> etree._Element:
    """Begin the session of a stream that has logged in, at the resource that the client asks for or a random one."""
    stream = stream_of(iq)
    account, identity = stream.account, stream.identity
    # The account may have been removed since the login, and its name passed to somebody else
    if account is None or identity is None or accounts.identity(server.db, account) != identity:
        raise StanzaError("not-authorized")
    address = _address(account, iq.only_child().findtext(RESOURCE))
    begin_session(stream, address, identity)
    return _bound(address)


def begin_session(stream: Stream, address: JID, identity: str) -> Session:
    """Begin the session of a stream that has logged in to the account of that identity. Raises StanzaError if there are
    too many."""
    server = stream.server
    _make_room(server, address)
    session = Session(server, address, identity, stream)
    stream.bind(session)
    for step in server.tables[SESSION_BOUND]:
        step(session)
    return session


@feature.iq_set(SESSION, to=[STREAM, OWN, SERVER])
def establish_session(server: "Server", iq: Stanza) -> None:
    """RFC 3921 section 3: there is nothing left to do."""
    if not isinstance(iq.origin, Session) and stream_of(iq).account is None:
        raise StanzaError("not-authorized")


def _address(account: JID, resource: str | None) -> JID:
    try:
        return account.with_resource(resource or random_id())
    except MalformedJID as error:
        raise StanzaError("bad-request", str(error)) from None  # section 7.7.2.1


def _make_room(server: "Server", address: JID) -> None:
    """End the session that has this address: mostly it belongs to the same client, whose old connection is dead
    (section 7.7.2.2). If the account has too many others, end the oldest that waits to be resumed, or raise
    StanzaError."""
    older = server.online.session(address)
    if older is not None:
        older.close(StreamError("conflict", "another client uses this resource"))
        return
    sessions = server.online.sessions(address.bare)
    if len(sessions) < server.settings(BindSettings).resources:
        return
    waiting = [session for session in sessions if session.connection is None]
    if not waiting:
        raise StanzaError("resource-constraint", "too many clients of this account are connected")
    waiting[0].close()


def _bound(address: JID) -> etree._Element:
    bind = etree.Element(BIND, nsmap={None: names.BIND})
    etree.SubElement(bind, f"{{{names.BIND}}}jid").text = address
    return bind
