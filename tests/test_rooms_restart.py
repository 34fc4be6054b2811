"""What a restart of the server is to rooms, by SIGTERM, and by a kill: a true picture for everybody, and all is there
again that is kept."""

from pathlib import Path

import pytest
from lxml import etree

from db import rooms, rooms_passing
from handlers.rooms import restarts
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import Rooms
from tests.harness.configured import PASSWORDS, configuration_file, run_server
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.managed_client import ManagedClient
from tests.harness.rawclient import RawClient
from tests.harness.rooms import INFO, MUC, ROOM, enter, in_short, leave, opened, room_at, say, told
from tests.harness.servers import RunningServer
from xmpp.data.jid import JID
from xmpp.server import Server

SM = "urn:xmpp:sm:3"
OWNER = "http://jabber.org/protocol/muc#owner"
PRIVATE = {"membersonly": "1", "whois": "anyone", "roomname": "Verona", "persistentroom": "1"}


# -- a real server


def member(port: int, name: str, resource: str) -> RawClient:
    client = begins(port, name)
    client.bind(resource)
    return client


def begins(port: int, name: str) -> RawClient:
    """Somebody who has logged in and has no session yet."""
    client = RawClient(port)
    client.start_tls()
    client.authenticate(name, PASSWORDS[name])
    return client


def enters(client: RawClient, nick: str) -> list[str]:
    """Enter the room; what came by then, in short."""
    client.send(f"<presence to='{ROOM}/{nick}'><x xmlns='{MUC}'/></presence>")
    return what_came(client)


def what_came(client: RawClient) -> list[str]:
    """All that came of the room, but for occupant ids, in short."""
    return [in_short(etree.tostring(each).decode()) for each in client.comes_before_pong() if each.get("from")]


def form(**fields: str) -> str:
    """The configuration of a room as an owner fills it in."""
    given = {f"muc#roomconfig_{name}": value for name, value in fields.items()}
    given["FORM_TYPE"] = "http://jabber.org/protocol/muc#roomconfig"
    filled_in = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in given.items())
    return f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'>{filled_in}</x></query>"


def makes_a_group(romeo: RawClient) -> None:
    """Romeo makes a room for members, of whom juliet is one, with a subject."""
    enters(romeo, "romeo")
    assert romeo.ask("set", form(**PRIVATE), to=ROOM).get("type") == "result"
    item = "<item affiliation='member' jid='juliet@localhost' nick='jule'/>"
    query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
    assert romeo.ask("set", query, to=ROOM).get("type") == "result"
    romeo.send(f"<message to='{ROOM}' type='groupchat'><subject>the feast</subject></message>")
    romeo.comes_before_pong()


def occupant_ids(client: RawClient) -> set[str]:
    """The ids that all which has come names."""
    found = client.comes_before_pong()
    return {str(id.get("id")) for each in found for id in each.iter("{urn:xmpp:occupant-id:0}occupant-id")}


def running_again(folder: Path) -> RunningServer:
    """The server that was ended, on what it has left."""
    return RunningServer("run", "--config", str(folder / "settings.toml"), "--data", str(folder / "data"))


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_all_that_is_kept_of_a_room_is_there_after_a_restart(tmp_path: Path, is_killed: bool) -> None:
    with run_server(tmp_path) as server, member(server.port, "romeo", "orchard") as romeo:
        makes_a_group(romeo)
        romeo.send(f"<message to='{ROOM}' type='groupchat' id='m'><body>soft</body></message>")
        [said] = romeo.comes_before_pong()
        before = {str(each.get("id")) for each in said.iter("{urn:xmpp:occupant-id:0}occupant-id")}
        server.kill() if is_killed else server.terminate()
    with running_again(tmp_path) as server, member(server.port, "juliet", "balcony") as juliet:
        ping = juliet.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=f"{ROOM}/jule")
        assert in_short(etree.tostring(ping).decode()) == "jule error not-acceptable cancel"
        assert enters(juliet, "jule") == [
            "jule in member/participant juliet@localhost/balcony 100 110",
            "romeo late says soft",
            "romeo late subject the feast",
        ]
        with member(server.port, "romeo", "orchard") as romeo:
            romeo.send(f"<presence to='{ROOM}/romeo'><x xmlns='{MUC}'/></presence>")
            ids = occupant_ids(romeo)
        assert before < ids and len(ids) == 2


def test_who_is_in_a_room_when_the_server_stops_is_told_of_itself_before_the_stream_ends(tmp_path: Path) -> None:
    with (
        run_server(tmp_path) as server,
        member(server.port, "romeo", "orchard") as romeo,
        member(server.port, "juliet", "balcony") as juliet,
    ):
        makes_a_group(romeo)
        juliet.send(f"<enable xmlns='{SM}' resume='true'/>")
        enters(juliet, "jule")
        romeo.comes_before_pong()
        assert server.terminate() == 0
        endings = {"romeo": romeo.ending(), "jule": juliet.ending()}
    for nick, ending in endings.items():
        [out] = [each for each in ending.elements if each.tag == "{jabber:client}presence"]
        assert in_short(etree.tostring(out).decode()).partition(" out ")[0] == nick
        assert [each.get("code") for each in out.iter(f"{{{MUC}#user}}status")] == ["332", "110"]
        assert ending.condition == "system-shutdown"


