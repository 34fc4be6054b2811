"""XEP-0356 section "Accessing Roster": components that may do so read and change contact lists of accounts, and are
told of changes."""

from typing import TYPE_CHECKING, Literal

from lxml import etree

from db import rosters, subscription_requests
from db.rosters import Item
from handlers.components.grants import attached_with_grants, grant_of, is_managed
from handlers.components.privileges import MANAGED, feature
from handlers.contacts import presence, roster, roster_items
from handlers.contacts.roster_items import QUERY
from xmpp.data import addresses
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.delivery import STOP, Delivery, concerns
from xmpp.routing.iq_dispatch import dispatch

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SUBSCRIPTIONS = ("none", "to", "from", "both")


@feature.step
@concerns(QUERY)
def serve(delivery: Delivery) -> Literal["stop"] | None:
    """COMPONENT_SENT: answer a request for the contact list of an account, if the component may make it. Any other goes
    on, and is refused as anybody's."""
    server, iq = delivery.server, delivery.stanza
    if iq.kind != "iq" or not iq.is_request or iq.to is None:
        return None
    grant = grant_of(server, iq.sender, iq.to.domain)
    if grant is None or not grant.may_use_roster(iq.type) or not is_managed(server, iq.to):
        return None
    if server.tables.sent["iq"].run(Delivery(server, iq.to, iq)):  # what the account itself may not do, it may not
        dispatch(server, iq, (MANAGED,))
    return STOP


@feature.iq_get(QUERY, to=[MANAGED])
def get_roster(server: "Server", iq: Stanza) -> bytes | None:
    """The whole contact list, or an empty result if the component has this version."""
    assert iq.to is not None
    if iq.only_child().get("ver") == rosters.roster(server.db, iq.to).version:
        return None
    return roster_items.written(server, iq.to)


@feature.iq_set(QUERY, to=[MANAGED])
def change_roster(server: "Server", iq: Stanza) -> None:
    """Add, change or remove one contact, as the account itself could.

    Of a contact at its own domain the component may say what the subscription is, since it speaks for that contact,
    too: bridges do so, instead of sending their people requests for each of their contacts elsewhere.
    """
    assert iq.to is not None and iq.sender is not None
    account, item = iq.to, roster.only_item(iq)
    contact = addresses.required(item, "the item has no jid")
    subscription = item.get("subscription")
    if contact.domain != iq.sender.domain or subscription not in SUBSCRIPTIONS:
        subscription = None
    before = rosters.item(server.db, account, contact) or Item(contact)
    roster.change(server, account, item, subscription=subscription)
    if subscription is not None:
        _show_presence(server, account, contact, before)


def _show_presence(server: "Server", account: JID, contact: JID, before: Item) -> None:
    """Do what follows from a subscription that is new, or has ended."""
    after = rosters.item(server.db, account, contact) or Item(contact)
    if after.is_subscriber:
        subscription_requests.drop(server.db, account, contact.bare)
    if after.is_subscriber and not before.is_subscriber:
        presence.send_current(server, account, contact)
    elif before.is_subscriber and not after.is_subscriber:
        presence.send_unavailable(server, account, contact)


@feature.step
def push(server: "Server", account: JID, item: etree._Element) -> None:
    """ROSTER_PUSHED: tell the components that may read the contact list."""
    for grant, component, attached in attached_with_grants(server, account.domain):
        if grant.hears_of_rosters:
            payload = wire(roster_items.query([item], rosters.version(server.db, account)))
            attached.tell(Stanza.build("iq", payload, type="set", id=random_id(), to=component, sender=account))
