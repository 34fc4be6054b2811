"""XEP-0421, XEP-0317: occupant ids and hats, which only rooms may give."""

from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature

OCCUPANT_ID = "{urn:xmpp:occupant-id:0}occupant-id"
HATS = "{urn:xmpp:hats:0}hats"


def occupant_id(id: str) -> bytes:
    """The element that tells one occupant from another, whatever its nick."""
    return f'<occupant-id xmlns="urn:xmpp:occupant-id:0" id="{id}"/>'.encode()


feature = Feature("occupants", xep="0421", optional=False)


@feature.step
@concerns(OCCUPANT_ID, HATS)
def remove_forged(delivery: Delivery) -> None:
    """MESSAGE_SENT, PRESENCE_SENT: an account is no room (XEP-0421 section "Security Considerations")."""
    delivery.stanza = delivery.stanza.without(lambda child: child.tag in (OCCUPANT_ID, HATS))
