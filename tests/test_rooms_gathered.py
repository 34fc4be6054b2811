"""Messages to a large room are told together: in order, to those who were there, and only what was stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.rooms.gathered import MANY, MOST
from tests.harness.archives import server_with_archive
from tests.harness.failures import act_and_lose, fail_to_commit
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, enter, leave, opened, room_at, say, told
from xmpp.data.jid import JID
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def crowd(server: Server, romeo: Client) -> list[Client]:
    """So many devices of Juliet, in a room where Romeo is, that messages wait for each other."""
    opened(romeo, "Romeo")
    clients = [Client(server, f"juliet@localhost/{number}") for number in range(MANY)]
    for number, client in enumerate(clients):
        room_at(server).put(f"juliet{number}", client.jid, b"", "participant")
    return clients


def all_is_told(server: Server) -> None:
    server.portions.wait(JID.parse(ROOM))


def test_what_is_said_in_a_moment_is_one_work_for_which_nobody_waits(
    server: Server, romeo: Client, crowd: list[Client]
) -> None:
    for text in ("one", "two", "three"):
        assert say(romeo, text) == []
    assert server.portions.length(JID.parse(ROOM)) == 1
    all_is_told(server)
    assert {tuple(told(client.received())) for client in (*crowd, romeo)} == {
        ("Romeo says one", "Romeo says two", "Romeo says three")
    }


def test_who_comes_in_between_hears_what_was_said_before_from_the_history_alone(
    server: Server, romeo: Client, crowd: list[Client]
) -> None:
    newcomer = Client(server, "mercutio@localhost/street")
    say(romeo, "one")
    history = [each for each in told(enter(newcomer, "Mercutio")) if " says " in each]
    say(romeo, "two")
    all_is_told(server)
    assert history == ["Romeo late says one"] and told(newcomer.received()) == ["Romeo says two"]
    assert told(crowd[0].received()) == ["Romeo says one", "Mercutio in none/participant", "Romeo says two"]


def test_who_goes_in_between_hears_what_was_said_before_and_nothing_after_it(
    server: Server, romeo: Client, crowd: list[Client]
) -> None:
    say(romeo, "one")
    assert told(leave(crowd[0], "juliet0")) == ["Romeo says one", "juliet0 out none/none juliet@localhost/0 110"]
    say(romeo, "two")
    all_is_told(server)
    assert crowd[0].received() == []
    assert told(crowd[1].received()) == ["Romeo says one", "juliet0 out none/none", "Romeo says two"]


def test_so_many_are_told_together_and_no_more(server: Server, romeo: Client, crowd: list[Client]) -> None:
    for number in range(MOST + 1):
        say(romeo, str(number))
    assert server.portions.length(JID.parse(ROOM)) == 2
    all_is_told(server)
    assert told(crowd[-1].received()) == [f"Romeo says {number}" for number in range(MOST + 1)]


def test_what_could_not_be_stored_is_not_told_and_what_is_said_with_it_is(
    server: Server, romeo: Client, crowd: list[Client]
) -> None:
    act_and_lose(server, fail_to_commit, JID.parse(ROOM), lambda: say(romeo, "lost"))
    say(romeo, "kept")
    all_is_told(server)
    server.db.flush()
    assert told(crowd[-1].received()) == ["Romeo says kept"]


def test_what_waits_to_be_told_counts_as_held_by_the_room(server: Server, romeo: Client, crowd: list[Client]) -> None:
    line, text = JID.parse(ROOM), "x" * 10_000
    say(romeo, text)
    held = server.portions.held(line)
    say(romeo, text)
    assert held > len(text) and server.portions.held(line) >= held + len(text)
    all_is_told(server)
    assert server.portions.held(line) == 0


def test_what_could_not_be_stored_does_not_wait_in_a_room_of_few_either(
    server: Server, romeo: Client, juliet: Client
) -> None:
    room = opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    act_and_lose(server, fail_to_commit, room.address, lambda: say(romeo, "lost"))
    assert not any("lost" in each for each in juliet.received())
    assert room.untold == 0
