"""XEP-0191: an account's blocklist, and the stanzas that it stops in both directions.

To those on the list the account looks offline: what they send is answered as if nobody were there, or not at all.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lxml import etree

from db import blocklists, rosters
from handlers.contacts import missed_presence, presence
from handlers.contacts.access import is_blocked, sees_presence
from handlers.messages.payloads import MUC_INVITE, MUC_USER
from xmpp.config.configuration import setting
from xmpp.data import addresses
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID, AddressReader, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.delivery import STOP, Delivery, concerns
from xmpp.routing.feature import Feature
from xmpp.routing.portions import go_on
from xmpp.routing.session import session_of
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

NAMESPACE = "urn:xmpp:blocking"
BLOCKLIST = f"{{{NAMESPACE}}}blocklist"
BLOCK = f"{{{NAMESPACE}}}block"
UNBLOCK = f"{{{NAMESPACE}}}unblock"
ITEM = f"{{{NAMESPACE}}}item"
INTEREST = "blocking"


@dataclass(frozen=True)
class BlockingSettings:
    """Blocking: the lists of those whom an account does not want to hear of."""

    max_items: int = setting(1_000, "The most addresses on one account's list.", minimum=1, maximum=100_000)
    max_bytes: int = setting(131_072, "How long they may be together.", minimum=1_000, maximum=100_000_000)


feature = Feature(
    "blocking", xep="0191", disco=[NAMESPACE], settings=BlockingSettings, optional=False, needs=["presence"]
)

# f(server, account, contact), with a bare address: after both were shown each other's presence again.
CONTACT_UNBLOCKED = Table[Callable[["Server", JID, JID], None]]("CONTACT_UNBLOCKED")
# f(server, iq): a request to block somebody is carried out. Whatever a step does, they are blocked.
BLOCK_REQUESTED = Table[Callable[["Server", Stanza], None]]("BLOCK_REQUESTED")


# -- delivery steps


@feature.step
def refuse_to_blocked(delivery: Delivery) -> None:
    """MESSAGE_SENT, PRESENCE_SENT, IQ_SENT: the sender learns that it has blocked the addressee (section 3.3)."""
    to = delivery.stanza.to
    if to is not None and is_blocked(delivery.server, delivery.account, to):
        condition = etree.XML('<blocked xmlns="urn:xmpp:blocking:errors"/>')
        raise StanzaError("not-acceptable", "You have blocked this JID", type="cancel", application=condition)


@feature.step
def refuse_from_blocked(delivery: Delivery) -> Literal["stop"] | None:
    """MESSAGE_RECEIVED, PRESENCE_RECEIVED, IQ_RECEIVED and others: messages and requests of the blocked are refused as
    if nobody were there, all else vanishes (section 3.3)."""
    stanza = delivery.stanza
    if stanza.sender is None or not is_blocked(delivery.server, delivery.account, stanza.sender):
        return None
    if _is_of_a_room_entered(delivery):
        return None
    if stanza.kind == "message" or stanza.is_request:
        raise StanzaError("service-unavailable")
    if stanza.kind == "presence" and stanza.type in (None, "unavailable"):
        _note_missed(delivery.server, delivery.account, stanza.sender, is_end=stanza.type == "unavailable")
    return STOP


def _is_of_a_room_entered(delivery: Delivery) -> bool:
    """True for what all hear in a room that the session is in: to refuse what one of them says would put it out of the
    room (XEP-0045 section 17.1.3). What that one says to it alone is refused. Who blocks the room has left it."""
    stanza = delivery.stanza
    for_all = stanza.type == "groupchat" or (stanza.kind == "presence" and MUC_USER in stanza.child_tags)
    if not for_all or stanza.to is None or stanza.to.is_bare or stanza.sender is None:
        return False
    session, room = delivery.server.online.session(stanza.to), stanza.sender.bare
    return session is not None and any(to.bare == room for to in session.directed)


@feature.step
@concerns(MUC_USER)
def refuse_invitation_by_blocked(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED: an invitation comes from a room, and is somebody's all the same (XEP-0045 section 7.8.2)."""
    for room in delivery.stanza.children(MUC_USER):
        for invitation in room.iterchildren(MUC_INVITE):
            inviter = _address_or_none(invitation.get("from", ""))
            if inviter is not None and is_blocked(delivery.server, delivery.account, inviter):
                raise StanzaError("service-unavailable")