def test_who_calls_the_service_something_else_is_told_that_rooms_are_left_behind(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, member(server.port, "romeo", "orchard") as romeo:
        makes_a_group(romeo)
        server.terminate()
    with running_again(tmp_path) as server:
        server.terminate()
        assert "not served" not in "\n".join(server.said)
    configuration_file(tmp_path, {"rooms": {"label": "conference"}})
    with running_again(tmp_path) as server:
        server.terminate()
        assert "1 rooms are at rooms.localhost, which is not served" in "\n".join(server.said)


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_device_that_wants_to_go_on_after_a_restart_learns_that_it_has_to_begin_anew(
    tmp_path: Path, is_killed: bool
) -> None:
    with run_server(tmp_path) as server, member(server.port, "romeo", "orchard") as romeo:
        makes_a_group(romeo)
        juliet = member(server.port, "juliet", "balcony")
        juliet.send(f"<enable xmlns='{SM}' resume='true'/>")
        id = str(juliet.receive().get("id"))
        enters(juliet, "jule")
        juliet.close()
        server.kill() if is_killed else server.terminate()
    with running_again(tmp_path) as server, begins(server.port, "juliet") as juliet:
        juliet.send(f"<resume xmlns='{SM}' previd='{id}' h='1'/>")
        refused = juliet.receive()
        assert etree.QName(refused).localname == "failed" and etree.QName(refused[0]).localname == "item-not-found"
        juliet.bind("balcony")
        assert enters(juliet, "jule")[0] == "jule in member/participant juliet@localhost/balcony 100 110"


def test_the_server_removes_by_itself_what_nobody_comes_back_to(tmp_path: Path) -> None:
    new = "mantua@rooms.localhost"
    with (
        run_server(tmp_path, rooms={"return_seconds": 1}) as server,
        member(server.port, "romeo", "orchard") as romeo,
    ):
        enters(romeo, "romeo")
        assert romeo.ask("set", form(persistentroom="0"), to=ROOM).get("type") == "result"
        romeo.send(f"<presence to='{new}/romeo'><x xmlns='{MUC}'/></presence>")
        romeo.comes_before_pong()
        server.kill()
    with running_again(tmp_path) as server, member(server.port, "romeo", "orchard") as romeo:
        for room in (new, ROOM):
            while (answer := romeo.ask("get", INFO, to=room)).get("type") == "result":
                pass  # it is there until the server gets to it
            assert in_short(etree.tostring(answer).decode()) == "room error item-not-found cancel"


# -- a server in the test


def stop(server: Server) -> None:
    restarts.tell_shutdown(server)


@pytest.fixture
def room(romeo: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


def test_nobody_is_told_of_others_when_the_server_stops(
    server: Server, room: Room, romeo: Client, juliet: Client
) -> None:
    enter(juliet, "juliet")
    enter(Client(server, "juliet@localhost/chamber"), "juliet")
    romeo.received(), juliet.received()
    stop(server)
    assert told(romeo.received()) == ["romeo out owner/none romeo@localhost/orchard 332 110"]
    assert told(juliet.received()) == ["juliet out none/none juliet@localhost/balcony 332 110"]
    assert not list(server.state(Rooms)) and not server.state(Rooms).entered
    juliet.session.end()
    assert romeo.received() == []


def test_a_device_that_sleeps_while_the_server_stops_has_no_more_than_its_own_end_to_hear(
    server: Server, room: Room, romeo: Client
) -> None:
    sleeper = ManagedClient(server, "mercutio@localhost/tomb")
    sleeper.enables(resume="true")
    enter(sleeper, "mercutio")
    sleeper.loses_connection()
    count = len(sleeper.management.sent)
    stop(server)
    assert len(sleeper.management.sent) == count + 1 and not sleeper.session.directed


def test_a_room_that_does_not_stay_waits_for_its_occupants(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "romeo", persistentroom=False, roomname="Verona")
        stop(server)
    with server_in(tmp_path) as server:
        juliet = Client(server, "juliet@localhost/balcony")
        assert told(enter(juliet, "juliet"))[0] == "juliet in none/participant juliet@localhost/balcony 110"
        restarts.remove_passing(server, is_locked=False)
        assert room_at(server).configuration.roomname == "Verona"
        leave(juliet, "juliet")
        assert rooms.find(server.db, JID.parse(ROOM)) is None


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_room_that_does_not_stay_and_that_nobody_comes_back_to_is_gone(tmp_path: Path, is_killed: bool) -> None:
    stays = "mantua@rooms.localhost"
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "romeo", persistentroom=False)
        opened(romeo, "romeo", room=stays)
        if not is_killed:
            stop(server)
    with server_in(tmp_path) as server:
        restarts.remove_passing(server, is_locked=True)
        assert rooms.find(server.db, JID.parse(ROOM))
        restarts.remove_passing(server, is_locked=False)
        assert rooms.find(server.db, JID.parse(ROOM)) is None
        assert rooms.find(server.db, JID.parse(stays))


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_room_that_nobody_has_configured_is_made_anew(tmp_path: Path, is_killed: bool) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo")
        enter(Client(server, "romeo@localhost/orchard"), "romeo")
        if not is_killed:
            stop(server)
    with server_in(tmp_path) as server:
        restarts.remove_passing(server, is_locked=True)
        romeo = Client(server, "romeo@localhost/orchard")
        assert told(enter(romeo, "romeo"))[0] == "romeo in owner/moderator romeo@localhost/orchard 201 110"


def test_a_room_stays_once_it_is_to_stay(server: Server, room: Room, romeo: Client) -> None:
    assert rooms_passing.page(server.db, 0, 10) == []
    for stays in (False, True):
        assert romeo.asks(form(persistentroom=str(int(stays))), type="set", to=ROOM) == ""
        assert [each.number for each in rooms_passing.page(server.db, 0, 10)] == [room.number] * (not stays)


def test_a_room_that_nobody_is_in_is_not_in_memory(server: Server, room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    say(romeo, "soft")
    leave(romeo, "romeo")
    juliet.session.end()
    assert not list(server.state(Rooms)) and not server.state(Rooms).entered
