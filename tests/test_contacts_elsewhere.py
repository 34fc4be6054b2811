"""Contacts at our domain who have another owner: they are reached by stanzas, and known by what they send."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db import accounts as stored
from db import rosters
from db.rosters import Item
from db.sqlite.database import Database
from handlers.discovery import contact_caps
from handlers.discovery.caps_hashes import Hash
from handlers.login import accounts
from tests.harness.capabilities import AVATARS, CAPS, NOTIFY
from tests.harness.in_process import Client, add_accounts, online, server_in, xml
from tests.harness.nodes import ask, create, events, publish, subscribe
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.server import Server

NODE = NOTIFY.removesuffix("+notify")
MOOD = "urn:example:mood"
ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")
BALCONY, CHAMBER = JID.parse("juliet@localhost/balcony"), JID.parse("juliet@localhost/chamber")
SHOWN = f"<c xmlns='{CAPS}' node='urn:example:rapier' ver='1'/>"  # without a hash: each is asked


class Neighbour:
    """Whoever owns the accounts of these names, and what it `took` since the last time."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._sent: list[Stanza] = []

    def has(self, address: JID) -> bool:
        return address.local in self._names

    def send(self, stanza: Stanza) -> None:
        self._sent.append(stanza)

    def took(self) -> list[Stanza]:
        took, self._sent = self._sent, []
        return took


@pytest.fixture
def neighbour() -> Neighbour:
    return Neighbour("juliet", "nurse")


@pytest.fixture
def server(tmp_path: Path, neighbour: Neighbour) -> Iterator[Server]:
    """Romeo is ours, and a contact of Juliet's, who is not."""
    with server_in(tmp_path, Database, neighbour) as server:
        add_accounts(server, "romeo")
        rosters.put(server.db, ROMEO, Item(JULIET, subscription="both"))
        yield server


def kinds(stanzas: list[Stanza]) -> list[str]:
    return [f"{each.kind} {each.type or 'available'} to {each.to}" for each in stanzas]


def comes(server: Server, presence: str = SHOWN, *, sender: JID = BALCONY) -> None:
    """Presence of a device elsewhere arrives."""
    text = f"<presence from='{sender}' to='romeo@localhost'>{presence}</presence>"
    server.router.route(Stanza.from_wire(text.encode()))


def goes(server: Server, sender: JID = BALCONY) -> None:
    server.router.route(Stanza.build("presence", type="unavailable", sender=sender, to=ROMEO))


def answers(server: Server, question: Stanza, *features: str) -> None:
    """A device elsewhere says what it supports."""
    assert question.payload is not None
    info = replace(AVATARS, features=frozenset(features))
    content = wire(info.element(question.payload.get("node")))
    answer = Stanza.build("iq", content, type="result", id=question.id, sender=question.to, to=question.sender)
    server.router.route(answer)


def wants(server: Server, neighbour: Neighbour, *features: str) -> None:
    """Juliet's device comes and says that it wants to hear of these."""
    neighbour.took()
    comes(server)
    [question] = neighbour.took()
    answers(server, question, *features)


# -- who answers


def test_what_is_for_somebody_elses_account_is_passed_on(server: Server, neighbour: Neighbour) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    romeo.sends("<message to='juliet@localhost/balcony' type='chat'><body>Hi</body></message>")
    assert kinds(neighbour.took()) == ["message chat to juliet@localhost/balcony"]


def test_what_its_owner_refuses_the_sender_is_told(server: Server, neighbour: Neighbour) -> None:
    def refuse(stanza: Stanza) -> None:
        raise StanzaError("resource-constraint")

    neighbour.send = refuse  # type: ignore[method-assign]
    [bounce] = Client(server, "romeo@localhost/orchard").sends("<message to='juliet@localhost' id='m'/>")
    assert "resource-constraint" in bounce


def test_no_account_is_made_that_would_be_somebody_elses(server: Server) -> None:
    with pytest.raises(ValueError, match="cannot be an account here"):
        accounts.create(server, JULIET, "wherefore")
    assert not stored.exists(server.db, JULIET)


