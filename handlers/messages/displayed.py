"""XEP-0490: how far an account's user has read each chat, told to all its devices; a client that tells its contact so
(XEP-0333) has the server keep it for its devices in passing."""

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
    """MESSAGE_SENT, before the archive and any copy: the element is kept as the item of whom the message is for. The
    message goes on without it in any case: the ids in the account's archive are none of its addressee's business
    (section "Sending assisted displayed").

    Whether there is a message of that id is not looked up (section "Business Rules"). An error may hold the element
    because somebody else's server has let it through, and a client repeats it.
    """
    stanza = delivery.stanza
    displayed = list(stanza.children(DISPLAYED))
    if stanza.type != "error" and len(displayed) == 1 and _is_complete(displayed[0]):
        _publish(delivery, items.payload_of(displayed[0]))
    delivery.stanza = stanza.without(lambda child: child.tag == DISPLAYED)


def _is_complete(displayed: etree._Element) -> bool:
    """Whether it names exactly one message (section "Server-side persistence")."""
    return [child.tag for child in displayed] == [STANZA_ID] and all(map(displayed[0].get, ("by", "id")))


def _publish(delivery: Delivery, payload: bytes) -> None:
    """Where that is not possible, the message is still worth delivering."""
    to = delivery.stanza.to
    assert to is not None
    try:
        publishing.publish_for(delivery.server, delivery.account, NODE, to, payload, **OPTIONS)
    except StanzaError as error:
        log.debug("%s has not kept what it has displayed: %s", delivery.account, error)
