"""XEP-0012: since when an account is offline, and the server running."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, last_activity
from tests.harness.in_process import Client, add_accounts, server_in, xml
from xmpp.server import Server

LAST = "<query xmlns='jabber:iq:last'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def answer(seconds: int, status: str = "") -> str:
    return xml(f'<query xmlns="jabber:iq:last" seconds="{seconds}">{status}</query>')


def test_the_server_tells_its_uptime(server: Server, romeo: Client) -> None:
    server.started_at = time.time() - 903.5
    assert re.fullmatch(r'<query xmlns="jabber:iq:last" seconds="9\d\d"></query>', romeo.asks(LAST, to="localhost"))


@pytest.mark.parametrize("is_available", [True, False])
def test_an_account_that_is_connected_is_active_now(romeo: Client, juliet: Client, is_available: bool) -> None:
    if is_available:
        juliet.sends("<presence/>")
        romeo.received()
    assert romeo.asks(LAST, to="juliet@localhost") == answer(0)
    assert romeo.asks(LAST) == answer(0)


def test_who_has_left_said_something_some_time_ago(server: Server, romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    juliet.sends("<presence type='unavailable'><status>Gone to the friar</status></presence>")
    juliet.session.close()
    romeo.received()
    last = last_activity.get(server.db, "juliet@localhost")
    assert last is not None and last.status == "Gone to the friar"
    last_activity.put(server.db, "juliet@localhost", last.at - 903, last.status)
    seconds, status = seconds_and_status(romeo.asks(LAST, to="juliet@localhost"))
    assert 903 <= seconds <= 903 + time.time() - last.at
    assert status == "Gone to the friar"


def seconds_and_status(content: str) -> tuple[int, str]:
    match = re.fullmatch(r'<query xmlns="jabber:iq:last" seconds="(\d+)">(.*)</query>', content)
    assert match
    return int(match[1]), match[2]


def test_whose_connection_breaks_off_says_nothing(server: Server, romeo: Client, juliet: Client) -> None:
    last_activity.put(server.db, "juliet@localhost", 0.0, "an older goodbye")
    juliet.sends("<presence/>")
    before = time.time()
    juliet.session.close()
    romeo.received()
    last = last_activity.get(server.db, "juliet@localhost")
    assert last is not None and last.at >= before and last.status == ""


def test_only_the_last_session_of_an_account_ends_its_activity(server: Server, romeo: Client, juliet: Client) -> None:
    phone = Client(server, "juliet@localhost/phone")
    juliet.session.close()
    assert romeo.asks(LAST, to="juliet@localhost") == answer(0)
    assert last_activity.get(server.db, "juliet@localhost") is None
    phone.session.close()
    assert last_activity.get(server.db, "juliet@localhost") is not None


def test_nothing_is_kept_of_an_account_that_is_removed(server: Server, juliet: Client) -> None:
    accounts.remove(server.db, juliet.account)
    juliet.session.close()
    assert last_activity.get(server.db, juliet.account) is None


def test_who_was_never_online_has_no_last_activity(server: Server, romeo: Client, juliet: Client) -> None:
    server.online.remove(juliet.session)
    assert romeo.asks(LAST, to="juliet@localhost") == "item-not-found"


def test_a_stranger_is_not_to_know(server: Server, romeo: Client) -> None:
    assert romeo.asks(LAST, to="juliet@localhost") == "forbidden"
    juliet = Client(server, "juliet@localhost/balcony")
    assert romeo.asks(LAST, to="juliet@localhost") == "forbidden"
    assert romeo.asks(LAST, to=juliet.jid) == "forbidden"
    assert juliet.received() == []


def test_a_contacts_client_is_asked_for_its_idle_time(romeo: Client, juliet: Client) -> None:
    assert romeo.sends(f"<iq type='get' id='q' to='{juliet.jid}'>{LAST}</iq>") == []
    assert len(juliet.received()) == 1
