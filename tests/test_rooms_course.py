"""Whatever happens to lines, sessions, rooms and the server: everybody sees a room as it is, and nobody is in it who is
gone; all who are there hear the same in the same order, which is what the archive has.

Hypothesis takes some devices through it, and makes what fails as short as it can.
"""

import itertools
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from handlers.contacts import presence
from handlers.rooms import room_archive
from handlers.rooms.rooms_here import Rooms
from handlers.rooms.to_occupants import UnderWay
from handlers.sessions import stream_management
from handlers.tables import TABLES
from tests.harness.chronicle import Chronicle, Judge, compare_kept, compare_pictures, look_for_ghosts
from tests.harness.courses import ACTIVE, INACTIVE, Lines, courses_of, devices_that, if_any
from tests.harness.devices import Device, Management
from tests.harness.roomgoers import Roomgoer
from tests.harness.rooms import MUC, ROOM
from tests.harness.soak import IS_SOAKING, rounds
from tests.harness.town import Town
from xmpp.data.jid import JID
from xmpp.routing.feature import Feature
from xmpp.routing.tables import Tables

COURSES = rounds(40, 1000)
STEPS = rounds(30, 60)

ROOMS = (JID.parse(ROOM), JID.parse("mantua@rooms.localhost"))
DEVICES = ("juliet@localhost/balcony", "juliet@localhost/chamber", "romeo@localhost/orchard", "romeo@localhost/cell",
           "mercutio@localhost/street")  # fmt: skip
PEOPLE = tuple(dict.fromkeys(JID.parse(device).bare for device in DEVICES))
NICKS = ("juliet", "romeo", "mercutio", "rose", "lark")
MANAGEMENTS = ("resumable", "resumable", "counted")
HISTORIES = ("", "<history maxstanzas='0'/>", "<history maxstanzas='2'/>")
OFFLINE = "<presence type='unavailable'/>"
PRESENCES = ("<presence/>", "<presence><show>away</show></presence>", OFFLINE)
WISHES = ("block", "unblock", "unblock")
ROLES = ("moderator", "participant", "visitor", "none")
AFFILIATIONS = ("owner", "admin", "member", "none", "outcast")
CONFIGURATIONS = (
    ("membersonly", "1"), ("membersonly", "0"), ("moderatedroom", "1"), ("moderatedroom", "0"), ("whois", "anyone"),
    ("whois", "moderators"), ("persistentroom", "0"), ("persistentroom", "1"), ("enablearchiving", "0"),
    ("enablearchiving", "1"), ("historylength", "2"), ("changesubject", "1"), ("allowpm", "moderators"),
    ("presencebroadcast", "moderator"), ("presencebroadcast", "participant"),
)  # fmt: skip

ROOM_OF_COURSE = st.sampled_from((ROOMS[0], *ROOMS))  # mostly in the first one
NICK = st.sampled_from(NICKS)
PERSON = st.sampled_from(PEOPLE)
IN_A_ROOM = "is_in_a_room"


