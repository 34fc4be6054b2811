"""RFC 6121 section 3: subscriptions to presence are asked for, granted, refused and cancelled."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lxml import etree

from db import rosters, subscription_requests
from db.rosters import Item
from handlers.contacts import presence, roster_items, subscription_states
from handlers.contacts.access import is_blocked
from handlers.contacts.subscription_states import State as Subscription
from xmpp.config.configuration import setting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import SUBSCRIPTION_TYPES, Stanza, Unreadable
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature, State

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

DECISIONS = SUBSCRIPTION_TYPES - {"subscribe"}
PRE_APPROVAL = "urn:xmpp:features:pre-approval"


@dataclass(frozen=True)
class SubscriptionSettings:
    """Requests to see an account's presence, kept until they are answered."""

    max_requests: int = setting(200, "How many requests wait for the answer of one account.",
                                minimum=1, maximum=100_000)  # fmt: skip
    max_request_bytes: int = setting(10_000, "The longest request.",
                                     minimum=1_000, maximum=1_000_000, at_most="streams.stanza_bytes")  # fmt: skip


feature = Feature("subscriptions", rfc="6121", settings=SubscriptionSettings, optional=False, needs=["presence"])


@feature.stream_feature(when=State.AUTHENTICATED)
@feature.stream_feature(when=State.BOUND)
def announce_pre_approval(stream: object) -> etree._Element:
    """Section 3.4.1."""
    return etree.Element(f"{{{PRE_APPROVAL}}}sub", nsmap={None: PRE_APPROVAL})


# -- delivery steps


@feature.step
def sent(delivery: Delivery) -> Literal["stop"] | None:
    """PRESENCE_SENT: store and pass on what an account asks for, grants, refuses or cancels."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if stanza.type not in SUBSCRIPTION_TYPES:
        return None
    contact = stanza.to
    if contact is None:
        raise StanzaError("bad-request", f"{stanza.type} needs an addressee")
    if contact == account:
        raise StanzaError("not-allowed", "an account always sees its own presence")
    known, before = rosters.item(server.db, account, contact), _state(server, account, contact)
    change = subscription_states.sent(before, stanza.type)
    changed = _enter(server, account, contact, change.state)
    if before.from_ and not change.state.from_:
        presence.send_unavailable(server, account, contact)  # as long as the contact may know (3.2.2)
    if changed is not None:
        roster_items.push(server, account, changed)
    if change.is_passed_on:
        server.router.route(stanza)  # after the push: the answer may come at once, with a push of its own
    if stanza.type == "subscribed" and change.is_passed_on:
        presence.send_current(server, account, contact)
        if before.to:
            presence.probe(server, account, contact)
    roster_items.tell_changed(server, account, contact, known)
    return STOP


@feature.step
def enter_unseen(delivery: Delivery) -> Literal["stop"] | None:
    """PRESENCE_RECEIVED, before the blocked are kept out: store what they grant or cancel without showing it, or their
    roster and the account's would contradict each other for good. What they ask for vanishes later."""
    stanza = delivery.stanza
    assert stanza.sender is not None
    if stanza.type not in DECISIONS or not is_blocked(delivery.server, delivery.account, stanza.sender):
        return None
    return received(delivery, is_shown=False)


