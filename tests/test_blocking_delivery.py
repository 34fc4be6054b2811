"""XEP-0191: what a blocklist keeps from getting out and in, and how presence ends and comes back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import rosters
from handlers.contacts import missed_presence
from handlers.login import accounts
from tests.harness.blocklists import block, command, unblock
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from xmpp.data.jid import JID
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet", "nurse")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


def make_available(*clients: Client) -> None:
    for client in clients:
        client.sends("<presence/>")
    for client in clients:
        client.received()


# -- out

REFUSED_OUT = (
    '<error type="cancel"><not-acceptable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>'
    '<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">You have blocked this JID</text>'
    '<blocked xmlns="urn:xmpp:blocking:errors"/></error>'
)


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        *(("message", type) for type in ("chat", "normal", "headline", "groupchat")),
        *(("presence", type) for type in ("unavailable", "probe")),
        *(("iq", type) for type in ("get", "set")),
    ],
)
def test_what_is_sent_to_somebody_blocked_is_refused(romeo: Client, juliet: Client, kind: str, type: str) -> None:
    block(romeo, "juliet@localhost")
    to = juliet.jid
    assert romeo.sends(f"<{kind} to='{to}' type='{type}' id='x'><ping xmlns='urn:xmpp:ping'/></{kind}>") == [
        xml(f'<{kind} type="error" id="x" to="{romeo.jid}" from="{to}">{REFUSED_OUT}</{kind}>')
    ]
    assert juliet.received() == []


def test_directed_presence_to_somebody_blocked_is_refused(romeo: Client, juliet: Client) -> None:
    block(romeo, "juliet@localhost")
    assert romeo.sends("<presence to='juliet@localhost'/>") == [
        xml(f'<presence type="error" to="{romeo.jid}" from="juliet@localhost">{REFUSED_OUT}</presence>')
    ]
    assert juliet.received() == []


@pytest.mark.parametrize("type", ["subscribe", "subscribed", "unsubscribe", "unsubscribed"])
def test_subscribing_to_somebody_blocked_is_refused(romeo: Client, juliet: Client, type: str) -> None:
    juliet.sends("<presence/>")
    block(romeo, "juliet@localhost")
    assert romeo.sends(f"<presence to='juliet@localhost' type='{type}'/>") == [
        xml(f'<presence type="error" to="romeo@localhost" from="juliet@localhost">{REFUSED_OUT}</presence>')
    ]
    assert juliet.received() == []


@pytest.mark.parametrize(
    "stanza", ["<message type='error'/>", "<iq type='result' id='x'/>", "<iq type='error' id='x'/>"]
)
def test_answers_to_somebody_blocked_vanish(romeo: Client, juliet: Client, stanza: str) -> None:
    block(romeo, "juliet@localhost")
    assert romeo.sends(stanza.replace(" ", f" to='{juliet.jid}' ", 1)) == []
    assert juliet.received() == []


# -- in

REFUSED_IN = '<error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>'


@pytest.mark.parametrize("to", ["romeo@localhost", "romeo@localhost/orchard"])
@pytest.mark.parametrize(
    ("kind", "type"), [*(("message", type) for type in ("chat", "normal", "headline")), ("iq", "get"), ("iq", "set")]
)
def test_what_somebody_blocked_sends_is_refused_as_if_nobody_were_there(
    romeo: Client, juliet: Client, kind: str, type: str, to: str
) -> None:
    romeo.sends("<presence/>")
    block(romeo, "juliet@localhost")
    assert juliet.sends(f"<{kind} to='{to}' type='{type}' id='x'><body>ohai</body></{kind}>") == [
        xml(f'<{kind} type="error" id="x" to="{juliet.jid}" from="{to}">{REFUSED_IN}</{kind}>')
    ]
    assert romeo.received() == []


@pytest.mark.parametrize(
    "stanza",
    [
        "<message type='error'/>",
        "<iq type='result' id='x'/>",
        "<iq type='error' id='x'/>",
        "<presence />",
        *(f"<presence type='{type}'/>" for type in ("unavailable", "probe", "subscribed", "unsubscribe", "error")),
    ],
)
def test_presence_and_answers_from_somebody_blocked_vanish(romeo: Client, juliet: Client, stanza: str) -> None:
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    assert juliet.sends(stanza.replace(" ", f" to='{romeo.jid}' ", 1)) == []
    assert romeo.received() == []


def test_row_52_a_subscription_request_from_somebody_blocked_never_arrives(
    server: Server, romeo: Client, juliet: Client
) -> None:
    make_available(romeo)
    block(romeo, "juliet@localhost")
    juliet.sends("<presence to='romeo@localhost' type='subscribe'/>")
    assert romeo.received() == []
    phone = Client(server, "romeo@localhost/phone")
    assert not [stanza for stanza in phone.sends("<presence/>") if "juliet" in stanza]


def test_what_anybody_else_sends_arrives(romeo: Client, juliet: Client) -> None:
    make_available(romeo)
    block(romeo, "nurse@localhost")
    juliet.sends("<message to='romeo@localhost' type='chat'><body>ohai</body></message>")
    [message] = romeo.received()
    assert "ohai" in message


# -- presence


def leaving(client: Client, to: str) -> str:
    return xml(f'<presence type="unavailable" to="{to}" from="{client.jid}"/>')


def test_a_blocked_contact_sees_each_available_resource_leave_and_nothing_comes_back(
    server: Server, romeo: Client, juliet: Client
) -> None:
    befriend(server, romeo.account, juliet.account)
    phone, silent = Client(server, "romeo@localhost/phone"), Client(server, "romeo@localhost/silent")
    make_available(romeo, phone, juliet)
    romeo.received()
    assert block(romeo, "juliet@localhost") == ""
    assert sorted(juliet.received()) == [leaving(romeo, "juliet@localhost"), leaving(phone, "juliet@localhost")]
    assert romeo.received() == phone.received() == silent.received() == []


@pytest.mark.parametrize("pattern", ["localhost", "juliet@localhost"])
def test_who_is_blocked_already_does_not_see_it_leave_again(
    server: Server, romeo: Client, juliet: Client, pattern: str
) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    juliet.received()
    block(romeo, pattern)
    assert juliet.received() == []


def test_only_who_sees_the_presence_sees_it_leave(server: Server, romeo: Client, juliet: Client) -> None:
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    assert juliet.received() == []


def test_who_was_sent_directed_presence_sees_it_leave(romeo: Client, juliet: Client) -> None:
    make_available(juliet)
    romeo.sends(f"<presence to='{juliet.jid}'/>")
    juliet.received()
    block(romeo, "juliet@localhost")
    assert juliet.received() == [leaving(romeo, juliet.jid)]
    assert not romeo.session.directed


def test_a_contact_that_is_also_sent_directed_presence_sees_it_leave_once(
    server: Server, romeo: Client, juliet: Client
) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    romeo.sends(f"<presence to='{juliet.jid}'/>")
    juliet.received()
    block(romeo, "juliet@localhost")
    assert juliet.received() == [leaving(romeo, juliet.account)]


def test_a_blocked_resource_of_a_contact_sees_it_leave(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    crypt = Client(server, "juliet@localhost/crypt")
    make_available(romeo, juliet, crypt)
    juliet.received()
    block(romeo, crypt.jid)
    assert crypt.received() == [leaving(romeo, crypt.jid)]
    assert juliet.received() == []


def test_a_blocked_contact_hears_no_more_presence(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    juliet.received()
    romeo.sends("<presence><show>away</show></presence>")
    romeo.sends("<presence type='unavailable'/>")
    romeo.sends("<presence/>")
    romeo.session.close()
    assert juliet.received() == []


def test_unblocking_sends_current_presence_and_asks_for_none(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    romeo.sends("<presence><show>away</show></presence>")
    juliet.received()
    assert unblock(romeo, "juliet@localhost") == ""
    [presence] = juliet.received()
    stamp = re.search('stamp="([^"]+)"', presence)
    assert stamp and presence == xml(
        f'<presence from="{romeo.jid}" to="juliet@localhost">'
        f'<delay xmlns="urn:xmpp:delay" from="localhost" stamp="{stamp[1]}"/>'
        '<show>away</show><x xmlns="vcard-temp:x:update"/></presence>'
    )
    assert romeo.received() == []


def shown_on_unblocking(client: Client) -> list[str]:
    received = client.sends(f"<iq type='set' id='unblock'>{command('unblock', 'juliet@localhost')}</iq>")
    return [stanza for stanza in received if not stanza.startswith("<iq")]


@pytest.mark.parametrize("change", ["<presence><status>busy</status></presence>", "<presence type='unavailable'/>"])
def test_unblocking_shows_what_was_missed_of_a_contacts_presence(
    server: Server, romeo: Client, juliet: Client, change: str
) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    juliet.sends(change)
    assert romeo.received() == []
    [presence] = shown_on_unblocking(romeo)
    assert presence.startswith(f'<presence from="{juliet.jid}" to="romeo@localhost"')
    assert ("busy" in presence) == ("busy" in change)
    assert ('type="unavailable"' in presence) == ("unavailable" in change)
    assert shown_on_unblocking(romeo) == []


def test_unblocking_shows_who_was_hidden_when_the_device_came(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    block(romeo, "juliet@localhost")
    make_available(juliet, romeo)
    [presence] = shown_on_unblocking(romeo)
    assert presence.startswith(f'<presence from="{juliet.jid}" to="romeo@localhost">')


def test_unblocking_shows_that_an_account_is_gone(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    accounts.remove(server, juliet.account)
    romeo.received()
    assert leaving(juliet, "romeo@localhost") in shown_on_unblocking(romeo)


def test_unblocking_tells_nothing_of_strangers(server: Server, romeo: Client, juliet: Client) -> None:
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    juliet.sends("<presence to='romeo@localhost'/>")
    assert shown_on_unblocking(romeo) == []


def test_what_is_missed_is_bounded(server: Server, romeo: Client) -> None:
    juliet = JID.parse("juliet@localhost")
    befriend(server, romeo.account, juliet)
    make_available(romeo)
    block(romeo, "juliet@localhost")
    for number in range(missed_presence.MOST + 1):
        missed_presence.note(server, romeo.account, JID.parse(f"{juliet}/{number}"))
    assert len(shown_on_unblocking(romeo)) == missed_presence.MOST


@pytest.mark.parametrize(("type", "left"), [("unsubscribe", "to"), ("unsubscribed", "from")])
def test_what_somebody_blocked_takes_back_is_entered_in_both_rosters(
    server: Server, romeo: Client, juliet: Client, type: str, left: str
) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost")
    juliet.received()
    juliet.sends(f"<presence type='{type}' to='romeo@localhost'/>")
    item = rosters.item(server.db, romeo.account, juliet.account)
    assert item is not None and item.subscription == left
    assert romeo.received() == juliet.received() == []
    assert [leaving(juliet, "romeo@localhost")] * (type == "unsubscribed") == shown_on_unblocking(romeo)


def test_what_somebody_blocked_grants_is_entered_and_seen_once_unblocked(
    server: Server, romeo: Client, juliet: Client
) -> None:
    make_available(romeo, juliet)
    romeo.sends("<presence type='subscribe' to='juliet@localhost'/>")
    block(romeo, "juliet@localhost")
    juliet.sends("<presence type='subscribed' to='romeo@localhost'/>")
    item = rosters.item(server.db, romeo.account, juliet.account)
    assert item is not None and (item.subscription, item.ask) == ("to", False)
    assert romeo.received() == []
    [presence] = shown_on_unblocking(romeo)
    assert presence.startswith(f'<presence from="{juliet.jid}" to="romeo@localhost">')


def test_unblocking_all_shows_presence_to_all(server: Server, romeo: Client, juliet: Client) -> None:
    nurse = Client(server, "nurse@localhost/house")
    befriend(server, romeo.account, juliet.account)
    befriend(server, romeo.account, nurse.account)
    make_available(romeo, juliet, nurse)
    block(romeo, "juliet@localhost", "localhost")
    juliet.received(), nurse.received()
    unblock(romeo)
    assert len(juliet.received()) == len(nurse.received()) == 1


def test_who_is_still_blocked_by_another_pattern_sees_nothing(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    block(romeo, "juliet@localhost", "localhost")
    juliet.received()
    unblock(romeo, "juliet@localhost")
    assert juliet.received() == []


def test_who_was_not_blocked_is_not_sent_presence_by_unblocking(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    make_available(romeo, juliet)
    unblock(romeo, "juliet@localhost")
    assert juliet.received() == []
