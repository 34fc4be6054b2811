"""XEP-0055: people find others of their server, nobody else finds anybody, and no text means more than itself."""

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from db import directory, vcards
from db.directory import Names
from handlers.discovery.search import feature
from handlers.login import accounts
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

NAMESPACE = "jabber:iq:search"
ASK = f"<query xmlns='{NAMESPACE}'/>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
BLOCK = "<block xmlns='urn:xmpp:blocking'><item jid='{}'/></block>"

JULIET = "<FN>Juliet Capulet</FN><N><FAMILY>Capulet</FAMILY><GIVEN>Juliet</GIVEN></N><NICKNAME>JuliC</NICKNAME>"
TYBALT = "<FN>Tybalt of the House of Capulet</FN><EMAIL><HOME/><USERID>tybalt@example.org</USERID></EMAIL>"
STRASSE = "<N><FAMILY>STRA\u1e9eE</FAMILY></N>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, search={"enabled": True, "max_results": 3}) as server:
        add_accounts(server, "juliet", "romeo", "tybalt")
        Client(server, "juliet@localhost/balcony").asks(vcard(JULIET), type="set")
        Client(server, "tybalt@localhost/street").asks(vcard(TYBALT), type="set")
        yield server


def vcard(content: str) -> str:
    return f"<vCard xmlns='vcard-temp'>{content}</vCard>"


def found(client: Client, **wanted: str) -> list[str]:
    """The localparts of those who are found."""
    fields = "".join(f"<{name}>{text}</{name}>" for name, text in wanted.items())
    answer = client.asks(f"<query xmlns='{NAMESPACE}'>{fields}</query>", type="set", to="localhost")
    if not answer.startswith("<"):
        return [answer]
    return [JID.parse(item.get("jid", "")).local for item in parse(answer.encode())]


def filled_in(**wanted: str) -> str:
    fields = "".join(f"<field var='{name}'><value>{text}</value></field>" for name, text in wanted.items())
    return f"<query xmlns='{NAMESPACE}'><x xmlns='jabber:x:data' type='submit'>{fields}</x></query>"


# -- finding


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"first": "Juliet"}, ["juliet"]),
        ({"first": "juli"}, ["juliet"]),
        ({"last": "capulet"}, ["juliet", "tybalt"]),
        ({"last": " the  house "}, ["tybalt"]),
        ({"nick": "JULIC"}, ["juliet"]),
        ({"nick": "rome"}, ["romeo"]),
        ({"email": "@example.org"}, ["tybalt"]),
        ({"last": "capulet", "first": "tybalt"}, ["tybalt"]),
        ({"last": "capulet", "first": "romeo"}, []),
        ({"first": "tybalt of the capulet"}, []),
        ({"nick": "localhost"}, []),
    ],
)
def test_people_are_found_by_parts_of_what_they_say_of_themselves(
    romeo: Client, wanted: dict[str, str], names: list[str]
) -> None:
    assert found(romeo, **wanted) == names


def test_upper_and_lower_case_are_the_same_in_all_languages(server: Server, romeo: Client) -> None:
    romeo.asks(vcard(STRASSE), type="set")
    assert found(romeo, last="strasse") == ["romeo"]


def test_what_is_told_of_somebody(romeo: Client) -> None:
    answer = romeo.asks(f"<query xmlns='{NAMESPACE}'><nick>ty</nick></query>", type="set", to="localhost")
    assert answer == (
        f'<query xmlns="{NAMESPACE}"><item jid="tybalt@localhost"><first>Tybalt of the House of Capulet</first>'
        "<last></last><nick></nick><email>tybalt@example.org</email></item></query>"
    )


def test_who_asks_by_a_form_is_answered_by_one(romeo: Client) -> None:
    shown = parse(romeo.asks(ASK, to="localhost").encode())
    assert [etree.QName(element).localname for element in shown] == [
        "instructions", "first", "last", "nick", "email", "x",
    ]  # fmt: skip
    [form] = parse(romeo.asks(filled_in(first="juliet"), type="set", to="localhost").encode())
    [item] = form.iterchildren("{jabber:x:data}item")
    assert [(field.get("var"), field[0].text) for field in item] == [
        ("jid", "juliet@localhost"), ("first", "Juliet"), ("last", "Capulet"), ("nick", "JuliC"), ("email", None),
    ]  # fmt: skip


def test_nobody_found_is_an_empty_answer(romeo: Client) -> None:
    answer = romeo.asks(f"<query xmlns='{NAMESPACE}'><first>Paris</first></query>", type="set", to="localhost")
    assert answer == f'<query xmlns="{NAMESPACE}"></query>'


