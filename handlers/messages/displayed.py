"""XEP-0490: how far an account's user has read each chat, for all its devices. A client that sends its contact a
displayed marker (XEP-0333) can have the server publish it for the user's own devices, too."""

import logging
from collections.abc import Mapping
from typing import Any

from lxml import etree

from handlers.messages.stanza_ids import STANZA_ID
from handlers.pubsub import items, publishing
from xmpp.data.errors import StanzaError
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature

log = logging.getLogger(__name__)

NODE = "urn:xmpp:mds:displayed:0"
DISPLAYED = f"{{{NODE}}}displayed"
OPTIONS: Mapping[str, Any] = {
    "access_model": "whitelist",
    "persist_items": True,
    "max_items": None,
    "send_last_published_item": "never",
}
"""How the node is made (section "Flagging chat as displayed")."""

feature = Feature(
    "displayed", xep="0490", account_disco=["urn:xmpp:mds:server-assist:0"], needs=["pubsub", "stanza_ids"]
)


@feature.step
@concerns(DISPLAYED)
def keep_for_devices(delivery: Delivery) -> None:
    """MESSAGE_SENT: publish the <displayed/> in a message as the account's item for the addressee, and remove it: the
    ids in the account's archive are none of the addressee's business (section "Sending assisted displayed").

    Nobody looks whether there is a message of that id (section "Business Rules"). In an error the element is only
    removed: it came with the message that the error answers.
    """
    stanza = delivery.stanza
    displayed = list(stanza.children(DISPLAYED))
    if stanza.type != "error" and len(displayed) == 1 and _is_complete(displayed[0]):
        _publish(delivery, items.payload_of(displayed[0]))
    delivery.stanza = stanza.without(lambda child: child.tag == DISPLAYED)


def _is_complete(displayed: etree._Element) -> bool:
    """True if the element names exactly one message (section "Server-side persistence")."""
    return [child.tag for child in displayed] == [STANZA_ID] and all(map(displayed[0].get, ("by", "id")))


def _publish(delivery: Delivery, payload: bytes) -> None:
    # If it cannot be published, the message is still worth delivering
    to = delivery.stanza.to
    assert to is not None
    try:
        publishing.publish_for(delivery.server, delivery.account, NODE, to, payload, **OPTIONS)
    except StanzaError as error:
        log.debug("%s has not kept what it has displayed: %s", delivery.account, error)
