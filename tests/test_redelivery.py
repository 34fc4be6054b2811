"""XEP-0198 section 4: what a session that is over was sent, and did not acknowledge, takes one other way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts as account_records
from db import blocklists, offline
from db.sqlite.errors import StorageError
from handlers.login.accounts import remove
from handlers.sessions import redelivery
from handlers.sessions.redelivery import STANZAS_AT_ONCE
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.managed_client import JULIET, ROMEO, ManagedClient, ReturningClient, bodies, write
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.running.handling import Handled
from xmpp.running.tickets import Ticket
from xmpp.server import Server

BODY = "<body>hi</body>"
ARCHIVED = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{JULIET}' id='28482-98726-73623'/>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
VERSIONED = "<x xmlns='http://jabber.org/protocol/muc#user'><mav xmlns='urn:xmpp:muc:affiliations:0' until='2'/></x>"
FORWARDED = "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>hi</body></message></forwarded>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, offline={"max_messages": 3}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def archiving_server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, archive={"enabled": True}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def phone(server: Server) -> ManagedClient:
    return asleep(server, "phone")


def asleep(server: Server, resource: str) -> ManagedClient:
    """A device of juliet's whose session waits to be resumed."""
    client = ManagedClient(server, f"{JULIET}/{resource}")
    client.sends("<presence/>")
    client.received()
    client.enables(resume="true")
    client.loses_connection()
    return client


def awake(server: Server, resource: str, presence: str = "<presence/>") -> Client:
    """A device of juliet's that is there, without stream management."""
    client = Client(server, f"{JULIET}/{resource}")
    client.sends(presence)
    client.received()
    return client


def log_in(server: Server) -> list[str]:
    """The messages that a new device of juliet's gets when it comes."""
    received = Client(server, f"{JULIET}/new").sends("<presence/>")
    return [stanza for stanza in received if stanza.startswith("<message")]


def stanza_id(message: str) -> str:
    found = parse(message.encode()).find("{urn:xmpp:sid:0}stanza-id")
    return "" if found is None else found.get("id", "")


def gets(client: ManagedClient, text: str, devices: int = 1) -> None:
    """Send the client's session a stanza of the router's, that as many devices get."""
    stanza = Stanza.read(parse(text.encode()))
    stanza.devices = range(devices) if devices > 1 else ()
    client.session.send(stanza)


# -- what nobody else got


def test_without_another_device_messages_are_kept_in_order(server: Server, romeo: Client, phone: ManagedClient) -> None:
    write(romeo, "one", to=JULIET)
    write(romeo, "two", to=f"{JULIET}/phone")
    assert offline.count(server.db, JULIET) == 0
    phone.session.end()
    assert offline.count(server.db, JULIET) == 2
    messages = log_in(server)
    assert bodies(messages) == ["one", "two"]
    assert [message.count("<delay ") for message in messages] == [1, 1]


@pytest.mark.parametrize("type", ["chat", "normal"])
@pytest.mark.parametrize("to", [JULIET, f"{JULIET}/phone"])
def test_another_device_gets_messages_with_the_time_of_the_first_attempt(
    server: Server, romeo: Client, phone: ManagedClient, type: str, to: str
) -> None:
    laptop = awake(server, "laptop", "<presence><priority>-1</priority></presence>")
    romeo.sends(f"<message type='{type}' id='m1' to='{to}'>{BODY}</message>")
    laptop.sends("<presence/>")
    laptop.received()
    phone.session.end()
    [message] = [stanza for stanza in laptop.received() if stanza.startswith("<message")]
    assert f'from="{ROMEO}/orchard" id="m1" to="{JULIET}"' in message
    assert message.count('<delay xmlns="urn:xmpp:delay" from="localhost" stamp="') == 1
    assert log_in(server) == []


def test_a_repeat_has_the_same_stanza_id(server: Server, phone: ManagedClient) -> None:
    gets(phone, f"<message type='chat' from='{ROMEO}/x' to='{JULIET}'>{BODY}{ARCHIVED}</message>")
    phone.session.end()
    [message] = log_in(server)
    assert 'id="28482-98726-73623"' in message


