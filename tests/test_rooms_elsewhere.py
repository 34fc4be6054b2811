"""Occupants whose accounts another server owns: all that they get from a room goes there as stanzas."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db.rooms import Affiliation
from db.sqlite.database import Database
from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import MUC, ROOM, configure, opened, say, told
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.running.handling import Handled
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost/balcony")
MAM = "urn:xmpp:mam:2"


class Neighbour:
    """Who owns Juliet's account."""

    def __init__(self) -> None:
        self.took: list[str] = []

    def has(self, address: JID) -> bool:
        return address.local == "juliet"

    def send(self, stanza: Stanza) -> None:
        self.took.append(stanza.wire().decode())


class Juliet:
    """Her device there: what it sends comes in as bytes."""

    def __init__(self, server: Server, neighbour: Neighbour) -> None:
        self._server, self._neighbour = server, neighbour

    def sends(self, text: str) -> list[str]:
        with Handled():
            self._server.router.route(Stanza.from_wire(text.replace(" to=", f" from='{JULIET}' to=", 1).encode()))
        return self.received()

    def received(self) -> list[str]:
        took, self._neighbour.took = self._neighbour.took, []
        return took

    def page(self, rsm: str = "") -> tuple[list[str], str]:
        """The texts of a page, and what was answered at the end: the last id, or the condition of the error."""
        *messages, answer = self.sends(
            f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MAM}'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set></query></iq>"
        )
        texts = [next(parse(each.encode()).iter("{jabber:client}body")).text or "" for each in messages]
        element = parse(answer.encode())
        if element.get("type") == "error":
            return texts, str(etree.QName(element[-1][0]).localname)
        return texts, next(element.iter("{http://jabber.org/protocol/rsm}last")).text or ""


@pytest.fixture
def neighbour() -> Neighbour:
    return Neighbour()


@pytest.fixture
def server(tmp_path: Path, neighbour: Neighbour) -> Iterator[Server]:
    with server_in(tmp_path, Database, neighbour, archive={"enabled": True}) as server:
        add_accounts(server, "romeo")
        yield server


@pytest.fixture
def juliet(server: Server, neighbour: Neighbour) -> Juliet:
    return Juliet(server, neighbour)


@pytest.fixture
def room(romeo: Client) -> Room:
    return opened(romeo, "romeo")


def test_who_is_elsewhere_enters_hears_and_leaves(room: Room, romeo: Client, juliet: Juliet) -> None:
    entering = f"<presence to='{ROOM}/juliet'><x xmlns='{MUC}'/></presence>"
    assert told(juliet.sends(entering)) == [
        "romeo in owner/moderator",
        f"juliet in none/participant {JULIET} 110",
        "room subject ",
    ]
    say(romeo, "hello")
    assert told(juliet.received()) == ["romeo says hello"]
    assert told(juliet.sends(f"<presence to='{ROOM}/juliet' type='unavailable'/>")) == [
        f"juliet out none/none {JULIET} 110"
    ]


def test_who_is_elsewhere_reads_the_archive_page_by_page(room: Room, romeo: Client, juliet: Juliet) -> None:
    written = [f"line {number}" for number in range(25)]
    for text in written:
        say(romeo, text)
    read, last = juliet.page("<max>10</max>")
    assert read == written[:10]
    for start in (10, 20):
        read, last = juliet.page(f"<max>10</max><after>{last}</after>")
        assert read == written[start : start + 10]
    assert juliet.page("<max>3</max><before/>")[0] == written[-3:]


def test_who_is_no_member_any_more_has_read_the_archive(room: Room, romeo: Client, juliet: Juliet) -> None:
    configure(room, membersonly=True)
    room.set_affiliations({JULIET.bare: Affiliation("member")})
    say(romeo, "hello")
    assert juliet.page()[0] == ["hello"]
    room.set_affiliations({JULIET.bare: Affiliation("none")})
    assert juliet.page() == ([], "forbidden")


def test_addresses_are_shown_there_to_those_who_may_see_them_now(room: Room, romeo: Client, juliet: Juliet) -> None:
    def shows(received: list[str]) -> bool:
        return any("<item jid=" in each for each in received)

    say(romeo, "hello")
    asking = f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MAM}'/></iq>"
    assert not shows(juliet.sends(asking))
    configure(room, whois="anyone")
    assert shows(juliet.sends(asking))
