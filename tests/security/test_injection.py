"""docs/security.md row 24: what people write is never read as SQL, nor as the language of the full-text index."""

from collections.abc import Callable, Iterator, Mapping
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.in_process import Client, add_accounts, server_in

RSM = "http://jabber.org/protocol/rsm"
PUBSUB = "http://jabber.org/protocol/pubsub"
MAM = "urn:xmpp:mam:2"
SEARCH = "jabber:iq:search"
TUNE = "http://jabber.org/protocol/tune"

HOSTILE = [
    "' OR '1'='1",
    "'; DROP TABLE archive_message; --",
    '" OR text : "a',
    'x" NEAR("a" "b")',
    "archive : archive1",
    "NOT",
    "*",
    "^hi",
    "-{contact text} : hi",
    "%",
    "_",
    "\\",
    "?",
    ":1",
    "1e999",
    "NULL",
    '""',
]


def archive_query(content: str) -> str:
    return f"<query xmlns='{MAM}'>{content}</query>"


def archive_form(field: str, value: str) -> str:
    form_type = f"<field var='FORM_TYPE'><value>{MAM}</value></field>"
    field_element = f"<field var='{field}'><value>{value}</value></field>"
    return archive_query(f"<x xmlns='jabber:x:data' type='submit'>{form_type}{field_element}</x>")


def page(content: str) -> str:
    return f"<set xmlns='{RSM}'>{content}</set>"


def items(content: str, rsm: str = "") -> str:
    return f"<pubsub xmlns='{PUBSUB}'><items node='{TUNE}'>{content}</items>{rsm}</pubsub>"


# How a text gets into a query: (type, address, payload)
WAYS: Mapping[str, Callable[[str], tuple[str, str, str]]] = {
    "a page of the archive before": lambda text: ("set", "", archive_query(page(f"<before>{text}</before>"))),
    "a page of the archive after": lambda text: ("set", "", archive_query(page(f"<after>{text}</after>"))),
    "whom messages are with": lambda text: ("set", "", archive_form("with", text)),
    "since when messages are": lambda text: ("set", "", archive_form("start", text)),
    "before which message": lambda text: ("set", "", archive_form("before-id", text)),
    "which messages": lambda text: ("set", "", archive_form("ids", text)),
    "a text to search": lambda text: ("set", "", archive_form("{urn:xmpp:fulltext:0}fulltext", text)),
    "a page of items before": lambda text: ("get", "", items("", page(f"<before>{text}</before>"))),
    "a page of items after": lambda text: ("get", "", items("", page(f"<after>{text}</after>"))),
    "the id of an item": lambda text: ("get", "", items(f"<item id='{text}'/>")),
    "the name of a node": lambda text: ("get", "", f"<pubsub xmlns='{PUBSUB}'><items node='{text}'/></pubsub>"),
    "a page of nodes": lambda text: (
        "get",
        "romeo@localhost",
        f"<query xmlns='http://jabber.org/protocol/disco#items'>{page(f'<after>{text}</after>')}</query>",
    ),
    "a name in a search": lambda text: (
        "set",
        "localhost",
        f"<query xmlns='{SEARCH}'><first>{text}</first><nick>{text}</nick></query>",
    ),
    "private XML": lambda text: ("set", "", f"<query xmlns='jabber:iq:private'><a xmlns='u' b='{text}'/></query>"),
}
FAILURES = ("internal-server-error", "resource-constraint", "undefined-condition")


@pytest.fixture(scope="module")
def romeo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """With a message in his archive, an item at a node, and a vCard."""
    with server_in(tmp_path_factory.mktemp("data"), archive={"enabled": True}, search={"enabled": True}) as server:
        add_accounts(server, "romeo", "juliet")
        client = Client(server, "romeo@localhost/orchard")
        client.sends("<message to='juliet@localhost' type='chat'><body>hi there</body></message>")
        tune = f"<publish node='{TUNE}'><item id='one'><tune xmlns='{TUNE}'/></item></publish>"
        assert "one" in client.asks(f"<pubsub xmlns='{PUBSUB}'>{tune}</pubsub>", type="set")
        client.asks("<vCard xmlns='vcard-temp'><FN>Romeo Montague</FN></vCard>", type="set")
        yield client


def is_all_there(romeo: Client) -> bool:
    found = "".join(romeo.sends(f"<iq type='set' id='a'>{archive_query('')}</iq>"))
    searched = "".join(romeo.sends(f"<iq type='set' id='b'>{WAYS['a text to search']('there')[2]}</iq>"))
    return "hi there" in found and "hi there" in searched and 'id="one"' in romeo.asks(items(""))


@pytest.mark.parametrize("way", WAYS)
def test_each_of_these_ways_leads_to_a_query(romeo: Client, way: str) -> None:
    type, to, payload = WAYS[way]("one")
    assert not romeo.asks(payload, type=type, to=to).startswith(("service-unavailable", "feature-not-implemented"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", HOSTILE)
def test_row_24_what_means_something_to_sqlite_is_text(romeo: Client, way: str, text: str) -> None:
    type, to, payload = WAYS[way](escape(text))
    assert not romeo.asks(payload, type=type, to=to).startswith(FAILURES)
    assert is_all_there(romeo)


@given(st.sampled_from(sorted(WAYS)), st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30))
def test_row_24_so_is_whatever_else_is_written(romeo: Client, way: str, text: str) -> None:
    type, to, payload = WAYS[way](escape(text))
    assert not romeo.asks(payload, type=type, to=to).startswith(FAILURES)
