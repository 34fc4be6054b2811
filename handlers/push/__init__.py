"""XEP-0357: app servers wake the devices that are away when there is something for them.

A registration belongs to the resource that made it, and outlives its session. `events` decides what is worth waking a
device for, `bursts` how often it is woken.
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
from handlers.push.occasions import DEVICE_WOKEN, PUSH_ENABLED
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
    """Section 5: register a node of an app server for this device. A second request for the same node replaces the
    first."""
    assert iq.sender is not None
    account, request = iq.sender.bare, iq.only_child()
    if len(wire(request)) > server.settings(PushSettings).max_bytes:
        raise StanzaError("policy-violation", "the request is too long")
    registration = Registration(_service(request), request.get("node", ""), iq.sender.resource, _options(request))
    _check_limit(server, account, registration)
    registrations.put(server.db, account, registration)
    for step in server.tables[PUSH_ENABLED]:
        step(server, account)


@feature.iq_set(DISABLE)
def disable(server: "Server", iq: Stanza) -> None:
    """Section 6: remove one node of an app server, or all of its nodes if none is named."""
    assert iq.sender is not None
    request = iq.only_child()
    registrations.remove(server.db, iq.sender.bare, _service(request), request.get("node"))


def _service(request: etree._Element) -> JID:
    return addresses.required(request, "the address of an app server is missing")


def _options(request: etree._Element) -> bytes:
    """The publish options, always as a form of type "submit": clients also write "form", or no type."""
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
    """MESSAGE_RECEIVED, MESSAGE_REDELIVERED: wake the devices that are away, even if others have got the message.

    Not for a message that is stored nowhere, since the device would find nothing. Devices with a hibernating session
    that is sent the message are woken by wake_hibernating.
    """
    stanza = delivery.stanza
    if not _devices(delivery.server, delivery.account):
        return  # nearly always
    if stanza.type not in ONE_TO_ONE or NO_STORE in stanza.child_tags:
        return
    _wake(delivery.server, delivery.account, [stanza], partial(_is_to_be_woken, delivery))


def _is_to_be_woken(delivery: Delivery, device: JID) -> bool:
    """True if the device was not sent the message, and the message is for all devices: by its address, or because
    carbons would copy it."""
    stanza = delivery.stanza
    assert stanza.to is not None
    if any(session.jid == device for session in (*delivery.chosen, *delivery.copied)):
        return False
    return stanza.to == device or stanza.to.is_bare or is_eligible(stanza, "received")


@feature.step
def wake_for_request(delivery: Delivery) -> None:
    """PRESENCE_RECEIVED: wake the devices without a session for a subscription request that was not there before."""
    stanza, server, account = delivery.stanza, delivery.server, delivery.account
    if stanza.type != "subscribe" or stanza.sender is None:
        return
    contact = stanza.sender.bare
    item = rosters.item(server.db, account, contact)
    is_answered = item is not None and (item.is_subscriber or item.approved)  # the server approves it by itself
    if not is_answered and not subscription_requests.is_pending(server.db, account, contact):
        _wake(server, account, [stanza], lambda device: server.online.session(device) is None)


@feature.step
@for_sessions_with(Management)
def wake_hibernating(session: "Session", stanza: Stanza) -> None:
    """WRITTEN: wake the device of a session that waits to be resumed; also for rooms, calls and carbons."""
    if session.connection is None:
        _wake(session.server, session.account, _worth_it(session, [stanza]), session.jid.__eq__)


@feature.step
def note_lost(session: "Session") -> None:
    """CONNECTION_LOST: the device was here until now, so the next event begins a new burst. It is also woken for
    messages that it has not acknowledged: its connection may have been broken already when they were sent."""
    session.server.state(Bursts).end(session.jid)
    management = session.state(Management)
    if management is not None and management.id is not None:
        written = map(bytes, (each.stanza for each in management.sent))
        messages = (Stanza.from_wire(each) for each in written if each.startswith(b"<message"))
        _wake(session.server, session.account, _worth_it(session, messages), session.jid.__eq__)


@feature.step
def note_logout(session: "Session") -> None:
    """SESSION_ENDED: the next event begins a new burst, unless the session was hibernating: then the device was away
    before."""
    if session.connection is not None:
        session.server.state(Bursts).end(session.jid)


@feature.step
def forget_account(server: "Server", account: JID) -> None:
    """ACCOUNT_REMOVED: forget its bursts, and the registrations of others at this address as an app server: both would
    pass to whoever takes the name."""
    for device in _devices(server, account):
        server.state(Bursts).forget(device)
    registrations.forget_service(server.db, account)


# -- waking


def wake_unnamed(server: "Server", account: JID) -> bool | None:
    """Wake the account's devices that are away, for a message of which app servers learn nothing: neither whose it is
    nor what it says. False if none of those that have enabled push is away, None if there are none.

    Raises nothing when the storage fails.
    """
    devices = _devices(server, account)
    away = [each for each in devices if is_away(server, each)]
    try:
        for device in away:
            bursts.wake(server, device, None)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot wake the devices of %s", account)
    return bool(away) if devices else None


def _worth_it(session: "Session", stanzas: Iterable[Stanza]) -> Iterator[Stanza]:
    """Those of the stanzas for a session without a connection of which no other feature says that they are no news."""
    steps = session.server.tables[DEVICE_WOKEN]
    return (each for each in stanzas if not any(step(session, each) is STOP for step in steps))


def _wake(server: "Server", account: JID, stanzas: Iterable[Stanza], is_meant: Callable[[JID], bool]) -> None:
    """Wake those of the account's devices that are meant and away, for each of the stanzas that is worth it.

    Raises nothing when the storage fails: the message itself must not be lost for that.
    """
    devices = [each for each in _devices(server, account) if is_meant(each) and is_away(server, each)]
    try:
        for stanza in stanzas if devices else ():
            event = event_in(stanza, account)
            if event is not None:
                for device in devices:
                    bursts.wake(server, device, event)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot wake the devices of %s", account)


def _devices(server: "Server", account: JID) -> Set[JID]:
    """The account's devices that have enabled push, by full address; none if the storage fails."""
    try:
        enabled = registrations.registrations(server.db, account)
    except server.storage_errors as error:
        log_refusal(log, error, "cannot wake the devices of %s", account)
        return frozenset()
    return {account.with_resource(each.resource) for each in enabled} if enabled else frozenset()