def test_at_most_so_many_are_found(server: Server, romeo: Client) -> None:
    add_accounts(server, "gregory", "gretchen", "greta", "green")
    assert found(romeo, nick="gre") == ["green", "gregory", "greta"]


def test_another_vcard_counts_from_then_on(server: Server, romeo: Client) -> None:
    assert found(romeo, first="juliet") == ["juliet"]
    Client(server, "juliet@localhost/chamber").asks(vcard("<FN>Mrs. Montague</FN>"), type="set")
    assert found(romeo, first="juliet") == []
    assert found(romeo, last="montague") == ["juliet"]


def test_who_has_no_account_any_more_is_not_found(server: Server, romeo: Client) -> None:
    assert found(romeo, last="capulet") == ["juliet", "tybalt"]
    accounts.erase(server, JID.parse("tybalt@localhost"))
    assert found(romeo, last="capulet") == ["juliet"]


def test_who_has_blocked_somebody_is_not_found_by_them(server: Server, romeo: Client) -> None:
    Client(server, "tybalt@localhost/tomb").asks(BLOCK.format("romeo@localhost"), type="set")
    assert found(romeo, last="capulet") == ["juliet"]


# -- refusing


@pytest.mark.parametrize(
    ("payload", "condition"),
    [
        (ASK, "not-acceptable"),
        (f"<query xmlns='{NAMESPACE}'><first> </first><last/></query>", "not-acceptable"),
        (filled_in(), "not-acceptable"),
        (filled_in(first=""), "not-acceptable"),
        (filled_in(first="juliet").replace("submit", "form"), "bad-request"),
    ],
)
def test_who_says_nothing_does_not_find_everybody(romeo: Client, payload: str, condition: str) -> None:
    assert romeo.asks(payload, type="set", to="localhost") == condition


@pytest.mark.parametrize("type", ["get", "set"])
def test_people_of_other_servers_may_not_ask(server: Server, type: str) -> None:
    paris = Client(server, "paris@example.org/study")
    assert paris.asks(f"<query xmlns='{NAMESPACE}'><nick>ju</nick></query>", type=type, to="localhost") == "forbidden"


def test_it_is_off_unless_it_is_switched_on(tmp_path: Path) -> None:
    assert not feature.by_default
    for is_on in (False, True):
        with server_in(tmp_path, search={"enabled": is_on}) as server:
            romeo = Client(server, "romeo@localhost/orchard")
            assert (NAMESPACE in romeo.asks(INFO, to="localhost")) == is_on
            assert (romeo.asks(ASK, to="localhost") != "service-unavailable") == is_on


# -- text is only text


@pytest.mark.parametrize(
    "text", ["%", "_", "*", "?", "\\", "'", '"', "''", "juli%", "j_liet", "' OR '1'='1", '"; DROP TABLE account; --']
)
def test_no_character_stands_for_others(server: Server, romeo: Client, text: str) -> None:
    assert found(romeo, nick=text.replace('"', "&quot;")) == []
    romeo.asks(vcard(f"<NICKNAME>a{text}b</NICKNAME>"), type="set")
    assert found(romeo, nick=text.replace('"', "&quot;")) == ["romeo"]


TEXTS = st.text(st.sampled_from("ab%_*\\'\"" + string.digits[:2] + "\u00e9\u00df "), max_size=5)


@given(texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), wanted=st.tuples(TEXTS, TEXTS))
@settings(max_examples=60, deadline=None)
def test_the_directory_finds_what_python_finds(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]], wanted: tuple[str, str]
) -> None:
    with server_in(tmp_path_factory.mktemp("directory")) as server:
        names = [f"person{number}" for number in range(len(texts))]
        add_accounts(server, *names)
        for name, (one, other) in zip(names, texts, strict=True):
            directory.enter(server.db, f"{name}@localhost", Names(one, other))
        is_wanted = [wanted[0] in one and wanted[1] in other for one, other in texts]
        expected = [name for name, is_one in zip(names, is_wanted, strict=True) if is_one]
        found = directory.find(server.db, "localhost", Names(*wanted), 10)
    assert [jid.local for jid in found] == expected


def test_vcards_are_read_once(server: Server, romeo: Client) -> None:
    assert len(directory.unread(server.db, 10)) == 2
    found(romeo, nick="x")
    assert directory.unread(server.db, 10) == []
    vcards.put(server.db, "romeo@localhost", vcard("<FN>Romeo</FN>").encode())
    assert [account for account, _ in directory.unread(server.db, 10)] == ["romeo@localhost"]
    assert found(romeo, first="romeo") == ["romeo"]
    vcards.put(server.db, "romeo@localhost", b"")
    assert found(romeo, first="romeo") == []
