"""XEP-0437: clients learn in which of their rooms something was said while they are not there, without entering them.

A session that has subscribed at the service is told of each room once: of those with news when it subscribes, of others
when something is said; and again after somebody of its account has been in the room. Its rooms are those to which the
account belongs.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from db import room_visits, rooms
from handlers.contacts.access import is_at_home, is_blocked
from handlers.push.events import is_worth_reading
from handlers.rooms import SUBDOMAIN, telling
from handlers.rooms import configuration as configurations
from handlers.rooms.occasions import Saying
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import Rooms
from handlers.rooms.visits import belongs
from xmpp.config.configuration import setting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

NAMESPACE = "urn:xmpp:rai:0"
RAI = f"{{{NAMESPACE}}}rai"


@dataclass(frozen=True)
class RoomActivitySettings:
    """Room activity indicators: clients are told in which rooms there is something new."""

    max_subscriptions: int = setting(20_000, "The most sessions that are told.", minimum=1, maximum=10_000_000)
    max_rooms: int = setting(1_000, "Of so many rooms one session is told while it is subscribed.",
                             minimum=1, maximum=100_000)  # fmt: skip


feature = Feature(
    "room_activity", xep="0437", needs=["rooms"], settings=RoomActivitySettings, service_disco={SUBDOMAIN: [NAMESPACE]}
)


class Subscriptions:
    """The sessions that have subscribed at one service: by account and session, of which rooms each has been told; and
    for each room in memory in which something was said, which of them are to be told of it."""

    def __init__(self) -> None:
        self._count = 0
        self._told: dict[JID, dict[JID, set[JID]]] = {}
        self._due: dict[JID, dict[JID, None]] = {}

    def add(self, session: JID) -> set[JID]:
        """Have a session be told, if it is not yet; returns of which rooms it has been told."""
        sessions = self._told.setdefault(session.bare, {})
        if session not in sessions:
            sessions[session] = set()
            self._count += 1
        return sessions[session]

    def remove(self, session: JID) -> None:
        """Have a session be told no more."""
        sessions = self._told.get(session.bare, {})
        if sessions.pop(session, None) is not None:
            self._count -= 1
        if not sessions:
            self._told.pop(session.bare, None)

    def told(self, session: JID) -> set[JID] | None:
        """Of which rooms a session has been told; None if it has not subscribed."""
        return self._told.get(session.bare, {}).get(session)

    def due(self, room: Room) -> dict[JID, None]:
        """Who is to be told of a room. Whoever tells them looks whether that is still so."""
        due = self._due.get(room.address)
        if due is None:
            due = self._due[room.address] = {}
            for account in self._told.keys() & room.affiliations.keys():
                self.want(room, account)
        return due

    def want(self, room: Room, account: JID) -> None:
        """Those of an account's sessions that have not been told of a room, and are not there, are to be told."""
        due = self._due.get(room.address)
        if due is not None and belongs(room, account):
            told = self._told.get(account, {})
            due.update({each: None for each in told if room.address not in told[each] and each not in room.by_session})

    def has_read(self, room: Room, account: JID) -> None:
        """Somebody has been in a room: what is said from now on is news."""
        for told in self._told.get(account, {}).values():
            told.discard(room.address)
        self.want(room, account)

    def is_here(self, room: Room, session: JID) -> None:
        """A session is in a room."""
        self._due.get(room.address, {}).pop(session, None)

    def forget(self, room: Room) -> None:
        """Nobody is in a room any more, so nothing is said there."""
        self._due.pop(room.address, None)

    def __len__(self) -> int:
        return self._count


class RoomActivity:
    """Who has subscribed, by service."""

    def __init__(self) -> None:
        self._at: dict[str, Subscriptions] = {}

    def at(self, service: str) -> Subscriptions:
        """Those at this service."""
        return self._at.setdefault(service, Subscriptions())

    def __iter__(self) -> Iterator[Subscriptions]:
        return iter(self._at.values())


# -- what clients say


@feature.step
def receive(delivery: Delivery) -> Literal["stop"] | None:
    """SUBDOMAIN.received, behind all that is for rooms: presence to the service itself."""
    stanza = delivery.stanza
    if stanza.kind != "presence" or stanza.sender is None:
        return None
    if stanza.type is None and RAI in stanza.child_tags:
        _subscribe(delivery.server, stanza.sender, delivery.account)
    elif stanza.type == "unavailable":
        delivery.server.state(RoomActivity).at(delivery.account).remove(stanza.sender)
    return STOP