class Course(Lines):
    """One course of events. `tally` counts them."""

    def __init__(self, tables: Tables, tally: Counter[str]) -> None:
        super().__init__(tally)
        self._numbers = itertools.count(1)
        self._is_new = True  # nobody has come yet
        self._folder = TemporaryDirectory()
        self._chronicle = Chronicle()
        settings: dict[str, dict[str, Any]] = {"archive": {"enabled": True}, "rooms": {"tombstone_days": 0}}
        watched = self._chronicle.watching(tables)
        self.town = Town(Path(self._folder.name), DEVICES, watched, settings, Roomgoer)

    @property
    def _devices(self) -> list[Roomgoer]:
        return [device for device in self.town.devices if isinstance(device, Roomgoer)]

    @initialize(there=st.sets(st.sampled_from(DEVICES), min_size=2), configured=st.sampled_from(CONFIGURATIONS))
    def begin(self, there: set[str], configured: tuple[str, str]) -> None:
        """There is a room, and some are in it already."""
        for device in self._devices:
            if device.jid in there:
                self.log_in(device, "resumable", "<presence/>")
                self.enter(device, ROOMS[0], device.account.local, "")
                self.configure(device, ROOMS[0], configured)

    # -- who is there

    @rule(device=devices_that("is_here"), room=ROOM_OF_COURSE, nick=NICK, history=st.sampled_from(HISTORIES))
    @if_any("is_here")
    def enter(self, device: Roomgoer, room: JID, nick: str, history: str) -> None:
        """Also anew. Who makes a room so takes it as it is."""
        device.enter(room, device.nick_in(room) or nick, history)
        self._request(device, room, "owner", "<x xmlns='jabber:x:data' type='submit'/>")
        self.tally["entered"] += 1

    @rule(device=devices_that("is_here"), room=ROOM_OF_COURSE, nick=NICK)
    @if_any("is_here")
    def make(self, device: Roomgoer, room: JID, nick: str) -> None:
        """Enter, and if that makes a room, leave it to be configured."""
        device.enter(room, device.nick_in(room) or nick)
        self.town.settle()

    @rule(device=devices_that(IN_A_ROOM), room=ROOM_OF_COURSE, nick=NICK)
    @if_any(IN_A_ROOM)
    def change_nick(self, device: Roomgoer, room: JID, nick: str) -> None:
        """Or say something new, if it is the same."""
        self._send(device, f"<presence to='{room}/{nick}'><status>{next(self._numbers)}</status></presence>")
        self.tally["nick changes"] += 1

    @rule(device=devices_that(IN_A_ROOM), room=ROOM_OF_COURSE)
    @if_any(IN_A_ROOM)
    def leave(self, device: Roomgoer, room: JID) -> None:
        self._send(device, f"<presence to='{room}/{device.nick_in(room) or 'rose'}' type='unavailable'/>")

    # -- what is said

    @rule(messages=st.lists(st.tuples(devices_that("is_here"), ROOM_OF_COURSE, st.booleans()), min_size=2, max_size=6))
    @if_any("is_here")
    def talk(self, messages: list[tuple[Roomgoer, JID, bool]]) -> None:
        for device, room, is_subject in messages:
            id = f"m{next(self._numbers)}"
            content = f"<subject>{id}</subject>" if is_subject else f"<body>{id}</body>"
            self._send(device, f"<message id='{id}' to='{room}' type='groupchat'>{content}</message>")
        self.tally["messages"] += len(messages)

    @rule(device=devices_that(IN_A_ROOM), room=ROOM_OF_COURSE, nick=NICK)
    @if_any(IN_A_ROOM)
    def whisper(self, device: Roomgoer, room: JID, nick: str) -> None:
        id = f"p{next(self._numbers)}"
        self._send(device, f"<message id='{id}' to='{room}/{nick}' type='chat'><body>{id}</body></message>")
        self.tally["whispers"] += 1

    # -- who is what

    @rule(device=devices_that(IN_A_ROOM), room=ROOM_OF_COURSE,
          items=st.lists(st.tuples(NICK, st.sampled_from(ROLES)), min_size=1, max_size=2))  # fmt: skip
    @if_any(IN_A_ROOM)
    def give_roles(self, device: Roomgoer, room: JID, items: list[tuple[str, str]]) -> None:
        """Or kick."""
        self._request(device, room, "admin", "".join(f"<item nick='{nick}' role='{role}'/>" for nick, role in items))
        self.tally["roles given"] += 1

    @rule(device=devices_that("is_here"), room=ROOM_OF_COURSE,
          items=st.lists(st.tuples(PERSON, st.sampled_from(AFFILIATIONS)), min_size=1, max_size=2))  # fmt: skip
    @if_any("is_here")
    def give_affiliations(self, device: Roomgoer, room: JID, items: list[tuple[JID, str]]) -> None:
        """Or ban."""
        given = (f"<item jid='{jid}' affiliation='{affiliation}'/>" for jid, affiliation in items)
        self._request(device, room, "admin", "".join(given))
        self.tally["affiliations given"] += 1

    @rule(device=devices_that("is_here"), room=ROOM_OF_COURSE, configured=st.sampled_from(CONFIGURATIONS))
    @if_any("is_here")
    def configure(self, device: Roomgoer, room: JID, configured: tuple[str, str]) -> None:
        name, value = configured
        fields = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        fields += f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>"
        self._request(device, room, "owner", f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
        self.tally["configured"] += 1

    @rule(device=devices_that(IN_A_ROOM), room=ROOM_OF_COURSE)
    @if_any(IN_A_ROOM)
    def destroy(self, device: Roomgoer, room: JID) -> None:
        self._request(device, room, "owner", "<destroy/>")
        self.tally["destroyed"] += 1

    # -- sessions

    @rule(device=devices_that("jid"), management=st.sampled_from(MANAGEMENTS), presence=st.sampled_from(PRESENCES))
    def log_in(self, device: Roomgoer, management: Management, presence: str) -> None:
        """Who is not offline enters the rooms again that it has been in."""
        self.town.log_in(device, management)
        self._send(device, presence)
        if presence != OFFLINE:
            for room, nick in tuple(device.bookmarks.items()):
                self.enter(device, room, nick, "")
        self.tally["sessions"] += 1
        self._is_new = False

    @rule(device=devices_that("is_here"), presence=st.sampled_from(PRESENCES))
    @if_any("is_here")
    def change_presence(self, device: Roomgoer, presence: str) -> None:
        self._send(device, presence)

    @rule(
        device=devices_that("is_here"), address=st.sampled_from((*ROOMS, f"{ROOM}/romeo")), wish=st.sampled_from(WISHES)
    )
    @if_any("is_here")
    def block(self, device: Roomgoer, address: str, wish: str) -> None:
        """Or unblock. Who blocks a room leaves it; who blocks an occupant still hears what it says to all."""
        wish = f"<{wish} xmlns='urn:xmpp:blocking'><item jid='{address}'/></{wish}>"
        self._send(device, f"<iq type='set' id='i{next(self._numbers)}'>{wish}</iq>")

    def change_client_state(self, device: Device, state: str) -> None:
        pass

    @rule(device=devices_that("is_here"), is_inactive=st.booleans())
    @if_any("is_here")
    def look_away(self, device: Roomgoer, is_inactive: bool) -> None:
        """Or look again."""
        device.is_inactive = is_inactive
        device.write(INACTIVE if is_inactive else ACTIVE)
        self.town.settle()

    @rule(there=st.sets(devices_that("jid")))
    @precondition(lambda course: not course._is_new)
    def restart(self, there: set[Roomgoer]) -> None:
        """Some come back at once."""
        compare_kept(self.town.server)
        self.town.restart()
        for device in sorted(there, key=str):
            self.log_in(device, "resumable", "<presence/>")
        self._is_new = not there
        self.tally["restarts"] += 1

    # -- at any time

    @invariant()
    def all_is_well(self) -> None:
        look_for_ghosts(self.town.server)
        compare_pictures(self.town.server, self._devices)
        self.complaints.raise_any()

    # -- the end

    def teardown(self) -> None:
        try:
            self._catch_up()
            self.all_is_well()
            compare_kept(self.town.server)
            Judge(self._chronicle, self.town.server, self._devices).compare()
            self._all_leave()
        finally:
            self.complaints.close()
            self.town.stop()
            self._folder.cleanup()
        self.tally["courses"] += 1

    def _catch_up(self) -> None:
        """Everybody comes back, on a good line, and gets all there is."""
        for device in self._devices:
            self.bring_back(device)
            device.answers = True
            self.look_away(device, False)
            device.request()
        for device in self._devices:
            for room in ROOMS:
                device.read_archive(room)
                self.town.settle()

    def _all_leave(self) -> None:
        """Nothing is left of it in memory."""
        for device in self._devices:
            device.end()
        self.town.settle()
        server = self.town.server
        assert not server.state(Rooms).here and not server.state(Rooms).entered
        assert not server.state(UnderWay)
        assert not server.portions.are_left

    # -- parts

    def _send(self, device: Roomgoer, stanza: str) -> None:
        device.send(stanza)
        self.town.settle()

    def _request(self, device: Roomgoer, room: JID, of: str, content: str) -> None:
        query = f"<query xmlns='{MUC}#{of}'>{content}</query>"
        self._send(device, f"<iq type='set' id='i{next(self._numbers)}' to='{room}'>{query}</iq>")


def take(tables: Tables, courses: int, **other: Any) -> Counter[str]:
    """Take so many courses, at random; returns how much happened in them."""
    return courses_of(lambda tally: Course(tables, tally), courses, STEPS, **other)


@pytest.mark.timeout(rounds(600, 6 * 3600))  # most of it to make short what fails
def test_everybody_sees_a_room_as_it_is() -> None:
    """The same courses each time in the short form; the one that fails is printed."""
    print(take(TABLES, COURSES, derandomize=not IS_SOAKING, phases=[Phase.generate, Phase.shrink]))


@pytest.mark.parametrize(
    "dropped",
    [stream_management.remember_until_acked, room_archive.record, presence.leave],
    ids=["that does not remember what is not acknowledged", "that keeps no archive", "that tells no room who is gone"],
)
def test_a_server_is_found_out(dropped: Any) -> None:
    without = TABLES.of([Feature("all the others", steps=[step for step in TABLES.all_steps if step is not dropped])])
    with pytest.raises(AssertionError):
        take(without, 300, derandomize=True, phases=[Phase.generate])