@feature.step
def received(delivery: Delivery, *, is_shown: bool = True) -> Literal["stop"] | None:
    """PRESENCE_RECEIVED: store what a contact asks for, grants, refuses or cancels, and show it unless told not to."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if stanza.type not in SUBSCRIPTION_TYPES:
        return None
    assert stanza.sender is not None
    contact = stanza.sender.bare
    known, before = rosters.item(server.db, account, contact), _state(server, account, contact)
    change = subscription_states.received(before, stanza.type)
    if stanza.type == "subscribe" and change.state.pending_in:
        _keep_request(server, account, stanza)
    changed = _enter(server, account, contact, change.state)
    if change.is_passed_on and is_shown:
        show(server, account, stanza)
    if changed is not None:
        roster_items.push(server, account, changed)
    if before.from_ and not change.state.from_:
        presence.send_unavailable(server, account, contact)  # 3.3.3
    if stanza.type == "subscribe":
        _answer(server, account, contact, change)
    roster_items.tell_changed(server, account, contact, known)
    return STOP


@feature.step
def deliver_requests(session: "Session") -> None:
    """SESSION_AVAILABLE: requests are shown at each login until they are answered (section 3.1.3)."""
    if subscription_requests.count(session.server.db, session.account):
        session.send_all(_requests(session))


def _requests(session: "Session") -> Iterator[Stanza]:
    server, account = session.server, session.account
    for sender in subscription_requests.in_order(server.db, account):
        stanza = subscription_requests.stanza(server.db, account, sender)
        if stanza is None or is_blocked(server, account, sender):
            continue
        server.db.touch_unfinished()  # it may have come just now
        try:
            yield Stanza.from_wire(stanza)
        except Unreadable:
            log.exception("the request of %s to %s cannot be read", sender, account)


# -- letting somebody in


def approve(server: "Server", account: JID, contact: JID) -> None:
    """Let a contact in that asks for the account's presence, without asking the account, and ask for the contact's.
    Raises StanzaError if the roster has no room, and then nothing has changed."""
    known, before = rosters.item(server.db, account, contact), _state(server, account, contact)
    changed = _enter(
        server, account, contact, before._replace(from_=True, pending_in=False, pending_out=not before.to)
    )
    if changed is not None:
        roster_items.push(server, account, changed)
    _let_in(server, account, contact)
    if not before.to:
        _tell(server, account, contact, "subscribe")
    roster_items.tell_changed(server, account, contact, known)


# -- ending it


def cancel(server: "Server", account: JID, contact: JID) -> None:
    """End the subscriptions and requests between an account and a contact, in both directions (section 2.5.2). The
    roster item stays."""
    state = _state(server, account, contact)
    if state.from_:
        presence.send_unavailable(server, account, contact)
    if state.to or state.pending_out:
        _tell(server, account, contact, "unsubscribe")
    if state.from_ or state.pending_in:
        _tell(server, account, contact, "unsubscribed")
    subscription_requests.drop(server.db, account, contact)


# -- what is written down


def _state(server: "Server", account: JID, contact: JID) -> Subscription:
    item = rosters.item(server.db, account, contact) or Item(contact)
    return state_of(item, has_asked=subscription_requests.is_pending(server.db, account, contact))


def state_of(item: Item, *, has_asked: bool) -> Subscription:
    """The subscription state that a roster item stands for; `has_asked`: a request of the contact waits."""
    return Subscription(
        to=item.is_subscribed_to,
        from_=item.is_subscriber,
        pending_out=item.ask,
        pending_in=has_asked,
        approved=item.approved,
    )


_IN_ROSTER = {(False, False): "none", (True, False): "to", (False, True): "from", (True, True): "both"}


def _enter(server: "Server", account: JID, contact: JID, state: Subscription) -> Item | None:
    """Store the state; returns the roster item if it has changed. A contact that has only asked gets no item."""
    if not state.pending_in:
        subscription_requests.drop(server.db, account, contact)
    before = rosters.item(server.db, account, contact) or Item(contact)
    after = before._replace(
        subscription=_IN_ROSTER[state.to, state.from_], ask=state.pending_out, approved=state.approved
    )
    if after == before:
        return None
    roster_items.keep(server, account, after)
    return after


def _keep_request(server: "Server", account: JID, request: Stanza) -> None:
    """Keep a whole request until it is answered, even if a device has it already: the next one has to show it, too.
    Raises StanzaError if it is too long, or too many wait."""
    assert request.sender is not None
    contact, settings, stanza = request.sender.bare, server.settings(SubscriptionSettings), request.wire()
    if len(stanza) > settings.max_request_bytes:
        raise StanzaError("policy-violation", f"a request may have {settings.max_request_bytes} bytes")
    is_new = not subscription_requests.is_pending(server.db, account, contact)
    if is_new and _waiting(server, account, settings.max_requests) >= settings.max_requests:
        raise StanzaError("resource-constraint", "too many requests wait for an answer")
    subscription_requests.keep(server.db, account, contact, stanza, time.time())


def _waiting(server: "Server", account: JID, most: int) -> int:
    """How many requests wait for an answer. If that is `most` or more, those of the blocked are dropped first: the
    account cannot answer them."""
    if subscription_requests.count(server.db, account) >= most:
        for sender in subscription_requests.senders(server.db, account):
            if is_blocked(server, account, sender):
                subscription_requests.drop(server.db, account, sender)
    return subscription_requests.count(server.db, account)


# -- what is sent


def show(server: "Server", account: JID, stanza: Stanza) -> None:
    """Send a request to the account's available sessions, all else to those with a roster (sections 3.1.3, 3.1.6)."""
    if stanza.type == "subscribe":
        sessions = server.online.available(account)
    else:
        sessions = [each for each in server.online.sessions(account) if roster_items.INTEREST in each.interests]
    for session in sessions:
        session.send(stanza)


def _answer(server: "Server", account: JID, contact: JID, change: subscription_states.Change) -> None:
    if change.is_approved:
        _let_in(server, account, contact)
    else:
        _tell(server, account, contact, "unavailable")  # says that the request has come, and nothing more


def _let_in(server: "Server", account: JID, contact: JID) -> None:
    _tell(server, account, contact, "subscribed")
    presence.send_current(server, account, contact)


def _tell(server: "Server", account: JID, contact: JID, type: str) -> None:
    server.router.route(Stanza.build("presence", type=type, to=contact.bare, sender=account))
