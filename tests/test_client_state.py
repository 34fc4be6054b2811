"""XEP-0352: what waits for a client that nobody looks at, and when it comes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.sqlite.errors import StorageError
from handlers.messages.importance import matters
from handlers.sessions import client_state
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.managed_client import ManagedClient
from tests.harness.streams import Stream, listening_server
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.routing.feature import State
from xmpp.routing.tables import CONNECTION_LOST, WRITTEN, Tables
from xmpp.running.handling import Handled
from xmpp.running.tickets import Ticket
from xmpp.server import Server

LIMIT = 10_000
FROM = "from='romeo@localhost/orchard' to='juliet@localhost/phone'"
BODY = "<body>hi</body>"
COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
EVENT = "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='mood'/></event>"
THREAD = "<thread>t</thread>"
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"
ORIGIN_ID = "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='1'/>"
JINGLE = "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1'/>"
PROPOSE = "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>"
ENCRYPTED = "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"
VERSIONED = (
    "<x xmlns='http://jabber.org/protocol/muc#user'><mav xmlns='urn:xmpp:muc:affiliations:0' since='1' until='2'/>"
    "<item affiliation='member'/></x>"
)
STATUS = "<x xmlns='http://jabber.org/protocol/muc#user'><item role='none'/><status code='{}'/></x>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, client_state={"held_bytes": LIMIT}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def phone(server: Server) -> Client:
    """An inactive client."""
    client = Client(server, "juliet@localhost/phone")
    says(client, "inactive")
    return client


def says(client: Client, state: str) -> list[str]:
    """Hand the server the client's <active/> or <inactive/>; returns what the client received."""
    tag = f"{{urn:xmpp:csi:0}}{state}"
    handler: Any = client.server.registry.elements[tag, State.BOUND]
    handler(client.server, client, parse(f"<{state}/>".encode()))
    return client.received()


def gets(client: Client, *stanzas: str) -> list[str]:
    """Send the session stanzas; returns the ids, or else senders, of those that the client received."""
    for text in stanzas:
        client.session.send(Stanza.read(parse(text.encode())))
    return marks(client.received())


def marks(received: list[str]) -> list[str]:
    elements = [parse(text.encode()) for text in received]
    return [str(element.get("id") or element.get("from")) for element in elements]


def presence(sender: str, id: str, content: str = "", type: str = "") -> str:
    attribute = f"type='{type}'" if type else ""
    return f"<presence from='{sender}' to='juliet@localhost' id='{id}' {attribute}>{content}</presence>"


def message(id: str, content: str = BODY) -> str:
    return f"<message {FROM} type='chat' id='{id}'>{content}</message>"


def carbon(content: str, direction: str = "received") -> str:
    return (
        "<message from='juliet@localhost' to='juliet@localhost/phone' type='chat'>"
        f"<{direction} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<message xmlns='jabber:client' {FROM} type='chat'>{content}</message></forwarded></{direction}></message>"
    )


# -- what can wait

