"""XEP-0175: guests, who have an account as long as their session, and may do less than others."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from db import accounts as account_records
from db import guests as guest_records
from db.sqlite.database import Database
from handlers.login import departures
from handlers.login.sasl.guests import MECHANISM, Guests
from tests.harness.streams import JULIET, PATIENCE, Stream, listening_server, local_name, outcome
from xmpp.data.jid import JID
from xmpp.server import Server

ON = {"guests": {"enabled": True, "per_address": 0}}
OFF = {"guests": {"enabled": False}}
ROSTER = "<query xmlns='jabber:iq:roster'>{}</query>"
LONG = 1_000.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path, **ON) as server:
        yield server


@contextmanager
def guest(server: Server) -> Iterator[tuple[Stream, JID]]:
    """The stream of a guest, and the address that it was given."""
    with closing_stream(server) as stream:
        assert outcome(stream.begins(MECHANISM)) == "success"
        stream.open()
        bound = stream.asks("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        yield stream, JID.parse(bound[0][0].text or "").bare


@contextmanager
def closing_stream(server: Server) -> Iterator[Stream]:
    with Stream(server) as stream:
        stream.open()
        yield stream


def until_gone(server: Server, account: JID) -> None:
    with gevent.Timeout(PATIENCE):
        while account_records.exists(server.db, account) or server.state(Guests).since:
            gevent.sleep(0.005)


def mechanisms(server: Server) -> list[str | None]:
    with Stream(server) as stream:
        return [each.text for each in stream.open().iter("{*}mechanism")]


def test_guests_are_let_in_only_where_that_was_switched_on(server: Server, tmp_path: Path) -> None:
    assert MECHANISM in mechanisms(server)
    (tmp_path / "closed").mkdir()
    with listening_server(tmp_path / "closed", **OFF) as closed:
        assert MECHANISM not in mechanisms(closed)
        with closing_stream(closed) as stream:
            assert outcome(stream.begins(MECHANISM)) == "invalid-mechanism"


def test_each_guest_has_an_address_of_its_own_and_is_no_account_that_stays(server: Server) -> None:
    with guest(server) as (_, one), guest(server) as (_, other):
        assert one != other and one.domain == "localhost"
        assert set(guest_records.listing(server.db, 10)) == {one, other}
    for each in (one, other):
        until_gone(server, each)
    assert guest_records.listing(server.db, 10) == []


def test_what_a_guest_says_of_itself_is_not_heeded(server: Server) -> None:
    with closing_stream(server) as stream:
        assert outcome(stream.begins(MECHANISM, b"juliet")) == "success"
        [account] = server.state(Guests).since
        assert "juliet" not in account


def test_what_guests_keep_goes_with_them(server: Server) -> None:
    def kept() -> int:
        return int(server.db.connection.execute("SELECT COUNT(*) FROM private_xml").fetchone()[0])

    with guest(server) as (stream, account):
        assert stream.asks_iq("<query xmlns='jabber:iq:private'><a xmlns='b'>mine</a></query>") == "result"
        assert kept() == 1
    until_gone(server, account)
    assert kept() == 0


def test_it_is_told_that_a_guest_is_one(server: Server) -> None:
    with guest(server) as (stream, account):
        answer = stream.asks(
            f"<iq type='get' id='d' to='{account}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        identities = [each for each in answer[0] if local_name(each) == "identity"]
        found = [(each.get("category"), each.get("type")) for each in identities]
        assert sorted(found) == [("account", "anonymous"), ("pubsub", "pep")]


@pytest.mark.parametrize(
    "payload",
    [
        ROSTER.format("<item jid='juliet@localhost'/>"),
        "<query xmlns='jabber:iq:register'><username>x</username><password>a-long-password</password></query>",
        "<enable xmlns='urn:xmpp:push:0' jid='push.localhost'/>",
        "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/>",
    ],
)
def test_row_38_guests_do_nothing_that_lasts(server: Server, payload: str) -> None:
    with guest(server) as (stream, _):
        assert stream.asks_iq(payload) == "forbidden"
        assert stream.asks_iq(ROSTER.format(""), type="get") == "result"


@pytest.mark.parametrize(
    "payload",
    [
        "<query xmlns='jabber:iq:search'/>",
        "<services xmlns='urn:xmpp:extdisco:2'/>",
        "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.example'/></credentials>",
    ],
)
def test_row_38_guests_are_not_told_who_has_an_account_nor_what_relays_their_calls(
    tmp_path: Path, payload: str
) -> None:
    turn = {"type": "turn", "host": "turn.example", "secret": "a rose"}
    settings: dict[str, dict[str, Any]] = {**ON, "search": {"enabled": True}, "external_services": {"services": [turn]}}
    with listening_server(tmp_path, **settings) as server, guest(server) as (stream, _):
        asked = f"<iq type='get' id='q' to='localhost'>{payload}</iq>"
        assert local_name(stream.asks(asked)[0][0]) == "forbidden"
        assert stream.asks_iq("<query xmlns='jabber:iq:search'><nick>j</nick></query>") == "forbidden"


@pytest.mark.parametrize(
    "stanza",
    [
        "<presence type='subscribe' to='juliet@localhost'/>",
        "<presence type='subscribed' to='juliet@localhost'/>",
        "<message to='romeo@elsewhere.example'><body>spam</body></message>",
        "<presence to='room@rooms.elsewhere.example/nick'/>",
        "<iq type='get' id='1' to='elsewhere.example'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<presence to='new@rooms.localhost/nick'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    ],
)
def test_row_38_guests_have_no_contacts_reach_nobody_elsewhere_and_make_no_rooms(server: Server, stanza: str) -> None:
    with guest(server) as (stream, _):
        error = stream.asks(stanza).find("{*}error")
        assert error is not None
        assert local_name(error[0]) in ("forbidden", "not-allowed")


def test_guests_write_to_people_here(server: Server) -> None:
    with Stream(server) as juliet, guest(server) as (stream, account):
        juliet.logs_in()
        juliet.binds("balcony")
        juliet.asks("<presence/>")
        stream.send(f"<message type='chat' to='{JULIET}'><body>hello</body></message>")
        stream.asks_iq("<ping xmlns='urn:xmpp:ping'/>", type="get")
        message = juliet.asks("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert JID.parse(message.get("from") or "").bare == account


def test_row_38_there_are_so_many_guests_at_a_time(tmp_path: Path) -> None:
    with listening_server(tmp_path, guests={"enabled": True, "per_address": 0, "at_a_time": 1}) as server:
        with guest(server) as (_, account), closing_stream(server) as other:
            assert outcome(other.begins(MECHANISM)) == "temporary-auth-failure"
        until_gone(server, account)
        with guest(server):
            pass


def test_row_38_so_many_guests_come_from_one_address(tmp_path: Path) -> None:
    with listening_server(tmp_path, guests={"enabled": True, "per_address": 2}) as server:
        for _ in range(2):
            with guest(server) as (_, account):
                pass
            until_gone(server, account)
        with closing_stream(server) as stream:
            assert outcome(stream.begins(MECHANISM)) == "temporary-auth-failure"


def test_who_never_gets_as_far_as_a_session_is_removed_after_a_while(server: Server) -> None:
    with closing_stream(server) as stream:
        assert outcome(stream.begins(MECHANISM)) == "success"
        [account] = server.state(Guests).since
        departures.remove_gone(server, time.monotonic())
        assert account_records.exists(server.db, account)
    departures.remove_gone(server, time.monotonic() + LONG)
    until_gone(server, account)


def test_who_is_here_stays_however_long(server: Server) -> None:
    with guest(server) as (_, account):
        departures.remove_gone(server, time.monotonic() + LONG)
        assert account_records.exists(server.db, account)


@pytest.mark.parametrize("afterwards", [ON, OFF])
def test_guests_that_are_left_by_a_crash_are_removed_at_the_start(
    tmp_path: Path, afterwards: dict[str, dict[str, object]]
) -> None:
    with closing(Database(tmp_path / "test.db")) as db:
        account = JID.parse("left@localhost")
        guest_records.create(db, account, time.time())
    with listening_server(tmp_path, **afterwards) as server:
        until_gone(server, account)
        assert account_records.exists(server.db, JULIET)
