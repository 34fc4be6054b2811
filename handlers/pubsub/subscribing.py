"""XEP-0060 sections 6.1 to 6.4, 5.6 and 5.7: subscriptions, their options, and what somebody has at a host."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lxml import etree

from db import pubsub_affiliations, pubsub_items, pubsub_people
from db.pubsub_nodes import Node
from db.pubsub_people import Subscription
from handlers.pubsub import access, approval, budget, hosts, lists, notifications, retrieval, subscription_options
from handlers.pubsub.announced import PUBSUB
from handlers.pubsub.conditions import no_such_subscriber, refused, unsupported
from handlers.pubsub.hosts import Host
from handlers.pubsub.lists import Entry
from handlers.pubsub.requests import Request, address_in, answer
from handlers.pubsub.settings import PubSubSettings
from handlers.pubsub.subscription_options import SubscriptionOptions
from xmpp.data import dataforms
from xmpp.data.jid import JID
from xmpp.data.resultsets import PageRequest

if TYPE_CHECKING:
    pass

DEFAULT_OPTIONS = SubscriptionOptions()
MOST_AT_A_NODE = 50  # for an account with its resources, so as to leave room for others
PUBLIC = "{urn:xmpp:pps:0}public"


# -- subscribing (6.1, 6.2)


def subscribe(request: Request) -> etree._Element:
    """6.1: subscribe an address of the asker's, or have it wait for an owner's approval."""
    host, node, jid = request.host, request.node, address_in(request.action)
    if jid.bare != request.asker.bare:
        raise refused("invalid-jid")
    _refuse(request)
    known = pubsub_people.subscription(host.server.db, node, jid)
    is_pending = access.needs_approval(request.configuration, request.relation)
    if known is not None and known.state == "pending" and is_pending:
        raise refused("pending-subscription")
    if known is not None and known.state == "subscribed":
        return _answer(node, _published(request, known))
    options = _options_beside(request)
    subscription = Subscription(jid, "pending" if is_pending else "subscribed", _text(_public(request, options)))
    check_limits(host, node, jid)
    pubsub_people.subscribe(host.server.db, node, subscription)
    request.iq.after_reply(lambda: host.in_line(node, _welcome(host, node, subscription)))
    return _answer(node, subscription, options)


def unsubscribe(request: Request) -> None:
    """6.2: end a subscription of the asker's, or withdraw its request."""
    host, subscription = request.host, _own_subscription(request)
    pubsub_people.unsubscribe(host.server.db, request.node, subscription.jid)
    host.in_line(request.node, _tell_owners(host, request.node, subscription.jid, "none"))


def _public(request: Request, options: SubscriptionOptions) -> SubscriptionOptions:
    """The options, with `public` as the request says (XEP-0465 section 4.1)."""
    return replace(options, public=request.action.find(PUBLIC) is not None)


def _published(request: Request, known: Subscription) -> Subscription:
    """XEP-0465 section 4.3: subscribing again also says again whether the subscription is public."""
    options = _public(request, subscription_options.from_text(known.options))
    subscription = known._replace(options=_text(options))
    if subscription != known:
        pubsub_people.subscribe(request.server.db, request.node, subscription)
    return subscription


def _refuse(request: Request) -> None:
    if not request.configuration.subscribe:
        raise unsupported("subscribe")
    refusal = access.refusal_to_subscribe(request.configuration, request.relation)
    if refusal is not None:
        raise refused(refusal)


def _welcome(host: Host, node: Node, subscription: Subscription) -> Iterator[None]:
    """What follows the answer, in steps: owners are asked to approve a request; a subscriber gets the last item, and
    owners are told."""
    if subscription.state == "pending":
        yield from approval.ask_owners(host, node, subscription.jid)
    else:
        _send_last_item(host, node, subscription.jid)
        yield from _tell_owners(host, node, subscription.jid, "subscribed")


def _send_last_item(host: Host, node: Node, jid: JID) -> None:
    configuration = hosts.configuration_of(node)
    if configuration.send_last_published_item == "never":
        return
    item = pubsub_items.last(host.server.db, node, retrieval.since(configuration))
    if item is not None:
        notifications.send_last_item(host, node, configuration, item, jid)


def _tell_owners(host: Host, node: Node, jid: JID, state: str) -> Iterator[None]:
    """Tell owners of a subscriber who comes or goes, if the node is configured so (16.4.4, notify_sub); in steps."""
    if hosts.configuration_of(node).notify_sub:
        yield from notifications.owners_told(host, node, jid, state)


# -- options (6.3, 6.4)


def show_options(request: Request) -> etree._Element:
    """6.3.2: the form with the options of a subscription."""
    subscription = _own_subscription(request, "subscribed")
    form = subscription_options.form(subscription_options.from_text(subscription.options))
    return answer("options", [form], node=request.node_name, jid=subscription.jid)


def set_options(request: Request) -> None:
    """6.3.5: set the options by the form; one of type "cancel" changes nothing."""
    subscription, form = _own_subscription(request, "subscribed"), request.action.find(dataforms.X)
    if form is None:
        raise refused("invalid-options", "a form is missing")
    if form.get("type") != "cancel":
        options = subscription_options.submitted(form, subscription_options.from_text(subscription.options))
        pubsub_people.subscribe(request.server.db, request.node, subscription._replace(options=_text(options)))


def show_default_options(request: Request) -> etree._Element:
    """6.4: the default options, of a node or of this host."""
    if request.node_name:
        _refuse(request)
    named = {"node": request.node_name} if request.node_name else {}
    return answer("default", [subscription_options.result(DEFAULT_OPTIONS)], **named)


