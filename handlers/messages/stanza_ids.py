"""XEP-0359: the ids of messages in an account's archive, which its server gives and nobody may forge."""

from lxml import etree

from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature

NAMESPACE = "urn:xmpp:sid:0"
STANZA_ID = f"{{{NAMESPACE}}}stanza-id"

MAX_IDS = 10
"""Of one message. An honest one has two or three, and to parse the address of each can take a millisecond."""

feature = Feature("stanza_ids", xep="0359", account_disco=[NAMESPACE], optional=False)


@feature.step
@concerns(STANZA_ID)
def remove_forged(delivery: Delivery) -> None:
    """MESSAGE_SENT, MESSAGE_RECEIVED: remove the ids in the account's name, or all if there are more than MAX_IDS.

    Also from what the account itself sends: its archive is nobody else's business (XEP-0313).
    """
    account, stanza = delivery.account, delivery.stanza
    if len(list(stanza.children(STANZA_ID))) > MAX_IDS:
        delivery.stanza = stanza.without(lambda child: child.tag == STANZA_ID)
    elif id_by(stanza, account) is not None:
        delivery.stanza = stanza.without(lambda child: child.tag == STANZA_ID and _is_by(child, account))


def with_id(stanza: Stanza, account: JID, id: str) -> Stanza:
    """The stanza with the id that it has in the account's archive."""
    return stanza.with_last(f'<stanza-id xmlns="{NAMESPACE}" by="{account}" id="{id}"/>'.encode(), STANZA_ID)


def id_by(stanza: Stanza, account: JID) -> str | None:
    """The id that a stanza has in the name of this account; None if it has none."""
    if STANZA_ID not in stanza.child_tags:
        return None
    found = (child.get("id", "") for child in stanza.children(STANZA_ID) if _is_by(child, account))
    return next(found, None)


def _is_by(stanza_id: etree._Element, account: JID) -> bool:
    try:
        return JID.parse(stanza_id.get("by", "")) == account
    except MalformedJID:
        return False
