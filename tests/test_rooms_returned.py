"""Who leaves a room and enters it again before others have been told: nobody is told, behind his welcome, of what was
before that."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.archives import server_with_archive
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, enter, leave, opened, room_at, say, told
from xmpp.data.jid import JID
from xmpp.routing import portions
from xmpp.server import Server

KICK = "<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='{}' role='none'/></query>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@contextmanager
def slow(server: Server) -> Iterator[None]:
    """All that is told in there is told at its end; whoever causes it goes on at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "STEPS", 1)
        patch.setattr(server.portions, "wait_for_own", lambda: None)
        server.portions.begin(JID.parse(ROOM), iter([None, None]))
        yield
        server.portions.wait(JID.parse(ROOM))


def last_of(nick: str, received: list[str]) -> str:
    """What a client was told of a nick at last."""
    return [each for each in told(received) if each.startswith((f"{nick} in", f"{nick} out"))][-1]


def test_who_was_kicked_and_has_come_back_is_in_the_room_for_everybody(
    server: Server, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    romeo.received()
    with slow(server):
        romeo.asks(KICK.format("Juliet"), type="set", to=ROOM)
        back = enter(juliet, "Juliet")
        new = enter(mercutio, "Mercutio")
    assert last_of("Juliet", romeo.received()) == "Juliet in none/participant juliet@localhost/balcony"
    assert last_of("Juliet", back + juliet.received()).startswith("Juliet in none/participant")
    assert last_of("Juliet", new + mercutio.received()) == "Juliet in none/participant"


def test_who_has_left_and_come_back_is_not_told_what_was_before(
    server: Server, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    juliet.received()
    with slow(server):
        say(romeo, "one")
        leave(mercutio, "Mercutio")
        leave(juliet, "Juliet")
        enter(mercutio, "Mercutio")
        back = enter(juliet, "Juliet")
    received = told(back + juliet.received())
    assert last_of("Mercutio", back) == "Mercutio in none/participant"
    assert [each for each in received if "Mercutio" in each or "says" in each] == [
        "Mercutio in none/participant",
        "Romeo late says one",
    ]
    assert [each for each in received if each.startswith("Juliet")] == [
        "Juliet in none/participant juliet@localhost/balcony 110"
    ]


def test_nor_of_a_nick_that_somebody_had_meanwhile(
    server: Server, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    juliet.received()
    with slow(server):
        mercutio.sends(f"<presence to='{ROOM}/Tybalt'/>")
        leave(juliet, "Juliet")
        mercutio.sends(f"<presence to='{ROOM}/Benvolio'/>")
        back = enter(juliet, "Juliet")
    people = {
        each.split()[0]: each.split()[1] for each in told(back + juliet.received()) if each.split()[1] in ("in", "out")
    }
    assert people == {"Romeo": "in", "Juliet": "in", "Benvolio": "in"}
    assert {*room_at(server).occupants} == {*people}