# -- presence


def test_who_comes_asks_for_the_presence_of_contacts_elsewhere_and_shows_its_own(
    server: Server, neighbour: Neighbour
) -> None:
    online(server, "romeo@localhost/orchard")
    assert kinds(neighbour.took()) == ["presence available to juliet@localhost", "presence probe to juliet@localhost"]


def test_a_contact_elsewhere_that_is_blocked_is_asked_for_its_presence_once_it_is_not(
    server: Server, neighbour: Neighbour
) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    romeo.asks("<block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block>", type="set")
    romeo.sends("<presence/>")
    assert kinds(neighbour.took()) == []
    romeo.asks("<unblock xmlns='urn:xmpp:blocking'/>", type="set")
    assert kinds(neighbour.took()) == ["presence available to juliet@localhost", "presence probe to juliet@localhost"]


def test_who_unblocks_a_contact_elsewhere_sees_that_it_has_gone(server: Server, neighbour: Neighbour) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    comes(server, "")
    romeo.asks("<block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block>", type="set")
    goes(server)
    neighbour.took()
    assert romeo.received() == []
    received = romeo.sends("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>")
    gone = f"<presence type='unavailable' to='romeo@localhost' from='{BALCONY}'/>"
    assert xml(gone) in received
    assert kinds(neighbour.took()) == ["presence available to juliet@localhost"]


# -- what their devices support


def test_a_device_elsewhere_that_wants_to_hear_of_a_node_is_notified(server: Server, neighbour: Neighbour) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    wants(server, neighbour, NOTIFY)
    ask(romeo, publish(NODE, "1"), to="")
    [event] = neighbour.took()
    assert event.to == BALCONY
    assert events([event.wire().decode()]) == [f"romeo@localhost: items {NODE} item 1"]


def test_a_device_elsewhere_that_does_not_want_to_hear_of_it_is_not(server: Server, neighbour: Neighbour) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    wants(server, neighbour, f"{MOOD}+notify")
    ask(romeo, publish(NODE, "1"), to="")
    assert neighbour.took() == []


def test_a_device_elsewhere_is_asked_on_behalf_of_the_account_that_it_shows_itself(
    server: Server, neighbour: Neighbour
) -> None:
    comes(server)
    [question] = neighbour.took()
    assert (question.sender, question.to, question.type) == (ROMEO, BALCONY, "get")


def test_a_device_elsewhere_that_comes_gets_the_last_item(server: Server, neighbour: Neighbour) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    ask(romeo, publish(NODE, "1"), to="")
    wants(server, neighbour, NOTIFY)
    assert events([each.wire().decode() for each in neighbour.took()]) == [f"romeo@localhost: items {NODE} item 1"]


def test_a_device_elsewhere_gets_the_last_item_once(server: Server, neighbour: Neighbour) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    ask(romeo, publish(NODE, "1"), to="")
    wants(server, neighbour, NOTIFY)
    neighbour.took()
    comes(server, f"<show>away</show>{SHOWN}")
    assert neighbour.took() == []


@pytest.mark.parametrize("sender", [BALCONY, JULIET])
def test_a_device_elsewhere_that_has_gone_is_not_notified(server: Server, neighbour: Neighbour, sender: JID) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    wants(server, neighbour, NOTIFY)
    goes(server, sender)
    ask(romeo, publish(NODE, "1"), to="")
    assert neighbour.took() == []


def test_who_has_gone_before_answering_gets_nothing(server: Server, neighbour: Neighbour) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    ask(romeo, publish(NODE, "1"), to="")
    comes(server)
    [question] = neighbour.took()
    goes(server)
    answers(server, question, NOTIFY)
    ask(romeo, publish(NODE, "2"), to="")
    assert neighbour.took() == []


