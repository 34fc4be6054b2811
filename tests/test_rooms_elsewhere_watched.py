"""XEP-0410, by the server: somebody who is not in a room elsewhere any more is told so. One server has the rooms, the
other one the account."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import pytest

from handlers.rooms import restarts, rooms_elsewhere
from handlers.rooms.room import Room
from handlers.rooms.rooms_elsewhere import AT_ONCE, MAX_UNDER_WAY, MOST_MISSED, RoomsElsewhereSettings
from handlers.rooms.stays import Rounds, Stay, Stays
from tests.harness.across import House, house_in
from tests.harness.in_process import Client, add_accounts
from tests.harness.managed_client import ManagedClient
from tests.harness.rooms import MUC, ROOM, be, enter, leave, opened, say, told
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.server import Server

SETTINGS = {"rooms_elsewhere": {"ping_seconds": 10}, "presence": {"max_directed": 5}, "rooms": {"max_rooms_entered": 5}}
LATER = 1_000_000.0  # seconds: everything is due by then
OUT = "juliet out none/none 110 333"
PING = "urn:xmpp:ping"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path / "house", SETTINGS) as house:
        house.give_second("juliet@localhost")
        add_accounts(house.servers[0], "romeo")
        add_accounts(house.servers[1], "juliet")
        yield house


@pytest.fixture
def home(house: House) -> Server:
    """The server of juliet's account."""
    return house.servers[1]


@pytest.fixture
def romeo(house: House) -> Client:
    return Client(house.servers[0], "romeo@localhost/orchard")


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


@pytest.fixture
def juliet(house: House, home: Server, room: Room) -> Client:
    """She is in the room, and has forgotten what came of that."""
    juliet = Client(home, "juliet@localhost/balcony")
    enter(juliet, "juliet")
    house.settle()
    juliet.received()
    return juliet


@pytest.fixture
def crossed(home: Server, monkeypatch: pytest.MonkeyPatch) -> list[Stanza]:
    """What juliet's server sends to the other one from now on."""
    assert home.ownership.elsewhere is not None
    sent, send = list[Stanza](), home.ownership.elsewhere.send

    def note(stanza: Stanza) -> None:
        sent.append(stanza)
        send(stanza)

    monkeypatch.setattr(home.ownership.elsewhere, "send", note)
    return sent


def asks(house: House) -> None:
    """Juliet's server asks all rooms, and has the answers."""
    rooms_elsewhere.ask_due(house.servers[1], monotonic() + LATER)
    house.settle()


def pings(crossed: list[Stanza]) -> list[JID | None]:
    """Which occupants were asked."""
    return [each.to for each in crossed if each.kind == "iq" and PING in each.wire().decode()]


def loses(room: Room, client: Client) -> None:
    """The room loses an occupant without a word."""
    room.take_out(client.jid)


def stay_of(client: Client) -> Stay:
    stays = client.session.state(Stays)
    assert stays is not None
    return stays.rooms[JID.parse(ROOM)]


def answer_with(house: House, monkeypatch: pytest.MonkeyPatch, error: str | None) -> None:
    """Have the other server answer pings with this error; with None, not at all."""
    home = house.servers[1]
    assert home.ownership.elsewhere is not None
    send: Callable[[Stanza], None] = home.ownership.elsewhere.send

    def answer(stanza: Stanza) -> None:
        if PING not in stanza.wire().decode():
            send(stanza)
        elif error is not None:
            home.router.route(answered_with(error, stanza))

    monkeypatch.setattr(home.ownership.elsewhere, "send", answer)


def answered_with(error: str, iq: Stanza) -> Stanza:
    type, condition = error.split()
    content = f"<error type='{type}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    return Stanza.build("iq", content.encode(), type="error", id=iq.id, to=iq.sender, sender=iq.to)


# -- what it finds out


def test_who_is_in_the_room_hears_nothing_of_the_question(house: House, juliet: Client, crossed: list[Stanza]) -> None:
    asks(house)
    assert pings(crossed) == [f"{ROOM}/juliet"]
    assert juliet.received() == []
    asks(house)
    assert len(pings(crossed)) == 2


def test_who_is_not_in_the_room_any_more_is_told_so_once(
    house: House, juliet: Client, room: Room, crossed: list[Stanza]
) -> None:
    loses(room, juliet)
    asks(house)
    assert told(juliet.received()) == [OUT]
    asks(house)
    assert juliet.received() == [] and len(pings(crossed)) == 1
    assert juliet.session.directed == set()


