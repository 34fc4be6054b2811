"""docs/security.md row 115: everything that somebody may put into a room has a size, and the largest is dealt with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.rooms import Affiliation
from handlers.rooms import lookalikes
from handlers.rooms.affiliating import MOST_CHANGED
from handlers.rooms.invitations import MAX_BYTES
from handlers.rooms.room import Room
from handlers.rooms.telling import MAX_REASON
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import MUC, ROOM, configure, enter, leave, opened, room_at, say, told
from xmpp.data.jid import JID
from xmpp.server import Server

USER = f"{MUC}#user"
LIMITS = {
    "max_nick_characters": 20,
    "max_subject_bytes": 100,
    "max_presence_bytes": 600,
    "max_history_bytes": 10_000,
    "max_affiliations": 1_000,
    "max_affiliation_characters": 40_000,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, rooms=LIMITS) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    """No contact of Romeo's."""
    return Client(server, "juliet@localhost/balcony")


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "Romeo")


def people(count: int, *, long: int = 0) -> list[str]:
    return [f"{'x' * long}{number}@example.org" for number in range(count)]


def set_items(client: Client, items: str) -> str:
    return client.asks(f"<query xmlns='{MUC}#admin'>{items}</query>", type="set", to=ROOM)


def item(jid: str, reason: str = "", affiliation: str = "outcast") -> str:
    return f"<item affiliation='{affiliation}' jid='{jid}'><reason>{reason}</reason></item>"


def submit(client: Client, **fields: str) -> str:
    inner = "".join(f"<field var='muc#roomconfig_{name}'>{value}</field>" for name, value in fields.items())
    form_type = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{form_type}{inner}</x>"
    return client.asks(f"<query xmlns='{MUC}#owner'>{form}</query>", type="set", to=ROOM)


@pytest.mark.parametrize(("length", "error"), [(20, ""), (21, "jid-malformed modify")])
def test_row_115_a_nick_has_a_length(room: Room, juliet: Client, length: int, error: str) -> None:
    nick = "ж" * length
    assert told(enter(juliet, nick))[-1] == (f"{nick} error {error}" if error else "room subject ")


@pytest.mark.parametrize(("length", "error"), [(400, ""), (600, "policy-violation modify")])
def test_row_115_presence_has_a_size(room: Room, juliet: Client, length: int, error: str) -> None:
    says = f"<status>{'x' * length}</status>"
    entered = told(enter(juliet, "Juliet", says=says))
    assert entered[-1] == (f"Juliet error {error}" if error else "room subject ")
    enter(juliet, "Juliet")
    for nick in ("Juliet", "Rosaline"):
        answer = told(juliet.sends(f"<presence to='{ROOM}/{nick}'>{says}</presence>"))
        assert answer[-1].endswith(error or "110")


@pytest.mark.parametrize(("length", "is_too_long"), [(100, False), (101, True)])
@pytest.mark.parametrize("other", ["", "<subject xml:lang='it'>a</subject>"])
def test_row_115_a_subject_has_a_size_in_each_language(
    room: Room, romeo: Client, length: int, is_too_long: bool, other: str
) -> None:
    subject = f"<subject xml:lang='en'>{'x' * length}</subject>"
    answer = told(romeo.sends(f"<message to='{ROOM}' type='groupchat' id='s'>{other}{subject}</message>"))
    assert ("error not-acceptable modify" in answer[0]) == is_too_long
    assert bool(room.subject.at) != is_too_long


@pytest.mark.parametrize(("length", "error"), [(MAX_REASON, ""), (MAX_REASON + 1, "not-acceptable")])
def test_row_115_a_reason_has_a_length(room: Room, romeo: Client, juliet: Client, length: int, error: str) -> None:
    enter(juliet, "Juliet")
    reason = "x" * length
    assert set_items(romeo, item("somebody@example.org", reason)) == error
    assert set_items(romeo, f"<item role='none' nick='Juliet'><reason>{reason}</reason></item>") == error
    destroy = f"<query xmlns='{MUC}#owner'><destroy><reason>{reason}</reason></destroy></query>"
    assert romeo.asks(destroy, type="set", to=ROOM) == error


@pytest.mark.parametrize("what", ["reason", "continue", "reasons"])
@pytest.mark.parametrize("is_too_long", [False, True])
def test_row_115_an_invitation_has_a_size(
    room: Room, romeo: Client, juliet: Client, what: str, is_too_long: bool
) -> None:
    for client in (romeo, juliet):
        client.sends("<presence/>")
    said = "x" * (MAX_BYTES if is_too_long else MAX_BYTES - 200)
    inside = {
        "reason": f"<reason>{said}</reason>",
        "continue": f"<continue thread='{said}'/>",
        "reasons": f"<reason>{said[:1_000]}</reason><reason>{said[1_000:]}</reason>",
    }[what]
    for kind, client, to in (("invite", romeo, juliet), ("decline", juliet, romeo)):
        x = f"<x xmlns='{USER}'><{kind} to='{to.account}'>{inside}</{kind}></x>"
        answer = told(client.sends(f"<message to='{ROOM}' id='i'>{x}</message>"))
        assert answer == (["room error not-acceptable modify"] if is_too_long else [])
        assert sum("x" * 700 in each for each in to.received()) == (0 if is_too_long else 1)