@feature.step
def note_end(session: "Session") -> None:
    """SESSION_ENDED: nobody is told any more, whoever has heard of its end."""
    for subscriptions in session.server.state(RoomActivity):
        subscriptions.remove(session.jid)


def _subscribe(server: "Server", session: JID, service: JID) -> None:
    """From now on the session is told; at once of all rooms with news."""
    if not is_at_home(server, session):
        raise StanzaError("forbidden", "only accounts of this server are told of what goes on in rooms")
    subscriptions, settings = server.state(RoomActivity).at(service), server.settings(RoomActivitySettings)
    if subscriptions.told(session) is None and len(subscriptions) >= settings.max_subscriptions:
        raise StanzaError("resource-constraint", f"{settings.max_subscriptions} sessions are told already", type="wait")
    told = subscriptions.add(session)
    news = [each for each in _with_news(server, session.bare, service) if each not in told]
    news = news[: settings.max_rooms - len(told)]
    told.update(news)
    if news:
        _tell(server, session, service, news)
    for address in rooms.rooms_of(server.db, session.bare):
        room = server.state(Rooms).here.get(address)
        if room is not None and address.domain == service:
            subscriptions.want(room, session.bare)


def _with_news(server: "Server", account: JID, service: JID) -> Iterator[JID]:
    """The rooms in which something was said since the account was there."""
    for each in room_visits.with_news(server.db, account):
        room = server.state(Rooms).here.get(each.jid)
        if each.jid.domain != service or _has_blocked(server, account, each.jid):
            continue
        if room is not None and (account in room.accounts or room.is_locked):
            continue
        if each.may_know_password or not configurations.from_text(each.configuration).passwordprotectedroom:
            yield each.jid


# -- what is said


@feature.step
def note_said(saying: Saying) -> None:
    """ROOM_TOLD: tell who has subscribed and is not there; in portions, since it may be thousands."""
    room, server = saying.room, saying.room.server
    due = server.state(RoomActivity).at(room.address.domain).due(room)
    if due and is_worth_reading(saying.stanza.element):
        server.portions.begin((feature.name, room.address), _tell_all(saying, tuple(due)))


def _tell_all(saying: Saying, sessions: Iterable[JID]) -> Iterator[None]:
    room, server = saying.room, saying.room.server
    subscriptions, author = server.state(RoomActivity).at(room.address.domain), saying.sender.bare
    for session in sessions:
        if session.bare != author and session in subscriptions.due(room):
            _tell_of(room, subscriptions, session)
        yield


def _tell_of(room: Room, subscriptions: Subscriptions, session: JID) -> None:
    server, told = room.server, subscriptions.told(session)
    if told is None or not belongs(room, session.bare):
        subscriptions.due(room).pop(session)
    elif _may_enter(room, session.bare) and not _has_blocked(server, session.bare, room.address):
        subscriptions.due(room).pop(session)
        if len(told) < server.settings(RoomActivitySettings).max_rooms:
            told.add(room.address)
            _tell(server, session, JID.parse(room.address.domain), [room.address])


def _may_enter(room: Room, account: JID) -> bool:
    """Whether somebody who belongs to a room can know the password, if it has one: who has been in it, or owns it."""
    if not room.configuration.passwordprotectedroom or room.affiliation(account) == "owner":
        return True
    return room_visits.was_there(room.server.db, room.number, account)


def _has_blocked(server: "Server", account: JID, room: JID) -> bool:
    return server.ownership.is_ours(account) and is_blocked(server, account, room)


def _tell(server: "Server", session: JID, service: JID, news: Iterable[JID]) -> None:
    inner = "".join(f"<activity>{escaped(each)}</activity>" for each in news)
    content = f'<rai xmlns="{NAMESPACE}">{inner}</rai>'.encode()
    telling.send(server, Stanza.build("message", content, to=session, sender=service))


# -- who is where


@feature.step
def note_entered(room: Room, occupant: Occupant, session: JID) -> None:
    """ROOM_ENTERED: who is there hears everything."""
    room.server.state(RoomActivity).at(room.address.domain).is_here(room, session)


@feature.step
def note_left(room: Room, occupant: Occupant, session: JID) -> None:
    """ROOM_LEFT: who is not there any more has read all that was said."""
    subscriptions = room.server.state(RoomActivity).at(room.address.domain)
    subscriptions.has_read(room, occupant.account)
    if not room.occupants:
        subscriptions.forget(room)


@feature.step
def note_people(room: Room, people: Collection[JID]) -> None:
    """ROOM_PEOPLE_CHANGED: others belong to the room."""
    subscriptions = room.server.state(RoomActivity).at(room.address.domain)
    for account in people:
        subscriptions.want(room, account)