MATTERS = [
    (f"<presence {FROM}/>", False),
    (f"<presence {FROM} type='unavailable'/>", False),
    (f"<presence {FROM} type='subscribe'/>", True),
    (f"<presence {FROM} type='subscribed'/>", True),
    (f"<presence {FROM} type='unsubscribe'/>", True),
    (f"<presence {FROM} type='unsubscribed'/>", True),
    (f"<presence {FROM} type='error'/>", True),
    (f"<presence {FROM}>{STATUS.format('100')}</presence>", False),
    (f"<presence {FROM}>{STATUS.format('110')}</presence>", True),
    (f"<presence {FROM} type='unavailable'>{STATUS.format('110')}</presence>", True),
    (f"<presence {FROM}>{VERSIONED}</presence>", True),
    (f"<iq {FROM} type='result' id='1'/>", True),
    (f"<iq {FROM} type='error' id='1'/>", True),
    (f"<iq {FROM} type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", True),
    (f"<iq {FROM} type='set' id='1'>{JINGLE}</iq>", True),
    (message("1"), True),
    (message("1", COMPOSING), False),
    (message("1", COMPOSING + THREAD + NO_STORE + ORIGIN_ID), False),
    (message("1", COMPOSING + BODY), True),
    (message("1", COMPOSING + RECEIPT), True),
    (message("1", COMPOSING + ENCRYPTED), True),
    (message("1", RECEIPT), True),
    (message("1", THREAD), True),
    (message("1", PROPOSE + "<store xmlns='urn:xmpp:hints'/>"), True),
    (message("1", ENCRYPTED), True),
    (message("1", ""), True),
    (f"<message {FROM} type='groupchat'>{COMPOSING}</message>", False),
    (f"<message {FROM} type='groupchat'>{BODY}</message>", True),
    (f"<message {FROM} type='groupchat'><subject>hi</subject></message>", True),
    (f"<message {FROM} type='headline'>{EVENT}</message>", False),
    (f"<message {FROM}>{EVENT}</message>", False),
    (f"<message {FROM} type='headline'>{EVENT}{BODY}</message>", True),
    (f"<message {FROM} type='headline'>{BODY}</message>", True),
    (f"<message {FROM} type='error'>{COMPOSING}</message>", True),
    (f"<message {FROM} type='error'>{EVENT}</message>", True),
    (carbon(BODY), True),
    (carbon(BODY, "sent"), True),
    (carbon(COMPOSING), False),
    (carbon(COMPOSING, "sent"), False),
    (carbon(RECEIPT), True),
]


@pytest.mark.parametrize(("text", "expected"), MATTERS)
def test_what_matters_does_not_wait(text: str, expected: bool) -> None:
    stanza = Stanza.read(parse(text.encode()))
    assert matters(stanza) == expected
    assert matters(stanza.kept()) == expected


# -- when it comes


def test_a_client_is_active_until_it_says_otherwise(server: Server) -> None:
    client = Client(server, "juliet@localhost/phone")
    assert gets(client, presence("a@b/c", "p1"), message("m1", COMPOSING)) == ["p1", "m1"]
    assert says(client, "active") == []


def test_what_matters_comes_after_all_that_waited_and_in_order(phone: Client) -> None:
    assert gets(phone, presence("a@b/c", "p1"), message("m1", COMPOSING), presence("a@b/d", "p2")) == []
    assert gets(phone, message("m2"), message("m3")) == ["p1", "m1", "p2", "m2", "m3"]
    assert gets(phone, presence("a@b/c", "p3")) == []


def test_what_waited_comes_once_somebody_looks(phone: Client) -> None:
    gets(phone, presence("a@b/c", "p1"), message("m1", COMPOSING))
    assert marks(says(phone, "active")) == ["p1", "m1"]
    assert gets(phone, presence("a@b/c", "p2")) == ["p2"]
    assert says(phone, "active") == []


def test_only_the_last_presence_of_each_full_address_waits(phone: Client) -> None:
    gets(
        phone,
        presence("a@b/c", "p1"),
        presence("a@b/d", "p2"),
        presence("a@b/c", "p3", type="unavailable"),
        presence("a@b", "p4", type="unavailable"),
        presence("a@b/c", "p5"),
    )
    assert marks(says(phone, "active")) == ["p2", "p4", "p5"]


def test_saying_inactive_again_changes_nothing(phone: Client) -> None:
    gets(phone, presence("a@b/c", "p1"))
    assert says(phone, "inactive") == []
    assert marks(says(phone, "active")) == ["p1"]


def test_a_request_for_subscription_does_not_replace_presence(phone: Client) -> None:
    gets(phone, presence("a@b", "p1", type="unavailable"))
    assert gets(phone, presence("a@b", "p2", type="subscribe")) == ["p1", "p2"]


def test_what_waits_is_bounded(phone: Client) -> None:
    long = f"<status>{'x' * (LIMIT // 2)}</status>"
    assert gets(phone, presence("a@b/c", "p1", long)) == []
    assert gets(phone, presence("a@b/c", "p2", long)) == []
    assert gets(phone, presence("a@b/d", "p3", long)) == ["p2", "p3"]
    assert gets(phone, presence("a@b/d", "p4", long)) == []