def _options_beside(request: Request) -> SubscriptionOptions:
    """6.3.7: the options that come with <subscribe/>, else the default ones. Raises StanzaError if <options/> itself
    names node or address."""
    element = request.beside("options")
    if element is None:
        return DEFAULT_OPTIONS
    form = element.find(dataforms.X)
    if form is None or element.attrib:
        raise refused("bad-request")
    return subscription_options.submitted(form, DEFAULT_OPTIONS)


def _own_subscription(request: Request, *states: str) -> Subscription:
    """The subscription that a request names. Raises StanzaError if it is not the asker's, does not exist, or is in none
    of these states, if any are given."""
    node, jid = request.node, address_in(request.action)
    if jid.bare != request.asker.bare:
        raise refused("forbidden")
    subscription = pubsub_people.subscription(request.server.db, node, jid)
    if subscription is None or (states and subscription.state not in states):
        raise no_such_subscriber()
    return subscription


def _text(options: SubscriptionOptions) -> str:
    return "" if options == DEFAULT_OPTIONS else subscription_options.to_text(options)


# -- what somebody has here (5.6, 5.7)


def show_own_subscriptions(request: Request) -> etree._Element:
    """5.6: the subscriptions of the asker and its resources, at all nodes or at one, page by page."""
    asked, wanted = lists.asked_for(request.action.getparent()), request.node_name
    most = request.server.settings(PubSubSettings).max_page_items
    found = pubsub_people.subscriptions_of(request.server.db, request.host.address, request.asker.bare)
    entries = (Entry(f"{name} {each.jid}", _element(name, each)) for name, each in found if wanted in ("", name))
    named = {"node": wanted} if wanted else {}
    return lists.page("subscriptions", lists.ordered(entries, asked), asked, most, **named)


def show_own_affiliations(request: Request) -> etree._Element:
    """5.7: the affiliations of the asker with all nodes, page by page, or with one."""
    asked, wanted = lists.asked_for(request.action.getparent()), request.node_name
    most = request.server.settings(PubSubSettings).max_page_items
    entries = (
        Entry(name, etree.Element(f"{{{PUBSUB}}}affiliation", node=name, affiliation=affiliation))
        for name, affiliation in _own_affiliations(request, asked, most + 1)
    )
    return lists.page("affiliations", entries, asked, most, **({"node": wanted} if wanted else {}))


def _own_affiliations(request: Request, asked: PageRequest, count: int) -> list[tuple[str, str]]:
    host, asker, db = request.host, request.asker.bare, request.server.db
    if request.node_name:
        affiliation = "none" if request.found is None else host.affiliation(request.found, asker)
        return [] if affiliation == "none" else [(request.node_name, affiliation)]
    if asker == host.address:
        return [(node.name, "owner") for node in hosts.nodes(host, asked, count)]
    if asked.before is not None:
        return pubsub_affiliations.affiliations_of_backwards(db, host.address, asker, before=asked.before, count=count)
    return pubsub_affiliations.affiliations_of(db, host.address, asker, after=asked.after or "", count=count)


def _answer(node: Node, subscription: Subscription, options: SubscriptionOptions | None = None) -> etree._Element:
    pubsub = etree.Element(f"{{{PUBSUB}}}pubsub", nsmap={None: PUBSUB})
    pubsub.append(_element(node.name, subscription))
    if options is not None and options != DEFAULT_OPTIONS:
        etree.SubElement(pubsub, f"{{{PUBSUB}}}options").append(subscription_options.result(options))
    return pubsub


def _element(node_name: str, subscription: Subscription) -> etree._Element:
    tag = f"{{{PUBSUB}}}subscription"
    return etree.Element(tag, node=node_name, jid=subscription.jid, subscription=subscription.state)


# -- for other modules


def check_limits(host: Host, node: Node, jid: JID) -> None:
    """Raises StanzaError if an address, or the node, would have too many subscriptions (6.1.3.9)."""
    db, settings = host.server.db, host.server.settings(PubSubSettings)
    if pubsub_people.count_subscriptions_of(db, host.address, jid.bare) >= settings.max_subscriptions:
        raise refused("too-many-subscriptions")
    if len(pubsub_people.subscriptions_by(db, node, jid.bare)) >= MOST_AT_A_NODE:
        raise refused("too-many-subscriptions")
    counts = (pubsub_people.count_subscriptions(db, node, state) for state in ("subscribed", "pending"))
    if sum(counts) >= settings.max_subscribers:
        raise refused("resource-constraint", f"a node has at most {settings.max_subscribers} subscriptions")
    budget.check(host.server, jid.bare, budget.size_of_subscription(jid))


def approve(host: Host, node: Node, jid: JID) -> None:
    """Subscribe an address whose request waits (8.6), and tell it."""
    subscription = pubsub_people.subscription(host.server.db, node, jid)
    if subscription is not None and subscription.state == "pending":
        pubsub_people.subscribe(host.server.db, node, subscription._replace(state="subscribed"))
        host.in_line(node, let_in(host, node, [jid]))


def let_in(host: Host, node: Node, jids: Iterable[JID]) -> Iterator[None]:
    """Tell those whose requests were approved that they are subscribed, with the last item; in steps."""
    for jid in jids:
        notifications.subscription_changed(host, node, jid, "subscribed")
        _send_last_item(host, node, jid)
        yield


def cancel(host: Host, node: Node, jid: JID) -> None:
    """End a subscription, or a request for one, and tell the subscriber (12.19)."""
    pubsub_people.unsubscribe(host.server.db, node, jid)
    host.in_line(node, notifications.subscriptions_ended(host, node, [jid]))