def _address_or_none(text: str) -> JID | None:
    try:
        return JID.parse(text)
    except MalformedJID:
        return None


# -- commands


@feature.iq_get(BLOCKLIST)
def list_blocked(server: "Server", iq: Stanza) -> etree._Element:
    """The whole list; from now on the session is told of changes."""
    assert iq.sender is not None
    session_of(iq).interests.add(INTEREST)
    return _element(BLOCKLIST, sorted(blocklists.patterns(server.db, iq.sender.bare)))


@feature.iq_set(BLOCK)
def block(server: "Server", iq: Stanza) -> None:
    """Block addresses. Those who saw the account's presence are sent its end."""
    assert iq.sender is not None
    account, wanted = iq.sender.bare, _items(iq)
    if not wanted:
        raise StanzaError("bad-request", "a block command names at least one address")
    _check_limit(server, account, wanted)
    sessions = server.online.sessions(account)
    subscribers = {to for to in _subscribers(server, account, wanted) if not is_blocked(server, account, to)}
    directed = {to for session in sessions for to in session.directed if not is_blocked(server, account, to)}
    blocklists.add(server.db, account, wanted)
    subscribers = {to for to in subscribers if is_blocked(server, account, to)}
    directed = {to for to in directed if is_blocked(server, account, to)}
    left = [(session, _watching(session, subscribers, directed)) for session in sessions]
    # There may be thousands
    server.portions.begin(
        account, _leave(server, left), if_lost=lambda: wanted <= blocklists.patterns(server.db, account)
    )
    for step in server.tables[BLOCK_REQUESTED]:
        step(server, iq)
    iq.after_reply(lambda: _push(server, account, BLOCK, wanted))


@feature.iq_set(UNBLOCK)
def unblock(server: "Server", iq: Stanza) -> None:
    """Unblock addresses, or all if none is named. Both sides are shown the presence of the other again, as it is
    now."""
    assert iq.sender is not None
    account, named = iq.sender.bare, _items(iq)
    if not named and len(iq.only_child()):
        raise StanzaError("bad-request", "an unblock command names addresses, or is empty and unblocks all")
    unblocked = named or blocklists.patterns(server.db, account)
    hidden = [to for to in _subscribers(server, account, unblocked) if is_blocked(server, account, to)]
    unheard = [each for each in rosters.subscribed_to(server.db, account) if is_blocked(server, account, each)]
    if named:
        blocklists.remove(server.db, account, named)
    else:
        blocklists.clear(server.db, account)
    server.portions.begin(account, _show(server, account, hidden), if_lost=go_on)
    server.portions.begin(account, _show_missed(server, account), if_lost=go_on)
    server.portions.begin(account, _tell_unblocked(server, account, {*hidden, *unheard}), if_lost=go_on)
    iq.after_reply(lambda: _push(server, account, UNBLOCK, named))


def _check_limit(server: "Server", account: JID, wanted: Iterable[JID]) -> None:
    settings, listed = server.settings(BlockingSettings), blocklists.patterns(server.db, account).union(wanted)
    if len(listed) > settings.max_items:
        raise StanzaError("resource-constraint", f"a blocklist holds at most {settings.max_items} addresses")
    if sum(len(jid.encode()) for jid in listed) > settings.max_bytes:
        raise StanzaError("resource-constraint", f"a blocklist holds at most {settings.max_bytes} bytes")


