"""XEP-0357 section 7: app servers are told once for each burst of events that there is something for a device.

A burst begins with a push. It ends when all app servers have answered, and the device has come back or `burst_seconds`
have passed. No timer runs for that: the next event looks at the clock.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from db import push as registrations
from db.push import Registration
from xmpp.config.configuration import setting
from xmpp.data import dataforms, names
from xmpp.data.dataforms import FieldType
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse, wire

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

PUSH = "urn:xmpp:push:0"
SUMMARY = "urn:xmpp:push:summary"
SUMMARY_TYPES: Mapping[str, FieldType] = {
    "message-count": "text-single",
    "pending-subscription-count": "text-single",
    "last-message-sender": "jid-single",
    "last-message-body": "text-single",
}
PUBSUB = "http://jabber.org/protocol/pubsub"

MAX_BURSTS = 50_000  # devices; beyond that the one is forgotten that had an event longest ago
BODY_CHARACTERS = 200  # what a notification has room for
# The app server, or the way to it, may be well again; with any other error the registration is gone (section 7.1).
TEMPORARY = frozenset(
    f"{{{names.STANZA_ERRORS}}}{condition}"
    for condition in ("internal-server-error", "remote-server-not-found", "service-unavailable")
)


@dataclass(frozen=True)
class PushSettings:
    """Push notifications: what app servers are told about messages for devices that are away."""

    max_registrations: int = setting(20, "The most app servers and nodes that one account has enabled.",
                                     minimum=1, maximum=1_000)  # fmt: skip
    max_bytes: int = setting(4_000, "The longest request to enable push, with its options.",
                             minimum=500, maximum=1_000_000, at_most="streams.stanza_bytes")  # fmt: skip
    burst_seconds: float = setting(10.0, "For how long a device that was woken and has not come back yet is left"
                                         " alone.", minimum=0, maximum=2_592_000)  # fmt: skip
    answer_seconds: float = setting(30.0, "How long an app server may take to answer.", minimum=1, maximum=3_600)
    include_sender: bool = setting(False, "Whether app servers are told who has sent the last message.")
    include_body: bool = setting(False, "Whether app servers are told what is in the last message.")


@dataclass(slots=True)
class Burst:
    """What a device has missed since it was last here, and what its app servers know of that.

    `latest`: what they may be told of the last message, by field of the form. `is_untold`: something has come since the
    last push. `unanswered`: how many of them have not answered it yet.
    """

    messages: int = 0
    requests: int = 0
    latest: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_untold: bool = False
    unanswered: int = 0
    quiet_until: float = 0.0  # on the monotonic clock


class Bursts:
    """The bursts of this server's devices, by full address; the one with the latest event last."""

    def __init__(self) -> None:
        self._by_device: OrderedDict[JID, Burst] = OrderedDict()

    def of(self, device: JID) -> Burst:
        """The device's burst, or a new one."""
        burst = self._by_device.setdefault(device, Burst())
        self._by_device.move_to_end(device)
        if len(self._by_device) > MAX_BURSTS:
            self._by_device.popitem(last=False)
        return burst

    def end(self, device: JID) -> None:
        """The device has come back, and knows what it had missed. The burst stays while app servers owe an answer."""
        ended = self._by_device.pop(device, None)
        if ended is not None and ended.unanswered:
            ended.messages = ended.requests = 0
            ended.latest, ended.is_untold, ended.quiet_until = {}, False, 0.0
            self._by_device[device] = ended

    def forget(self, device: JID) -> None:
        """The device is gone; whoever gets its address is not woken for what it has missed."""
        forgotten = self._by_device.pop(device, None)
        if forgotten is not None:
            forgotten.is_untold = False  # an answer of an app server may still come


def is_away(server: "Server", device: JID) -> bool:
    """True if the device has no connection: its session is over, or hibernates."""
    session = server.online.session(device)
    return session is None or session.connection is None


