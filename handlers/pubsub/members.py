"""XEP-0060 sections 8.6, 8.8 and 8.9: owners manage the subscription requests, subscriptions and affiliations of nodes.

But they can subscribe only those who have asked, and whoever is made an owner counts as one to others only after acting
as one (`Host.owners`). Else anybody could have the service send somebody events, or answer from their roster.
"""

from collections.abc import Mapping, Set
from typing import Literal

from lxml import etree

from db import pubsub_affiliations, pubsub_nodes, pubsub_people
from db.pubsub_nodes import Node
from db.pubsub_people import Subscription
from handlers.pubsub import access, approval, budget, hosts, lists, notifications, rechecking, subscribing
from handlers.pubsub.announced import OWNER
from handlers.pubsub.conditions import refused
from handlers.pubsub.hosts import Host
from handlers.pubsub.lists import Entry
from handlers.pubsub.requests import Request, address_in, answer
from handlers.pubsub.settings import PubSubSettings
from xmpp.data import dataforms
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, AddressReader
from xmpp.routing.delivery import STOP, Delivery, concerns

SUBSCRIPTION = f"{{{OWNER}}}subscription"
AFFILIATION = f"{{{OWNER}}}affiliation"
MOST_CHANGES = 500  # of affiliations in one request: nothing else is done meanwhile
MOST_SUBSCRIPTIONS = 250  # of subscriptions, for each of which limits are checked

# 4.1, the state chart: an owner can only resign, and a publisher is not made a member.
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "owner": frozenset({"owner", "none"}),
    "publisher": frozenset(access.AFFILIATIONS) - {"member"},
}


# -- subscriptions (8.8)


def show_subscriptions(request: Request) -> etree._Element:
    """8.8.1: all that are subscribed, page by page, without pending requests."""
    node, asked = request.owned_node(), lists.asked_for(request.action.getparent())
    most = request.server.settings(PubSubSettings).max_page_items
    if asked.before is None:
        found = pubsub_people.subscribed(request.server.db, node, after=asked.after or "", count=most + 1)
    else:
        found = pubsub_people.subscribed_backwards(request.server.db, node, before=asked.before, count=most + 1)
    entries = (Entry(jid, _subscription(jid, "subscribed")) for jid in found)
    return lists.page("subscriptions", entries, asked, most, OWNER, node=node.name)


def change_subscriptions(request: Request) -> None:
    """8.8.2: approve requests, and end subscriptions. If some cannot be changed, the others still are; the error names
    those, with the state that they stay in."""
    host, node = request.host, request.owned_node()
    wanted = _wanted(request.action, SUBSCRIPTION, "subscription", MOST_SUBSCRIPTIONS)
    request.note_agreement()
    failed = [jid for jid, state in wanted.items() if not _change_subscription(request, jid, state)]
    if failed:
        states = (_subscription(jid, _state(host, node, jid)) for jid in failed)
        raise _refused_for(answer("subscriptions", states, OWNER, node=node.name))


def _change_subscription(request: Request, jid: JID, wanted: str) -> bool:
    """Change a subscription, or end it; False if that cannot be."""
    host, node = request.host, request.node
    state = _state(host, node, jid)
    if wanted == state:
        return True
    if wanted == "none":
        subscribing.cancel(host, node, jid)
        return True
    has_asked = state == "pending" or jid.bare == request.asker.bare
    if wanted != "subscribed" or not has_asked or not _may_subscribe(host, node, jid, state):
        return False
    if state == "none":
        pubsub_people.subscribe(host.server.db, node, Subscription(jid, "pending"))
    subscribing.approve(host, node, jid)
    return True


def _may_subscribe(host: Host, node: Node, jid: JID, state: str) -> bool:
    configuration = hosts.configuration_of(node)
    if access.refusal_to_subscribe(configuration, host.relation(node, jid)) is not None:
        return False
    if state == "none":
        try:
            subscribing.check_limits(host, node, jid)
        except StanzaError:
            return False
    return True


def _state(host: Host, node: Node, jid: JID) -> str:
    subscription = pubsub_people.subscription(host.server.db, node, jid)
    return subscription.state if subscription is not None else "none"


def _subscription(jid: str, state: str) -> etree._Element:
    return etree.Element(SUBSCRIPTION, jid=jid, subscription=state)


# -- affiliations (8.9)


def show_affiliations(request: Request) -> etree._Element:
    """8.9.1: all affiliations with the node, page by page."""
    node, asked = request.owned_node(), lists.asked_for(request.action.getparent())
    most = request.server.settings(PubSubSettings).max_page_items
    entries = (Entry(jid, _affiliation(jid, each)) for jid, each in request.host.affiliations(node).items())
    return lists.page("affiliations", lists.ordered(entries, asked), asked, most, OWNER, node=node.name)


def change_affiliations(request: Request) -> None:
    """8.9.2: change affiliations. Those concerned are told, and lose subscriptions that they may not have any more. If
    some cannot be changed, the others still are; the error names those, with the affiliation that they keep."""
    host, node = request.host, request.owned_node()
    wanted = _wanted(request.action, AFFILIATION, "affiliation", MOST_CHANGES, are_bare=True)
    if wanted.get(request.asker.bare, "owner") == "owner":
        request.note_agreement()
    known, owners = host.affiliations(node), set(host.owners(node))
    _check_number(host, node, wanted, known)
    changed = dict[JID, str]()
    for jid, affiliation in wanted.items():
        if affiliation != known.get(jid, "none") and _is_possible(jid, affiliation, known, owners):
            changed[jid] = affiliation
            owners.discard(jid)
    if node.creator in changed:
        node = _hand_over(request, node, owners)
    _change_affiliations(host, node, changed)
    failed = [jid for jid, affiliation in wanted.items() if affiliation != {**known, **changed}.get(jid, "none")]
    if failed:
        affiliations = (_affiliation(jid, known.get(jid, "none")) for jid in failed)
        raise _refused_for(answer("affiliations", affiliations, OWNER, node=node.name))


