"""XEP-0077: accounts made, changed and removed by clients, over streams."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from lxml import etree

from db import accounts as account_records
from db import rosters
from handlers.admin import administration
from handlers.login import accounts
from handlers.login.registration_form import CHANGE_PASSWORD
from tests.harness.streams import JULIET, Stream, listening_server, local_name
from xmpp.data import dataforms
from xmpp.data.jid import JID
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
        assert [local_name(field) for field in answer[0]] == ["instructions", "username", "password", "x"]


def test_a_form_asks_for_the_same(stranger: Stream) -> None:
    form = stranger.asks(f"<iq type='get' id='1'>{query('')}</iq>")[0][-1]
    assert (form.tag, form.get("type")) == (dataforms.X, "form")
    fields = {field.get("var"): field for field in form.findall(dataforms.FIELD)}
    assert [(var, field.get("type")) for var, field in fields.items()] == [
        ("FORM_TYPE", "hidden"),
        ("username", "text-single"),
        ("password", "text-private"),
    ]
    assert fields["FORM_TYPE"].findtext(dataforms.VALUE) == REGISTER
    for var in ("username", "password"):
        assert fields[var].get("label")
        assert fields[var].find("{jabber:x:data}required") is not None
    assert "at least 8 characters" in form.findtext("{jabber:x:data}instructions", "")


def form(type: str = "submit", form_type: str = REGISTER, **values: str) -> str:
    filled_in = {"FORM_TYPE": form_type, **values}
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in filled_in.items() if value)
    return f"<x xmlns='jabber:x:data' type='{type}'>{fields}</x>"


@pytest.mark.parametrize(
    "content",
    [
        form(username="romeo", password="wherefore"),
        form(username="romeo", password="wherefore", form_type=""),
        form(username="romeo", password="wherefore", email="romeo@montague.example"),
        "<username>nobody</username><password>something</password>" + form(username="romeo", password="wherefore"),
    ],
    ids=["form", "without FORM_TYPE", "with what was not asked for", "and other fields, which do not count"],
)
def test_an_account_is_made_by_a_form(server: Server, stranger: Stream, content: str) -> None:
    assert stranger.asks_iq(query(content)) == "result"
    assert stranger.tries_password("romeo", "wherefore") == "success"
    assert [jid for jid, _ in account_records.listing(server.db)] == [JULIET, ROMEO]


def test_an_account_is_made_and_used_on_the_same_stream(stranger: Stream) -> None:
    assert stranger.asks_iq(wish("romeo", "wherefore")) == "result"
    assert stranger.tries_password("romeo", "wherefore") == "success"
    assert stranger.open() is not None
    assert stranger.binds("orchard") == "romeo@localhost/orchard"


def test_the_name_is_an_address_and_normalised_like_one(server: Server, stranger: Stream) -> None:
    assert stranger.asks_iq(wish("RoMeo", "wherefore")) == "result"
    assert account_records.exists(server.db, ROMEO)


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        ("<username>juliet</username><password>wherefore</password>", "conflict"),
        ("<username>JULIET</username><password>wherefore</password>", "conflict"),
        ("", "not-acceptable"),
        ("<username>romeo</username>", "not-acceptable"),
        ("<username>romeo</username><password/>", "not-acceptable"),
        ("<username/><password>wherefore</password>", "not-acceptable"),
        ("<username>ro meo</username><password>wherefore</password>", "not-acceptable"),
        ("<username>romeo@example.org</username><password>wherefore</password>", "not-acceptable"),
        ("<username>romeo</username><password>\u00ad</password>", "not-acceptable"),
        (f"<username>{'r' * 1024}</username><password>wherefore</password>", "not-acceptable"),
        (f"<username>romeo</username><password>{'x' * 1024}</password>", "not-acceptable"),
        ("<username>romeo</username><password>whereof</password>", "not-acceptable"),
        (form(username="juliet", password="wherefore"), "conflict"),
        (form(username="romeo"), "not-acceptable"),
        (form(password="wherefore"), "not-acceptable"),
        (form(username="romeo", password="wherefore", type="cancel"), "not-acceptable"),
        (form(username="romeo", password="wherefore", form_type="jabber:iq:search"), "not-acceptable"),
        (form(username="romeo", password="whereof"), "not-acceptable"),
        (f"<username>romeo</username><password>wherefore</password>{form(username='romeo')}", "not-acceptable"),
        ("<remove/>", "unexpected-request"),
    ],
)
def test_what_cannot_be_registered_is_refused(stranger: Stream, content: str, condition: str) -> None:
    assert stranger.asks_iq(query(content)) == condition


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("ro meo", "wherefore", "a username may not contain spaces"),
        ("romeo ", "wherefore", "a username may not contain spaces"),
        ("\u00a0romeo", "wherefore", "a username may not contain spaces"),
        ("ro/meo", "wherefore", "a username may not contain the character /"),
        ("romeo\u2665", "wherefore", "a username may not contain the character \u2665"),
        ("ro\u200bmeo", "wherefore", "a username may not contain characters that cannot be seen"),
        ("ro\ue000meo", "wherefore", "a username may not contain characters that cannot be seen"),
        ("r" * 1024, "wherefore", "the username is too long"),
        ("@localhost", "wherefore", "the username is empty"),
        ("romeo@example.org", "wherefore", "addresses here end in @localhost; the username is what stands before that"),
        ("romeo@", "wherefore", "addresses here end in @localhost; the username is what stands before that"),
        ("romeo", "whereof", "a password needs at least 8 characters"),
        ("romeo", "a\u00adb\u00adc\u00add\u00ade", "a password needs at least 8 characters"),
        ("romeo", "where\u2028fore", "a password may not contain control characters, or others that have no meaning of"
                                      " their own"),
        ("romeo", "\u05d0wherefore", "a password that is written from right to left may not contain anything written"
                                     " the other way"),
        ("romeo", "x" * 1024, "a password has at most 1023 characters"),
        *(("romeo", f"where{odd}fore", "a password may not contain characters that clients send in different ways")
          for odd in ("\u00b2", "\u00b5", "\u00b4", "\u00a0", "\u00ad", "e\u0301", "\ufb01")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words_for_people(stranger: Stream, name: str, password: str, words: str) -> None:
    answer = stranger.asks(f"<iq type='set' id='1'>{wish(name, password)}</iq>")
    assert [local_name(each) for each in answer[0]] == ["not-acceptable", "text"]
    assert answer[0][1].text == words


def test_a_whole_address_is_understood_as_its_username(server: Server, stranger: Stream) -> None:
    assert stranger.asks_iq(wish("romeo@LOCALHOST", "wherefore")) == "result"
    assert account_records.exists(server.db, ROMEO)


def test_how_long_a_password_has_to_be_is_a_setting_that_binds_no_administrator(tmp_path: Path) -> None:
    limits = {"accounts_per_address": 0, "min_password_length": 12}
    with listening_server(tmp_path, register=limits) as server, Stream(server) as stream:
        stream.open()
        assert stream.asks_iq(wish("romeo", "elevenchars")) == "not-acceptable"
        assert stream.asks_iq(wish("romeo", "twelve chars")) == "result"
        administration.carry_out(server, "passwd", account="romeo@localhost", password="short")
        administration.carry_out(server, "add", account="nurse@localhost", password="short")
        assert stream.tries_password("romeo", "short") == "success"
        stream.open()
        stream.binds("orchard")
        assert stream.asks_iq(wish("romeo", "elevenchars")) == "not-acceptable"


def test_registration_that_is_not_open_is_not_offered(tmp_path: Path) -> None:
    settings = {"register": {"open": False}, "invitations": {"enabled": False}}
    with listening_server(tmp_path, **settings) as server, Stream(server) as stream:
        assert stream.open().find("{http://jabber.org/features/iq-register}register") is None
        assert stream.asks_iq(query(""), type="get") == "service-unavailable"
        assert stream.asks_iq(wish("romeo", "wherefore")) == "not-allowed"
        assert not account_records.exists(server.db, ROMEO)


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
    "content",
    [
        form(username="juliet", password="new secret"),
        form(username="juliet", password="new secret", form_type=CHANGE_PASSWORD, old_password="secret"),
        form(username="juliet@localhost", password="new secret", form_type=CHANGE_PASSWORD),
    ],
)
def test_the_owner_changes_the_password_by_a_form(server: Server, juliet: Stream, content: str) -> None:
    assert juliet.asks_iq(query(content)) == "result"
    assert can_log_in(server, "juliet", "new secret")


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        ("<username>juliet</username><password/>", "bad-request"),
        (form(username="juliet"), "bad-request"),
        (form(username="romeo", password="new secret"), "not-allowed"),
        ("<username>juliet</username><password>whereof</password>", "not-acceptable"),
        ("<username>juliet</username>", "bad-request"),
        ("<username>juliet</username><password>\u0007</password>".replace("\u0007", "\ue000"), "not-acceptable"),
        ("<username>romeo</username><password>wherefore</password>", "not-allowed"),
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
    assert not account_records.exists(server.db, JULIET)
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
    assert account_records.exists(server.db, JULIET)


def test_another_domain_of_this_server_knows_no_account_of_this_one(server: Server, juliet: Stream) -> None:
    for type, content in (("get", ""), ("set", "<remove/>")):
        answer = juliet.asks(f"<iq type='{type}' id='1' to='example.org'>{query(content)}</iq>")
        assert local_name(answer[0][0]) == "not-allowed"
    assert account_records.exists(server.db, JULIET)


# -- names that people would take for others


@pytest.mark.parametrize("name", ["admin", "Postmaster", "xmpp", "support", "\u0430dmin", "r00t", "inf\u043e"])
def test_strangers_get_no_name_of_those_who_run_the_server_nor_what_looks_like_it(
    server: Server, stranger: Stream, name: str
) -> None:
    assert stranger.asks_iq(wish(name, "wherefore")) == "conflict"
    assert account_records.count(server.db) == 1


@pytest.mark.parametrize("name", ["romeo", "r0meo"])
def test_strangers_get_no_name_that_looks_like_that_of_an_administrator_to_be(tmp_path: Path, name: str) -> None:
    administrators = {"administrators": ["romeo@localhost"]}
    with listening_server(tmp_path, server=administrators) as server, Stream(server) as stream:
        stream.open()
        assert stream.asks_iq(wish(name, "wherefore")) == "conflict"


def test_which_names_are_kept_is_a_setting_that_binds_no_administrator(tmp_path: Path) -> None:
    with listening_server(tmp_path, register={"reserved_names": ["king"]}) as server, Stream(server) as stream:
        accounts.create(server, JID.parse("king@localhost"), "wherefore")
        stream.open()
        assert stream.asks_iq(wish("k\u0456ng", "wherefore")) == "conflict"
        assert stream.asks_iq(wish("admin", "wherefore")) == "result"


@pytest.mark.parametrize("name", ["ju1iet", "jul\u0456et", "\u0458uliet"])
def test_a_name_that_looks_like_that_of_an_account_is_refused_as_a_taken_one(
    server: Server, stranger: Stream, name: str
) -> None:
    wishes = [f"<iq type='set' id='r'>{wish(each, 'wherefore')}</iq>" for each in ("juliet", name)]
    taken, double = map(stranger.asks, wishes)
    assert etree.tostring(double) == etree.tostring(taken)
    assert stranger.asks_iq(wish(name, "wherefore")) == "conflict"
    assert account_records.count(server.db) == 1


def test_each_domain_has_names_of_its_own(server: Server, stranger: Stream) -> None:
    accounts.create(server, JID.parse("romeo@example.org"), "wherefore")
    assert stranger.asks_iq(wish("r0meo", "wherefore")) == "result"


def test_of_two_who_ask_at_once_for_names_that_look_alike_one_is_refused(server: Server) -> None:
    with Stream(server) as first, Stream(server) as second:
        for stream in (first, second):
            stream.open()
        names = {first: "romeo", second: "rome\u043e"}
        asked = [gevent.spawn(stream.asks_iq, wish(name, "wherefore")) for stream, name in names.items()]
        assert sorted(each.get(timeout=30) for each in asked) == ["conflict", "result"]
    assert account_records.count(server.db) == 2