@pytest.mark.parametrize(("count", "error"), [(MOST_CHANGED, ""), (MOST_CHANGED + 1, "policy-violation")])
def test_row_115_a_request_has_so_many_items(room: Room, romeo: Client, count: int, error: str) -> None:
    assert set_items(romeo, "".join(map(item, people(count)))) == error
    assert len(room.affiliations) == (1 if error else count + 1)


@pytest.mark.parametrize("field", ["roomadmins", "roomowners"])
@pytest.mark.parametrize(("count", "error"), [(MOST_CHANGED - 1, ""), (MOST_CHANGED + 1, "policy-violation")])
def test_row_115_so_has_a_form(room: Room, romeo: Client, field: str, count: int, error: str) -> None:
    values = "".join(f"<value>{each}</value>" for each in [romeo.account, *people(count)])
    before = room.configuration
    assert submit(romeo, **{"roomname": "<value>x</value>", field: values}) == error
    assert len(room.affiliations) == (1 if error else count + 1)
    assert (room.configuration == before) == bool(error)


@pytest.mark.parametrize("field", ["roomname", "roomdesc", "lang", "roomsecret", "pubsub"])
@pytest.mark.parametrize(("length", "error"), [(1_000, ""), (1_001, "not-acceptable")])
def test_row_115_fields_of_the_configuration_have_a_length(
    room: Room, romeo: Client, field: str, length: int, error: str
) -> None:
    assert submit(romeo, **{field: f"<value>{'x' * length}</value>"}) == error


def test_row_115_what_is_known_of_people_in_a_room_has_a_size(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, membersonly=True)
    bans = [item(each, "x" * MAX_REASON) for each in people(60)]
    assert set_items(romeo, "".join(bans)) == "resource-constraint"
    assert len(room.affiliations) == 1
    assert set_items(romeo, "".join(bans[:30])) == ""
    assert set_items(romeo, "".join(bans[30:])) == "resource-constraint"
    assert set_items(romeo, "".join(map(item, people(400, long=100)))) == "resource-constraint"
    for _ in range(3):
        assert set_items(romeo, "".join(bans[:30])) == ""  # the same again are no more
    lift = "".join(item(each, affiliation="none") for each in people(30))
    assert set_items(romeo, lift) == ""
    assert set_items(romeo, "".join(bans[30:])) == ""
    romeo.server.db.memory.clear()
    again = room_at(romeo.server)
    assert len(again.affiliations) == 31


def test_row_115_a_list_is_as_it_is_and_is_not_made_anew_for_each_who_asks(
    room: Room, romeo: Client, juliet: Client
) -> None:
    asked = f"<query xmlns='{MUC}#admin'><item affiliation='outcast'/></query>"
    room.set_affiliations({JID.parse(each): Affiliation("outcast") for each in people(900)})
    first = romeo.asks(asked, to=ROOM)
    assert first.count("<item ") == 900
    made = room.lists["outcast"]
    assert romeo.asks(asked, to=ROOM) == first
    assert room.lists["outcast"] is made
    assert set_items(romeo, item("last@example.org", "a word")) == ""
    assert "last@example.org" in romeo.asks(asked, to=ROOM)
    assert set_items(romeo, item("last@example.org", affiliation="none")) == ""
    assert romeo.asks(asked, to=ROOM) == first


def test_row_115_rooms_that_nobody_configures_take_no_place(romeo: Client, juliet: Client) -> None:
    for number in range(5):
        enter(romeo, "Romeo", room=f"new{number}@rooms.localhost")
    romeo.session.end()
    for number in range(5):
        assert "201" in told(enter(juliet, "Juliet", room=f"new{number}@rooms.localhost"))[0]


def test_row_115_those_who_are_trusted_are_looked_through_once_for_a_request(
    room: Room, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, trusted = list[Room](), lookalikes.trusted

    def noted(room: Room) -> lookalikes.Trusted:
        looked.append(room)
        return trusted(room)

    monkeypatch.setattr(lookalikes, "trusted", noted)
    items = "".join(f"<item affiliation='member' jid='{n}@example.org' nick='person {n}'/>" for n in range(100))
    assert set_items(romeo, items) == ""
    assert looked == [room]
    assert set_items(romeo, "<item affiliation='member' jid='x@example.org' nick='R0meo'/>") == "conflict"


def test_row_115_so_much_of_what_was_said_is_kept_in_memory(room: Room, romeo: Client, juliet: Client) -> None:
    configure(room, historylength=1_000)
    for number in range(10):
        say(romeo, f"{number}" + "x" * 3_000)
    assert sum(len(each.stanza.wire()) for each in room.history) == room.history.size <= 10_000
    late = [each for each in enter(juliet, "Juliet") if "<body>" in each]
    assert [each.partition("<body>")[2][0] for each in late] == ["7", "8", "9"]
    say(romeo, "x" * 20_000)
    assert (len(room.history), room.history.size) == (0, 0)


def test_row_115_nor_is_more_read_from_the_archive(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms=LIMITS, archive={"enabled": True}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = Client(server, "romeo@localhost/x"), Client(server, "juliet@localhost/x")
        configure(opened(romeo, "Romeo"), historylength=1_000)
        for number in range(10):
            say(romeo, f"{number}" + "x" * 3_000)
        leave(romeo, "Romeo")
        late = [each for each in enter(juliet, "Juliet") if "<body>" in each]
        assert [each.partition("<body>")[2][0] for each in late] == ["7", "8", "9"]
        assert room_at(server).history.size <= 10_000
