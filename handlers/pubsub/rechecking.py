"""XEP-0163 section 7.1, XEP-0060 section 8.7: subscriptions are rechecked when the access to a node has changed.

In portions. Nobody gets an event in between that they may not see: each event checks its subscribers itself.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import TYPE_CHECKING

from db import pubsub_nodes, pubsub_people
from db.pubsub_nodes import Node
from db.pubsub_people import Subscription
from handlers.pubsub import access, hosts, notifications, subscribing
from handlers.pubsub.hosts import Account, Host
from xmpp.data.jid import JID
from xmpp.routing.portions import go_on

if TYPE_CHECKING:
    from db.sqlite.database import Database
    from xmpp.routing.servers import Server

PAGE = 25  # subscriptions that are looked at in one step

Page = Sequence[tuple[str, str, str]]
"""Subscriptions: address, state and options."""


def recheck(host: Host, node: Node, among: Set[JID] | None = None) -> None:
    """End the subscriptions of those who may not see the node any more (XEP-0163 section 7.1), and subscribe those
    whose request needs no approval any more (8.7). `among`: only these bare addresses, None for all."""
    db = host.server.db
    pages = _all(db, node) if among is None else _among(db, node, among)
    host.in_line(node, _recheck(host, node, pages), if_lost=go_on)


def _recheck(host: Host, node: Node, pages: Iterable[Page]) -> Iterator[None]:
    db = host.server.db
    for page in pages:
        now = pubsub_nodes.as_it_is(db, node)
        if now is None:
            return
        refused, let_in = _decided(host, now, page)
        pubsub_people.unsubscribe_all(db, now, refused)
        for subscription in let_in:
            pubsub_people.subscribe(db, now, subscription)
        yield from notifications.subscriptions_ended(host, now, refused)
        yield from subscribing.let_in(host, now, (each.jid for each in let_in))
        yield


def _decided(host: Host, node: Node, found: Page) -> tuple[Sequence[JID], Sequence[Subscription]]:
    """The addresses on a page that may not see the node any more, and the subscriptions of those that need to wait no
    longer."""
    configuration, relation = hosts.configuration_of(node), host.relations(node)
    refused, let_in = list[JID](), list[Subscription]()
    for text, state, options in found:
        jid = JID.parse(text)
        theirs = relation(jid.bare, state)
        if access.refusal_to_subscribe(configuration, theirs) is not None:
            refused.append(jid)
        elif state == "pending" and not access.needs_approval(configuration, theirs):
            let_in.append(Subscription(jid, "subscribed", options))
    return refused, let_in


def _all(db: "Database", node: Node) -> Iterator[Page]:
    after = ""
    while found := pubsub_people.subscriptions(db, node, after=after, count=PAGE):
        after = found[-1][0]
        yield found


def _among(db: "Database", node: Node, subscribers: Iterable[JID]) -> Iterator[Page]:
    for subscriber in subscribers:
        theirs = pubsub_people.subscriptions_by(db, node, subscriber)
        yield from (theirs[start : start + PAGE] for start in range(0, len(theirs), PAGE))


def recheck_contact(server: "Server", account: JID, contact: JID, before: object) -> None:
    """CONTACT_CHANGED: end a contact's subscriptions to those of the account's nodes that it may not see any more."""
    names = {name for name, _ in pubsub_people.subscriptions_of(server.db, account, contact)}
    if names:
        steps = _recheck_nodes(Account(server, account), sorted(names), contact)
        server.portions.begin((account, contact), steps, if_lost=go_on)


def _recheck_nodes(host: Host, names: Iterable[str], contact: JID) -> Iterator[None]:
    for name in names:
        node = hosts.find(host, name)
        if node is not None and access.refusal_to_subscribe(hosts.configuration_of(node), host.relation(node, contact)):
            recheck(host, node, {contact})
        yield