def test_a_room_that_was_restarted_is_entered_again_and_watched_again(
    house: House, juliet: Client, room: Room, romeo: Client
) -> None:
    for occupant in list(room.occupants.values()):
        room.take_out_all(occupant)
    asks(house)
    assert told(juliet.received()) == [OUT]
    enter(romeo, "romeo"), enter(juliet, "juliet")
    house.settle()
    assert told(juliet.received())[1] == "juliet in none/participant juliet@localhost/balcony 110"
    asks(house)
    assert juliet.received() == []
    loses(room, juliet)
    asks(house)
    assert told(juliet.received()) == [OUT]


def test_a_device_that_sleeps_finds_it_when_it_comes_back(house: House, home: Server, room: Room) -> None:
    phone = ManagedClient(home, "juliet@localhost/phone")
    phone.enables(resume="true")
    enter(phone, "jule")
    house.settle()
    phone.loses_connection()
    waiting = len(phone.management.sent)
    loses(room, phone)
    asks(house)
    [lost] = list(phone.management.sent)[waiting:]
    assert b'code="333"' in bytes(lost.stanza)


def test_each_device_is_told_of_itself(house: House, home: Server, juliet: Client, room: Room) -> None:
    chamber = Client(home, "juliet@localhost/chamber")
    enter(chamber, "jule")
    house.settle()
    chamber.received(), juliet.received()
    loses(room, juliet)
    asks(house)
    assert (told(juliet.received()), chamber.received()) == ([OUT], [])


def test_a_new_nick_is_asked_for(house: House, juliet: Client, room: Room, crossed: list[Stanza]) -> None:
    juliet.sends(f"<presence to='{ROOM}/jule'/>")
    house.settle()
    juliet.received()
    asks(house)
    assert pings(crossed) == [f"{ROOM}/jule"]
    loses(room, juliet)
    asks(house)
    assert told(juliet.received()) == ["jule out none/none 110 333"]


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        ("cancel not-acceptable", True),
        ("cancel not-allowed", True),
        ("modify bad-request", True),
        ("cancel feature-not-implemented", False),
        ("cancel service-unavailable", False),
        ("cancel item-not-found", True),
        ("cancel remote-server-not-found", False),
        ("wait remote-server-timeout", False),
        ("wait resource-constraint", False),
        (None, False),
    ],
)
def test_errors_say_what_the_text_says_of_them(
    house: House, juliet: Client, monkeypatch: pytest.MonkeyPatch, error: str | None, is_lost: bool
) -> None:
    answer_with(house, monkeypatch, error)
    asks(house)
    assert told(juliet.received()) == ([OUT] if is_lost else [])


