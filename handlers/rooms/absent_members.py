"""XEP-0357 for rooms: who belongs to a room, and has no session in it, is woken by what is said there.

In a room for members by each message, elsewhere by those that mention it. App servers learn nothing but that there is
something: a device that is woken comes, enters its rooms, and finds the rest in the archive. Whose session sleeps in
the room gets the message itself, and is woken like for any other (handlers/push).
"""

import logging
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Literal

import gevent

from db import push as registrations
from db import room_visits
from handlers import push
from handlers.contacts.access import is_blocked
from handlers.push.bursts import PushSettings
from handlers.push.events import is_worth_reading
from handlers.rooms.absentees import Absentees, AbsentMembers
from handlers.rooms.gathered import AT_ONCE
from handlers.rooms.mentions import Nicks, mentioned
from handlers.rooms.occasions import Saying
from handlers.rooms.room import NOBODY, Occupant, Room
from handlers.rooms.rooms_here import Rooms
from handlers.rooms.visits import belongs
from xmpp.config.configuration import setting
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP
from xmpp.routing.feature import Feature
from xmpp.running.handling import Handled, handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class AbsentMembersSettings:
    """Members who are not in a room, and are woken for it by push notifications."""

    max_quiet_seconds: float = setting(300.0, "Who was woken for a room, and has not come, is left alone for"
                                       " `push.burst_seconds`, each time for twice as long, but no longer than that.",
                                       minimum=0, maximum=2_592_000)  # fmt: skip


feature = Feature("absent_members", xep="0357", needs=["rooms", "push"], settings=AbsentMembersSettings)


# -- what is said


@feature.step
def wake(saying: Saying) -> None:
    """ROOM_TOLD: wake who belongs to the room and is not there; in portions, since it may be thousands. Raises nothing
    when the storage fails: the message has been told."""
    try:
        absentees = _absentees(saying.room)
    except saying.room.server.storage_errors as error:
        log_refusal(log, error, "cannot wake those who are not in %s", saying.room.address)
        return
    if not absentees.people:
        return
    if saying.room.configuration.membersonly:
        _wake_members(saying, absentees)
    else:
        _wake_mentioned(saying, absentees)


def _wake_members(saying: Saying, absentees: Absentees) -> None:
    """Nobody waits for that, nor does who speaks. If some are being woken just now the rest is with them."""
    server, line = saying.room.server, _line(saying.room)
    absentees.wake_up(monotonic())
    is_under_way = absentees.is_put_off or server.portions.length(line)
    if absentees.due and not is_under_way and is_worth_reading(saying.stanza.element):
        with Handled(handled().ticket):
            server.portions.begin(line, _wake_all(saying, absentees, absentees.due))


def _wake_mentioned(saying: Saying, absentees: Absentees) -> None:
    server, line = saying.room.server, _line(saying.room)
    if absentees.nicks is None:
        absentees.nicks = Nicks()
        server.portions.begin(line, _learn_nicks(saying.room, absentees.nicks, tuple(absentees.people)))
    if server.portions.length(line):
        server.portions.begin(line, _wake_all(saying, absentees, _mentioned(saying, absentees.nicks)))
    else:
        people = [*_mentioned(saying, absentees.nicks)]
        if people:
            server.portions.begin(line, _wake_all(saying, absentees, people))


def _mentioned(saying: Saying, nicks: Nicks) -> Iterator[JID]:
    """Those whom a message mentions, found when the first of them is asked for."""
    people = mentioned(saying.stanza, saying.text, saying.room.address, nicks)
    if people and is_worth_reading(saying.stanza.element):
        yield from people


def _learn_nicks(room: Room, nicks: Nicks, people: Sequence[JID]) -> Iterator[None]:
    """By what they are called who are not in the room: the nicks that are reserved for them, and their last ones."""
    last = room_visits.nicks(room.server.db, room.number)
    for number, account in enumerate(people):
        if account not in nicks:  # else it is known better by now
            nicks.put(account, _nicks(room, account, last.get(account, "")))
        if not number % AT_ONCE:
            yield


def _line(room: Room) -> Hashable:
    """In which those of a room are woken, one after the other."""
    return feature.name, room.address


def _wake_all(saying: Saying, absentees: Absentees, people: Iterable[JID]) -> Iterator[None]:
    left = deque(people)
    while left:
        if saying.room.server.requests.are_many:  # app servers that do not answer would leave no room for others
            _put_off(saying, absentees, left)
            return
        account = left.popleft()
        if _is_absent(saying.room, absentees, account) and not _is_unheard(saying, account):
            _wake(saying.room, absentees, account)
        yield


def _put_off(saying: Saying, absentees: Absentees, people: Iterable[JID]) -> None:
    """Wake these later; in a room that has done so already others are left out, however much is said meanwhile."""
    if not absentees.is_put_off:
        absentees.is_put_off = True
        gevent.spawn_later(RETRY_SECONDS, _wake_rest, saying, absentees, people)


