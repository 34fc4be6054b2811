"""XEP-0490: what one device has displayed the others know, and nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, befriend, content_of, server_in, xml
from tests.harness.nodes import ask, comes_online, create, events, items, publish
from xmpp.server import Server

NODE = "urn:xmpp:mds:displayed:0"
STANZA_ID = "<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost' id='0423e3a9'/>"
DISPLAYED = f"<displayed xmlns='{NODE}'>{STANZA_ID}</displayed>"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='the-msg-1'/>"
DEMANDED = {
    "persist_items": True,
    "max_items": "max",
    "send_last_published_item": "never",
    "access_model": "whitelist",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, archive={"enabled": True}, pubsub={"max_nodes": 1}) as server:
        add_accounts(server, "juliet", "romeo")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


@pytest.fixture
def romeo(server: Server, juliet: Client) -> Client:
    """A contact of Juliet's, who is online."""
    client = Client(server, "romeo@localhost/orchard")
    befriend(server, juliet.account, client.account)
    client.sends("<presence/>")
    return client


def message(content: str, to: str = "romeo@localhost", type: str = "chat") -> str:
    return f"<message to='{to}' type='{type}' id='m1'>{content}</message>"


def kept(client: Client) -> str:
    """The items, as they stand in the answer; the condition where there is no node."""
    answer = ask(client, items(NODE), "get", to="")
    return answer.partition(f'<items node="{NODE}">')[2].partition("</items>")[0] or answer


def item(id: str) -> str:
    return f'<item id="{id}">{xml(DISPLAYED)}</item>'


def test_what_comes_with_a_marker_is_kept_and_the_marker_goes_on_alone(juliet: Client, romeo: Client) -> None:
    juliet.sends(message(MARKER + DISPLAYED))
    [received] = romeo.received()
    assert NODE not in received and "urn:xmpp:chat-markers:0" in received
    assert kept(juliet) == item("romeo@localhost")


def test_the_devices_are_told_and_nobody_else_may_look(server: Server, juliet: Client, romeo: Client) -> None:
    garden = Client(server, "juliet@localhost/garden")
    comes_online(garden, NODE)
    comes_online(romeo, NODE)
    juliet.sends(message(MARKER + DISPLAYED))
    assert events(garden.received()) == [f"juliet@localhost: items {NODE} item romeo@localhost"]
    assert len(romeo.received()) == 1
    assert ask(romeo, items(NODE), "get", to="juliet@localhost") == "not-allowed closed-node"


def test_it_is_neither_in_archives_nor_in_copies(server: Server, juliet: Client, romeo: Client) -> None:
    garden = Client(server, "juliet@localhost/garden")
    garden.asks("<enable xmlns='urn:xmpp:carbons:2'/>", type="set")
    juliet.sends(message("<body>Ay me</body>" + DISPLAYED))
    assert ["Ay me" in each and NODE not in each for each in garden.received()] == [True]
    romeo.received()
    for client in (juliet, romeo):
        found = client.sends("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        assert [("Ay me" in each, NODE in each) for each in found if each.startswith("<message")] == [(True, False)]


def test_a_client_finds_the_node_as_it_demands_it(juliet: Client) -> None:
    juliet.sends(message(MARKER + DISPLAYED))
    answer = ask(juliet, publish(NODE, "nurse@localhost", payload=DISPLAYED, **DEMANDED), to="")
    assert answer.startswith("<pubsub ")
    assert kept(juliet) == item("romeo@localhost") + item("nurse@localhost")


@pytest.mark.parametrize(
    ("to", "type"),
    [
        ("coven@rooms.localhost", "groupchat"),
        ("coven@rooms.localhost/third witch", "chat"),  # a private message in a room: a chat of its own
        ("juliet@localhost", "chat"),
    ],
)
def test_the_chat_is_that_of_the_addressee(juliet: Client, to: str, type: str) -> None:
    juliet.sends(message(MARKER + DISPLAYED, to, type))
    assert kept(juliet) == item(to)


def test_the_last_word_counts_for_each_chat(juliet: Client, romeo: Client) -> None:
    juliet.sends(message(MARKER + DISPLAYED.replace("0423e3a9", "an-earlier-one")))
    juliet.sends(message(MARKER + DISPLAYED))
    assert kept(juliet) == item("romeo@localhost")


@pytest.mark.parametrize(
    "malformed",
    [
        f"<displayed xmlns='{NODE}'/>",
        f"<displayed xmlns='{NODE}'>{STANZA_ID}{STANZA_ID}</displayed>",
        f"<displayed xmlns='{NODE}'><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost'/></displayed>",
        f"<displayed xmlns='{NODE}'><stanza-id xmlns='urn:xmpp:sid:0' id='1'/></displayed>",
        f"<displayed xmlns='{NODE}'><stanza-id by='juliet@localhost' id='1'/></displayed>",
        f"<displayed xmlns='{NODE}'>{STANZA_ID}<more xmlns='urn:example'/></displayed>",
        DISPLAYED + DISPLAYED,
    ],
)
def test_what_is_malformed_is_not_kept_and_never_passed_on(juliet: Client, romeo: Client, malformed: str) -> None:
    juliet.sends(message(MARKER + malformed))
    [received] = romeo.received()
    assert NODE not in received
    assert kept(juliet) == "item-not-found"


def test_an_error_that_repeats_it_says_nothing(juliet: Client, romeo: Client) -> None:
    refused = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    juliet.sends(message(DISPLAYED + refused, to=romeo.jid, type="error"))
    assert [NODE in each for each in romeo.received()] == [False]
    assert kept(juliet) == "item-not-found"


def test_what_a_message_to_somebody_blocked_has_displayed_is_not_kept(juliet: Client, romeo: Client) -> None:
    ask(juliet, "<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block>", to="")
    juliet.sends(message(MARKER + DISPLAYED))
    assert kept(juliet) == "item-not-found"


def test_a_message_is_delivered_though_there_is_no_room_for_what_it_tells(juliet: Client, romeo: Client) -> None:
    ask(juliet, create("another"), to="")
    juliet.sends(message("<body>Ay me</body>" + DISPLAYED))
    assert ["Ay me" in each and NODE not in each for each in romeo.received()] == [True]
    assert kept(juliet) == "item-not-found"


def test_an_account_says_that_its_server_does_this(juliet: Client) -> None:
    [answer] = juliet.sends(
        "<iq type='get' id='q' to='juliet@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    assert '<feature var="urn:xmpp:mds:server-assist:0">' in content_of(answer)