def test_that_nobody_has_the_old_nick_any_more_says_nothing(
    house: House, juliet: Client, home: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.ownership.elsewhere is not None
    held, send = list[Stanza](), home.ownership.elsewhere.send

    def hold_pings(stanza: Stanza) -> None:
        held.append(stanza.kept()) if PING in stanza.wire().decode() else send(stanza)

    monkeypatch.setattr(home.ownership.elsewhere, "send", hold_pings)
    asks(house)
    juliet.sends(f"<presence to='{ROOM}/jule'/>")
    house.settle()
    juliet.received()
    [ping] = held
    home.router.route(answered_with("cancel item-not-found", ping))
    house.settle()
    assert juliet.received() == []


def test_a_server_that_is_gone_for_long_has_lost_its_rooms(
    house: House, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(house, monkeypatch, "cancel remote-server-not-found")
    for _ in range(MOST_MISSED - 1):
        asks(house)
    assert juliet.received() == []
    asks(house)
    assert told(juliet.received()) == [OUT]


def test_a_server_that_is_gone_now_and_then_has_not(
    house: House, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MOST_MISSED):
        with monkeypatch.context() as while_gone:
            answer_with(house, while_gone, "cancel remote-server-not-found")
            asks(house)
        asks(house)
    assert juliet.received() == []


# -- who is not asked for


def leaves(juliet: Client, room: Room) -> None:
    leave(juliet, "juliet")


def is_put_out(juliet: Client, room: Room) -> None:
    romeo = room.occupants["romeo"].shown[0]
    be(room, juliet, "none")
    item = "<item nick='juliet' role='none'/>"
    query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
    text = f"<iq type='set' id='k' from='{romeo}' to='{ROOM}'>{query}</iq>"
    room.server.router.route(Stanza.from_wire(text.encode()))


def ends(juliet: Client, room: Room) -> None:
    juliet.session.end()


def goes_offline(juliet: Client, room: Room) -> None:
    juliet.sends("<presence/>"), juliet.sends("<presence type='unavailable'/>")


def sees_it_stop(juliet: Client, room: Room) -> None:
    restarts.tell_shutdown(room.server)


@pytest.mark.parametrize("end", [leaves, is_put_out, ends, goes_offline, sees_it_stop])
def test_who_is_out_is_not_asked_for(
    house: House, juliet: Client, room: Room, crossed: list[Stanza],
    end: Callable[[Client, Room], None],
) -> None:  # fmt: skip
    end(juliet, room)
    house.settle()
    juliet.received()
    crossed.clear()
    asks(house)
    assert crossed == [] and juliet.received() == []
    juliet.session.end()
    assert [each for each in crossed if each.to is not None and each.to.bare == ROOM] == []


def test_who_leaves_while_the_room_is_asked_is_told_by_the_room_alone(
    house: House, home: Server, juliet: Client, room: Room
) -> None:
    loses(room, juliet)
    rooms_elsewhere.ask_due(home, monotonic() + LATER)
    leave(juliet, "juliet")
    house.settle()
    assert juliet.received() == []


def test_who_enters_again_while_the_room_is_asked_is_in_it(
    house: House, home: Server, juliet: Client, room: Room
) -> None:
    loses(room, juliet)
    rooms_elsewhere.ask_due(home, monotonic() + LATER)
    enter(juliet, "juliet")
    house.settle()
    assert told(juliet.received())[1] == "juliet in none/participant juliet@localhost/balcony 110"
    assert juliet.session.directed == {JID.parse(f"{ROOM}/juliet")} and stay_of(juliet).is_in


def test_who_was_not_let_in_is_not_asked_for(
    house: House, juliet: Client, room: Room, home: Server, crossed: list[Stanza]
) -> None:
    be(room, juliet, "outcast")
    enter(Client(home, "juliet@localhost/chamber"), "jule")
    house.settle()
    crossed.clear()
    asks(house)
    assert pings(crossed) == [f"{ROOM}/juliet"]


def test_a_room_of_the_own_server_is_not_asked(house: House, romeo: Client, room: Room) -> None:
    assert romeo.session.state(Stays) is None and not house.servers[0].state(Rounds).due


def test_presence_of_a_room_that_nobody_has_entered_is_not_noted(home: Server, juliet: Client) -> None:
    x = b'<x xmlns="http://jabber.org/protocol/muc#user"><item/><status code="110"/></x>'
    sender = JID.parse("mantua@rooms.example/juliet")
    home.router.route(Stanza.build("presence", x, to=juliet.jid, sender=sender))
    stays = juliet.session.state(Stays)
    assert stays is not None and list(stays.rooms) == [ROOM]


# -- the answers are the server's own


def test_what_a_client_asks_it_is_answered(house: House, juliet: Client) -> None:
    rooms_elsewhere.ask_due(house.servers[1], monotonic() + LATER)
    juliet.sends(f"<iq type='get' id='own' to='{ROOM}/juliet'><ping xmlns='{PING}'/></iq>")
    house.settle()
    [answer] = juliet.received()
    assert 'id="own"' in answer and 'type="result"' in answer


def test_nobody_else_answers_for_the_room(house: House, home: Server, juliet: Client, crossed: list[Stanza]) -> None:
    rooms_elsewhere.ask_due(home, monotonic() + LATER)
    [question] = [each for each in crossed if each.kind == "iq"]
    error = b"<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    mallory = JID.parse("romeo@localhost/orchard")
    home.router.route(Stanza.build("iq", error, type="error", id=question.id, to=juliet.jid, sender=mallory))
    house.settle()
    assert [each for each in told(juliet.received()) if "out" in each] == []


@pytest.mark.parametrize("sleeps", [False, True])
def test_where_the_room_passes_the_question_on_the_server_answers_it(
    house: House, home: Server, room: Room, crossed: list[Stanza], sleeps: bool
) -> None:
    phone = ManagedClient(home, "juliet@localhost/phone")
    phone.enables(resume="true")
    enter(phone, "jule")
    house.settle()
    phone.received()
    if sleeps:
        phone.loses_connection()
    count = phone.management.sent.count
    question = f"<iq type='get' id='passed-on' from='{ROOM}/jule' to='{phone.jid}'><ping xmlns='{PING}'/></iq>"
    rooms_elsewhere.ask_due(home, monotonic() + LATER)
    home.router.route(Stanza.from_wire(question.encode()))
    assert [each.type for each in crossed if each.id == "passed-on"] == ["result"]
    assert phone.management.sent.count == count
    house.settle()
    home.router.route(Stanza.from_wire(question.encode()))  # somebody else in the room asks
    assert phone.management.sent.count == count + 1


# -- how much


def test_so_many_rooms_are_kept_as_the_session_has_sent_presence_to(house: House, juliet: Client) -> None:
    for number in range(20):
        name = f"room{number}@rooms.example"
        juliet.sends(f"<presence to='{name}/j'><x xmlns='{MUC}'/></presence>")
        juliet.sends(f"<presence to='{name}/j' type='unavailable'/>")
    stays = juliet.session.state(Stays)
    assert stays is not None and len(stays.rooms) <= 5


def test_what_is_over_does_not_stay_in_the_list(home: Server, juliet: Client) -> None:
    rounds = home.state(Rounds)
    for _ in range(1_000):
        stay = Stay(juliet.session, JID.parse(f"{ROOM}/juliet"))
        rounds.add(stay, LATER)
        stay.is_over = True
        rounds.note_over()
    assert len(rounds.due) < 300


def test_so_many_are_asked_at_once(home: Server, juliet: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = home.state(Rounds)
    asked = list[JID]()
    monkeypatch.setattr(home.requests, "ask", lambda *_, to, **__: asked.append(to))
    for _ in range(MAX_UNDER_WAY + 100):
        rounds.add(Stay(juliet.session, JID.parse(f"{ROOM}/juliet")), 0)
    rooms_elsewhere.ask_due(home, 1)
    assert len(asked) == AT_ONCE
    for _ in range(MAX_UNDER_WAY):
        rooms_elsewhere.ask_due(home, 1)
    assert len(asked) == MAX_UNDER_WAY


def test_the_server_asks_by_itself_only_while_somebody_is_in_a_room_elsewhere(
    house: House, home: Server, juliet: Client, room: Room, crossed: list[Stanza],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    rounds = home.state(Rounds)
    seconds = home.settings(RoomsElsewhereSettings).ping_seconds
    [(at, _, stay)] = rounds.due
    assert 0.7 * seconds < at - monotonic() < 1.25 * seconds and rounds.greenlet is not None
    monkeypatch.setattr(rooms_elsewhere, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(rooms_elsewhere, "LOOK_SECONDS", 0.002)
    rounds.greenlet.kill()  # and begin again with the short pauses
    rounds.greenlet = None
    loses(room, juliet)
    rooms_elsewhere._ask_later(home, stay)
    rounds.due = [(monotonic(), 0, stay)]
    while rounds.greenlet is not None:
        gevent.sleep(0.001)
    assert told(juliet.received()) == [OUT] and pings(crossed) == [f"{ROOM}/juliet"]


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    off: Mapping[str, Mapping[str, Any]] = {**SETTINGS, "rooms_elsewhere": {"enabled": False}}
    with house_in(tmp_path / "off", off) as house:
        house.give_second("juliet@localhost")
        add_accounts(house.servers[0], "romeo")
        add_accounts(house.servers[1], "juliet")
        opened(Client(house.servers[0], "romeo@localhost/orchard"), "romeo")
        juliet = Client(house.servers[1], "juliet@localhost/balcony")
        enter(juliet, "juliet")
        house.settle()
        assert "juliet in" in told(juliet.received())[1] and juliet.session.state(Stays) is None
        say(juliet, "soft")
        house.settle()
        assert told(juliet.received()) == ["juliet says soft"]


# -- blocked in a room


def blocks(house: House, juliet: Client, *addresses: str) -> None:
    items = "".join(f"<item jid='{address}'/>" for address in addresses)
    assert juliet.asks(f"<block xmlns='urn:xmpp:blocking'>{items}</block>", type="set") == ""
    house.settle()
    juliet.received()


def test_who_has_blocked_another_occupant_hears_the_room_and_stays_in_it(
    house: House, juliet: Client, room: Room, romeo: Client
) -> None:
    blocks(house, juliet, f"{ROOM}/romeo")
    say(romeo, "soft")
    romeo.sends(f"<presence to='{ROOM}/romeo'><show>away</show></presence>")
    house.settle()
    assert told(juliet.received()) == ["romeo says soft", "romeo in owner/moderator"]
    romeo.received()
    romeo.sends(f"<message to='{ROOM}/juliet' type='chat' id='psst'><body>psst</body></message>")
    house.settle()
    assert juliet.received() == [] and told(romeo.received()) == ["juliet error service-unavailable cancel"]
    assert juliet.jid in room.by_session


def test_who_has_blocked_the_room_has_left_it(house: House, juliet: Client, room: Room, romeo: Client) -> None:
    romeo.received()
    blocks(house, juliet, ROOM)
    assert told(romeo.received()) == ["juliet out none/none juliet@localhost/balcony"]
    say(romeo, "soft")
    house.settle()
    assert juliet.received() == []


# -- a server that has forgotten its people


def test_who_cannot_be_reached_elsewhere_is_out_of_the_room_once(
    house: House, home: Server, juliet: Client, room: Room, romeo: Client
) -> None:
    romeo.received()
    home.online.remove(juliet.session)  # as after a kill: nobody was told
    received = [each for number in range(20) for each in say(romeo, str(number))]
    house.settle()
    seen = told(received + romeo.received())
    assert [each for each in seen if "out" in each] == ["juliet out none/none juliet@localhost/balcony 333"]
    assert len(seen) == 21 and juliet.jid not in room.by_session
