"""Lists of spammers that others keep and share: items of a node (XEP-0060) are domains, or SHA-256 hashes of addresses.

The server subscribes to the nodes that are configured, reads what is there, and hears of changes. Strangers who are on
a list are refused; whom an account knows, it hears.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import gevent
from lxml import etree

from handlers.contacts import strangers
from handlers.pubsub.announced import EVENT, PUBSUB
from xmpp.config.configuration import REQUIRED, setting
from xmpp.data import resultsets
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.delivery import STOP, Delivery, concerns
from xmpp.routing.feature import Feature
from xmpp.running.handling import Handled

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

HASH = re.compile(r"[0-9a-f]{64}")
PAGE = 200  # items that are asked for at a time
ANSWER_SECONDS = 60.0
RETRY_SECONDS = 600.0
AGAIN_SECONDS = 12 * 3600.0  # should an event have been lost, it is made up for
EVENT_TAG = f"{{{EVENT}}}event"


def _check_service(service: str) -> None:
    if JID.parse(service) != service:
        raise ValueError(f"expected an address as it is written, such as {JID.parse(service)}")


@dataclass(frozen=True)
class SharedList:
    """A node with a list."""

    service: str = setting(REQUIRED, "The address of the service that has the node.", check=_check_service)
    node: str = setting(REQUIRED, "The name of the node.")


@dataclass(frozen=True)
class SharedBlocklistsSettings:
    """Lists of spammers that others keep, which the server follows: whoever is on one of them is heard by nobody here
    who does not know them. For example service = "xmppbl.org", node = "muc_bans_sha256"."""

    lists: tuple[SharedList, ...] = setting((), "The nodes with the lists.", restart=True)
    max_items: int = setting(20_000, "How many items of one list are heeded.", minimum=1, maximum=1_000_000)


feature = Feature("shared_blocklists", settings=SharedBlocklistsSettings, optional=False, needs=["strangers"])


class _List(NamedTuple):
    service: JID
    node: str


@dataclass
class Lists:
    """What is on the lists, in lower case, and what waits to read them again. `changes`: what has come, or gone, since
    a list began to be read: a page that was written before may arrive later. A server has one."""

    entries: dict[_List, set[str]] = field(default_factory=dict)
    changes: dict[_List, dict[str, bool]] = field(default_factory=dict)
    waiting: "dict[_List, gevent.Greenlet[..., Any]]" = field(default_factory=dict)


def is_listed(server: "Server", address: JID) -> bool:
    """True if an address, its domain, or one that this is beneath, is on one of the lists."""
    known = [entries for entries in server.state(Lists).entries.values() if entries]
    return bool(known) and any(not entries.isdisjoint(_names(address)) for entries in known)


def _names(address: JID) -> Iterator[str]:
    """What may stand on a list for an address."""
    yield from (sha256(each.encode()).hexdigest() for each in (address.bare, address.domain))
    domain = address.domain
    while domain:
        yield domain
        domain = domain.partition(".")[2]


# -- steps


@feature.step
def keep_out(delivery: Delivery) -> Literal["stop"] | None:
    """CAME_FROM_ELSEWHERE: refuse what strangers send who are on a list. Answers and errors are let through."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if stanza.sender is None or not account.local or not server.ownership.is_ours(account):
        return None
    if stanza.type in ("error", "result") or not is_listed(server, stanza.sender):
        return None
    if strangers.is_known(server, account, stanza):
        return None
    if stanza.kind == "presence" and stanza.type != "subscribe":
        return STOP
    raise StanzaError("policy-violation", "you, or your server, are on a list of spammers that this server follows")


@feature.step
@concerns(EVENT_TAG)
def take_event(delivery: Delivery) -> Literal["stop"] | None:
    """CAME_FROM_ELSEWHERE: something was added to one of the lists, or taken off it."""
    server, stanza = delivery.server, delivery.stanza
    event = stanza.child(EVENT_TAG)
    if event is None or stanza.sender is None or delivery.account != _own_address(server):
        return None
    for change in event:
        shared = _List(stanza.sender, change.get("node", ""))
        if shared in server.state(Lists).entries:
            _change(server, shared, change)
    return STOP


@feature.step
def start(server: "Server") -> None:
    """SERVER_STARTED: follow the lists."""
    for each in server.settings(SharedBlocklistsSettings).lists:
        shared = _List(JID.parse(each.service), each.node)
        if server.router.has(shared.service.domain):
            log.warning("%s is served here: only lists of other servers are followed", shared.service)
            continue
        server.state(Lists).entries[shared] = set()
        _later(server, 0.0, shared)


@feature.step
def stop(server: "Server") -> None:
    """SERVER_STOPPING: ask for nothing more."""
    for waiting in server.state(Lists).waiting.values():
        waiting.kill(block=False)


# -- what comes of a list


def _own_address(server: "Server") -> JID:
    return JID.parse(server.default_domain)


