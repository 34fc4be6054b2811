"""Ids that the server makes up: whoever guessed one could answer for somebody else, or find what is not for them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import ask, create, publish, pubsub, subscribe
from xmpp.data.jid import JID
from xmpp.server import Server

CHARACTERS = 22  # of Base64, for 128 bits


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def test_row_11_what_the_server_makes_up_cannot_be_guessed(server: Server, romeo: Client, juliet: Client) -> None:
    romeo.sends("<presence/>")
    made = [named(ask(romeo, pubsub("<create/>")), "node")]
    ask(romeo, create("sonnets", access_model="authorize"))
    made.append(named(ask(romeo, publish("sonnets", "")), "item id"))
    romeo.received()
    assert 'subscription="pending"' in ask(juliet, subscribe("sonnets", juliet.account))
    made += [named(stanza, "id") for stanza in romeo.received()]  # the form that asks for approval
    made += [named(stanza, "id") for stanza in asked(server, juliet)]
    made += [named(stanza, "id") for stanza in blocked_by(romeo)]
    assert len(made) == len(set(made)) == 5
    assert [len(id) >= CHARACTERS for id in made] == [True] * 5, made


def asked(server: Server, juliet: Client) -> list[str]:
    """What a client is asked by the server itself."""
    server.requests.ask(
        "get",
        b'<ping xmlns="urn:xmpp:ping"/>',
        to=juliet.jid,
        sender=JID.parse("localhost"),
        seconds=60,
        on_reply=lambda reply: None,
    )
    return juliet.received()


def blocked_by(romeo: Client) -> list[str]:
    """What a client is pushed of its blocklist."""
    romeo.asks("<blocklist xmlns='urn:xmpp:blocking'/>")
    pushed = romeo.sends("<iq type='set' id='q'><block xmlns='urn:xmpp:blocking'><item jid='a@b'/></block></iq>")
    return [stanza for stanza in pushed if ' id="q"' not in stanza]


def named(xml: str, attribute: str) -> str:
    """The first value of an attribute, of the element before it if that is named, too."""
    found = re.search(rf'{"<" if " " in attribute else " "}{attribute}="([^"]*)"', xml)
    assert found, xml
    return found[1]
