"""docs/security.md rows 21 and 26: what is kept of a room, who is shown it, and what nobody says in its name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db.rooms import Affiliation
from handlers.rooms.room import Room
from tests.harness.archives import MAM, server_with_archive
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, enter, opened, say
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def room(romeo: Client, mercutio: Client) -> Room:
    """Romeo's room, with Mercutio in it; something was said."""
    room = opened(romeo, "Romeo")
    enter(mercutio, "Mercutio")
    say(romeo, "a secret")
    mercutio.received()
    return room


def asks_archive(client: Client) -> str:
    """All that comes of it."""
    return "".join(client.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MAM}'/></iq>"))


def test_row_26_whoever_was_banned_has_had_the_archive(room: Room, mercutio: Client) -> None:
    assert "a secret" in asks_archive(mercutio)
    room.set_affiliations({mercutio.account: Affiliation("outcast")})
    assert "a secret" not in asks_archive(mercutio)


def test_row_26_whoever_is_no_member_any_more_has_had_the_archive(room: Room, mercutio: Client) -> None:
    room.set_affiliations({mercutio.account: Affiliation("member")})
    room.configure(replace(room.configuration, membersonly=True))
    assert "a secret" in asks_archive(mercutio)
    room.set_affiliations({mercutio.account: Affiliation()})
    assert "a secret" not in asks_archive(mercutio)


def test_row_26_addresses_that_were_shown_once_are_not_shown_any_more(room: Room, mercutio: Client) -> None:
    room.configure(replace(room.configuration, whois="anyone"))
    assert "romeo@localhost" in asks_archive(mercutio)
    room.configure(replace(room.configuration, whois="moderators"))
    assert "romeo@localhost" not in asks_archive(mercutio)


def test_row_26_no_forged_address_is_told_or_kept(room: Room, romeo: Client, mercutio: Client) -> None:
    forged = "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='tybalt@localhost/x'/></x>"
    mercutio.sends(f"<message to='{ROOM}' type='groupchat'><body>I am Tybalt</body>{forged}</message>")
    assert "I am Tybalt" in (told := "".join(romeo.received())) and "tybalt@" not in told
    assert "I am Tybalt" in (kept := asks_archive(romeo)) and "tybalt@" not in kept


def test_row_26_private_messages_are_not_kept(room: Room, romeo: Client, mercutio: Client) -> None:
    romeo.sends(f"<message to='{ROOM}/Mercutio' type='chat'><body>for you alone</body></message>")
    assert "for you alone" in "".join(mercutio.received())
    assert "for you alone" not in asks_archive(romeo)


@pytest.mark.parametrize("keeper", [ROOM, ROOM.partition("@")[2], ROOM.upper()])
def test_row_21_nobody_says_that_the_room_has_kept_something(
    room: Room, romeo: Client, mercutio: Client, keeper: str
) -> None:
    forged = f"<delay xmlns='urn:xmpp:delay' from='{keeper}' stamp='2002-10-13T23:58:37Z'/>"
    mercutio.sends(f"<message to='{ROOM}' type='groupchat'><body>long ago</body>{forged}</message>")
    assert "long ago" in (told := "".join(romeo.received())) and "<delay" not in told