def _later(server: "Server", seconds: float, shared: _List) -> None:
    earlier = server.state(Lists).waiting.get(shared)
    if earlier is not None:
        earlier.kill(block=False)
    server.state(Lists).waiting[shared] = gevent.spawn_later(seconds, _follow, server, shared)


def _follow(server: "Server", shared: _List) -> None:
    """Subscribe, and read the whole list once that is done; and all of it again after a while."""
    server.state(Lists).waiting.pop(shared, None)
    with Handled():
        _later(server, AGAIN_SECONDS, shared)
        server.state(Lists).changes[shared] = {}
        payload = _request("subscribe", node=shared.node, jid=_own_address(server))
        _ask(server, shared, "set", payload, lambda answer: _read(server, shared, set(), ""))


def _read(server: "Server", shared: _List, found: set[str], after: str) -> None:
    """Ask for the next page of the list, until there is none; then it takes the place of what was known before."""
    page = etree.Element(resultsets.SET, nsmap={None: resultsets.NAMESPACE})
    etree.SubElement(page, f"{{{resultsets.NAMESPACE}}}max").text = str(PAGE)
    if after:
        etree.SubElement(page, f"{{{resultsets.NAMESPACE}}}after").text = after
    payload = _request("items", page, node=shared.node)
    _ask(server, shared, "get", payload, partial(_take_page, server, shared, found))


def _take_page(server: "Server", shared: _List, found: set[str], answer: Stanza) -> None:
    pubsub = answer.payload
    items = pubsub.find(f"{{{PUBSUB}}}items") if pubsub is not None else None
    before, most = len(found), server.settings(SharedBlocklistsSettings).max_items
    found.update(_entries(items if items is not None else ()))
    last = pubsub.findtext(f"{resultsets.SET}/{{{resultsets.NAMESPACE}}}last") if pubsub is not None else None
    if last and before < len(found) < most:
        _read(server, shared, found, last)
        return
    if len(found) > most:
        log.warning("the list %s of %s has more than %d items; the rest is not heeded", shared.node, shared.service,
                    most)  # fmt: skip
        found = set(sorted(found)[:most])
    lists = server.state(Lists)
    lists.entries[shared] = found
    for entry, is_there in lists.changes.pop(shared, {}).items():
        _enter(server, shared, entry, is_there=is_there)
    log.info("%d items on the list %s of %s", len(found), shared.node, shared.service)


def _change(server: "Server", shared: _List, change: etree._Element) -> None:
    if change.tag in (f"{{{EVENT}}}purge", f"{{{EVENT}}}delete"):
        for entry in [*server.state(Lists).entries[shared]]:
            _enter(server, shared, entry, is_there=False)
    for name, is_there in (("retract", False), ("item", True)):
        for entry in _entries(change.iterchildren(f"{{{EVENT}}}{name}")):
            _enter(server, shared, entry, is_there=is_there)


def _enter(server: "Server", shared: _List, entry: str, *, is_there: bool) -> None:
    lists, most = server.state(Lists), server.settings(SharedBlocklistsSettings).max_items
    changes = lists.changes.get(shared)
    if changes is not None and len(changes) < most:
        changes[entry] = is_there
    entries = lists.entries[shared]
    if not is_there:
        entries.discard(entry)
    elif len(entries) < most:
        entries.add(entry)


def _entries(items: Iterable[etree._Element]) -> Iterator[str]:
    """What stands on a list; what is neither a hash nor a domain is passed over."""
    for item in items:
        id = item.get("id", "").strip()
        if HASH.fullmatch(id.lower()):
            yield id.lower()
            continue
        try:
            address = JID.parse(id)
        except MalformedJID:
            continue
        if address == address.domain and "." in address:  # a whole top-level domain would be a mistake
            yield str(address)


# -- requests


def _request(name: str, more: etree._Element | None = None, **attributes: str) -> bytes:
    pubsub = etree.Element(f"{{{PUBSUB}}}pubsub", nsmap={None: PUBSUB})
    etree.SubElement(pubsub, f"{{{PUBSUB}}}{name}", attributes)
    if more is not None:
        pubsub.append(more)
    return wire(pubsub)


def _ask(server: "Server", shared: _List, type: str, payload: bytes, then: Callable[[Stanza], None]) -> None:
    """Ask the service; if that does not come to anything, all begins anew after a while."""

    def answered(answer: Stanza | None) -> None:
        if answer is not None and answer.type == "result":
            then(answer)
            return
        if server.is_stopping:
            return
        log.warning("the list %s of %s cannot be read: %s", shared.node, shared.service, _reason(answer))
        _later(server, RETRY_SECONDS, shared)

    server.requests.ask(
        type, payload, to=shared.service, sender=_own_address(server), seconds=ANSWER_SECONDS, on_reply=answered
    )


def _reason(answer: Stanza | None) -> str:
    if answer is None:
        return "no answer"
    error = answer.child("{jabber:client}error")
    return ", ".join(str(each.tag).rpartition("}")[2] for each in error) if error is not None else "an error"