# -- the steps behind, and the end of a connection


@pytest.fixture
def remembered(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What comes to the WRITTEN step behind the one that holds. To be asked for before the phone, which takes it up."""
    seen: list[str] = []
    place = server.tables[WRITTEN].index(client_state.hold_while_inactive) + 1
    steps = (*server.tables[WRITTEN][:place], lambda session, stanza: seen.append(str(stanza.id)))
    monkeypatch.setattr(server, "tables", Tables(WRITTEN.runs(*steps)))
    return seen


def test_each_stanza_passes_the_steps_behind_once_and_as_it_is_sent(remembered: list[str], phone: Client) -> None:
    gets(phone, presence("a@b/c", "p1"), message("m1", COMPOSING))
    assert remembered == []
    gets(phone, message("m2"))
    says(phone, "active")
    gets(phone, message("m3", COMPOSING))
    assert remembered == ["p1", "m1", "m2", "m3"]


def test_what_waits_when_the_connection_breaks_joins_what_can_be_resumed(remembered: list[str], phone: Client) -> None:
    gets(phone, presence("a@b/c", "p1"), message("m1", COMPOSING))
    phone.session.connection = None
    client_state.begin_active(phone.session)
    assert remembered == ["p1", "m1"]
    gets(phone, message("m2", COMPOSING))  # hibernating, it is no longer inactive
    assert remembered == ["p1", "m1", "m2"]
    client_state.begin_active(phone.session)
    assert remembered == ["p1", "m1", "m2"]


def test_a_lost_connection_runs_this_step_before_others_remember(server: Server) -> None:
    assert server.tables[CONNECTION_LOST][0] is client_state.begin_active


def test_a_session_that_ends_takes_what_waits_with_it(server: Server, phone: Client) -> None:
    gets(phone, presence("a@b/c", "p1"))
    phone.session.end()
    assert phone.received() == []
    again = Client(server, "juliet@localhost/phone")
    assert says(again, "active") == []


# -- whole


def test_it_is_offered_once_somebody_has_logged_in_and_before_a_resource_is_bound(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server, Stream(server) as stream:
        offered = "{urn:xmpp:csi:0}csi"
        assert stream.open().find(offered) is None
        assert stream.tries_password("juliet", "secret") == "success"
        features = stream.open()
        assert features.find(offered) is not None
        stream.send("<inactive xmlns='urn:xmpp:csi:0'/>")
        assert stream.last_words() == ["unsupported-stanza-type"]


def test_an_answer_comes_after_what_waited(phone: Client) -> None:
    gets(phone, presence("a@b/c", "p1"))
    received = phone.sends("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert marks(received) == ["p1", "ping"]


def test_contacts_learn_nothing_of_the_state(server: Server) -> None:
    juliet, other = Client(server, "juliet@localhost/phone"), Client(server, "juliet@localhost/desk")
    for client in (juliet, other):
        client.sends("<presence/>")
    other.received()
    says(juliet, "inactive")
    says(juliet, "active")
    assert other.received() == []


# -- what is not on the disk yet


def test_what_is_held_still_waits_for_the_disk_once_somebody_looks(server: Server) -> None:
    client, ticket = ManagedClient(server, "juliet@localhost/phone"), Ticket()
    says(client, "inactive")
    with Handled(ticket):
        assert gets(client, message("1", EVENT)) == []
    assert gets(client) == []
    assert len(says(client, "active")) == 1
    assert client.waited_for == [ticket]


def test_of_what_is_held_only_presence_is_sent_if_it_could_not_be_stored(server: Server, phone: Client) -> None:
    ticket = Ticket()
    with Handled(ticket):
        gets(phone, message("1", EVENT), presence("romeo@localhost/orchard", "2"))
    gets(phone, message("3", EVENT))
    ticket.close(StorageError("the disk is full"))
    assert [stanza[:4] for stanza in says(phone, "active")] == ["<pre", "<mes"]
