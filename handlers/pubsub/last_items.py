"""XEP-0163 section 4.3.4: a client that comes online gets the last item of each node that it wants to hear of."""

from collections.abc import Iterator, Set
from functools import lru_cache
from typing import TYPE_CHECKING

from db import pubsub_items, pubsub_nodes, pubsub_people, rosters
from db.pubsub_nodes import Node
from db.rosters import Item
from handlers.discovery import client_caps, contact_caps
from handlers.pubsub import access, hosts, notifications, retrieval
from handlers.pubsub.hosts import Account, Host, Service
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

NOTIFY = "+notify"
ON_PRESENCE = "on_sub_and_presence"


class Informed:
    """The names of the nodes that a session wants to hear of, and of which it has been sent the last items."""

    def __init__(self, names: Set[str]) -> None:
        self.names = names


# -- steps


def begin_anew(session: "Session") -> None:
    """SESSION_AVAILABLE: send the last items of the services' nodes to which it is subscribed; other last items are yet
    to be sent, once its capabilities are known."""
    session.keep(Informed(frozenset()))
    for service in hosts.services(session.server):
        session.send_all(_of_service(session, service))


def send_wanted(session: "Session", features: frozenset[str]) -> None:
    """CAPS_KNOWN: send the last items of the account's and its contacts' nodes that the client did not want before."""
    informed = session.state(Informed)
    if not session.is_available or informed is None:
        return
    wanted = interests(features)
    new, informed.names = wanted - informed.names, wanted
    if new:
        session.send_all(_of_publishers(session, new))


def send_wanted_elsewhere(
    server: "Server", account: JID, device: JID, wanted: frozenset[str], before: frozenset[str]
) -> None:
    """CONTACT_CAPS_KNOWN: send the last items of the account's nodes that a contact's device did not want before."""
    _send_to_device(server, account, device, interests(wanted) - interests(before))


def send_to_contact(server: "Server", account: JID, contact: JID, before: Item | None) -> None:
    """CONTACT_CHANGED: send the last items to a contact that now sees the account's presence. One that is in other
    groups now gets those of nodes with the access model roster (XEP-0060 section 12.2)."""
    item = rosters.item(server.db, account, contact)
    host = Account(server, account)
    if item is None or not item.is_subscriber or host.is_apart_from(contact):
        return
    is_new = before is None or not before.is_subscriber
    if not is_new and before is not None and item.groups == before.groups:
        return
    for session in server.ownership.available(contact) or ():
        wanted = interests(client_caps.features_of(server, session.jid))
        nodes = _nodes(server, account, wanted, for_groups=not is_new)
        session.send_all(_last(session, host, node.name) for node in nodes)
    for device, wanted in contact_caps.wanted_by_devices(server, account, contact).items():
        _send_to_device(server, account, device, interests(wanted), for_groups=not is_new)


def send_to_unblocked(server: "Server", account: JID, contact: JID) -> None:
    """CONTACT_UNBLOCKED: send each side the last items of the other, which may have changed meanwhile."""
    for publisher, reader in ((account, contact), (contact, account)):
        if server.ownership.is_ours(publisher):
            send_to_contact(server, publisher, reader, None)


@lru_cache(maxsize=256)
def interests(features: frozenset[str]) -> frozenset[str]:
    """The names of the nodes that a client wants to hear of (XEP-0060 section 9.2)."""
    return frozenset(var.removesuffix(NOTIFY) for var in features if var.endswith(NOTIFY))


# -- which items


def _publishers(session: "Session") -> Iterator[JID]:
    """The account itself, and the contacts that are ours and whose presence it sees."""
    server, account = session.server, session.account
    yield account
    for contact in rosters.subscribed_to(server.db, account):
        if server.ownership.is_ours(contact) and not Account(server, contact).is_apart_from(account):
            yield contact


def _nodes(server: "Server", account: JID, wanted: Set[str], *, for_groups: bool = False) -> list[Node]:
    nodes = pubsub_nodes.of_account(server.db, account)
    found = [nodes[name] for name in sorted(wanted & nodes.keys())]
    return [each for each in found if not for_groups or hosts.configuration_of(each).access_model == "roster"]


def _of_publishers(session: "Session", wanted: Set[str]) -> Iterator[Stanza | None]:
    for account in _publishers(session):
        host = Account(session.server, account)
        for node in _nodes(session.server, account, wanted):
            yield _last(session, host, node.name)


def _of_service(session: "Session", host: Service) -> Iterator[Stanza | None]:
    db = session.server.db
    for name, subscription in pubsub_people.subscriptions_of(db, host.address, session.account):
        if subscription.state == "subscribed" and subscription.jid in (session.account, session.jid):
            yield _last(session, host, name)


def _last(session: "Session", host: Host, name: str) -> Stanza | None:
    """The last item of a node, if the session is to get it; node and session are looked at when it is sent."""
    return _last_for(session.jid, host, name) if session.is_available else None


def _last_for(jid: JID, host: Host, name: str) -> Stanza | None:
    node = hosts.find(host, name)
    if node is None:
        return None
    configuration = hosts.configuration_of(node)
    if configuration.send_last_published_item != ON_PRESENCE or not configuration.deliver_notifications:
        return None
    if access.refusal_to_show_items(configuration, host.relation(node, jid)) is not None:
        return None
    item = pubsub_items.last(host.server.db, node, retrieval.since(configuration))
    if item is None or host.unheard_by(node, item.publisher)(jid.bare):
        return None
    host.server.db.touch_unfinished()  # it may have come just now
    return notifications.last_item(host, node, configuration, item).addressed(jid)


def _send_to_device(server: "Server", account: JID, device: JID, wanted: Set[str], *, for_groups: bool = False) -> None:
    """Send the last items of these nodes to a device of a contact elsewhere (full address)."""
    host = Account(server, account)
    for node in _nodes(server, account, wanted, for_groups=for_groups):
        message = _last_for(device, host, node.name)
        if message is not None:
            server.router.route(message)
