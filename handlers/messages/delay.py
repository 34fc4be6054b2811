"""XEP-0203: a stanza that is delivered late says when it was sent. Nobody may forge that in this server's name."""

from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.data.timestamps import stamp as moment
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature

DELAY = f"{{{names.DELAY}}}delay"

feature = Feature("delay", xep="0203", optional=False)


def stamp(domain: str, at: float) -> bytes:
    """The <delay/> of this domain; `at` in seconds since 1970."""
    return f'<delay xmlns="{names.DELAY}" from="{domain}" stamp="{moment(at)}"/>'.encode()


def stamped(stanza: Stanza, domain: str, at: float) -> Stanza:
    """The stanza with a <delay/> of this domain, unless it has one already: the first time counts."""
    if any(delay.get("from") == domain for delay in stanza.children(DELAY)):
        return stanza
    return stanza.with_last(stamp(domain, at), DELAY)


@feature.step
@concerns(DELAY)
def refuse_forged(delivery: Delivery) -> None:
    """MESSAGE_SENT, PRESENCE_SENT: refuse a <delay/> in the name of this server (section 5)."""
    stanza = delivery.stanza
    serves = delivery.server.ownership.serves
    if any(serves(delay.get("from", "").lower()) for delay in stanza.children(DELAY)):
        raise StanzaError("not-acceptable", "only the server itself says that it has kept a stanza")


@feature.step
@concerns(DELAY)
def remove_forged(delivery: Delivery) -> None:
    """CAME_FROM_ELSEWHERE: remove it from what another server sends. That is not refused, as it may be true: a room
    passes on what it was sent, and would put somebody out who refuses to hear it."""
    serves = delivery.server.ownership.serves
    delivery.stanza = delivery.stanza.without(
        lambda child: child.tag == DELAY and serves(child.get("from", "").lower())
    )
