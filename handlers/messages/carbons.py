"""XEP-0280: each of an account's devices gets a copy of what the others send and receive."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from lxml import etree

from handlers.messages import forwarding, stanza_ids
from handlers.messages.carbon_rules import Direction, EligibleMessages, is_eligible, is_with_participant
from handlers.messages.payloads import CARBON_RECEIVED, CARBON_SENT
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Origin, Stanza
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature
from xmpp.routing.session import session_of

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

NAMESPACE = "urn:xmpp:carbons:2"
RULES = "urn:xmpp:carbons:rules:0"  # says that section 6.1 is followed to the letter
INTEREST = "carbons"

feature = Feature("carbons", xep="0280", disco=[NAMESPACE, RULES], needs=["stanza_ids"])


# -- commands


@feature.iq_set(f"{{{NAMESPACE}}}enable")
def enable(server: "Server", iq: Stanza) -> None:
    """From now on this session gets copies; asking again changes nothing (section 10.1)."""
    session_of(iq).interests.add(INTEREST)


@feature.iq_set(f"{{{NAMESPACE}}}disable")
def disable(server: "Server", iq: Stanza) -> None:
    """No more copies for this session."""
    session_of(iq).interests.discard(INTEREST)


@feature.step
def offer_with_binding(server: "Server") -> str:
    """BIND_OFFERED."""
    return NAMESPACE


@feature.step
def enable_inline(session: "Session", asked: etree._Element, bound: etree._Element) -> None:
    """BOUND_INLINE: enable them, if the client says so (XEP-0386)."""
    if asked.find(f"{{{NAMESPACE}}}enable") is not None:
        session.interests.add(INTEREST)


# -- delivery steps


@feature.step
@concerns(CARBON_SENT, CARBON_RECEIVED)
def refuse_forged(delivery: Delivery) -> None:
    """MESSAGE_SENT, MESSAGE_RECEIVED: carbons come from the server itself; many a client has believed forged ones."""
    raise StanzaError("not-acceptable", "only the server itself makes carbon copies")


@feature.step
def copy_sent(delivery: Delivery) -> None:
    """MESSAGE_SENT: copy the message to the sender's other devices (section 8)."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    assert stanza.to is not None
    # A message to oneself is copied when it is received, so that no device gets it twice.
    if (server.online.count(account) == 1 and delivery.origin is not None) or stanza.to.bare == account:
        return
    others = [session for session in _enabled(server, account) if session is not delivery.origin]
    if not others or not _is_copied(server, account, stanza, "sent"):
        return
    if is_with_participant(stanza, "sent"):
        others = [session for session in others if _has_joined(session, stanza.to.bare)]
    if delivery.archive_id is not None:  # only in the copy: the message itself leaves the account (XEP-0313)
        stanza = stanza_ids.with_id(stanza, account, delivery.archive_id)
    _send_copies(account, stanza, "sent", others)


@feature.step
def copy_received(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED: copy the message to all devices that were not chosen to get the message itself (section 7).

    Devices need not be available, nor need any be chosen.
    """
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if len(delivery.chosen) == 1 == server.online.count(account):
        return  # nobody is left for copies of anything
    if stanza.type == "error" and delivery.chosen:
        return  # copy_error sees to it
    enabled = _enabled(server, account)
    if not enabled or not _is_copied(server, account, stanza, "received"):
        return
    delivery.copied = _others(enabled, delivery.chosen, delivery.origin)
    _send_copies(account, stanza, "received", delivery.copied)


@feature.step
def copy_error(session: "Session", stanza: Stanza) -> None:
    """WRITTEN: copy an error. Those that the server itself answers with pass no other step."""
    if stanza.type != "error" or stanza.kind != "message" or stanza.sender is None:
        return
    server, account = session.server, session.account
    if server.state(EligibleMessages).is_answered(account, stanza, "received"):
        _send_copies(account, stanza, "received", _others(_enabled(server, account), (session,), stanza.origin))


@feature.step
def forget_messages(session: "Session") -> None:
    """SESSION_ENDED: forget the account's eligible messages with its last session."""
    if not session.server.online.sessions(session.account):
        session.server.state(EligibleMessages).forget(session.account)


# -- who gets a copy of what


def _enabled(server: "Server", account: JID) -> "list[Session]":
    return [session for session in server.online.sessions(account) if INTEREST in session.interests]


def _others(enabled: "Collection[Session]", chosen: "Collection[Session]", origin: Origin | None) -> "list[Session]":
    """Those that have neither sent the message nor get it themselves."""
    return [session for session in enabled if session not in chosen and session is not origin]


def _has_joined(session: "Session", room: JID) -> bool:
    """True if the session has sent presence to the room: only then can it answer there (section 6.1)."""
    return any(address.bare == room for address in session.directed)


def _is_copied(server: "Server", account: JID, stanza: Stanza, direction: Direction) -> bool:
    """True if a message is copied. It is then remembered for the errors that may answer it."""
    eligible = server.state(EligibleMessages)
    if stanza.type == "error":
        return eligible.is_answered(account, stanza, direction)
    if not is_eligible(stanza, direction):
        return False
    is_own = stanza.sender is not None and stanza.sender.bare == account
    eligible.remember(account, stanza, "sent" if is_own else direction)
    return True


# -- the copy


def _send_copies(account: JID, stanza: Stanza, direction: Direction, sessions: "Collection[Session]") -> None:
    """Send each session its copy; the content is put together once."""
    if not sessions:
        return
    name, message = direction.encode(), forwarding.forwarded(stanza.wire())
    content = b'<%b xmlns="%b">%b</%b>' % (name, NAMESPACE.encode(), message, name)
    # The copy has the type that is written in the message: Stanza.type is "normal" also where none is.
    type = stanza.element.get("type") if stanza.type == "normal" else stanza.type
    for session in sessions:
        session.send(Stanza.build("message", content, type=type, to=session.jid, sender=account))
