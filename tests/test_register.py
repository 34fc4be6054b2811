"""XEP-0077: accounts made, changed and removed by clients, over streams."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts as stored
from db import rosters
from tests.streams import JULIET, Stream, listening_server, local_name
from xmpp.jid import JID
from xmpp.server import Server

REGISTER = "jabber:iq:register"
ROMEO = JID.parse("romeo@localhost")
DOMAINS = ["localhost", "example.org"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path, register={"accounts_per_address": 0}, server={"domains": DOMAINS}) as server:
        yield server


@pytest.fixture
def stranger(server: Server) -> Iterator[Stream]:
    with Stream(server) as stream:
        stream.open()
        yield stream


@pytest.fixture
def juliet(server: Server) -> Iterator[Stream]:
    with Stream(server) as stream:
        stream.logs_in()
        stream.binds("balcony")
        yield stream


def query(content: str) -> str:
    return f"<query xmlns='{REGISTER}'>{content}</query>"


def wish(name: str, password: str) -> str:
    return query(f"<username>{name}</username><password>{password}</password>")


REMOVE = query("<remove/>")


def can_log_in(server: Server, name: str, password: str) -> bool:
    with Stream(server) as stream:
        stream.open()
        return stream.tries_password(name, password) == "success"


# -- strangers


def test_a_stranger_is_offered_an_account_and_asked_for_name_and_password(server: Server) -> None:
    with Stream(server) as stream:
        assert stream.open().find("{http://jabber.org/features/iq-register}register") is not None
        answer = stream.asks(f"<iq type='get' id='1'>{query('')}</iq>")
        assert [local_name(field) for field in answer[0]] == ["instructions", "username", "password"]


def test_an_account_is_made_and_used_on_the_same_stream(stranger: Stream) -> None:
    assert stranger.asks_iq(wish("romeo", "wherefore")) == "result"
    assert stranger.tries_password("romeo", "wherefore") == "success"
    assert stranger.open() is not None
    assert stranger.binds("orchard") == "romeo@localhost/orchard"


def test_the_name_is_an_address_and_normalised_like_one(server: Server, stranger: Stream) -> None:
    assert stranger.asks_iq(wish("RoMeo", "wherefore")) == "result"
    assert stored.exists(server.db, ROMEO)


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        ("<username>juliet</username><password>new</password>", "conflict"),
        ("<username>JULIET</username><password>new</password>", "conflict"),
        ("", "not-acceptable"),
        ("<username>romeo</username>", "not-acceptable"),
        ("<username>romeo</username><password/>", "not-acceptable"),
        ("<username/><password>new</password>", "not-acceptable"),
        ("<username>ro meo</username><password>new</password>", "not-acceptable"),
        ("<username>romeo@example.org</username><password>new</password>", "not-acceptable"),
        ("<username>romeo</username><password>\u00ad</password>", "not-acceptable"),
        (f"<username>{'r' * 1024}</username><password>new</password>", "not-acceptable"),
        (f"<username>romeo</username><password>{'x' * 1024}</password>", "not-acceptable"),
        ("<remove/>", "unexpected-request"),
    ],
)
def test_what_cannot_be_registered_is_refused(stranger: Stream, content: str, condition: str) -> None:
    assert stranger.asks_iq(query(content)) == condition


def test_registration_that_is_not_open_is_not_offered(tmp_path: Path) -> None:
    with listening_server(tmp_path, register={"open": False}) as server, Stream(server) as stream:
        assert stream.open().find("{http://jabber.org/features/iq-register}register") is None
        assert stream.asks_iq(query(""), type="get") == "service-unavailable"
        assert stream.asks_iq(wish("romeo", "wherefore")) == "not-allowed"
        assert not stored.exists(server.db, ROMEO)


def test_who_is_logged_in_registers_nothing_more(server: Server) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        assert stream.asks_iq(wish("romeo", "wherefore")) == "unexpected-request"


# -- the account's owner


def test_the_owner_is_told_what_is_registered_but_no_password(juliet: Stream) -> None:
    answer = juliet.asks(f"<iq type='get' id='1'>{query('')}</iq>")
    assert answer[0].find(f"{{{REGISTER}}}registered") is not None
    assert answer[0].findtext(f"{{{REGISTER}}}username") == "juliet"
    assert not answer[0].findtext(f"{{{REGISTER}}}password")


@pytest.mark.parametrize("is_open", [True, False])
def test_the_owner_changes_the_password(tmp_path: Path, is_open: bool) -> None:
    with listening_server(tmp_path, register={"open": is_open}) as server, Stream(server) as juliet:
        juliet.logs_in()
        juliet.binds("balcony")
        assert juliet.asks_iq(wish("juliet", "new secret")) == "result"
        assert can_log_in(server, "juliet", "new secret")
        assert not can_log_in(server, "juliet", "secret")


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        ("<username>juliet</username><password/>", "bad-request"),
        ("<username>juliet</username>", "bad-request"),
        ("<username>juliet</username><password>\u0007</password>".replace("\u0007", "\ue000"), "not-acceptable"),
        ("<username>romeo</username><password>new</password>", "not-allowed"),
    ],
)
def test_a_password_that_cannot_be_set_leaves_the_old_one(
    server: Server, juliet: Stream, content: str, condition: str
) -> None:
    assert juliet.asks_iq(query(content)) == condition
    assert can_log_in(server, "juliet", "secret")


def test_the_owner_removes_the_account_with_all_it_keeps_and_is_logged_out(server: Server, juliet: Stream) -> None:
    rosters.put(server.db, JULIET, rosters.Item(ROMEO))
    with Stream(server) as other:
        other.logs_in()
        other.binds("garden")
        assert juliet.asks_iq(REMOVE) == "result"
        assert juliet.last_words() == ["not-authorized"]
        assert other.last_words() == ["not-authorized"]
    assert not stored.exists(server.db, JULIET)
    assert not can_log_in(server, "juliet", "secret")
    assert not server.online.sessions(JULIET)


def test_an_account_that_is_made_anew_finds_nothing_of_the_old_one(server: Server, juliet: Stream) -> None:
    rosters.put(server.db, JULIET, rosters.Item(ROMEO))
    assert juliet.asks_iq(REMOVE) == "result"
    with Stream(server) as stream:
        stream.open()
        assert stream.asks_iq(wish("juliet", "other secret")) == "result"
    assert not rosters.roster(server.db, JULIET).items


def test_a_removal_that_says_more_is_a_bad_request(server: Server, juliet: Stream) -> None:
    assert juliet.asks_iq(query("<remove/><username>juliet</username>")) == "bad-request"
    assert stored.exists(server.db, JULIET)


def test_another_domain_of_this_server_knows_no_account_of_this_one(server: Server, juliet: Stream) -> None:
    for type, content in (("get", ""), ("set", "<remove/>")):
        answer = juliet.asks(f"<iq type='{type}' id='1' to='example.org'>{query(content)}</iq>")
        assert local_name(answer[0][0]) == "not-allowed"
    assert stored.exists(server.db, JULIET)