def _is_possible(jid: JID, wanted: str, known: Mapping[JID, str], owners: Set[JID]) -> bool:
    """True if the affiliation of an address may be changed to this one. A node always keeps an owner; one of an
    account, the account."""
    return wanted in TRANSITIONS.get(known.get(jid, "none"), access.AFFILIATIONS) and owners != {jid}


def _change_affiliations(host: Host, node: Node, changed: Mapping[JID, str]) -> None:
    """Store all changes at once, tell those concerned, and recheck their subscriptions; if there are fewer owners than
    before, whose rosters may have let somebody in, all subscriptions."""
    owners = host.owners(node)
    pubsub_affiliations.affiliate_all(host.server.db, node, changed)
    notifications.affiliations_changed(host, node, changed)
    are_owners_fewer = not changed.keys().isdisjoint(owners)
    rechecking.recheck(host, node, None if are_owners_fewer else changed.keys())


def _hand_over(request: Request, node: Node, owners: Set[JID]) -> Node:
    """Have another owner pay for the node, as the one who made it owns it no more. Raises StanzaError if the other has
    no room for it."""
    host, heir = request.host, request.asker.bare if request.asker.bare in owners else min(owners)
    budget.check(host.server, heir, pubsub_nodes.usage(host.server.db, node).bytes)
    return pubsub_nodes.hand_over(host.server.db, node, heir)


def _check_number(host: Host, node: Node, wanted: Mapping[JID, str], known: Mapping[JID, str]) -> None:
    most = host.server.settings(PubSubSettings).max_affiliations
    new = [jid for jid, affiliation in wanted.items() if affiliation != "none" and jid not in known]
    if new and len(known) + len(new) > most:
        raise refused("resource-constraint", f"a node has at most {most} affiliations")
    budget.check(host.server, node.creator, sum(map(budget.size_of_affiliation, new)), host.actor)


def _affiliation(jid: JID, affiliation: str) -> etree._Element:
    return etree.Element(AFFILIATION, jid=jid, affiliation=affiliation)


# -- changes of both


def _wanted(action: etree._Element, tag: str, attribute: str, most: int, *, are_bare: bool = False) -> dict[JID, str]:
    """What is to be changed, by address; an entry that names no state is passed over. Raises StanzaError if it is
    malformed, names an address twice, or has more than `most` entries."""
    wanted, seen, reader = dict[JID, str](), set[JID](), AddressReader()
    if len(action) > most:
        raise refused("policy-violation", f"at most {most} changes at once")
    for element in action.iterchildren(tag):
        jid = address_in(element, reader)
        jid = jid.bare if are_bare else jid
        if jid in seen:
            raise refused("bad-request", f"{jid} stands there twice")
        seen.add(jid)
        if element.get(attribute) is not None:
            wanted[jid] = element.get(attribute, "")
    return wanted


def _refused_for(unchanged: etree._Element) -> StanzaError:
    return StanzaError("not-acceptable", about=unchanged)


# -- requests to subscribe (8.6)


@concerns(dataforms.X)
def take_approval(delivery: Delivery) -> Literal["stop"] | None:
    """MESSAGE_RECEIVED, SUBDOMAIN.received: an owner's answer to a subscription request; the first one decides (12.12).
    Answers of others are ignored."""
    stanza, x = delivery.stanza, delivery.stanza.child(dataforms.X)
    assert x is not None and stanza.to is not None and stanza.sender is not None
    if stanza.type == "error" or x.get("type") not in ("submit", "cancel") or not stanza.to.is_bare:
        return None
    if _text(x, "FORM_TYPE") != approval.SUBSCRIBE_AUTHORIZATION:
        return None
    host = hosts.host_at(delivery.server, stanza.to, stanza.sender)
    node = hosts.find(host, _text(x, approval.NODE))
    if node is not None and x.get("type") == "submit" and host.affiliation(node, stanza.sender.bare) == "owner":
        host.note_agreement(node, stanza.sender.bare)
        _decide(host, node, x)
    return STOP


def _decide(host: Host, node: Node, x: etree._Element) -> None:
    try:
        answers = dataforms.submitted(x, approval.SUBSCRIBE_AUTHORIZATION, approval.fields())
    except ValueError as error:
        raise refused("bad-request", str(error)) from None
    if not answers.get(approval.ALLOW):
        raise refused("bad-request", "it is not said whether they may")
    jid = JID.parse(answers[approval.SUBSCRIBER][0])
    if _state(host, node, jid) == "pending":
        (subscribing.approve if dataforms.boolean(answers[approval.ALLOW]) else subscribing.cancel)(host, node, jid)


def _text(x: etree._Element, var: str) -> str:
    """The first value of a field; "" if there is none."""
    fields = (field for field in x.iterchildren(dataforms.FIELD) if field.get("var") == var)
    field = next(fields, None)
    return "" if field is None else field.findtext(dataforms.VALUE, "")
