"""What is said in rooms, noted while the server handles it; and what devices know of rooms compared with that, and with
the rooms as they are."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from db import rooms
from handlers.rooms.occasions import ROOM_SAID, Saying
from handlers.rooms.presence import is_shown
from handlers.rooms.room import Occupant, Room
from handlers.rooms.rooms_here import Rooms, find
from tests.harness.devices import Device
from tests.harness.roomgoers import Heard, Roomgoer
from tests.harness.rooms import SERVICE
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.servers import Server
from xmpp.routing.session import Session
from xmpp.routing.tables import MESSAGE_SENT, Tables


class Chronicle:
    """Steps that note what all rooms say, and to which sessions; and whom private messages are for."""

    def __init__(self) -> None:
        self.order: list[str] = []  # the ids that rooms have given, of all rooms
        self.archived: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)  # by the number of the room
        self.due: defaultdict[Session, list[tuple[JID, str, str | None]]] = defaultdict(list)
        self.whispers: dict[str, JID | None] = {}  # private messages, with the account that they are for
        self.handled: set[str] = set()

    def watching(self, tables: Tables) -> Tables:
        """These tables, watched."""
        return tables.but(
            MESSAGE_SENT.runs(self._note_sent, *tables[MESSAGE_SENT]),
            ROOM_SAID.runs(*tables[ROOM_SAID], self._note_said),
        )

    def _note_sent(self, delivery: Delivery) -> None:
        stanza = delivery.stanza
        assert stanza.id is not None and stanza.to is not None
        if stanza.to.domain != SERVICE or stanza.type == "error":
            return
        assert stanza.id not in self.handled, f"{stanza.id} was handled twice"
        self.handled.add(stanza.id)
        if stanza.to.is_full:
            self.whispers[stanza.id] = _account_under(delivery.server, stanza)

    def _note_said(self, saying: Saying) -> None:
        room = saying.room
        message = saying.stanza.id or ""
        self.order.append(saying.id)
        if room.configuration.enablearchiving:
            self.archived[room.number].append((message, saying.id))
        for jid in room.by_session:
            session = room.server.online.session(jid)
            assert session is not None, f"{jid} is not online, but in {room.address}"
            self.due[session].append((room.address, message, saying.id))


def _account_under(server: Server, stanza: Stanza) -> JID | None:
    assert stanza.to is not None
    room = find(server, stanza.to.bare)
    occupant = room.occupants.get(stanza.to.resource) if room is not None else None
    return occupant.account if occupant is not None else None


# -- at any time


def compare_pictures(server: Server, devices: Iterable[Roomgoer]) -> None:
    """Those who have been sent everything see rooms as they are. Raises AssertionError."""
    for device in devices:
        if device.is_up_to_date:
            _compare_picture(server, device)


def _compare_picture(server: Server, device: Roomgoer) -> None:
    here = {room.address: room.by_session[device.jid] for room in server.state(Rooms) if device.jid in room.by_session}
    known = {address for address, picture in device.pictures.items() if picture.nick}
    assert known == here.keys(), f"{device} believes to be in {known}, and is in {here.keys()}"
    for address, occupant in here.items():
        room, picture = server.state(Rooms).here[address], device.pictures[address]
        assert picture.nick == occupant.nick, f"{device} believes to be {picture.nick}, and is {occupant.nick}"
        seen = {nick: (each.affiliation, each.role) for nick, each in picture.people.items()}
        there = {each.nick: _shown(room, each) for each in room.occupants.values() if is_shown(room, each, occupant)}
        assert seen == there, f"{device} sees {seen} in {address}, and there are {there}"
        assert picture.subject == room.subject.text, f"{device} reads {picture.subject!r} in {address}"
        if occupant.role == "moderator":
            _compare_addresses(device, room)


def _shown(room: Room, occupant: Occupant) -> tuple[str, str]:
    return room.affiliation(occupant.account), occupant.role


def _compare_addresses(device: Roomgoer, room: Room) -> None:
    """Moderators see who everybody is."""
    for nick, each in device.pictures[room.address].people.items():
        occupant = room.occupants[nick]
        is_right = each.jid in occupant.sessions if device.jid in occupant.sessions else each.jid == occupant.shown[0]
        assert is_right, f"{device} sees {each.jid!r} as {nick} in {room.address}"


def look_for_ghosts(server: Server) -> None:
    """Whoever is in a room is online, and the end of its session will be told there; a room that nobody is in is not in
    memory. Raises AssertionError."""
    entered = Counter[JID]()
    for room in server.state(Rooms):
        assert room.occupants, f"nobody is in {room.address}"
        sessions = {jid: each for each in room.occupants.values() for jid in each.sessions}
        assert room.by_session == sessions
        for jid, occupant in sessions.items():
            session = server.online.session(jid)
            assert session is not None, f"{jid} is gone, and still in {room.address}"
            assert room.address.with_resource(occupant.nick) in session.directed, f"the end of {jid} will not be told"
        entered.update(sessions.keys())
    assert server.state(Rooms).entered == entered


def compare_kept(server: Server) -> None:
    """What is kept of each room is what there is in memory. Raises AssertionError."""
    for room in server.state(Rooms):
        kept = rooms.find(server.db, room.address)
        assert kept is not None and kept.id == room.number, f"{room.address} is not kept"
        again = Room(server, kept)
        for name in ("configuration", "affiliations", "subject", "secret", "creator"):
            assert getattr(again, name) == getattr(room, name), f"the {name} of {room.address}"


# -- at the end


class Judge:
    """Compares what devices have heard with what was said; all of them are there, and up to date."""

    def __init__(self, chronicle: Chronicle, server: Server, devices: Iterable[Roomgoer]) -> None:
        self._chronicle = chronicle
        self._server = server
        self._devices = list(devices)
        self._order = {id: place for place, id in enumerate(chronicle.order)}

    def compare(self) -> None:
        """Raises AssertionError."""
        for device in self._devices:
            lost = {id for id in device.accepted if id.startswith("m")} - self._chronicle.handled
            assert not lost, f"the server has acknowledged {lost} to {device}"
            for session, heard in device.heard.items():
                self._session_heard_what_was_due(device, session, heard)
            self._whispers_were_for_it(device)
            self._archives_have_all(device)

    def _session_heard_what_was_due(self, device: Device, session: Any, heard: list[Heard]) -> None:
        due = self._chronicle.due[session]
        live = [(each.room, each.message, each.stanza_id) for each in heard if not each.is_late]
        assert live == due[: len(live)], f"{session} heard {live}, and {due} was said"
        assert session is not device.session or len(live) == len(due), f"{session} misses {due[len(live) :]}"
        self._history_is_in_order(session, heard)

    def _history_is_in_order(self, session: Any, heard: list[Heard]) -> None:
        """History comes after what was said before somebody came anew, and before what is said from then on."""
        for room in {each.room for each in heard}:
            of_room = [each for each in heard if each.room == room]
            places, last = [self._order[each.stanza_id or ""] for each in of_room], -1
            for place, each, before in zip(places, of_room, [None, *of_room], strict=False):
                is_first = before is None or each.stay != before.stay or each.is_late != before.is_late
                if each.is_late and is_first:
                    last = -1  # all of it once more
                assert place > last, f"{session} heard {of_room}"
                assert each.is_late or before is None or each.stay != before.stay or not before.is_late
                last = place

    def _whispers_were_for_it(self, device: Roomgoer) -> None:
        for id in device.whispers:
            assert self._chronicle.whispers[id] == device.account, f"{device} was told {id}, which is not for it"

    def _archives_have_all(self, device: Roomgoer) -> None:
        for address, archive in device.archives.items():
            room = find(self._server, address)
            if archive is not None and room is not None:
                assert archive == self._chronicle.archived[room.number], f"what {device} finds of {address}"
