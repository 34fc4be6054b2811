"""XEP-0280: who gets a copy of which message, and what the copies look like."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import blocklists
from handlers.messages import carbon_rules
from handlers.messages.carbon_rules import EligibleMessages, is_eligible
from tests.harness.in_process import Client, add_accounts, server_in, xml
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.routing.session import Session
from xmpp.server import Server

ROMEO, JULIET = "romeo@localhost", "juliet@localhost"
ENABLE = "<enable xmlns='urn:xmpp:carbons:2'/>"
DISABLE = "<disable xmlns='urn:xmpp:carbons:2'/>"
PRIVATE = "<private xmlns='urn:xmpp:carbons:2'/>"
NO_COPY = "<no-copy xmlns='urn:xmpp:hints'/>"
BODY = "<body>hi</body>"
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"  # so that no archive adds anything
COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='1'/>"
DISPLAYED = "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"
OF_A_ROOM = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
INVITE = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b' to='a@b'/></x>"
DIRECT_INVITE = "<x xmlns='jabber:x:conference' jid='room@muc.example'/>"
ERROR = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def device(server: Server, address: str, *, presence: str = "<presence/>", copies: bool = True) -> Client:
    """A client that has sent this presence, if any, and asked for copies, or not."""
    client = Client(server, address)
    if copies:
        assert client.asks(ENABLE, type="set") == ""
    if presence:
        client.sends(presence)
    return client


def devices(server: Server, account: str, *resources: str) -> list[Client]:
    """Available clients of one account that have asked for copies."""
    clients = [device(server, f"{account}/{resource}") for resource in resources]
    for client in clients:
        client.received()
    return clients


def copy(direction: str, to: Client, inner: str, type: str = "chat") -> str:
    """The carbon copy of a message."""
    inner = inner.replace("<message ", "<message xmlns='jabber:client' ", 1)
    return xml(
        f"<message from='{to.account}' to='{to.jid}' type='{type}'><{direction} xmlns='urn:xmpp:carbons:2'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></{direction}></message>"
    )


def got(client: Client) -> str:
    """What a client received, in short: "message", "sent" and "received" for copies, "error"."""
    kinds = []
    for text in client.received():
        element = parse(text.encode())
        first = str(element[0].tag).rpartition("}")[2] if len(element) else ""
        kinds.append(first if first in ("sent", "received", "error") else str(element.tag).rpartition("}")[2])
    return " ".join(kinds)


# -- the copies


def test_other_devices_of_the_recipient_get_the_message_wrapped(server: Server, romeo: Client) -> None:
    garden, home = devices(server, JULIET, "garden", "home")
    romeo.sends(f"<message type='chat' id='m1' to='{garden.jid}' xml:lang='it'>ciao{BODY}{NO_STORE}</message>")
    message = (
        f"<message type='chat' id='m1' to='{garden.jid}' from='{romeo.jid}' xml:lang='it'>"
        f"ciao{BODY}{NO_STORE}</message>"
    )
    assert garden.received() == [xml(message)]
    assert home.received() == [copy("received", home, message)]


def test_other_devices_of_the_sender_get_the_message_wrapped(server: Server, romeo: Client) -> None:
    [phone] = devices(server, ROMEO, "phone")
    romeo.sends(f"<message type='chat' to='{JULIET}'>{BODY}{NO_STORE}</message>")
    assert phone.received() == [
        copy("sent", phone, f"<message type='chat' to='{JULIET}' from='{romeo.jid}'>{BODY}{NO_STORE}</message>")
    ]
    assert romeo.received() == []


@pytest.mark.parametrize(("attribute", "type"), [("", None), ("type='normal'", "normal"), ("type='chat'", "chat")])
def test_a_copy_has_the_type_of_the_message(server: Server, romeo: Client, attribute: str, type: str | None) -> None:
    [phone] = devices(server, ROMEO, "phone")
    romeo.sends(f"<message {attribute} to='{JULIET}'>{BODY}</message>")
    [text] = phone.received()
    assert parse(text.encode()).get("type") == type


def test_private_and_hints_are_passed_on(server: Server, romeo: Client) -> None:
    """Section 9: earlier versions removed <private/>, and so hid from the recipient that others do not see it."""
    [garden] = devices(server, JULIET, "garden")
    romeo.sends(f"<message type='chat' to='{garden.jid}'>{BODY}{PRIVATE}{NO_COPY}</message>")
    [text] = garden.received()
    assert "<private " in text and "<no-copy " in text


# -- who gets one


def test_each_device_gets_the_message_once(server: Server, romeo: Client) -> None:
    available, also = devices(server, JULIET, "available", "also")
    unavailable = device(server, f"{JULIET}/unavailable", presence="")
    negative = device(server, f"{JULIET}/negative", presence="<presence><priority>-1</priority></presence>")
    without = device(server, f"{JULIET}/without", copies=False, presence="")
    for client in (available, also, negative):
        client.received()
    romeo.sends(f"<message type='chat' to='{JULIET}'>{BODY}</message>")
    assert [got(each) for each in (available, also)] == ["message", "message"]
    assert [got(each) for each in (unavailable, negative)] == ["received", "received"]
    assert got(without) == ""


def test_copies_go_out_also_while_nobody_is_there_for_the_message(server: Server, romeo: Client) -> None:
    unavailable = device(server, f"{JULIET}/unavailable", presence="")
    romeo.sends(f"<message type='chat' to='{JULIET}'>{BODY}</message>")
    assert got(unavailable) == "received"
    later = Client(server, f"{JULIET}/later").sends("<presence/>")
    assert any(BODY in stanza for stanza in later)


def test_a_headline_is_copied_though_the_device_that_it_is_for_is_not_there(server: Server, romeo: Client) -> None:
    [garden] = devices(server, JULIET, "garden")
    romeo.sends(f"<message type='headline' to='{JULIET}/nowhere'>{DISPLAYED}</message>")
    romeo.sends(f"<message type='headline' to='{JULIET}/nowhere'>{BODY}</message>")
    assert got(garden) == "received"


def test_a_refused_message_is_not_copied_to_the_recipient(server: Server, romeo: Client) -> None:
    [garden] = devices(server, JULIET, "garden")
    assert "service-unavailable" in romeo.sends(f"<message to='{JULIET}/nowhere'>{BODY}</message>")[0]
    assert got(garden) == ""


def test_asking_twice_changes_nothing(server: Server, romeo: Client) -> None:
    [phone] = devices(server, ROMEO, "phone")
    assert phone.asks(ENABLE, type="set") == ""
    romeo.sends(f"<message type='chat' to='{JULIET}'>{BODY}</message>")
    assert got(phone) == "sent"
    assert [phone.asks(DISABLE, type="set") for _ in range(2)] == ["", ""]
    romeo.sends(f"<message type='chat' to='{JULIET}'>{BODY}</message>")
    assert got(phone) == ""


@pytest.mark.parametrize("to", [JULIET, "nobody@localhost", "localhost"])
@pytest.mark.parametrize("payload", [ENABLE, DISABLE])
def test_nobody_enables_copies_for_others(romeo: Client, to: str, payload: str) -> None:
    assert romeo.asks(payload, type="set", to=to) == "service-unavailable"


def test_a_failing_copy_never_reaches_the_sender(
    server: Server, romeo: Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Client):
        def write(self, data: bytes) -> None:
            raise RuntimeError("broken")

    Broken(server, f"{JULIET}/broken").session.interests.add("carbons")
    garden, home = devices(server, JULIET, "garden", "home")
    assert romeo.sends(f"<message type='chat' to='{garden.jid}'>{BODY}</message>") == []
    assert [got(garden), got(home)] == ["message", "received"]
    assert "<Session juliet@localhost/broken>: sending failed" in caplog.text


def test_a_copy_that_bounces_goes_nowhere(server: Server, romeo: Client) -> None:
    garden, home = devices(server, JULIET, "garden", "home")
    romeo.sends(f"<message type='chat' id='m1' to='{garden.jid}'>{BODY}</message>")
    [carbon] = home.received()
    wrapped = carbon.partition(">")[2].removesuffix("</message>")
    for to in (JULIET, home.jid):
        assert home.sends(f"<message type='error' id='m1' to='{to}'>{wrapped}{ERROR}</message>") == []
    assert [romeo.received(), home.received(), got(garden)] == [[], [], "message"]


# -- messages to oneself


@pytest.mark.parametrize("to", [ROMEO, f"{ROMEO}/one", f"{ROMEO}/two", f"{ROMEO}/gone"])
def test_a_message_to_oneself_reaches_no_device_twice(server: Server, to: str) -> None:
    one, two, three = devices(server, ROMEO, "one", "two", "three")
    hidden = device(server, f"{ROMEO}/hidden", presence="")
    one.sends(f"<message type='chat' to='{to}'>{BODY}</message>")
    received = [got(each) for each in (two, three, hidden)]
    assert all(each in ("message", "received") for each in received)
    assert received[2] == "received"


def test_the_sending_device_gets_a_message_to_oneself_only_as_one_of_its_recipients(server: Server) -> None:
    one, two = devices(server, ROMEO, "one", "two")
    assert len(one.sends(f"<message type='chat' to='{ROMEO}'>{BODY}</message>")) == 1
    assert len(one.sends(f"<message type='chat' to='{one.jid}'>{BODY}</message>")) == 1
    assert one.sends(f"<message type='chat' to='{two.jid}'>{BODY}</message>") == []
    one.sends("<presence type='unavailable'/>")
    assert one.sends(f"<message type='chat' to='{ROMEO}'>{BODY}</message>") == []


# -- which messages (section 6.1)

# Type, content -> whether it is copied, when sent and when received; the other side is a full address.
RULES = [
    ("chat", "", True, True),
    ("chat", BODY, True, True),
    ("chat", BODY + PRIVATE, False, False),
    ("chat", BODY + NO_COPY, False, False),
    ("chat", BODY + PRIVATE + NO_COPY, False, False),
    ("normal", "", False, False),
    ("normal", BODY, True, True),
    ("normal", BODY + PRIVATE, False, False),
    ("unheard-of", BODY, True, True),
    ("normal", "<subject>hi</subject>", False, False),
    ("normal", COMPOSING, True, True),
    ("normal", RECEIPT, True, True),
    ("normal", "<request xmlns='urn:xmpp:receipts'/>", True, True),
    ("normal", DISPLAYED, True, True),
    ("normal", "<markable xmlns='urn:xmpp:chat-markers:0'/>", True, True),
    ("normal", DISPLAYED + NO_COPY, False, False),
    ("normal", DIRECT_INVITE, True, True),
    ("normal", INVITE, True, True),
    ("normal", INVITE + PRIVATE, False, False),
    ("chat", BODY + OF_A_ROOM, True, False),
    ("normal", BODY + OF_A_ROOM, True, False),
    ("chat", COMPOSING + OF_A_ROOM, True, False),
    ("headline", BODY, False, False),
    ("headline", DISPLAYED, True, True),
    ("groupchat", BODY, False, False),
    ("groupchat", BODY + RECEIPT + DIRECT_INVITE, False, False),
    ("error", BODY, False, False),
    ("error", BODY + RECEIPT + ERROR, False, False),
]


@pytest.mark.parametrize(("type", "content", "when_sent", "when_received"), RULES)
def test_the_rules_say_what_is_copied(type: str, content: str, when_sent: bool, when_received: bool) -> None:
    element = parse(f"<message type='{type}' from='a@b/c' to='d@e/f'>{content}</message>".encode())
    assert is_eligible(Stanza.read(element), "sent") == when_sent
    assert is_eligible(Stanza.read(element), "received") == when_received


def test_what_comes_from_a_room_itself_is_no_private_message() -> None:
    element = parse(f"<message type='normal' from='room@muc.example' to='d@e'>{BODY}{OF_A_ROOM}</message>".encode())
    assert is_eligible(Stanza.read(element), "received")


def test_a_private_message_to_a_participant_is_copied_to_devices_in_the_same_room(
    server: Server, romeo: Client
) -> None:
    joined, elsewhere = devices(server, ROMEO, "joined", "elsewhere")
    joined.sends("<presence to='room@muc.example/romeo'/>")
    elsewhere.sends("<presence to='other@muc.example/romeo'/>")
    for client in (joined, elsewhere):
        client.received()
    romeo.sends(f"<message type='chat' to='room@muc.example/juliet'>{BODY}{OF_A_ROOM}</message>")
    assert [got(joined), got(elsewhere)] == ["sent", ""]


# -- errors that answer what was copied


def test_an_error_is_copied_to_those_who_saw_the_message(server: Server, romeo: Client) -> None:
    [phone] = devices(server, ROMEO, "phone")
    [juliet] = devices(server, JULIET, "garden")
    romeo.sends(f"<message type='chat' id='m1' to='{juliet.jid}'>{BODY}</message>")
    juliet.sends(f"<message type='error' id='m1' to='{romeo.jid}'>{ERROR}</message>")
    assert got(romeo) == "error"
    _, error = phone.received()
    assert error == copy(
        "received",
        phone,
        f"<message type='error' id='m1' to='{romeo.jid}' from='{juliet.jid}'>{ERROR}</message>",
        type="error",
    )


@pytest.mark.parametrize("to", ["nobody@localhost", f"{JULIET}/nowhere", "room@elsewhere.example"])
def test_an_error_of_the_server_itself_is_copied_too(server: Server, romeo: Client, to: str) -> None:
    [phone] = devices(server, ROMEO, "phone")
    romeo.sends(f"<message id='m1' to='{to}'>{BODY}</message>")
    assert got(phone) == "sent received"


def test_an_error_is_copied_though_the_device_that_sent_the_message_is_gone(server: Server, romeo: Client) -> None:
    [phone] = devices(server, ROMEO, "phone")
    juliet = Client(server, f"{JULIET}/garden")
    romeo.sends(f"<message type='chat' id='m1' to='{juliet.jid}'>{BODY}</message>")
    romeo.session.end()
    phone.received()
    juliet.sends(f"<message type='error' id='m1' to='{romeo.jid}'>{ERROR}</message>")
    assert got(phone) == "received"


def test_an_error_that_a_device_sends_is_copied_to_the_others(server: Server, romeo: Client) -> None:
    garden, home = devices(server, JULIET, "garden", "home")
    romeo.sends(f"<message type='chat' id='m1' to='{JULIET}'>{BODY}</message>")
    garden.received()
    assert got(home) == "message"
    garden.sends(f"<message type='error' id='m1' to='{romeo.jid}'>{ERROR}</message>")
    assert [got(romeo), got(home), got(garden)] == ["error", "sent", ""]


def test_an_error_that_answers_a_message_to_oneself_reaches_each_device_once(server: Server) -> None:
    one, two, three = devices(server, ROMEO, "one", "two", "three")
    one.sends(f"<message type='chat' id='m1' to='{two.jid}'>{BODY}</message>")
    for client in (two, three):
        client.received()
    two.sends(f"<message type='error' id='m1' to='{one.jid}'>{ERROR}</message>")
    assert [got(one), got(two), got(three)] == ["error", "", "received"]


@pytest.mark.parametrize("hint", [NO_COPY, NO_STORE, PRIVATE])
def test_hints_in_an_error_are_ignored(server: Server, romeo: Client, hint: str) -> None:
    """XEP-0334 section "Business Rules": they may be those of the message that the error answers."""
    [phone] = devices(server, ROMEO, "phone")
    [juliet] = devices(server, JULIET, "garden")
    romeo.sends(f"<message type='chat' id='m1' to='{juliet.jid}'>{BODY}</message>")
    phone.received()
    juliet.sends(f"<message type='error' id='m1' to='{romeo.jid}'>{hint}{ERROR}</message>")
    assert [got(romeo), got(phone)] == ["message", "received"]


@pytest.mark.parametrize(
    "sent",
    [
        f"<message type='chat' id='m1' to='{JULIET}/garden'>{BODY}{PRIVATE}</message>",
        f"<message type='headline' id='m1' to='{JULIET}/garden'>{BODY}</message>",
        f"<message type='chat' id='other' to='{JULIET}/garden'>{BODY}</message>",
        f"<message type='chat' to='{JULIET}/garden'>{BODY}</message>",
        f"<message type='chat' id='m1' to='{ROMEO}/phone'>{BODY}</message>",
        "",
    ],
)
def test_an_error_that_answers_nothing_that_was_copied_is_not_copied(server: Server, romeo: Client, sent: str) -> None:
    [phone] = devices(server, ROMEO, "phone")
    [juliet] = devices(server, JULIET, "garden")
    if sent:
        romeo.sends(sent)
    phone.received()
    juliet.sends(f"<message type='error' id='m1' to='{romeo.jid}'>{ERROR}</message>")
    assert [got(romeo), got(phone)] == ["error", ""]


def message(number: int, id: str) -> Stanza:
    address = JID.parse(f"u{number}@localhost")
    return Stanza.build("message", id=id, to=address, sender=address)


def test_what_errors_may_answer_is_remembered_within_bounds() -> None:
    account, eligible = JID.parse(ROMEO), EligibleMessages()
    for number in range(carbon_rules.MAX_REMEMBERED + 1):
        eligible.remember(account, message(number, "m"), "sent")
    for number in range(2 * carbon_rules.MAX_REMEMBERED):  # what others send does not push out what is one's own
        eligible.remember(account, message(number, "m"), "received")
    assert not eligible.is_answered(account, message(0, "m"), "received")
    assert eligible.is_answered(account, message(1, "m"), "received")
    endless = message(1, "m" * (carbon_rules.MAX_ID_LENGTH + 1))
    eligible.remember(account, endless, "sent")
    assert not eligible.is_answered(account, endless, "received")


def test_nothing_is_remembered_of_an_account_that_has_left(server: Server, romeo: Client) -> None:
    [phone] = devices(server, ROMEO, "phone")
    sent = f"<message type='chat' id='m1' to='{JULIET}/garden'>{BODY}</message>"
    romeo.sends(sent)
    answer = Stanza.build("message", type="error", id="m1", to=romeo.jid, sender=JID.parse(f"{JULIET}/garden"))
    eligible = server.state(EligibleMessages)
    romeo.session.end()
    assert eligible.is_answered(romeo.account, answer, "received")
    phone.session.end()
    assert not eligible.is_answered(romeo.account, answer, "received")


# -- attacks


@pytest.mark.parametrize("to", [JULIET, f"{JULIET}/garden", ROMEO, "someone@elsewhere.example"])
@pytest.mark.parametrize("direction", ["received", "sent"])
def test_row_16_nobody_else_makes_carbon_copies(server: Server, romeo: Client, to: str, direction: str) -> None:
    garden, home = devices(server, JULIET, "garden", "home")
    [phone] = devices(server, ROMEO, "phone")
    answer = romeo.sends(
        f"<message type='chat' to='{to}'><{direction} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<message xmlns='jabber:client' from='{JULIET}' to='{to}'>{BODY}</message>"
        f"</forwarded></{direction}>{BODY}</message>"
    )
    assert len(answer) == 1 and "not-acceptable" in answer[0]
    assert [garden.received(), home.received(), phone.received()] == [[], [], []]


def test_row_16_a_forged_copy_from_elsewhere_is_refused(server: Server) -> None:
    """What comes in by another way than a local session."""
    garden, home = devices(server, JULIET, "garden", "home")
    forged = parse(
        f"<message type='chat' from='tybalt@elsewhere.example/x' to='{JULIET}'>"
        f"<received xmlns='urn:xmpp:carbons:2'/>{BODY}</message>".encode()
    )
    server.router.route(Stanza.read(forged))
    assert [garden.received(), home.received()] == [[], []]


def test_row_52_nothing_of_a_blocked_sender_is_copied(server: Server, romeo: Client) -> None:
    garden, home = devices(server, JULIET, "garden", "home")
    blocklists.add(server.db, garden.account, [romeo.account])
    romeo.sends(f"<message type='chat' to='{garden.jid}'>{BODY}</message>")
    assert [got(garden), got(home)] == ["", ""]


def test_row_52_what_is_refused_since_the_addressee_is_blocked_is_not_copied(server: Server) -> None:
    garden, home = devices(server, JULIET, "garden", "home")
    blocklists.add(server.db, garden.account, [JID.parse(ROMEO)])
    garden.sends(f"<message type='chat' id='m1' to='{ROMEO}'>{BODY}</message>")
    assert [garden.received(), got(home)] == [[], ""]


def test_sessions_that_never_asked_are_left_alone(server: Server, romeo: Client) -> None:
    plain = device(server, f"{JULIET}/plain", copies=False)
    plain.received()
    assert isinstance(plain.session, Session) and "carbons" not in plain.session.interests
    romeo.sends(f"<message type='chat' to='{JULIET}/other'>{BODY}</message>")
    romeo.sends(f"<message type='headline' to='{JULIET}/other'>{BODY}</message>")
    assert got(plain) == "message"
