"""XEP-0060, and XEP-0163: nodes that accounts keep, and those of the service at pubsub.DOMAIN.

`hosts` are these two faces. `configuration` and `access` say what a node is like, and who may do what. `nodes`,
`publishing`, `retrieval`, `subscribing` and `members` do what is asked for; `notifications` and `last_items` tell
others.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lxml import etree

from db import pubsub_people
from handlers.pubsub import (
    announced,
    discovery,
    hosts,
    last_items,
    members,
    nodes,
    public_subscriptions,
    publishing,
    rechecking,
    retrieval,
    subscribing,
)
from handlers.pubsub.announced import EVENT, OWNER, PUBSUB
from handlers.pubsub.occasions import NODE_CHANGED
from handlers.pubsub.requests import Request
from handlers.pubsub.settings import PubSubSettings
from xmpp.data.disco import ITEMS_QUERY, Identity
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import ACCOUNT, ADDRESS, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

FACES = (ACCOUNT, hosts.SUBDOMAIN.service)

feature = Feature(
    "pubsub",
    xep="0060",
    account_disco=announced.ACCOUNT_FEATURES,
    account_identities=[Identity("pubsub", "pep")],  # XEP-0163 section 6.1
    settings=PubSubSettings,
    subdomains=[hosts.SUBDOMAIN],
    optional=False,
)

for step in (
    last_items.begin_anew,
    last_items.send_to_contact,
    last_items.send_to_unblocked,
    last_items.send_wanted,
    last_items.send_wanted_elsewhere,
    members.take_approval,
    rechecking.recheck_contact,
):
    feature.step(step)

Answer = Callable[[Request], etree._Element | bytes | None]

ANSWERS: Mapping[tuple[str, str], Answer] = {
    # by anybody
    ("get", f"{{{PUBSUB}}}items"): retrieval.show_items,
    ("get", f"{{{PUBSUB}}}subscriptions"): subscribing.show_own_subscriptions,
    ("get", f"{{{PUBSUB}}}affiliations"): subscribing.show_own_affiliations,
    ("get", f"{{{PUBSUB}}}default"): subscribing.show_default_options,
    ("set", f"{{{PUBSUB}}}subscribe"): subscribing.subscribe,
    ("set", f"{{{PUBSUB}}}unsubscribe"): subscribing.unsubscribe,
    ("get", f"{{{PUBSUB}}}options"): subscribing.show_options,
    ("set", f"{{{PUBSUB}}}options"): subscribing.set_options,
    ("set", f"{{{PUBSUB}}}create"): nodes.create,
    # by publishers
    ("set", f"{{{PUBSUB}}}publish"): publishing.publish,
    ("set", f"{{{PUBSUB}}}retract"): publishing.retract,
    # by owners
    ("get", f"{{{OWNER}}}configure"): nodes.show_configuration,
    ("set", f"{{{OWNER}}}configure"): nodes.configure,
    ("get", f"{{{OWNER}}}default"): nodes.show_default,
    ("set", f"{{{OWNER}}}delete"): nodes.delete,
    ("set", f"{{{OWNER}}}purge"): nodes.purge,
    ("get", f"{{{OWNER}}}subscriptions"): members.show_subscriptions,
    ("set", f"{{{OWNER}}}subscriptions"): members.change_subscriptions,
    ("get", f"{{{OWNER}}}affiliations"): members.show_affiliations,
    ("set", f"{{{OWNER}}}affiliations"): members.change_affiliations,
}
CHANGING = frozenset({publishing.publish, publishing.retract, nodes.configure, nodes.delete, nodes.purge})
"""The requests that may change the items of a node: NODE_CHANGED runs after them."""
SHRINKING: Mapping[Answer, Callable[[Request], None]] = {
    nodes.configure: nodes.shrink_to_configure,
    nodes.purge: nodes.shrink_to_purge,
}
"""What is done before these requests, bit by bit, so that they themselves do not take long at a large node. Yields."""


# -- requests


@feature.iq_get(f"{{{PUBSUB}}}pubsub", to=FACES)
@feature.iq_set(f"{{{PUBSUB}}}pubsub", to=FACES)
@feature.iq_get(f"{{{OWNER}}}pubsub", to=FACES)
@feature.iq_set(f"{{{OWNER}}}pubsub", to=FACES)
def answer(server: "Server", iq: Stanza) -> etree._Element | bytes | None:
    """Answer whatever is asked of nodes, by ANSWERS. A stranger gets the same answer as for an account that does not
    exist (RFC 6120 section 13.11), unless it may see the node. Yields for what is in SHRINKING."""
    assert iq.to is not None and iq.sender is not None and iq.type is not None
    pubsub, host = iq.only_child(), hosts.host_at(server, iq.to, iq.sender)
    if not len(pubsub):
        if host.is_hidden_from(iq.sender, None):
            raise StanzaError("service-unavailable")
        raise StanzaError("bad-request", "it is not said what is asked for")
    request = Request(host, iq.sender, pubsub[0], iq)
    if public_subscriptions.is_list(request.node_name):
        return public_subscriptions.answer(request)
    if request.host.is_hidden_from(iq.sender, request.found):
        raise StanzaError("service-unavailable")
    handler = ANSWERS.get((iq.type, str(request.action.tag)))
    if handler is None:
        raise StanzaError("feature-not-implemented")
    if iq.type == "set" and host.is_busy(request.node_name):
        raise StanzaError("resource-constraint", "what has happened at this node is still being told", type="wait")
    if handler in SHRINKING:
        SHRINKING[handler](request)
        request = Request(host, iq.sender, pubsub[0], iq)  # the node may have changed meanwhile
    if not iq.to.local or handler not in CHANGING:
        return handler(request)
    with server.db.change():  # together with what other features store for it, or nothing
        result = handler(request)
        for step in server.tables[NODE_CHANGED]:
            step(server, host.address, request.node_name)
    return result


feature.disco_node(at=FACES)(discovery.describe_node)
feature.iq_get(ITEMS_QUERY, to=[ADDRESS])(discovery.list_items_of_account)
feature.iq_get(ITEMS_QUERY, to=[hosts.SUBDOMAIN.service])(discovery.list_items)


# -- steps


@feature.step
@concerns(f"{{{EVENT}}}event")
def refuse_forged(delivery: Delivery) -> None:
    """MESSAGE_SENT: events come from the server itself; clients have believed forged ones (CVE-2023-28686)."""
    raise StanzaError("not-acceptable", "only the server itself tells of events")


@feature.step
def forget_account(server: "Server", account: JID) -> None:
    """ACCOUNT_REMOVED: end its affiliations and subscriptions, and hand over or delete the nodes that it owns at
    services. Those of its own are deleted with it."""
    for host in hosts.services(server):
        nodes.leave_to_others(host, account)
    pubsub_people.forget(server.db, account)