def test_a_device_elsewhere_that_wants_more_gets_the_last_items_of_that(server: Server, neighbour: Neighbour) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    ask(romeo, publish(NODE, "1"), to="")
    ask(romeo, publish(MOOD, "1"), to="")
    wants(server, neighbour, NOTIFY)
    neighbour.took()
    comes(server, SHOWN.replace("ver='1'", "ver='2'"))
    [question] = neighbour.took()
    answers(server, question, NOTIFY, f"{MOOD}+notify")
    assert events([each.wire().decode() for each in neighbour.took()]) == [f"romeo@localhost: items {MOOD} item 1"]


def test_a_contact_elsewhere_that_does_not_see_the_account_any_more_is_not_notified(
    server: Server, neighbour: Neighbour
) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    wants(server, neighbour, NOTIFY)
    romeo.sends("<presence type='unsubscribed' to='juliet@localhost'/>")
    neighbour.took()
    ask(romeo, publish(NODE, "1"), to="")
    assert neighbour.took() == []


def test_strangers_elsewhere_are_not_asked_what_they_support(server: Server, neighbour: Neighbour) -> None:
    comes(server, sender=JID.parse("nurse@localhost/street"))
    assert neighbour.took() == []


def test_who_is_subscribed_and_wants_to_hear_of_a_node_is_told_once(server: Server, neighbour: Neighbour) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    ask(romeo, create(NODE), to="")
    wants(server, neighbour, NOTIFY)
    request = f"<iq type='set' id='s' from='{BALCONY}' to='romeo@localhost'>{subscribe(NODE, 'juliet@localhost')}</iq>"
    server.router.route(Stanza.from_wire(request.encode()))
    neighbour.took()
    ask(romeo, publish(NODE, "1"), to="")
    assert kinds(neighbour.took()) == ["message headline to juliet@localhost"]


def test_who_is_let_in_gets_the_last_items_where_it_is_known_to_want_them(server: Server, neighbour: Neighbour) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    ask(romeo, publish(NODE, "1", access_model="roster", roster_groups_allowed="friends"), to="")
    wants(server, neighbour, NOTIFY)
    assert neighbour.took() == []
    item = "<item jid='juliet@localhost'><group>friends</group></item>"
    romeo.asks(f"<query xmlns='jabber:iq:roster'>{item}</query>", type="set")
    assert events([each.wire().decode() for each in neighbour.took()]) == [f"romeo@localhost: items {NODE} item 1"]


def test_row_60_an_account_knows_so_many_devices_elsewhere(
    server: Server, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_caps, "MOST", 1)
    comes(server)
    neighbour.took()
    comes(server, sender=CHAMBER)
    assert neighbour.took() == []


def test_row_60_what_devices_elsewhere_want_to_hear_of_is_bounded_together(
    server: Server, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_caps, "MOST_BYTES", 150)
    wants(server, neighbour, NOTIFY)
    comes(server, sender=CHAMBER)
    [question] = neighbour.took()
    answers(server, question, NOTIFY)
    assert contact_caps.those_that_want(server, ROMEO, NOTIFY) == [BALCONY]


def test_nothing_is_known_any_more_to_an_account_that_is_removed(server: Server, neighbour: Neighbour) -> None:
    wants(server, neighbour, NOTIFY)
    assert contact_caps.wanted_by_devices(server, ROMEO, JULIET) == {BALCONY: {NOTIFY}}
    accounts.remove(server, ROMEO)
    assert contact_caps.wanted_by_devices(server, ROMEO, JULIET) == {}


def test_what_announces_a_hash_that_is_proven_is_asked_nothing(server: Server, neighbour: Neighbour) -> None:
    caps = f"<c xmlns='{CAPS}' hash='sha-1' node='urn:rapier' ver='{Hash.of(AVATARS, CAPS, 'sha-1').value}'/>"
    comes(server, caps)
    [question] = neighbour.took()
    answers(server, question, *AVATARS.features)
    comes(server, caps, sender=CHAMBER)
    assert neighbour.took() == []
    assert len(contact_caps.those_that_want(server, ROMEO, NOTIFY)) == 2