def wake(server: "Server", device: JID, event: etree._Element | None) -> None:
    """Count an event for a device that is away, and tell its app servers unless they have just been told. None: a
    message of which they learn nothing."""
    burst = server.state(Bursts).of(device)
    _count(burst, event, server.settings(PushSettings))
    if not burst.unanswered and time.monotonic() >= burst.quiet_until:
        _push(server, device, burst)


def _count(burst: Burst, event: etree._Element | None, settings: PushSettings) -> None:
    burst.is_untold = True
    if event is None:
        burst.messages += 1
        burst.latest = {}
    elif event.tag == names.MESSAGE:
        burst.messages += 1
        burst.latest = dict(_latest(event, settings))
    elif event.tag == names.PRESENCE:
        burst.requests += 1


def _latest(message: etree._Element, settings: PushSettings) -> list[tuple[str, Sequence[str]]]:
    """What app servers may be told of a message: its sender and its text, each only if the configuration says so."""
    sender, body = message.get("from"), message.findtext(names.BODY)
    told: list[tuple[str, Sequence[str]]] = []
    if settings.include_sender and sender:
        told.append(("last-message-sender", [sender]))
    if settings.include_body and body:
        told.append(("last-message-body", [body[:BODY_CHARACTERS]]))
    return told


def _push(server: "Server", device: JID, burst: Burst) -> None:
    """Begin a burst: publish to each of the device's nodes."""
    settings, summary = server.settings(PushSettings), _summary(burst)
    nodes = [each for each in registrations.registrations(server.db, device.bare) if each.resource == device.resource]
    burst.is_untold, burst.quiet_until = False, time.monotonic() + settings.burst_seconds
    for registration in nodes:
        burst.unanswered += 1
        server.requests.ask(
            "set",
            _publication(registration, summary),
            to=registration.service,
            sender=device.bare,
            seconds=settings.answer_seconds,
            on_reply=partial(_answered, server, device, burst, registration),
        )


def _answered(server: "Server", device: JID, burst: Burst, registration: Registration, reply: Stanza | None) -> None:
    """Take the answer of one app server, None if none came in time. After the last one, whatever has come meanwhile may
    begin the next burst."""
    burst.unanswered -= 1
    if reply is not None and reply.type == "error" and _is_final(reply):
        _disable(server, device.bare, registration)
    is_over = not burst.unanswered and time.monotonic() >= burst.quiet_until
    if is_over and burst.is_untold and is_away(server, device):
        _push(server, device, burst)


def _is_final(reply: Stanza) -> bool:
    error = reply.child(names.ERROR)
    if error is None:
        return True
    return error.get("type") != "wait" and not any(child.tag in TEMPORARY for child in error)


def _disable(server: "Server", account: JID, refused: Registration) -> None:
    """Remove a registration, unless the device has registered again since."""
    if refused in registrations.registrations(server.db, account):
        registrations.remove(server.db, account, refused.service, refused.node)


# -- on the wire


def _summary(burst: Burst) -> dict[str, Sequence[str]]:
    """The fields of the form `urn:xmpp:push:summary`."""
    counts = {"message-count": burst.messages, "pending-subscription-count": burst.requests}
    return {**{name: [str(count)] for name, count in counts.items() if count}, **burst.latest}


def _publication(registration: Registration, summary: Mapping[str, Sequence[str]]) -> bytes:
    """The publish request, with the options that the device gave when it registered."""
    pubsub = etree.Element(f"{{{PUBSUB}}}pubsub", nsmap={None: PUBSUB})
    publish = etree.SubElement(pubsub, f"{{{PUBSUB}}}publish", node=registration.node)
    item = etree.SubElement(publish, f"{{{PUBSUB}}}item")
    notification = etree.SubElement(item, f"{{{PUSH}}}notification", nsmap={None: PUSH})
    notification.append(dataforms.result(SUMMARY, summary, SUMMARY_TYPES))
    if registration.options:
        etree.SubElement(pubsub, f"{{{PUBSUB}}}publish-options").append(parse(registration.options))
    return wire(pubsub)