def _wake_rest(saying: Saying, absentees: Absentees, people: Iterable[JID]) -> None:
    server = saying.room.server
    absentees.is_put_off = False
    if not server.is_stopping:
        with Handled():
            server.portions.begin(_line(saying.room), _wake_all(saying, absentees, people))


def _is_absent(room: Room, absentees: Absentees, account: JID) -> bool:
    if account not in absentees.people:
        return False
    if account in room.accounts:
        absentees.due.pop(account, None)  # until it leaves
        return False
    return not room.server.state(AbsentMembers).is_resting(account, room.address, monotonic())


def _is_unheard(saying: Saying, account: JID) -> bool:
    """Whether somebody has blocked the room, its service, or who has said it: as an occupant, or by the real address,
    which it is not told by this."""
    server, nick = saying.room.server, saying.stanza.sender
    return is_blocked(server, account, saying.sender) or (nick is not None and is_blocked(server, account, nick))


def _wake(room: Room, absentees: Absentees, account: JID) -> None:
    server, state = room.server, room.server.state(AbsentMembers)
    is_woken = push.wake_unnamed(server, account)
    if is_woken is None:
        absentees.remove(account)  # until it enables push again
    elif is_woken:
        seconds = server.settings(PushSettings).burst_seconds
        at_most = server.settings(AbsentMembersSettings).max_quiet_seconds
        state.was_woken(account, room.address, monotonic(), seconds=seconds, at_most=at_most)
    else:
        state.is_awake(account, room.address)


def _absentees(room: Room) -> Absentees:
    """Those of a room; a query for the first message while it is in memory."""
    known = room.server.state(AbsentMembers).rooms
    absentees = known.get(room.address)
    if absentees is None:
        enabled = registrations.those_of_room(room.server.db, room.number)
        people = [JID.parse(jid) for jid in room.affiliations if jid in enabled]
        absentees = known[room.address] = Absentees(people, room.accounts)
    return absentees


def _nicks(room: Room, account: JID, last: str) -> Collection[str]:
    """By what somebody is called who is not in the room: the nick that is reserved for it, and its last one."""
    return [room.affiliations.get(account, NOBODY).nick, last]


# -- what changes


@feature.step
def note_entered(room: Room, occupant: Occupant, session: JID) -> None:
    """ROOM_ENTERED: who is there is not to be woken."""
    absentees = room.server.state(AbsentMembers).rooms.get(room.address)
    if absentees is not None:
        absentees.due.pop(occupant.account, None)


@feature.step
def note_left(room: Room, occupant: Occupant, session: JID) -> None:
    """ROOM_LEFT: who is not there any more is to be woken. Nothing is said in a room where nobody is."""
    known = room.server.state(AbsentMembers).rooms
    absentees, account = known.get(room.address), occupant.account
    if not room.occupants:
        known.pop(room.address, None)
    elif absentees is not None and account in absentees.people and account not in room.accounts:
        absentees.wants(account)
        absentees.is_called(account, _nicks(room, account, occupant.nick))


@feature.step
def note_people(room: Room, people: Collection[JID]) -> None:
    """ROOM_PEOPLE_CHANGED: who belongs to the room has changed."""
    absentees = room.server.state(AbsentMembers).rooms.get(room.address)
    for account in people if absentees is not None else ():
        assert absentees is not None
        if belongs(room, account) and room.server.ownership.is_ours(account):
            _note_member(room, absentees, account)
        else:
            absentees.remove(account)


@feature.step
def note_enabled(server: "Server", account: JID) -> None:
    """PUSH_ENABLED: a device of somebody who belongs to rooms can be woken."""
    state = server.state(AbsentMembers)
    for room in server.state(Rooms):
        absentees = state.rooms.get(room.address)
        if absentees is not None and account not in absentees.people and belongs(room, account):
            _note_member(room, absentees, account)


def _note_member(room: Room, absentees: Absentees, account: JID) -> None:
    if registrations.registrations(room.server.db, account):
        absentees.add(account, is_here=account in room.accounts)
        absentees.is_called(account, _nicks(room, account, ""))


@feature.step
def note_lost(session: "Session") -> None:
    """CONNECTION_LOST: the device was here until now, so it is woken by the next message."""
    session.server.state(AbsentMembers).goes(session.account)


@feature.step
def note_logout(session: "Session") -> None:
    """SESSION_ENDED: the same, unless the session was hibernating: then the device was away before."""
    if session.connection is not None:
        session.server.state(AbsentMembers).goes(session.account)


# -- those whose session sleeps in the room


@feature.step
def spare_author(session: "Session", stanza: Stanza) -> Literal["stop"] | None:
    """DEVICE_WOKEN: what somebody has said in a room is no news to its own devices."""
    if stanza.type != "groupchat" or stanza.sender is None:
        return None
    room = session.server.state(Rooms).here.get(stanza.sender.bare)
    author = room.occupants.get(stanza.sender.resource) if room is not None else None
    return STOP if author is not None and author.account == session.account else None
