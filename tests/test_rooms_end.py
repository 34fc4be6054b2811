"""Rooms of many that are destroyed: people are out one after the other, and the room is gone for all at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.rooms.gathered import AT_ONCE
from handlers.rooms.rooms_here import Rooms
from tests.harness.archives import server_with_archive
from tests.harness.failures import act_and_lose, fail_to_commit
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, enter, opened, room_at, say, told
from xmpp.data.jid import JID
from xmpp.routing import portions
from xmpp.server import Server

DESTROY = (
    f"<iq type='set' id='q' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path, rooms={"tombstone_days": 0}) as server:
        yield server


@pytest.fixture
def crowd(server: Server, romeo: Client, monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Devices of Juliet in a room of Romeo; more than are told at once, and nobody waits until all are."""
    opened(romeo, "Romeo")
    clients = [Client(server, f"juliet@localhost/{number}") for number in range(5 * AT_ONCE)]
    for number, client in enumerate(clients):
        room_at(server).put(f"juliet{number}", client.jid, b"", "participant")
    monkeypatch.setattr(portions, "STEPS", 1)
    monkeypatch.setattr(server.portions, "wait_for_own", lambda: None)
    return clients


def all_is_told(server: Server) -> None:
    server.portions.wait(JID.parse(ROOM))


def test_the_room_is_gone_at_once_and_all_hear_of_it_in_their_turn(
    server: Server, romeo: Client, crowd: list[Client]
) -> None:
    room = room_at(server)
    romeo.sends(DESTROY)
    assert len(room.by_session) == 4 * AT_ONCE + 1 and crowd[-1].received() == []
    assert "item-not-found" in say(crowd[-1], "hi")[0]
    all_is_told(server)
    for number, client in enumerate(crowd):
        heard = [each for each in told(client.received()) if "error" not in each]
        assert heard == [f"juliet{number} out none/none 110"]
    assert not room.by_session and not server.state(Rooms).entered


def test_who_is_in_another_room_of_that_name_by_then_hears_nothing_of_the_end(
    server: Server, romeo: Client, crowd: list[Client]
) -> None:
    romeo.sends(DESTROY)
    assert told(enter(crowd[-1], "Juliet"))[0] == "Juliet in owner/moderator juliet@localhost/79 201 110"
    all_is_told(server)
    assert crowd[-1].received() == []
    assert JID.parse(f"{ROOM}/Juliet") in crowd[-1].session.directed
    assert server.state(Rooms).entered == {crowd[-1].jid: 1}


def test_where_the_end_could_not_be_stored_nobody_is_told_of_it_nor_remains(
    server: Server, romeo: Client, crowd: list[Client]
) -> None:
    room = room_at(server)
    act_and_lose(server, fail_to_commit, JID.parse(ROOM), lambda: romeo.sends(DESTROY))
    assert not any(client.received() for client in crowd)
    assert not room.by_session and not server.state(Rooms).entered