def _push(server: "Server", account: JID, tag: str, jids: Iterable[JID]) -> None:
    """Tell the sessions that asked for the list what was blocked or unblocked."""
    change = wire(_element(tag, jids))
    for session in server.online.sessions(account):
        if INTEREST in session.interests:
            session.send(Stanza.build("iq", change, type="set", id=random_id(), to=session.jid))


def _note_missed(server: "Server", account: JID, sender: JID, *, is_end: bool) -> None:
    """Note presence that is withheld from the account, if it is a contact's: nothing is kept of what strangers send."""
    item = rosters.item(server.db, account, sender.bare)
    if item is not None and item.is_subscribed_to and sender.is_full:
        missed_presence.note(server, account, sender, is_end=is_end)


# -- who sees the account's presence


def _subscribers(server: "Server", account: JID, named: Iterable[JID]) -> list[JID]:
    """The contacts who may see the account's presence, and those of their resources that are named one by one."""
    resources = [jid for jid in named if jid.is_full and sees_presence(server, account, jid)]
    return [*rosters.subscribers(server.db, account), *resources]


def _watching(session: "Session", subscribers: set[JID], directed: set[JID]) -> set[JID]:
    """Those who see this session's presence: by subscription, or since it was sent to them directly."""
    return session.directed & directed | (subscribers if session.is_available else set())


def _leave(server: "Server", left: "Iterable[tuple[Session, set[JID]]]") -> Iterator[None]:
    """Send the end of presence from each session to those who watched it; a bare address stands for all resources. In
    steps. Nothing is sent to contacts who cannot be online: some accounts block thousands.
    """
    for session, watching in left:
        for to in watching:
            session.directed.discard(to)
            if (to.is_bare or to.bare not in watching) and server.ownership.may_be_online(to.bare):
                server.router.route(Stanza.build("presence", type="unavailable", to=to, sender=session.jid))
                yield


def _show(server: "Server", account: JID, hidden: Iterable[JID]) -> Iterator[None]:
    """Show the presence of an account to those who may see it again; in steps."""
    for to in hidden:
        if server.ownership.may_be_online(to.bare) and not is_blocked(server, account, to):
            presence.send_current(server, account, to)
            yield


def _show_missed(server: "Server", account: JID) -> Iterator[None]:
    """Show the account's devices what they have missed of others' presence meanwhile; in steps. Contacts who are not
    ours are probed, each once: the answer goes to all devices."""
    asked = set[JID]()
    for session in server.online.available(account):
        for jid, is_end in missed_presence.take(session, lambda each: not is_blocked(server, account, each)):
            if is_end or server.ownership.is_ours(jid):
                session.send(_presence_now(server, account, jid))
            elif jid not in asked:
                asked.add(jid)
                presence.probe(server, account, jid)
            yield


def _presence_now(server: "Server", account: JID, jid: JID) -> Stanza:
    for theirs in server.ownership.available(jid.bare) or ():
        if theirs.jid == jid and presence.is_shown(server, theirs.account, account):
            return presence.current_presence(server, theirs).addressed(account)
    return Stanza.build("presence", type="unavailable", to=account, sender=jid)


def _tell_unblocked(server: "Server", account: JID, contacts: Iterable[JID]) -> Iterator[None]:
    """Run CONTACT_UNBLOCKED for each of the contacts that is a bare address; in steps."""
    for contact in sorted(contacts):
        if contact.is_bare and not is_blocked(server, account, contact):
            for step in server.tables[CONTACT_UNBLOCKED]:
                step(server, account, contact)
            yield


# -- the elements of XEP-0191


def _items(iq: Stanza) -> frozenset[JID]:
    reader = AddressReader()
    return frozenset(addresses.read(item.get("jid", ""), reader) for item in iq.only_child().iterchildren(ITEM))


def _element(tag: str, jids: Iterable[JID]) -> etree._Element:
    element = etree.Element(tag)
    for jid in sorted(jids):
        etree.SubElement(element, ITEM, jid=jid)
    return element
