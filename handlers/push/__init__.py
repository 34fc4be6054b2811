"""XEP-0357: devices that are away are woken by their app servers when there is something for them.

A registration belongs to the resource that made it, and outlives its session. What is worth waking a device for
stands in events, how often it is woken in bursts.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Set
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Literal

from lxml import etree

from db import push as registrations
from db import rosters, subscription_requests
from db.push import Registration
from handlers.messages.carbon_rules import is_eligible
from handlers.messages.payloads import NO_STORE, ONE_TO_ONE
from handlers.push import bursts
from handlers.push.bursts import PUBSUB, PUSH, Bursts, PushSettings, is_away
from handlers.push.events import event_in
from handlers.sessions.managed_sessions import Management
from xmpp.data import addresses, dataforms
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.delivery import STOP, Delivery, concerns, for_sessions_with
from xmpp.routing.feature import Feature
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

ENABLE = f"{{{PUSH}}}enable"
DISABLE = f"{{{PUSH}}}disable"
PUBLISH_OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
AFFILIATIONS = f"{{{PUBSUB}}}pubsub"
AFFILIATION = f"{{{PUBSUB}}}affiliation"

feature = Feature("push", xep="0357", account_disco=[PUSH], settings=PushSettings)


# -- enabling and disabling


@feature.iq_set(ENABLE)
def enable(server: "Server", iq: Stanza) -> None:
    """Have this device woken through a node of an app server; for a node that is enabled the last request counts."""
    assert iq.sender is not None
    account, request = iq.sender.bare, iq.only_child()
    if len(wire(request)) > server.settings(PushSettings).max_bytes:
        raise StanzaError("policy-violation", "the request is too long")
    registration = Registration(_service(request), request.get("node", ""), iq.sender.resource, _options(request))
    _check_limit(server, account, registration)
    registrations.put(server.db, account, registration)


@feature.iq_set(DISABLE)
def disable(server: "Server", iq: Stanza) -> None:
    """Remove one node of an app server, or all of them."""
    assert iq.sender is not None
    request = iq.only_child()
    registrations.remove(server.db, iq.sender.bare, _service(request), request.get("node"))


def _service(request: etree._Element) -> JID:
    return addresses.required(request, "the address of an app server is missing")


def _options(request: etree._Element) -> bytes:
    """The options as the submitted form that they are: clients call it by another type, or by none."""
    form = request.find(dataforms.X)
    if form is None or not len(form):
        return b""
    if form.get("type", "form") == "form":
        form = deepcopy(form)
        form.set("type", "submit")
    try:
        dataforms.submitted(form, PUBLISH_OPTIONS, ())
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None
    return wire(form)


def _check_limit(server: "Server", account: JID, new: Registration) -> None:
    most = server.settings(PushSettings).max_registrations
    others = [each for each in registrations.registrations(server.db, account) if each[:2] != new[:2]]
    if len(others) >= most:
        raise StanzaError("resource-constraint", f"at most {most} nodes are enabled")


# -- delivery steps


@feature.step
@concerns(AFFILIATIONS)
def heed_app_server(delivery: Delivery) -> Literal["stop"] | None:
    """MESSAGE_RECEIVED: an app server takes back the account's right to publish (section 8)."""
    stanza = delivery.stanza
    notice = stanza.child(AFFILIATIONS)
    assert notice is not None
    if stanza.type == "error" or stanza.sender is None:
        return None
    change, node = notice.find(AFFILIATION), notice.get("node")
    if change is None or node is None or (change.get("jid"), change.get("affiliation")) != (delivery.account, "none"):
        return None
    registrations.remove(delivery.server.db, delivery.account, stanza.sender, node)
    return STOP


@feature.step
def wake(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED, MESSAGE_REDELIVERED: devices that are away, also if others have got the message.

    Those whose hibernating session is sent it are woken by wake_hibernating. Who is gone would not find what is not
    stored. A room's message is for a session that is in the room, and what may not be copied for its addressee.
    """
    stanza = delivery.stanza
    if not _devices(delivery.server, delivery.account):
        return  # nearly always
    if stanza.type not in ONE_TO_ONE or NO_STORE in stanza.child_tags:
        return
    _wake(delivery.server, delivery.account, [stanza], partial(_misses, delivery))


def _misses(delivery: Delivery, device: JID) -> bool:
    """Whether this device has not been sent the message, and may have it."""
    stanza = delivery.stanza
    assert stanza.to is not None
    if any(session.jid == device for session in (*delivery.chosen, *delivery.copied)):
        return False
    return stanza.to == device or stanza.to.is_bare or is_eligible(stanza, "received")


@feature.step
def wake_for_request(delivery: Delivery) -> None:
    """PRESENCE_RECEIVED, before the request is entered: devices that are gone, for a request that is new."""
    stanza, server, account = delivery.stanza, delivery.server, delivery.account
    if stanza.type != "subscribe" or stanza.sender is None:
        return
    contact = stanza.sender.bare
    item = rosters.item(server.db, account, contact)
    is_answered = item is not None and (item.is_subscriber or item.approved)  # for the account, as it has granted it
    if not is_answered and not subscription_requests.is_pending(server.db, account, contact):
        _wake(server, account, [stanza], lambda device: server.online.session(device) is None)


@feature.step
@for_sessions_with(Management)
def wake_hibernating(session: "Session", stanza: Stanza) -> None:
    """WRITTEN: the device of a session that waits to be resumed; for rooms, calls and carbons too."""
    if session.connection is None:
        _wake(session.server, session.account, [stanza], session.jid.__eq__)


@feature.step
def note_lost(session: "Session") -> None:
    """CONNECTION_LOST, before it hibernates: the device was here until now, so it is woken for what comes next, and for
    messages that may have gone into a connection that was broken already."""
    session.server.state(Bursts).end(session.jid)
    management = session.state(Management)
    if management is not None and management.id is not None:
        unacknowledged = (each.stanza for each in management.sent if each.stanza.startswith(b"<message"))
        _wake(session.server, session.account, map(Stanza.from_wire, unacknowledged), session.jid.__eq__)


@feature.step
def note_logout(session: "Session") -> None:
    """SESSION_ENDED: as note_lost; but the device of a session that was hibernating has been away before."""
    if session.connection is not None:
        session.server.state(Bursts).end(session.jid)


@feature.step
def forget_account(server: "Server", account: JID) -> None:
    """ACCOUNT_REMOVED: another account of that name begins anew; nor does it become somebody's app server."""
    for device in _devices(server, account):
        server.state(Bursts).forget(device)
    registrations.forget_service(server.db, account)


# -- waking


def _wake(server: "Server", account: JID, stanzas: Iterable[Stanza], is_meant: Callable[[JID], bool]) -> None:
    """Wake those of the account's devices that are meant and away, for each of the stanzas that is worth it.

    Never fails: no message is lost because nobody can be woken for it.
    """
    devices = [each for each in _devices(server, account) if is_meant(each) and is_away(server, each)]
    try:
        for event in _events(stanzas, account) if devices else ():
            for device in devices:
                bursts.wake(server, device, event)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot wake the devices of %s", account)


def _events(stanzas: Iterable[Stanza], account: JID) -> Iterator[etree._Element]:
    for stanza in stanzas:
        event = event_in(stanza, account)
        if event is not None:
            yield event


def _devices(server: "Server", account: JID) -> Set[JID]:
    """The account's devices that have enabled push, by full address; none where that cannot be found out."""
    try:
        enabled = registrations.registrations(server.db, account)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot wake the devices of %s", account)
        return frozenset()
    return {account.with_resource(each.resource) for each in enabled} if enabled else frozenset()
