"""Rooms of many: what is told to all takes turns with everything else, and nobody has a room read again and again."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from db import rooms
from db.rooms import Affiliation
from handlers.rooms.gathered import AT_ONCE
from tests.harness.archives import server_with_archive
from tests.harness.in_process import Client, add_accounts, queries_of, server_in
from tests.harness.managed_client import ManagedClient
from tests.harness.rooms import ROOM, enter, leave, opened, room_at, say, told
from xmpp.data.jid import JID
from xmpp.routing import portions
from xmpp.server import Server

MEMBERS = "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member'/></query>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the storage from now on."""
    return queries_of(server.db, monkeypatch)


def crowd(server: Server, count: int) -> list[Client]:
    """So many devices of Juliet that are in the room, each under a nick of its own."""
    clients = [Client(server, f"juliet@localhost/{number}") for number in range(count)]
    room = room_at(server)
    for number, client in enumerate(clients):
        room.put(f"juliet{number}", client.jid, b"", "participant")
    return clients


@contextmanager
def without_waiting(server: Server) -> Iterator[None]:
    """Whoever causes much that is done for many may go on before that is done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.portions, "wait_for_own", lambda: None)
        yield


def test_all_get_what_is_said_in_one_order_however_many_they_are(
    server: Server, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(romeo, "Romeo")
    clients = crowd(server, 5 * AT_ONCE)
    monkeypatch.setattr(portions, "STEPS", 2)
    with without_waiting(server):
        for text in ("one", "two"):
            say(romeo, text)
        assert told(clients[-1].received()) == []  # it is not its turn yet, and others have theirs
        enter(romeo, "Montague")
        server.portions.wait(JID.parse(ROOM))
    assert {tuple(told(client.received())) for client in clients} == {
        (
            "Romeo says one",
            "Romeo says two",
            "Romeo out owner/moderator Montague 303",
            "Montague in owner/moderator",
        )
    }


def test_a_room_that_nobody_is_in_is_not_read_again_with_each_message_from_outside(
    server: Server, romeo: Client, asked: list[str]
) -> None:
    room = opened(romeo, "Romeo")
    room.set_affiliations({JID.parse(f"member{number}@localhost"): Affiliation("member") for number in range(100)})
    leave(romeo, "Romeo")
    del asked[:]
    for _ in range(10):
        assert "not-acceptable" in say(romeo, "hi")[0]
    assert len([text for text in asked if "room_affiliation" in text]) == 1


def test_a_list_of_thousands_costs_no_query(server: Server, romeo: Client, asked: list[str]) -> None:
    room = opened(romeo, "Romeo")
    room.set_affiliations({JID.parse(f"member{number}@localhost"): Affiliation("member") for number in range(5_000)})
    del asked[:]
    listed = romeo.asks(MEMBERS, to=ROOM)
    assert listed.count("<item ") == 5_000
    assert asked == []


def test_what_is_read_of_a_room_of_thousands_is_text_and_shared(server: Server, romeo: Client) -> None:
    room = opened(romeo, "Romeo")
    people = {JID.parse(f"member{number}@localhost"): Affiliation("member") for number in range(100)}
    room.set_affiliations({**people, JID.parse("paris@localhost"): Affiliation("member", "Paris")})
    read = rooms.affiliations(server.db, room.number)
    assert {type(jid) for jid in read} == {str}
    assert len({id(each) for each in read.values()}) == 3  # romeo's, that of all members, and that of Paris
    assert read == room.affiliations


def test_a_list_that_would_end_the_stream_of_who_asks_is_refused(tmp_path: Path) -> None:
    with server_in(tmp_path, streams={"unsent_bytes": 300_000}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        room = opened(romeo, "Romeo")
        people = [JID.parse(f"member{number}@localhost") for number in range(3_000)]
        room.set_affiliations(dict.fromkeys(people[:1_000], Affiliation("member")))
        assert romeo.asks(MEMBERS, to=ROOM).count("<item ") == 1_000
        room.set_affiliations(dict.fromkeys(people, Affiliation("member")))
        assert romeo.asks(MEMBERS, to=ROOM) == "resource-constraint"
        asked_by_version = enter(romeo, "Romeo", "<mav xmlns='urn:xmpp:muc:affiliations:0'/>")
        assert sum(each.count("<item ") for each in asked_by_version if each.startswith("<message")) == 3_001
        assert max(map(len, asked_by_version)) < 20_000


def test_what_is_known_of_a_room_that_nobody_is_in_is_what_is_kept(server: Server, romeo: Client) -> None:
    opened(romeo, "Romeo")
    leave(romeo, "Romeo")
    juliet = Client(server, "juliet@localhost/balcony")
    assert "not-acceptable" in say(juliet, "hi")[0]
    room_at(server).set_affiliations({juliet.account: Affiliation("outcast")})
    assert told(enter(juliet, "Juliet")) == ["Juliet error forbidden auth"]
    server.db.memory.clear()
    assert told(enter(juliet, "Juliet")) == ["Juliet error forbidden auth"]


def test_another_room_of_the_name_is_not_taken_for_the_one_that_was_there(server: Server, romeo: Client) -> None:
    opened(romeo, "Romeo")
    leave(romeo, "Romeo")
    before = room_at(server)
    kept = rooms.find(server.db, before.address)
    assert kept is not None
    rooms.remove(server.db, kept.id)
    rooms.create(
        server.db, kept.jid, romeo.account, kept.configuration, is_public=False, secret=b"another one", at=time.time()
    )
    assert room_at(server).secret == b"another one" and room_at(server) is room_at(server)


def test_who_enters_a_room_of_many_costs_no_query(server: Server, romeo: Client, asked: list[str]) -> None:
    opened(romeo, "Romeo")
    juliet = Client(server, "juliet@localhost/balcony")
    enter(juliet, "Juliet")
    leave(juliet, "Juliet")
    del asked[:]
    enter(juliet, "Juliet")
    assert asked == []


def test_what_waits_for_many_phones_that_sleep_is_in_memory_once(server: Server, romeo: Client) -> None:
    room, phones, text = opened(romeo, "Romeo"), [], "x" * 10_000
    for number in range(50):
        phone = ManagedClient(server, f"juliet@localhost/{number}")
        phone.enables(resume="true")
        room.put(f"juliet{number}", phone.jid, b"", "participant")
        phone.loses_connection()
        phones.append(phone)
    say(romeo, text)
    tracemalloc.start()
    try:
        for _ in range(10):
            say(romeo, text)
        taken, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1_000_000  # with a text of its own for each phone it is 5,000,000
    for phone in phones:
        assert [text in bytes(each.stanza).decode() for each in phone.management.sent] == [True] * 11
    for phone in phones:
        phone.session.end()
