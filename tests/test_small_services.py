"""Ping (XEP-0199), version (XEP-0092), time (XEP-0202)."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.discovery.time import format_offset
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from xmpp import __version__
from xmpp.data import timestamps
from xmpp.server import Server

PING = "<ping xmlns='urn:xmpp:ping'/>"
VERSION = "<query xmlns='jabber:iq:version'/>"
TIME = "<time xmlns='urn:xmpp:time'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, version={"version": "1.2"}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.mark.parametrize("to", ["localhost", "", "romeo@localhost"])
def test_the_server_and_ones_own_account_answer_pings(romeo: Client, to: str) -> None:
    assert romeo.asks(PING, to=to) == ""


def test_an_account_answers_pings_of_those_who_see_its_presence(server: Server, romeo: Client) -> None:
    befriend(server, romeo.account, Client(server, "juliet@localhost/balcony").account)
    assert romeo.asks(PING, to="juliet@localhost") == ""


def test_a_ping_does_not_tell_a_stranger_which_accounts_exist(romeo: Client) -> None:
    assert romeo.asks(PING, to="juliet@localhost") == "service-unavailable"
    assert romeo.asks(PING, to="nobody@localhost") == "service-unavailable"


def test_the_version_is_told_and_not_the_system(romeo: Client) -> None:
    assert romeo.asks(VERSION, to="localhost") == xml(
        '<query xmlns="jabber:iq:version"><name>xserv</name><version>1.2</version></query>'
    )


def test_the_system_is_told_where_it_is_configured(tmp_path: Path) -> None:
    with server_in(tmp_path, version={"name": "Verona", "show_system": True}) as server:
        add_accounts(server, "romeo")
        answer = Client(server, "romeo@localhost/orchard").asks(VERSION, to="localhost")
    assert re.search(f"<name>Verona</name><version>{re.escape(__version__)}</version><os>.+</os>", answer)


def test_the_time_is_told_in_utc_and_with_the_offset(romeo: Client) -> None:
    before = int(time.time())
    answer = romeo.asks(TIME, to="localhost")
    match = re.search(r"<tzo>[+-]\d\d:\d\d</tzo><utc>(.+)</utc>", answer)
    assert match and before <= timestamps.parse(match[1]) <= time.time()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "+00:00"), (3600, "+01:00"), (-21600, "-06:00"), (20700, "+05:45"), (-12600, "-03:30")]
)
def test_an_offset_is_written_in_hours_and_minutes(seconds: int, text: str) -> None:
    assert format_offset(seconds) == text


@pytest.mark.parametrize("to", ["localhost", "", "romeo@localhost", "juliet@localhost"])
@pytest.mark.parametrize("type", ["get", "set"])
def test_what_nobody_knows_is_unavailable(romeo: Client, to: str, type: str) -> None:
    assert romeo.asks("<query xmlns='urn:example:unknown'/>", to=to, type=type) == "service-unavailable"
