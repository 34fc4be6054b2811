"""XEP-0163 section 4.3.2: what the devices of contacts elsewhere want to hear of, by what their presence announces.

Each account learns that for itself, since a device may show others something else. A proven hash (XEP-0115, XEP-0390)
tells it; else the device is asked, on behalf of the account. Contacts who are ours have their sessions here:
client_caps.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from db import rosters
from handlers.discovery import client_caps
from handlers.discovery.announced_caps import Announced, announced_in
from handlers.discovery.client_caps import ClientCapsSettings, Known, size_of
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

NOTIFY = "+notify"
MOST = 1_000  # devices that are known to one account
MOST_BYTES = 1 << 20  # of what they want to hear of, together

Features = frozenset[str]

# f(server, account, device, wanted, before): what a contact's device (full address) wants to hear of, and did before.
CONTACT_CAPS_KNOWN = Table[Callable[["Server", JID, JID, Features, Features], None]]("CONTACT_CAPS_KNOWN")


class Device:
    """What an account knows of one device of a contact."""

    __slots__ = ("announced", "wanted")

    def __init__(self) -> None:
        self.announced: Announced | None = None
        self.wanted: Features = frozenset()  # those of its features that end with NOTIFY


class ContactDevices:
    """The available devices of contacts that have announced something, by account and by full address. A server has
    one."""

    def __init__(self) -> None:
        self.of: dict[JID, dict[JID, Device]] = {}


# -- for other features


def those_that_want(server: "Server", account: JID, feature: str) -> list[JID]:
    """The devices of contacts elsewhere (full addresses) that are known to the account to have this feature, which ends
    with NOTIFY."""
    devices = server.state(ContactDevices).of.get(account)
    return [jid for jid, device in devices.items() if feature in device.wanted] if devices else []


def wanted_by_devices(server: "Server", account: JID, contact: JID) -> dict[JID, Features]:
    """What the known devices of one contact (bare address) want to hear of, by full address."""
    devices = server.state(ContactDevices).of.get(account, {})
    return {jid: device.wanted for jid, device in devices.items() if jid.bare == contact}


# -- steps


@client_caps.feature.step
def note_contact(delivery: Delivery) -> Literal["stop"] | None:
    """PRESENCE_RECEIVED: learn what a contact's device elsewhere announces, or forget the device when it leaves."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if stanza.sender is None or server.ownership.is_ours(stanza.sender):
        return None
    if stanza.type == "unavailable":
        _forget(server, account, stanza.sender)
    elif stanza.type is None and stanza.sender.is_full:
        _note(server, account, stanza.sender, announced_in(stanza))
    return None


@client_caps.feature.step
def forget_account(server: "Server", account: JID) -> None:
    """ACCOUNT_REMOVED: forget all that the account knows."""
    server.state(ContactDevices).of.pop(account, None)


def _forget(server: "Server", account: JID, gone: JID) -> None:
    """Forget a device; all devices of a contact, if the presence comes from a bare address."""
    devices = server.state(ContactDevices).of.get(account, {})
    for jid in [jid for jid in devices if gone in (jid, jid.bare)]:
        del devices[jid]
    if not devices:
        server.state(ContactDevices).of.pop(account, None)


def _note(server: "Server", account: JID, jid: JID, announced: Announced | None) -> None:
    """Presence that announces nothing changes nothing (XEP-0115 section 8.4)."""
    item = rosters.item(server.db, account, jid.bare)
    if announced is None or item is None or not item.is_subscriber:
        return
    devices = server.state(ContactDevices).of.setdefault(account, {})
    if jid not in devices and len(devices) >= MOST:
        return
    device = devices.setdefault(jid, Device())
    if device.announced != announced:
        device.announced = announced
        _learn(server, account, jid, device, announced)


def _learn(server: "Server", account: JID, jid: JID, device: Device, announced: Announced) -> None:
    features = server.state(Known).features(announced.hash) if announced.hash is not None else None
    if features is not None:
        _settle(server, account, jid, device, features)
        return
    server.requests.ask(
        "get",
        client_caps.question(announced),
        to=jid,
        sender=account,
        seconds=server.settings(ClientCapsSettings).answer_seconds,
        on_reply=partial(_answered, server, account, jid, device, announced),
    )


def _answered(
    server: "Server", account: JID, jid: JID, device: Device, announced: Announced, reply: Stanza | None
) -> None:
    settings = server.settings(ClientCapsSettings)
    features, is_proven = client_caps.features_in(reply, announced.hash, settings.max_bytes)
    if announced.hash is not None and features is not None and is_proven:
        server.state(Known).remember(announced.hash, features, settings.known_bytes)
    known = server.state(ContactDevices).of.get(account, {}).get(jid)
    if known is not device or device.announced != announced:
        return  # the device has gone meanwhile, or announces something else
    if features is None:
        device.announced = None  # so that it is asked again with its next presence
    else:
        _settle(server, account, jid, device, features)


def _settle(server: "Server", account: JID, jid: JID, device: Device, features: Features) -> None:
    before, wanted = device.wanted, frozenset(each for each in features if each.endswith(NOTIFY))
    others = server.state(ContactDevices).of[account].values()
    if sum(size_of(each.wanted) for each in others if each is not device) + size_of(wanted) > MOST_BYTES:
        wanted = frozenset()
    device.wanted = wanted
    for step in server.tables[CONTACT_CAPS_KNOWN]:
        try:
            step(server, account, jid, wanted, before)
        except Exception:  # the other steps have to go on, and so has what handles the presence
            log.exception("what %s wants to hear of could not be heeded for %s", jid, account)