def test_a_message_that_had_been_kept_before_has_the_time_of_then(server: Server, romeo: Client) -> None:
    write(romeo, "for later")
    phone = ManagedClient(server, f"{JULIET}/phone")
    phone.enables(resume="true")
    [first] = [stanza for stanza in phone.sends("<presence/>") if stanza.startswith("<message")]
    phone.loses_connection()
    phone.session.end()
    assert log_in(server) == [first]


def test_a_device_that_waits_too_may_get_them_next(server: Server, romeo: Client, phone: ManagedClient) -> None:
    write(romeo, "one", to=f"{JULIET}/phone")
    tablet = asleep(server, "tablet")
    phone.session.end()
    assert offline.count(server.db, JULIET) == 0
    tablet.session.end()
    assert bodies(log_in(server)) == ["one"]


def test_a_new_session_of_the_same_resource_gets_them(server: Server, romeo: Client, phone: ManagedClient) -> None:
    write(romeo, "one", to=f"{JULIET}/phone")
    phone.session.close()
    again = Client(server, f"{JULIET}/phone")
    assert bodies(again.sends("<presence/>")) == ["one"]


# -- what another device got


def test_what_another_device_got_is_kept_where_it_is_not_archived(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    laptop = awake(server, "laptop")
    write(romeo, "one")
    assert bodies(laptop.received()) == ["one"]
    phone.session.end()
    assert bodies(laptop.received()) == []
    assert bodies(log_in(server)) == ["one"]


def test_what_another_device_got_is_in_the_archive(archiving_server: Server) -> None:
    phone, _ = asleep(archiving_server, "phone"), awake(archiving_server, "laptop")
    write(Client(archiving_server, f"{ROMEO}/orchard"), "one")
    phone.session.end()
    assert log_in(archiving_server) == []


def test_what_nobody_else_got_is_not_only_in_the_archive(archiving_server: Server) -> None:
    phone = asleep(archiving_server, "phone")
    write(Client(archiving_server, f"{ROMEO}/orchard"), "one")
    [waiting] = phone.management.sent
    phone.session.end()
    [message] = log_in(archiving_server)
    assert bodies([message]) == ["one"]
    assert stanza_id(message) == stanza_id(bytes(waiting.stanza).decode()) != ""


def test_an_id_of_somebody_else_is_not_of_this_archive(server: Server, phone: ManagedClient) -> None:
    theirs = ARCHIVED.replace(JULIET, ROMEO)
    gets(phone, f"<message type='chat' from='{ROMEO}/x' to='{JULIET}'>{BODY}{theirs}</message>", devices=2)
    phone.session.end()
    assert bodies(log_in(server)) == ["hi"]


def test_what_nobody_got_and_is_taken_back_does_not_come(server: Server, romeo: Client, phone: ManagedClient) -> None:
    awake(server, "laptop", "<presence><priority>-1</priority></presence>")
    romeo.sends(f"<message type='chat' id='m1' to='{JULIET}'>{BODY}</message>")
    retraction = "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"
    romeo.sends(f"<message type='chat' id='r1' to='{JULIET}'>{retraction}</message>")
    phone.session.end()
    [message] = log_in(server)
    assert 'id="r1"' in message


def test_what_two_devices_miss_comes_once(server: Server, romeo: Client, phone: ManagedClient) -> None:
    tablet = asleep(server, "tablet")
    write(romeo, "one")
    phone.session.end()
    tablet.session.end()
    assert bodies(log_in(server)) == ["one"]


def test_what_one_device_misses_waits_for_it_also_if_another_gets_it_later(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    tablet = asleep(server, "tablet")
    write(romeo, "one")
    phone.session.end()
    tablet.does("a", h="1")
    tablet.session.end()
    assert bodies(log_in(server)) == ["one"]


@pytest.mark.parametrize("to", [JULIET, f"{JULIET}/desktop"])
def test_who_has_got_what_waits_for_another_device_does_not_get_it_again(
    server: Server, romeo: Client, phone: ManagedClient, to: str
) -> None:
    desktop, laptop = asleep(server, "desktop"), awake(server, "laptop")
    write(romeo, "one", to=to)
    desktop.session.end()  # where it was for the desktop alone, phone and laptop get it now
    assert bodies(laptop.received()) == ["one"]
    phone.session.end()
    assert bodies(laptop.sends("<presence/>")) == []
    assert bodies(log_in(server)) == ["one"]
    assert offline.count(server.db, JULIET) == 0


def test_who_is_to_get_it_when_it_resumes_does_not_get_it_again(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    tablet = asleep(server, "tablet")
    write(romeo, "one")
    phone.session.end()
    tablet.session.resume(tablet)
    assert bodies(tablet.sends("<presence/>")) == []
    tablet.does("a", h=str(tablet.management.sent.count))
    assert bodies(log_in(server)) == ["one"]


def test_what_waits_for_one_device_stays_while_another_gets_all_else_that_waits(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    laptop = awake(server, "laptop")
    write(romeo, "one")
    phone.session.end()
    laptop.sends("<presence type='unavailable'/>")
    write(romeo, "two")
    laptop.received()
    assert bodies(laptop.sends("<presence/>")) == ["two"]
    assert bodies(log_in(server)) == ["one"]


def test_what_another_device_got_makes_no_error_where_nothing_can_be_kept(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    awake(server, "laptop")
    write(romeo, *"abcde")
    phone.session.end()
    assert romeo.received() == []
    assert offline.count(server.db, JULIET) == 3


# -- what is refused


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        (f"<message type='groupchat' id='1' to='{JULIET}/phone'>{BODY}</message>", "recipient-unavailable"),
        (f"<iq type='get' id='1' to='{JULIET}/phone'><q xmlns='q'/></iq>", "service-unavailable"),
        (f"<iq type='set' id='1' to='{JULIET}/phone'><q xmlns='q'/></iq>", "service-unavailable"),
    ],
)
def test_who_asks_for_something_learns_that_nobody_is_there(
    romeo: Client, phone: ManagedClient, stanza: str, condition: str
) -> None:
    assert romeo.sends(stanza) == []
    phone.session.end()
    [refusal] = romeo.received()
    assert f'from="{JULIET}/phone" id="1" to="{ROMEO}/orchard" type="error"' in refusal
    assert f"<{condition} " in refusal


def test_a_message_too_many_is_refused(server: Server, romeo: Client, phone: ManagedClient) -> None:
    write(romeo, *"abcd")
    phone.session.end()
    [refusal] = romeo.received()
    assert "<service-unavailable " in refusal
    assert bodies(log_in(server)) == ["a", "b", "c"]


def test_somebody_who_was_blocked_meanwhile_finds_nobody(server: Server, romeo: Client, phone: ManagedClient) -> None:
    write(romeo, "one")
    laptop = awake(server, "laptop")
    blocklists.add(server.db, JULIET, [ROMEO])
    phone.session.end()
    [refusal] = romeo.received()
    assert "<service-unavailable " in refusal
    assert bodies(laptop.received()) == log_in(server) == []


def test_an_account_that_is_removed_keeps_nothing(server: Server, romeo: Client, phone: ManagedClient) -> None:
    awake(server, "laptop")
    write(romeo, "to both")
    write(romeo, "to the phone", to=f"{JULIET}/phone")
    remove(server, JULIET)
    [refusal] = romeo.received()
    assert "<service-unavailable " in refusal
    assert not account_records.exists(server.db, JULIET)


# -- what is dropped


@pytest.mark.parametrize(
    "stanza",
    [
        f"<message type='headline' from='{ROMEO}/orchard' to='{JULIET}/phone'>{BODY}</message>",
        f"<message type='error' from='{ROMEO}/orchard' to='{JULIET}/phone'>{BODY}</message>",
        f"<message type='chat' from='{JULIET}'><sent xmlns='urn:xmpp:carbons:2'>{FORWARDED}</sent></message>",
        f"<message type='chat' from='{JULIET}'><received xmlns='urn:xmpp:carbons:2'>{FORWARDED}</received></message>",
        f"<message from='{JULIET}'><result xmlns='urn:xmpp:mam:2' id='1'>{FORWARDED}</result></message>",
        f"<message from='{ROMEO}'><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>",
        f"<presence from='{ROMEO}/orchard' to='{JULIET}'/>",
        f"<presence type='subscribe' from='{ROMEO}' to='{JULIET}'/>",
        f"<iq type='result' id='1' from='{ROMEO}/orchard' to='{JULIET}/phone'/>",
        f"<iq type='error' id='1' from='{ROMEO}/orchard' to='{JULIET}/phone'/>",
        f"<iq type='set' id='1' to='{JULIET}/phone'><query xmlns='jabber:iq:roster'/></iq>",
        f"<message type='chat' from='{ROMEO}/orchard' to='{JULIET}'>{BODY}<no-store xmlns='urn:xmpp:hints'/></message>",
        f"<message type='chat' from='{ROMEO}/orchard' to='{JULIET}'>{STATE}</message>",
        f"<message from='verona@rooms.localhost' to='{JULIET}/phone'>{VERSIONED}</message>",
    ],
)
def test_what_passes_is_dropped(server: Server, romeo: Client, phone: ManagedClient, stanza: str) -> None:
    gets(phone, stanza)
    phone.session.end()
    assert romeo.received() == []
    assert log_in(server) == []


def test_others_have_their_turn_while_thousands_of_stanzas_go_another_way(tmp_path: Path) -> None:
    texts = [str(number) for number in range(2 * STANZAS_AT_ONCE + 1)]
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = Client(server, f"{ROMEO}/orchard"), ManagedClient(server, f"{JULIET}/balcony")
        juliet.enables(resume="true")
        juliet.sends("<presence/>")
        write(romeo, *texts)
        juliet.session.end()
        assert 0 < offline.count(server.db, JULIET) <= STANZAS_AT_ONCE
        redelivery.finish(server)
        assert bodies(Client(server, f"{JULIET}/chamber").sends("<presence/>")) == texts


def test_one_that_cannot_be_read_takes_no_others_with_it_when_its_stream_is_resumed(
    server: Server, romeo: Client
) -> None:
    phone = ManagedClient(server, f"{JULIET}/phone")
    id = phone.enables(resume="true")
    write(romeo, "one", to=phone.jid)
    for unreadable in (b"<message><a></message>", b"<message from='@'/>", b"<message"):
        phone.management.sent.add(unreadable, 0.0)
    write(romeo, "two", to=phone.jid)
    phone.loses_connection()
    back = ReturningClient(server, JULIET)
    came = [stanza for stanza in back.resumes(id, 0) if stanza.startswith("<message")]
    assert bodies(came) == ["one", "", "", "", "two"]
    back.does("a", h="5")
    assert len(phone.management.sent) == 0


def test_one_that_cannot_be_read_takes_no_others_with_it(server: Server, romeo: Client, phone: ManagedClient) -> None:
    phone.management.sent.add(b"<message><a></message>", 0.0)
    write(romeo, "one", to=phone.jid)
    phone.session.end()
    assert bodies(Client(server, f"{JULIET}/chamber").sends("<presence/>")) == ["one"]


# -- what is not on the disk yet

CHAT = f"<message type='chat' from='{ROMEO}/x' to='{JULIET}'>{BODY}</message>"


def test_another_device_waits_for_the_disk_as_the_first_one_did(server: Server, phone: ManagedClient) -> None:
    laptop, ticket = ManagedClient(server, f"{JULIET}/laptop"), Ticket()
    laptop.sends("<presence/>")
    with Handled(ticket):
        gets(phone, CHAT)
    laptop.received()
    laptop.waited_for.clear()
    phone.session.end()
    waits = [ticket for ticket, got in zip(laptop.waited_for, laptop.received(), strict=True) if "<message" in got]
    assert waits == [ticket]


def test_what_a_device_is_given_that_waits_too_waits_for_the_disk(server: Server, phone: ManagedClient) -> None:
    tablet, ticket = asleep(server, "tablet"), Ticket()
    with Handled(ticket):
        gets(phone, CHAT)
    phone.session.end()
    assert [each.ticket for each in tablet.management.sent if BODY in bytes(each.stanza).decode()] == [ticket]


def test_another_device_does_not_get_later_what_could_not_be_stored_meanwhile(
    server: Server, phone: ManagedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redelivery, "STANZAS_AT_ONCE", 1)
    laptop, ticket = awake(server, "laptop"), Ticket()
    gets(phone, CHAT)
    with Handled(ticket):
        gets(phone, CHAT)
    phone.session.end()
    ticket.close(StorageError("the disk is full"))
    redelivery.finish(server)
    assert bodies(laptop.received()).count("hi") == 1
