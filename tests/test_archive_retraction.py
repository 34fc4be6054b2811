"""XEP-0424: what is taken back by who has written it is a tombstone in the archives."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.archives import JULIET, MAM, MERCUTIO, ROMEO, form_of, query, server_with_archive, write
from tests.harness.in_process import Client, online, xml
from xmpp.data.jid import JID
from xmpp.server import Server

STAMP = re.compile(r'stamp="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"')
IN_A_ROOM = "<x xmlns='http://jabber.org/protocol/muc#user'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return online(server, f"{JULIET}/balcony")


def retract(sender: Client, message: str, to: JID = JULIET, more: str = "", id: str = "r1") -> None:
    write(sender, f"<retract xmlns='urn:xmpp:message-retract:1' id='{message}'/>{more}", to=to, id=id)


def test_the_message_is_a_tombstone_in_both_archives_and_the_retraction_stays(romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>a secret</body><thread>t</thread>text", id="m1")
    before = {client: query(client).ids for client in (romeo, juliet)}
    retract(romeo, "m1")
    for client in (romeo, juliet):
        answer = query(client)
        assert answer.ids[0] == before[client][0]
        tombstone = STAMP.sub("stamp=''", answer.results[0].partition("</delay>")[2])
        assert tombstone.startswith(
            f'<message xmlns="jabber:client" from="{romeo.jid}" id="m1" to="{JULIET}" type="chat">'
            '<retracted xmlns="urn:xmpp:message-retract:1" id="r1" stamp=\'\'></retracted></message>'
        )
        assert [child.tag for child in answer.messages[1]] == ["{urn:xmpp:message-retract:1}retract"]


def test_who_asks_while_it_still_waits_to_be_indexed_sees_the_tombstone_too(romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>a secret</body>", id="m1")
    retract(romeo, "m1")
    assert query(juliet).bodies == [None, None]


def test_what_was_taken_back_is_not_found_by_its_words(romeo: Client, juliet: Client) -> None:
    search = form_of({"FORM_TYPE": MAM, "{urn:xmpp:fulltext:0}fulltext": "secret"})
    write(romeo, "<body>a secret</body>", id="m1")
    assert query(juliet, search).bodies == ["a secret"]
    retract(romeo, "m1")
    assert query(juliet, search).ids == query(romeo, search).ids == []


def test_another_device_of_the_sender_can_take_it_back(server: Server, romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>a secret</body>", id="m1")
    retract(Client(server, f"{ROMEO}/chamber"), "m1")
    assert query(juliet).bodies[0] is None


def test_nobody_takes_back_what_somebody_else_has_written(server: Server, romeo: Client, juliet: Client) -> None:
    mercutio = Client(server, f"{MERCUTIO}/street")
    write(romeo, "<body>a secret</body>", id="m1")
    retract(juliet, "m1", to=ROMEO)
    retract(mercutio, "m1")
    retract(juliet, "m1", to=JULIET)
    for client in (romeo, juliet):
        assert query(client).bodies[0] == "a secret"


def test_of_two_with_one_id_the_newer_one_of_the_right_sender_is_taken_back(romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>one</body>", id="m1")
    write(romeo, "<body>two</body>", id="m1")
    write(juliet, "<body>three</body>", id="m1", to=ROMEO)
    retract(romeo, "m1")
    assert query(juliet).bodies == ["one", None, "three", None]


def test_in_a_room_only_the_same_participant_takes_it_back(server: Server, romeo: Client, juliet: Client) -> None:
    other = Client(server, f"{ROMEO}/chamber")  # as far as the archive can see: another participant of a room
    write(romeo, f"<body>a secret</body>{IN_A_ROOM}", id="m1")
    retract(other, "m1", more=IN_A_ROOM)
    assert query(juliet).bodies[0] == "a secret"
    retract(romeo, "m1", more=IN_A_ROOM)
    assert query(juliet).bodies[0] is None


def test_a_retraction_cannot_be_taken_back_nor_a_tombstone_changed(romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>a secret</body>", id="m1")
    retract(romeo, "m1", id="r1")
    retract(romeo, "r1", id="r2")
    retract(romeo, "m1", id="r3")
    results = query(juliet).results
    assert 'id="r1" stamp=' in results[0]
    assert "<retract " in results[1]


@pytest.mark.parametrize("attributes", ["", " id=''", " id='m2'"])
def test_a_retraction_of_nothing_is_archived_and_changes_nothing(
    romeo: Client, juliet: Client, attributes: str
) -> None:
    write(romeo, "<body>hi</body>", id="m1")
    write(romeo, "<body>without an id</body>")
    write(romeo, f"<retract xmlns='urn:xmpp:message-retract:1'{attributes}/>", id="r1")
    assert query(juliet).bodies == ["hi", "without an id", None]


def test_a_retraction_without_an_id_of_its_own_leaves_the_message(romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>hi</body>", id="m1")
    write(romeo, "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>")
    assert query(juliet).bodies == ["hi", None]


def test_the_tombstone_names_any_id(romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>hi</body>", id="m1")
    retract(romeo, "m1", id="&lt;&amp;&quot;&gt;")
    assert query(juliet).messages[0][0].get("id") == '<&">'


def test_a_retraction_is_passed_on_like_any_message(romeo: Client, juliet: Client) -> None:
    retract(romeo, "m1")
    [delivered] = juliet.received()
    assert xml("<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>") in delivered


def test_what_cannot_be_read_does_not_keep_a_retraction_away(server: Server, romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>a secret</body>", id="m1")
    query(juliet)
    assert server.db.connection.execute("UPDATE archive_message SET stanza = ?", (b"<message><a></message>",)).rowcount
    assert write(romeo, "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>", id="r1") == []
    assert any("r1" in stanza for stanza in juliet.received())
