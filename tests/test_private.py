"""XEP-0049: XML that clients keep for themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.harness.in_process import Client, add_accounts, server_in, xml
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, private={"max_bytes": 1000, "max_elements": 2}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def query(*elements: str) -> str:
    return f"<query xmlns='jabber:iq:private'>{''.join(elements)}</query>"


def keep(client: Client, *elements: str) -> str:
    return client.asks(query(*elements), type="set")


PREFS = "<exodus xmlns='exodus:prefs'><defaultnick>Romeo &amp; co</defaultnick></exodus>"


def test_what_is_kept_is_returned(romeo: Client) -> None:
    assert keep(romeo, PREFS) == ""
    assert romeo.asks(query("<exodus xmlns='exodus:prefs'/>")) == xml(query(PREFS))


def test_what_is_kept_again_replaces_what_was(romeo: Client) -> None:
    keep(romeo, PREFS)
    keep(romeo, "<exodus xmlns='exodus:prefs'/>")
    assert romeo.asks(query("<exodus xmlns='exodus:prefs'/>")) == xml(query("<exodus xmlns='exodus:prefs'/>"))


def test_what_was_never_kept_is_returned_empty(romeo: Client) -> None:
    assert romeo.asks(query("<storage xmlns='storage:bookmarks'/>")) == xml(
        query("<storage xmlns='storage:bookmarks'/>")
    )


def test_several_elements_are_kept_each_by_its_name(romeo: Client) -> None:
    assert keep(romeo, "<a xmlns='x'>1</a>", "<b xmlns='x'>2</b>") == ""
    assert romeo.asks(query("<a xmlns='x'/>")) == xml(query("<a xmlns='x'>1</a>"))
    assert romeo.asks(query("<b xmlns='x'/>")) == xml(query("<b xmlns='x'>2</b>"))


def test_what_an_account_keeps_is_bounded_together_and_can_always_shrink(tmp_path: Path) -> None:
    with server_in(tmp_path, private={"max_account_bytes": 1_000}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        assert keep(romeo, f"<a xmlns='x'>{'1' * 600}</a>") == ""
        assert keep(romeo, f"<b xmlns='x'>{'2' * 400}</b>") == "resource-constraint"
        assert keep(romeo, f"<a xmlns='x'>{'1' * 500}</a>", f"<b xmlns='x'>{'2' * 400}</b>") == ""
        assert keep(romeo, f"<a xmlns='x'>{'1' * 600}</a>") == "resource-constraint"
        assert keep(romeo, "<a xmlns='x'/>") == ""


def test_prefixes_and_white_space_survive(romeo: Client) -> None:
    element = "<p:a xmlns:p='x' xmlns:q='y' q:b='1' c=' '> <p:d/>\n<e xmlns='jabber:client'>t</e> </p:a>"
    assert keep(romeo, element) == ""
    assert meaning(romeo.asks(query("<a xmlns='x'/>"))) == meaning(query(element))


def meaning(text: str) -> list[tuple[object, ...]]:
    """What is said, whatever prefixes are used."""
    return [(each.tag, sorted(each.items()), each.text, each.tail) for each in etree.fromstring(text).iter()]


@pytest.mark.parametrize("elements", [(), ("<a/>",), ("<a xmlns='jabber:client'/>",), ("<a xmlns=''/>",)])
@pytest.mark.parametrize("type", ["get", "set"])
def test_an_element_needs_a_namespace_of_its_own(romeo: Client, elements: tuple[str, ...], type: str) -> None:
    assert romeo.asks(query(*elements), type=type) == "not-acceptable"


def test_one_element_is_asked_for_at_a_time(romeo: Client) -> None:
    assert romeo.asks(query("<a xmlns='x'/>", "<b xmlns='x'/>")) == "bad-request"


def test_two_elements_of_one_name_cannot_both_be_kept(romeo: Client) -> None:
    assert keep(romeo, "<a xmlns='x'>1</a>", "<a xmlns='x'>2</a>") == "bad-request"


def test_nobody_elses_can_be_had(server: Server, romeo: Client) -> None:
    juliet = Client(server, "juliet@localhost/balcony")
    keep(juliet, PREFS)
    for type in ("get", "set"):
        assert romeo.asks(query("<exodus xmlns='exodus:prefs'/>"), type=type, to="juliet@localhost") == "forbidden"
    assert juliet.asks(query("<exodus xmlns='exodus:prefs'/>")) == xml(query(PREFS))


def test_an_element_has_a_longest_size(romeo: Client) -> None:
    assert keep(romeo, f"<a xmlns='x'>{'1' * 1000}</a>") == "policy-violation"
    assert keep(romeo, f"<a xmlns='x'>{'1' * 950}</a>") == ""


def test_there_are_at_most_so_many_elements_and_all_or_none_is_kept(romeo: Client) -> None:
    keep(romeo, "<a xmlns='x'>1</a>")
    assert keep(romeo, "<b xmlns='x'/>", "<c xmlns='x'/>") == "resource-constraint"
    assert keep(romeo, "<a xmlns='x'>2</a>", "<b xmlns='x'>3</b>") == ""
    assert keep(romeo, "<c xmlns='x'/>") == "resource-constraint"
    assert keep(romeo, "<a xmlns='x'>4</a>") == ""
