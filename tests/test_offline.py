"""XEP-0160: messages that wait for an account to come online."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import blocklists, offline
from db.sqlite.errors import StorageError
from handlers.messages.offline import AT_A_TIME
from tests.harness.in_process import Client, add_accounts, server_in, xml
from tests.harness.managed_client import ManagedClient
from tests.harness.rawclient import logged_in, new_account
from tests.harness.servers import RunningServer
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
STAMP = re.compile(
    r'<delay xmlns="urn:xmpp:delay" from="localhost" stamp="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"></delay>'
)
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"
IN_A_ROOM = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, offline={"max_messages": 3}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def write(romeo: Client, content: str, type: str = "chat") -> list[str]:
    return romeo.sends(f"<message type='{type}' to='{JULIET}'>{content}</message>")


def log_in(server: Server, presence: str = "<presence/>", resource: str = "balcony") -> list[str]:
    """The messages that a new session gets on sending this presence."""
    received = Client(server, f"{JULIET}/{resource}").sends(presence)
    assert received[0].startswith("<presence")
    return [stanza for stanza in received if stanza.startswith("<message")]


def bodies(messages: list[str]) -> list[str]:
    return [message.partition("<body>")[2].partition("<")[0] for message in messages]


def test_a_message_waits_and_comes_with_the_time_of_its_sending(server: Server, romeo: Client) -> None:
    romeo.sends(f"<message type='chat' id='m1' to='{JULIET}' xml:lang='it'><body>ciao</body><a xmlns='b'/></message>")
    [message] = log_in(server)
    assert STAMP.search(message)
    assert STAMP.sub("", message) == xml(
        f"<message from='romeo@localhost/orchard' id='m1' to='{JULIET}' type='chat' xml:lang='it'>"
        "<body>ciao</body><a xmlns='b'/></message>"
    )
    assert message.endswith("</delay></message>")


def test_messages_come_in_order_and_once(server: Server, romeo: Client) -> None:
    for text in ("one", "two", "three"):
        write(romeo, f"<body>{text}</body>")
    assert bodies(log_in(server)) == ["one", "two", "three"]
    assert log_in(server, resource="chamber") == []


def test_one_that_cannot_be_read_keeps_no_others_away(server: Server, romeo: Client) -> None:
    write(romeo, "<body>one</body>")
    offline.keep(server.db, JULIET, b"<message><a></message>", at=0)
    write(romeo, "<body>two</body>")
    assert bodies(log_in(server)) == ["one", "two"]
    assert offline.count(server.db, JULIET) == 0


def test_messages_wait_for_a_priority_that_is_not_negative(server: Server, romeo: Client) -> None:
    write(romeo, "<body>hi</body>")
    juliet = Client(server, f"{JULIET}/balcony")
    assert len(juliet.sends("<presence><priority>-1</priority></presence>")) == 1
    assert len(juliet.sends("<presence to='romeo@localhost'/>")) == 0
    assert bodies(juliet.sends("<presence/>")[1:]) == ["hi"]


@pytest.mark.parametrize(
    ("type", "content", "is_kept"),
    [
        ("chat", "<body>hi</body>", True),
        ("normal", "<body>hi</body>", True),
        ("chat", f"<body>hi</body>{STATE}", True),
        ("chat", STATE, False),
        ("chat", f"{STATE}<thread>t</thread>", False),
        ("chat", "", False),
        ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>", True),
        ("chat", f"{STATE}<store xmlns='urn:xmpp:hints'/>", True),
        ("normal", STATE, True),
        ("chat", "<body>hi</body><no-store xmlns='urn:xmpp:hints'/>", False),
        ("normal", "<body>hi</body><no-store xmlns='urn:xmpp:hints'/>", False),
        ("chat", "<body>hi</body><no-permanent-store xmlns='urn:xmpp:hints'/>", True),
        ("headline", "<body>hi</body>", False),
        ("error", "<body>hi</body>", False),
    ],
)
def test_what_is_kept_follows_the_type_and_the_hints(
    server: Server, romeo: Client, type: str, content: str, is_kept: bool
) -> None:
    assert write(romeo, content, type) == []
    assert len(log_in(server)) == is_kept


def test_a_message_too_many_is_refused_and_the_others_stay(server: Server, romeo: Client) -> None:
    for text in ("one", "two", "three"):
        assert write(romeo, f"<body>{text}</body>") == []
    [refusal] = write(romeo, "<body>four</body>")
    assert "<service-unavailable " in refusal
    assert bodies(log_in(server)) == ["one", "two", "three"]
    assert write(romeo, "<body>five</body>") == []


def test_row_52_messages_of_somebody_who_was_blocked_meanwhile_do_not_come(server: Server, romeo: Client) -> None:
    write(romeo, "<body>hi</body>")
    blocklists.add(server.db, JULIET, [JID.parse("romeo@localhost")])
    assert log_in(server) == []
    assert offline.count(server.db, JULIET) == 0


# -- what is taken back meanwhile (XEP-0424)


def retract(sender: Client, message: str, content: str = "", to: str = JULIET, type: str = "chat") -> list[str]:
    retraction = f"<retract xmlns='urn:xmpp:message-retract:1' id='{message}'/>{content}"
    return sender.sends(f"<message type='{type}' id='r1' to='{to}'>{retraction}</message>")


def say(sender: Client, *texts: str, content: str = "") -> None:
    """Send messages whose ids are their texts."""
    for text in texts:
        sender.sends(f"<message type='chat' id='{text}' to='{JULIET}'><body>{text}</body>{content}</message>")


def ids(messages: list[str]) -> list[str | None]:
    return [parse(message.encode()).get("id") for message in messages]


def test_what_is_taken_back_does_not_come_but_the_retraction_does(server: Server, romeo: Client) -> None:
    say(romeo, "one", "two", "two")
    assert retract(Client(server, "romeo@localhost/chamber"), "two") == []  # nor does it count any more
    assert ids(log_in(server)) == ["one", "two", "r1"]


def test_what_waits_is_dropped_also_where_the_retraction_does_not_wait(server: Server, romeo: Client) -> None:
    juliet = Client(server, f"{JULIET}/balcony")
    say(romeo, "one")
    retract(romeo, "one", to=juliet.jid)
    assert ids(juliet.received()) == ["r1"]
    say(romeo, "two")
    retract(romeo, "two", NO_STORE)
    assert ids(juliet.sends("<presence/>")[1:]) == []


@pytest.mark.parametrize("id", ["", "two", "r1"])
def test_a_retraction_of_nothing_that_waits_drops_nothing(server: Server, romeo: Client, id: str) -> None:
    say(romeo, "one")
    retract(romeo, "one")
    write(romeo, "<body>without an id</body>")
    retract(romeo, id, NO_STORE)
    assert ids(log_in(server)) == ["r1", None]


def test_what_cannot_be_read_does_not_keep_a_retraction_away(server: Server, romeo: Client) -> None:
    offline.keep(server.db, JULIET, b"<message><a></message>", 9e9, romeo.account, "one")
    assert retract(romeo, "one") == []
    assert ids(log_in(server)) == ["r1"]


def test_nobody_takes_back_what_somebody_else_has_written(server: Server, romeo: Client) -> None:
    add_accounts(server, "mercutio")
    say(romeo, "one")
    retract(Client(server, "mercutio@localhost/street"), "one", NO_STORE)
    retract(Client(server, f"{JULIET}/chamber"), "one", NO_STORE)
    retract(romeo, "one", NO_STORE, type="error")
    retract(romeo, "one", NO_STORE, type="headline")
    assert ids(log_in(server)) == ["one"]


def test_in_a_room_only_the_same_participant_takes_it_back(server: Server, romeo: Client) -> None:
    other = Client(server, "romeo@localhost/chamber")  # as far as the server can see: another participant of a room
    say(romeo, "one", content=IN_A_ROOM)
    retract(other, "one", IN_A_ROOM + NO_STORE)
    assert offline.count(server.db, JULIET) == 1
    retract(romeo, "one", IN_A_ROOM + NO_STORE)
    assert log_in(server) == []


# -- to a session with stream management


@pytest.fixture
def phone(server: Server) -> ManagedClient:
    client = ManagedClient(server, f"{JULIET}/phone")
    client.enables(resume="true")
    return client


def test_what_was_delivered_is_kept_until_it_is_acknowledged(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    say(romeo, "one", "two")
    assert ids(messages(phone.sends("<presence/>"))) == ["one", "two"]
    phone.does("a", h="2")
    assert offline.count(server.db, JULIET) == 2
    phone.does("a", h="3")
    assert offline.count(server.db, JULIET) == 0


def test_what_was_delivered_to_one_session_does_not_come_to_another(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    say(romeo, "one")
    phone.sends("<presence/>")
    assert log_in(server) == []
    assert messages(phone.sends("<presence><status>again</status></presence>")) == []


def test_what_has_not_arrived_when_the_session_ends_waits_for_the_next_one(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    say(romeo, "one", "two", "three")
    phone.sends("<presence/>")
    phone.does("a", h="2")  # the presence, and one message
    phone.loses_connection()
    phone.session.end()
    assert romeo.received() == []
    assert ids(log_in(server)) == ["two", "three"]
    assert offline.count(server.db, JULIET) == 0


def test_what_was_held_back_and_lost_waits_for_the_next_session(
    server: Server, romeo: Client, phone: ManagedClient
) -> None:
    say(romeo, "one")
    server.db.flush()
    say(romeo, "two")
    server.db.connection.execute("PRAGMA defer_foreign_keys = ON")  # COMMIT will refuse the group
    offline.keep(server.db, "nobody@localhost", b"", at=0.0)
    assert ids(messages(phone.sends("<presence/>"))) == ["one", "two"]  # as soon as that is on the disk
    with pytest.raises(StorageError):
        server.db.flush()
    phone.session.connection_lost()
    phone.session.end()
    assert ids(log_in(server)) == ["one"]


def test_a_server_that_is_killed_delivers_again_what_was_not_acknowledged(tmp_path: Path) -> None:
    folder = str(tmp_path)
    with RunningServer.demo("--data", folder) as server:
        juliet, romeo = new_account(server.port), new_account(server.port)
        with logged_in(server.port, *romeo) as sender:
            sender.send(f"<message type='chat' to='{juliet[0]}@localhost'><body>hi</body></message>")
            sender.comes_before_pong()
        with logged_in(server.port, *juliet) as phone:
            phone.send("<enable xmlns='urn:xmpp:sm:3'/><presence/>")
            assert any(element.findtext("{*}body") == "hi" for element in phone.comes_before_pong())
            phone.comes_before_pong()  # whatever was written when it was delivered is on the disk
            server.kill()
    with RunningServer.demo("--data", folder) as server, logged_in(server.port, *juliet) as again:
        again.send("<presence/>")
        assert any(element.findtext("{*}body") == "hi" for element in again.comes_before_pong())


# -- with an archive (XEP-0313 section "User Archives")


def test_what_waits_is_bounded_in_bytes_and_there_is_room_again_once_it_is_delivered(tmp_path: Path) -> None:
    with server_in(tmp_path, offline={"max_bytes": 1_000}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo = Client(server, "romeo@localhost/orchard")
        for _ in range(2):
            assert write(romeo, f"<body>{'a' * 700}</body>") == []
            [refused] = write(romeo, f"<body>{'b' * 700}</body>")
            assert "service-unavailable" in refused
            assert write(romeo, "<body>c</body>") == []
            server.db.memory.forget(JULIET)
            assert bodies(log_in(server)) == ["a" * 700, "c"]
            for session in server.online.sessions(JULIET):
                session.end()


@pytest.fixture
def with_archive(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, offline={"max_messages": 3}, archive={}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def ask_archive(client: Client) -> list[str]:
    """What is found, and the answer."""
    return client.sends("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")


def messages(received: list[str]) -> list[str]:
    return [stanza for stanza in received if stanza.startswith("<message")]


def test_what_waited_comes_with_its_id_in_the_archive(with_archive: Server) -> None:
    write(Client(with_archive, "romeo@localhost/x"), "<body>hi</body>")
    [message] = log_in(with_archive)
    juliet = Client(with_archive, f"{JULIET}/chamber")
    id = ask_archive(juliet)[0].partition('<result xmlns="urn:xmpp:mam:2" id="')[2].partition('"')[0]
    assert f'<stanza-id xmlns="urn:xmpp:sid:0" by="{JULIET}" id="{id}">' in message


def test_who_has_asked_the_archive_before_coming_online_does_not_get_it_again(with_archive: Server) -> None:
    write(Client(with_archive, "romeo@localhost/x"), "<body>hi</body>")
    juliet = Client(with_archive, f"{JULIET}/balcony")
    ask_archive(juliet)
    assert messages(juliet.sends("<presence/>")) == []
    assert offline.count(with_archive.db, JULIET) == 0


def test_who_asks_the_archive_afterwards_has_got_it(with_archive: Server) -> None:
    romeo = Client(with_archive, "romeo@localhost/x")
    juliet = Client(with_archive, f"{JULIET}/balcony")
    juliet.sends("<presence><priority>-1</priority></presence>")
    write(romeo, "<body>hi</body>")
    ask_archive(juliet)
    assert bodies(messages(juliet.sends("<presence/>"))) == ["hi"]


def test_asking_only_what_can_be_asked_drops_nothing(with_archive: Server) -> None:
    write(Client(with_archive, "romeo@localhost/x"), "<body>hi</body>")
    juliet = Client(with_archive, f"{JULIET}/balcony")
    for request in ("query", "metadata", "prefs"):
        juliet.asks(f"<{request} xmlns='urn:xmpp:mam:2'/>")
    assert juliet.asks("<query xmlns='urn:xmpp:mam:2' node='x'/>", type="set") == "feature-not-implemented"
    assert bodies(messages(juliet.sends("<presence/>"))) == ["hi"]


def test_what_came_after_the_question_or_is_not_archived_comes_all_the_same(with_archive: Server) -> None:
    romeo, juliet = Client(with_archive, "romeo@localhost/x"), Client(with_archive, f"{JULIET}/balcony")
    write(romeo, "<body>old</body>")
    write(romeo, "<body>unarchived</body><no-permanent-store xmlns='urn:xmpp:hints'/>")
    ask_archive(juliet)
    write(romeo, "<body>new</body>")
    assert bodies(messages(juliet.sends("<presence/>"))) == ["unarchived", "new"]


def test_nobody_is_told_of_a_message_too_many_that_is_in_the_archive(with_archive: Server) -> None:
    romeo = Client(with_archive, "romeo@localhost/x")
    for text in ("one", "two", "three", "four"):
        assert write(romeo, f"<body>{text}</body>") == []
    assert "service-unavailable" in write(romeo, "<a xmlns='b'/>", type="normal")[0]
    assert bodies(log_in(with_archive)) == ["one", "two", "three"]
    assert len(ask_archive(Client(with_archive, f"{JULIET}/chamber"))) == 5


def test_all_that_waits_comes_in_order(tmp_path: Path) -> None:
    texts = [str(number) for number in range(2 * AT_A_TIME + 1)]
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo = Client(server, "romeo@localhost/x")
        for text in texts:
            write(romeo, f"<body>{text}</body>")
        assert bodies(log_in(server)) == texts

