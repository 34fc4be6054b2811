"""What administrators do to rooms and sessions, and what they see of them."""

from pathlib import Path

import pytest

from handlers.admin.administration import carry_out
from tests.harness.commandline import complaint, succeeds
from tests.harness.in_process import Client
from tests.harness.rawclient import RawClient, logged_in
from tests.harness.rooms import ROOM, configure, enter, opened, told
from tests.harness.servers import RunningServer
from xmpp.control import Refused
from xmpp.data.jid import JID
from xmpp.server import Server

JULIET = "juliet@localhost"


def test_all_rooms_are_listed_also_those_that_are_hidden(server: Server, romeo: Client) -> None:
    opened(romeo, "romeo", roomname="Verona <b>now</b>")
    opened(romeo, "romeo", room="mantua@rooms.localhost", publicroom=True)
    listed = carry_out(server, "rooms")
    assert [(each.room, each.name, each.creator, each.occupants, each.is_public) for each in listed] == [
        ("mantua@rooms.localhost", "", "romeo@localhost", 1, True),
        (ROOM, "Verona <b>now</b>", "romeo@localhost", 1, False),
    ]
    assert [each.room for each in carry_out(server, "rooms", text="now")] == [ROOM]
    assert [each.room for each in carry_out(server, "rooms", after="mantua@rooms.localhost")] == [ROOM]
    assert [each.room for each in carry_out(server, "rooms", most=1)] == ["mantua@rooms.localhost"]


def test_what_is_told_of_a_room(server: Server, romeo: Client) -> None:
    room = opened(romeo, "romeo")
    configure(room, roomdesc="Where we lay our scene", membersonly=True)
    told_of = carry_out(server, "room", room=ROOM)
    assert (told_of.listed.room, told_of.description, told_of.owners) == (
        ROOM, "Where we lay our scene", ["romeo@localhost"],
    )  # fmt: skip
    assert told_of.is_members_only and told_of.affiliated == 1


def test_a_room_is_destroyed_and_all_who_are_in_it_are_told(server: Server, romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo")
    enter(juliet, "juliet")
    carry_out(server, "destroy-room", room=ROOM, reason="a plague <on> both", venue="mantua@rooms.localhost")
    [end] = juliet.received()
    assert "<destroy" in end and "a plague &lt;on&gt; both" in end and "mantua@rooms.localhost" in end
    assert carry_out(server, "rooms") == []
    romeo.received()
    assert told(enter(romeo, "romeo"))[0].startswith("romeo error gone")


@pytest.mark.parametrize("room", ["nowhere@rooms.localhost", "a@b@c", "", "localhost", "verona@rooms.elsewhere"])
def test_row_54_only_rooms_of_this_server_are_acted_on(server: Server, romeo: Client, room: str) -> None:
    opened(romeo, "romeo")
    for command in ("room", "destroy-room"):
        with pytest.raises(Refused):
            carry_out(server, command, room=room)
    assert len(carry_out(server, "rooms")) == 1


def test_what_makes_no_sense_leaves_the_room_alone(server: Server, romeo: Client) -> None:
    opened(romeo, "romeo")
    for more in ({"reason": "x" * 2_000}, {"venue": "a@b@c"}):
        with pytest.raises(Refused):
            carry_out(server, "destroy-room", room=ROOM, **more)
    assert len(carry_out(server, "rooms")) == 1


# -- sessions


def test_sessions_are_listed_with_where_they_come_from(server: Server, romeo: Client, juliet: Client) -> None:
    juliet.session.connection = None
    listed = carry_out(server, "sessions")
    assert [(each.session, each.peer, each.carrier) for each in listed] == [
        ("juliet@localhost/balcony", "", ""), ("romeo@localhost/orchard", "127.0.0.1", "tcp"),
    ]  # fmt: skip
    assert all(server.started_at <= each.since for each in listed)
    assert [each.session for each in carry_out(server, "sessions", text="127.")] == ["romeo@localhost/orchard"]
    assert [each.session for each in carry_out(server, "sessions", text="ORCH")] == ["romeo@localhost/orchard"]
    assert [each.session for each in carry_out(server, "sessions", after="juliet@localhost/z")] == [
        "romeo@localhost/orchard"
    ]
    assert len(carry_out(server, "sessions", most=1)) == 1


def test_one_session_is_ended_and_the_others_go_on(server: Server, romeo: Client) -> None:
    phone = Client(server, "romeo@localhost/phone")
    carry_out(server, "end-session", session=phone.jid)
    assert phone.closed_with is not None and romeo.closed_with is None
    assert server.online.session(JID.parse("romeo@localhost/phone")) is None
    for gone in (phone.jid, "romeo@localhost", "a@b@c"):
        with pytest.raises(Refused):
            carry_out(server, "end-session", session=gone)


def test_it_is_logged_who_has_ended_what(
    server: Server, romeo: Client, juliet: Client, caplog: pytest.LogCaptureFixture
) -> None:
    opened(romeo, "romeo")
    carry_out(server, "role", account=JULIET, role="administrator")
    caplog.set_level("INFO", "handlers.admin.administration")
    carry_out(server, "destroy-room", by=JULIET, room=ROOM)
    carry_out(server, "end-session", by=JULIET, session="romeo@localhost/orchard")
    assert caplog.messages == [
        f"room {ROOM} was destroyed by {JULIET}", f"session romeo@localhost/orchard was ended by {JULIET}",
    ]  # fmt: skip


# -- on the command line


def new_juliet(server: RunningServer, folder: Path) -> RawClient:
    succeeds("user", "passwd", JULIET, "--data", folder, typed="secret\n")
    return logged_in(server.port, "juliet", "secret", "balcony")


def test_sessions_are_listed_and_ended_on_the_command_line(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    with RunningServer.demo("--data", str(tmp_path)) as server, new_juliet(server, tmp_path) as juliet:
        [line] = succeeds("sessions", "list", *data).splitlines()
        name, _, *how = line.split("\t")
        assert (name, how) == (f"{JULIET}/balcony", ["127.0.0.1", "tcp"])
        succeeds("sessions", "end", f"{JULIET}/balcony", *data)
        assert juliet.ending().condition == "policy-violation"
        assert succeeds("sessions", "list", *data) == ""


def test_rooms_are_listed_and_destroyed_on_the_command_line(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    with RunningServer.demo("--data", str(tmp_path)) as server, new_juliet(server, tmp_path) as juliet:
        juliet.send(f"<presence to='{ROOM}/juliet'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        juliet.comes_before_pong()
        listed = [line.split("\t")[:4] for line in succeeds("rooms", "list", *data).splitlines()]
        assert [ROOM, "", "1", JULIET] in listed
        assert [room for room, *_ in listed if room != ROOM] == ["masquerade@rooms.localhost"]  # a demo has it
        succeeds("rooms", "destroy", ROOM, *data)
        assert complaint("rooms", "destroy", ROOM, *data) == f"There is no room {ROOM}."
