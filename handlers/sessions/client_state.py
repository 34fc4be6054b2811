"""XEP-0352: a client that nobody looks at gets at once only what matters; the rest waits until it is active again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lxml import etree

from handlers.messages.importance import matters
from xmpp.config.configuration import setting
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, for_sessions_with
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream
from xmpp.running.handling import Handled, handled
from xmpp.running.tickets import Ticket

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

NAMESPACE = "urn:xmpp:csi:0"


@dataclass(frozen=True)
class ClientStateSettings:
    """Clients that are connected while nobody looks at them: presence, chat states and events wait."""

    held_bytes: int = setting(262_144, "How much waits for one inactive client, before it is sent after all.",
                              minimum=0, maximum=1 << 30, at_most="streams.unsent_bytes")  # fmt: skip


INACTIVE = f"{{{NAMESPACE}}}inactive"

feature = Feature("client_state", xep="0352", settings=ClientStateSettings)


class HeldBack:
    """What waits for an inactive session, in order, each with the ticket of what had been stored by then; of presence
    only the last from each address."""

    def __init__(self) -> None:
        self.is_holding = False
        self.size = 0  # bytes
        self._stanzas: dict[object, tuple[Stanza, Ticket | None]] = {}

    def add(self, stanza: Stanza) -> None:
        """Hold a stanza. Presence replaces an earlier one from the same address, and goes to the end."""
        key = stanza.sender if stanza.kind == "presence" else stanza
        outdated = self._stanzas.pop(key, None)
        if outdated is not None:
            self.size -= len(outdated[0].wire())
        self._stanzas[key] = stanza.kept(), handled().ticket
        self.size += len(stanza.wire())

    def take(self) -> tuple[tuple[Stanza, Ticket | None], ...]:
        """Return all that is held, and forget it."""
        held = tuple(self._stanzas.values())
        self._stanzas.clear()
        self.size = 0
        return held


# -- what the client says


@feature.stream_feature(when=State.AUTHENTICATED)
@feature.stream_feature(when=State.BOUND)
def offer(stream: Stream) -> etree._Element:
    """Offered before the client binds a resource."""
    return etree.Element(f"{{{NAMESPACE}}}csi", nsmap={None: NAMESPACE})


@feature.element(INACTIVE, when=State.BOUND)
def become_inactive(server: "Server", stream: Stream, element: etree._Element) -> None:
    """<inactive/>: from now on hold back what can wait."""
    _begin_inactive(stream.its_session)


def _begin_inactive(session: "Session") -> None:
    held_back = session.state(HeldBack)
    if held_back is None:
        held_back = HeldBack()
        session.keep(held_back)
    held_back.is_holding = True


@feature.element(f"{{{NAMESPACE}}}active", when=State.BOUND)
def become_active(server: "Server", stream: Stream, element: etree._Element) -> None:
    """<active/>: what was held is sent before any answer to what the client sends next (section 5.1)."""
    begin_active(stream.its_session)


@feature.step
def begin_active(session: "Session") -> None:
    """CONNECTION_LOST: send what is held, and hold nothing more. It then waits with the rest to be acknowledged.

    A session that is resumed on another stream begins active, too (section 5.2).
    """
    held = session.state(HeldBack)
    if held is not None:
        held.is_holding = False
        _send_held(session, held)


@feature.step
def offer_with_binding(server: "Server") -> str:
    """BIND_OFFERED."""
    return NAMESPACE


@feature.step
def begin_inline(session: "Session", asked: etree._Element, bound: etree._Element) -> None:
    """BOUND_INLINE: begin inactive, if the client says so (XEP-0386)."""
    if asked.find(INACTIVE) is not None:
        _begin_inactive(session)


# -- what the client gets


@feature.step
@for_sessions_with(HeldBack)
def hold_while_inactive(session: "Session", stanza: Stanza) -> Literal["stop"] | None:
    """WRITTEN: hold back what can wait. What matters goes out, after all that was held before it."""
    held = session.state(HeldBack)
    assert held is not None
    if not held.is_holding:
        return None
    if matters(stanza):
        _send_held(session, held)
        return None
    held.add(stanza)
    if held.size > session.server.settings(ClientStateSettings).held_bytes:
        _send_held(session, held)
    return STOP


def _send_held(session: "Session", held: HeldBack) -> None:
    """Send what is held. It runs through WRITTEN again, so holding is switched off meanwhile."""
    was_holding, held.is_holding = held.is_holding, False
    for stanza, ticket in held.take():
        is_lost = ticket is not None and ticket.failed is not None
        if not is_lost or stanza.kind == "presence":  # which is as it is, whatever was stored on that occasion
            with Handled(None if is_lost else ticket):
                session.send(stanza)
    held.is_holding = was_holding
