"""What the server sends in bulk is fetched as the client takes it, in order, and nothing is lost on the way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import gevent
import pytest

from db import offline
from db.sqlite.errors import StorageError
from tests.harness.in_process import Client, add_accounts, befriend, server_in
from tests.harness.managed_client import ManagedClient, ReturningClient, bodies, end_turn, tags, write
from tests.harness.nodes import ask, create, publish, subscribe
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing import bulk
from xmpp.running.handling import Handled
from xmpp.running.tickets import Ticket
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
WITHOUT_END = 1_000_000
UNSENT_BYTES = 100_000


class SlowClient(ManagedClient):
    """A client whose connection has room for a few stanzas, and then for those that `takes` says."""

    def __init__(self, server: Server, address: str, room: int = 0) -> None:
        self.room = room
        self._when_room: Callable[[], None] | None = None
        self.lost_for: list[Exception] = []
        super().__init__(server, address)

    def takes(self, stanzas: int = WITHOUT_END) -> list[str]:
        """Have room for so many more; returns what came."""
        self.room = stanzas
        act, self._when_room = self._when_room, None
        if act is not None:
            act()
        return self.received()

    @property
    def has_room(self) -> bool:  # type: ignore[override]
        return self.room > 0

    def when_room(self, act: Callable[[], None]) -> None:
        if self.has_room:
            act()
        else:
            self._when_room = act

    def write(self, data: bytes) -> None:
        self.room -= 1
        super().write(data)

    def drop(self, reason: Exception) -> None:
        self.lost_for.append(reason)
        self.loses_connection()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, archive={"page_messages": 10}, streams={"unsent_bytes": UNSENT_BYTES}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def juliet(server: Server) -> SlowClient:
    return SlowClient(server, f"{JULIET}/balcony")


def three_devices(server: Server, account: str) -> list[str]:
    for number in range(3):
        Client(server, f"{account}@localhost/{number}").sends("<presence/>")
    return [f"{account}@localhost/{number}" for number in range(3)]


def senders(received: list[str]) -> list[str]:
    return [stanza.partition('from="')[2].partition('"')[0] for stanza in received]


def text(number: int) -> str:
    return f"message {number}"


def one_message() -> Iterator[Stanza]:
    yield Stanza.build("message", b"<body>bulk</body>")


def say(romeo: Client, count: int) -> list[str]:
    texts = [text(number) for number in range(count)]
    write(romeo, *texts)
    return texts


# -- what comes in bulk


def test_the_presence_of_others_comes_as_a_client_takes_it(server: Server, juliet: SlowClient, romeo: Client) -> None:
    befriend(server, juliet.account, romeo.account)
    devices = three_devices(server, "romeo")
    juliet.room = 2  # her own, and one of his
    assert senders(juliet.sends("<presence/>")) == [juliet.jid, devices[0]]
    assert senders(juliet.takes(1)) == [devices[1]]
    assert senders(juliet.takes()) == [devices[2]]


def test_who_leaves_before_it_is_shown_is_not_shown(server: Server, juliet: SlowClient, romeo: Client) -> None:
    befriend(server, juliet.account, romeo.account)
    romeo.sends("<presence/>")
    assert senders(juliet.sends("<presence/>")) == [juliet.jid]
    romeo.sends("<presence type='unavailable'/>")
    [gone] = juliet.takes()
    assert 'type="unavailable"' in gone


def test_a_client_that_goes_is_shown_nobody_any_more(server: Server, juliet: SlowClient, romeo: Client) -> None:
    befriend(server, juliet.account, romeo.account)
    three_devices(server, "romeo")
    juliet.sends("<presence/>")
    juliet.sends("<presence type='unavailable'/>")
    assert [stanza for stanza in juliet.takes() if "romeo" in stanza] == []


def test_the_last_items_of_the_service_come_as_a_client_takes_them(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    for node in ("a", "b", "c"):
        ask(romeo, create(node, send_last_published_item="on_sub_and_presence"))
        ask(romeo, publish(node, node))
        juliet.takes()
        ask(juliet, subscribe(node, str(JULIET)))
    juliet.takes()
    juliet.room = 2
    came = juliet.sends("<presence/>")[1:] + juliet.takes(1) + juliet.takes()
    assert [node for stanza in came for node in "abc" if f'node="{node}"' in stanza] == ["a", "b", "c"]


def test_what_waited_comes_as_a_client_takes_it_and_before_what_comes_now(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    texts = say(romeo, 10)
    juliet.room = 4
    came = juliet.sends("<presence/>")
    write(romeo, "now")
    came += juliet.takes(2) + juliet.takes(1) + juliet.takes()
    assert bodies(came) == [*texts, "now"]
    assert offline.count(server.db, JULIET) == 0


def test_what_was_not_taken_waits_for_the_next_session(server: Server, juliet: SlowClient, romeo: Client) -> None:
    texts = say(romeo, 10)
    juliet.room = 4
    came = bodies(juliet.sends("<presence/>"))
    assert came == texts[:3]
    juliet.session.connection_lost()
    other = Client(server, f"{JULIET}/chamber")
    assert bodies(other.sends("<presence/>")) == texts[3:]


def test_two_devices_that_come_do_not_both_get_what_waited(server: Server, juliet: SlowClient, romeo: Client) -> None:
    texts = say(romeo, 10)
    juliet.room = 4
    came = juliet.sends("<presence/>")
    other = Client(server, f"{JULIET}/chamber")
    assert bodies(other.sends("<presence/>")) == []
    assert bodies(came + juliet.takes()) == texts


def test_a_page_of_the_archive_comes_as_a_client_takes_it_and_its_end_after_it(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    texts = say(romeo, 5)
    juliet.room = 2
    came = juliet.sends("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
    assert tags(came) == ["message", "message"]
    came += juliet.takes(1) + juliet.takes()
    assert bodies(came) == texts
    assert tags(came) == ["message"] * 5 + ["iq"]


# -- in order


def test_what_is_sent_later_comes_later_and_answers_too(server: Server, juliet: SlowClient) -> None:
    bulk = (Stanza.build("message", b"<body>%d</body>" % number, to=juliet.jid) for number in range(3))
    juliet.session.send_all(bulk)
    assert juliet.sends("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>") == []
    assert tags(juliet.takes()) == ["message"] * 3 + ["iq"]
    assert tags(juliet.sends("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")) == ["iq"]


def test_others_have_their_turn_in_between(server: Server, juliet: SlowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for_room: list[Callable[[], None]] = []
    monkeypatch.setattr(juliet, "when_room", asked_for_room.append)
    juliet.room = WITHOUT_END
    juliet.session.send_all(None for _ in range(1_000))
    while len(asked_for_room) < 20 and juliet.session._bulk is not None:
        asked_for_room[-1]()
    assert len(asked_for_room) == 10


def test_others_have_their_turn_where_each_step_takes_long(
    server: Server, juliet: SlowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps() -> Iterator[None]:
        while True:
            busy_until = monotonic() + bulk.SECONDS
            while monotonic() < busy_until:
                pass
            taken.append(True)
            yield None

    taken: list[bool] = []
    monkeypatch.setattr(juliet, "when_room", lambda _act: None)
    juliet.room = WITHOUT_END
    juliet.session.send_all(steps())
    assert len(taken) < 3


def test_who_takes_nothing_is_dropped_once_too_much_waits_behind(juliet: SlowClient, romeo: Client) -> None:
    juliet.session.send_all(iter([Stanza.build("message")]))
    for _ in range(3):
        write(romeo, "x" * (UNSENT_BYTES // 4), to=juliet.jid)
    assert juliet.lost_for == []
    write(romeo, "x" * (UNSENT_BYTES // 4), to=juliet.jid)
    assert [type(each) for each in juliet.lost_for] == [BufferError]


def test_who_takes_nothing_cannot_pile_up_bulks(juliet: SlowClient) -> None:
    for _ in range(UNSENT_BYTES // 1000):
        juliet.sends("<presence/>")
        juliet.sends("<presence type='unavailable'/>")
    assert juliet.lost_for


def test_who_takes_nothing_cannot_pile_up_pages_of_the_archive(juliet: SlowClient, romeo: Client) -> None:
    say(romeo, 10)
    asked = 0
    while not juliet.lost_for and asked < UNSENT_BYTES // 2_000:
        juliet.sends("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        asked += 1
    assert juliet.lost_for


def test_a_bulk_that_fails_is_the_end_of_its_session(juliet: SlowClient, romeo: Client) -> None:
    def fails() -> Iterator[Stanza]:
        yield Stanza.build("message")
        raise ZeroDivisionError

    juliet.room = WITHOUT_END
    juliet.session.send_all(fails())
    gevent.idle()
    assert juliet.closed_with is not None and juliet.closed_with.condition == "internal-server-error"


# -- with stream management


def can_resume(client: SlowClient) -> str:
    """Turn stream management on, whatever room there is; returns the id."""
    client.room = WITHOUT_END
    return client.enables(resume="true")


def goes_away(client: SlowClient) -> str:
    """Lose the connection of a session that was available; returns the id to resume it by."""
    id = can_resume(client)
    client.sends("<presence/>")
    client.loses_connection()
    return id


def without_room(server: Server) -> ReturningClient:
    """Juliet, who comes back and takes nothing but the answer."""
    client = ReturningClient(server, JULIET)
    client.has_room = False
    return client


def test_a_bulk_goes_on_when_its_stream_is_resumed_after_what_was_missed(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    texts = say(romeo, 10)
    id = can_resume(juliet)
    juliet.room = 4
    assert bodies(juliet.sends("<presence/>")) == texts[:3]
    juliet.loses_connection()
    write(romeo, "meanwhile")
    back = ReturningClient(server, JULIET)
    came = back.resumes(id, 2)  # her presence, and one message
    assert bodies(came) == [*texts[1:3], "meanwhile", *texts[3:]]
    assert offline.count(server.db, JULIET) == 10
    back.does("a", h="12")
    assert offline.count(server.db, JULIET) == 0


def test_the_end_of_a_page_comes_after_its_messages_when_its_stream_is_resumed_in_between(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    texts = say(romeo, 5)
    id = can_resume(juliet)
    juliet.room = 2
    assert bodies(juliet.sends("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")) == texts[:2]
    juliet.loses_connection()
    came = ReturningClient(server, JULIET).resumes(id, 2)
    assert tags(came) == ["resumed", "message", "message", "message", "iq"]


def test_what_came_behind_a_bulk_is_kept_when_the_connection_is_lost(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    id = can_resume(juliet)
    juliet.room = 1
    juliet.sends("<presence/>")
    juliet.session.send_all(one_message())
    write(romeo, "behind")
    juliet.loses_connection()
    back = ReturningClient(server, JULIET)
    assert bodies(back.resumes(id, 1)) == ["behind", "bulk"]


def test_what_came_behind_a_bulk_goes_another_way_when_the_session_ends(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    juliet.room = WITHOUT_END
    juliet.enables()
    juliet.room = 1
    juliet.sends("<presence/>")
    juliet.session.send_all(one_message())
    write(romeo, "behind")
    juliet.session.end()
    other = Client(server, f"{JULIET}/chamber")
    assert bodies(other.sends("<presence/>")) == ["behind"]


def test_what_a_resumed_stream_has_missed_comes_as_its_client_takes_it(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    id = goes_away(juliet)
    texts = say(romeo, 5)
    back = without_room(server)
    came = back.resumes(id, 1)
    assert tags(came) == ["resumed"]
    write(romeo, "now")
    back.has_room = True
    back.session.send_more()
    assert bodies(back.received()) == [*texts, "now"]
    end_turn()
    assert tags(back.received()) == ["r"]


def test_what_was_missed_is_not_sent_twice_to_who_resumes_again_meanwhile(
    server: Server, juliet: SlowClient, romeo: Client
) -> None:
    id = goes_away(juliet)
    texts = say(romeo, 5)
    first, second = without_room(server), ReturningClient(server, JULIET)
    first.resumes(id, 1)
    assert bodies(second.resumes(id, 1)) == texts


def test_who_resumes_again_and_again_piles_up_nothing(server: Server, juliet: SlowClient, romeo: Client) -> None:
    id = goes_away(juliet)
    say(romeo, 5)
    session = juliet.session
    for _ in range(20):
        back = without_room(server)
        back.resumes(id, 1)
        assert len(session._bulk._line) == 1  # type: ignore[union-attr]
        session.connection_lost()


def test_who_loses_a_connection_again_and_again_cannot_pile_up_bulks(server: Server, juliet: SlowClient) -> None:
    id = can_resume(juliet)
    session, juliet.room = juliet.session, 0
    for _ in range(5):
        while session.connection is not None:
            session.send_all(iter([Stanza.build("message")]))
        back = without_room(server)
        back.drop = lambda reason: session.connection_lost()  # type: ignore[method-assign]
        back.resumes(id, 0)
    assert len(session._bulk._line) < 2 * UNSENT_BYTES // 1000  # type: ignore[union-attr]


def test_a_bulk_waits_for_acknowledgements_when_half_of_what_may_wait_for_them_does(tmp_path: Path) -> None:
    with server_in(tmp_path, stream_management={"max_stanzas": 10}) as server:
        add_accounts(server, "juliet")
        juliet = SlowClient(server, f"{JULIET}/balcony", room=WITHOUT_END)
        juliet.enables()
        juliet.session.send_all(Stanza.build("message", b"<body>%d</body>" % number) for number in range(30))
        came = bodies(juliet.received())
        assert len(came) == 6
        for _ in range(5):
            came += bodies(juliet.does("a", h=str(len(came))))
            end_turn()
            juliet.received()  # an <r/>
        assert came == [str(number) for number in range(30)]
        assert juliet.closed_with is None


# -- what could not be stored


def test_what_waits_behind_a_bulk_and_could_not_be_stored_is_not_sent(juliet: SlowClient) -> None:
    ticket = Ticket()
    juliet.session.send_all(one_message())
    with Handled(ticket):
        juliet.session.send(Stanza.build("message", b"<body>lost</body>"))
    juliet.session.send(Stanza.build("message", b"<body>behind</body>"))
    ticket.close(StorageError("the disk is full"))
    assert bodies(juliet.takes()) == ["bulk"]
    end_turn()
    assert juliet.lost_for == [ticket.failed]  # as if it had waited in the outbox


def test_what_waits_behind_a_bulk_and_could_not_be_stored_does_not_wait_for_another_connection(
    juliet: SlowClient,
) -> None:
    can_resume(juliet)
    juliet.room, ticket = 0, Ticket()
    juliet.session.send_all(one_message())
    with Handled(ticket):
        juliet.session.send(Stanza.build("message", b"<body>lost</body>"))
    juliet.session.send(Stanza.build("message", b"<body>kept</body>"))
    ticket.close(StorageError("the disk is full"))
    juliet.loses_connection()
    assert [b"kept" in bytes(each.stanza) for each in juliet.management.sent] == [True]


def test_what_another_device_takes_over_is_not_sent_if_it_could_not_be_stored_meanwhile(
    server: Server, juliet: SlowClient
) -> None:
    phone, ticket = ManagedClient(server, f"{JULIET}/phone"), Ticket()
    phone.enables()
    juliet.room = WITHOUT_END
    juliet.sends("<presence/>")
    juliet.room = 0
    for each, waits in (("one", None), ("lost", ticket), ("two", None)):
        with Handled(waits):
            phone.session.send(Stanza.build("message", f"<body>{each}</body>".encode(), type="chat"))
    phone.session.end()
    ticket.close(StorageError("the disk is full"))
    assert bodies(juliet.takes()) == ["one", "two"]


def test_what_a_client_has_missed_is_not_sent_again_if_it_could_not_be_stored_meanwhile(
    server: Server, juliet: SlowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, ticket = can_resume(juliet), Ticket()
    juliet.loses_connection()
    juliet.session.send(Stanza.build("message", b"<body>one</body>"))
    with Handled(ticket):
        juliet.session.send(Stanza.build("message", b"<body>lost</body>"))
    back, lost_for = without_room(server), list[Exception]()
    monkeypatch.setattr(back, "drop", lost_for.append)
    assert tags(back.resumes(id, 0)) == ["resumed"]
    ticket.close(StorageError("the disk is full"))
    monkeypatch.setattr(back, "has_room", True)
    juliet.session.send_more()
    assert bodies(back.received()) == ["one"]
    end_turn()
    assert lost_for == [ticket.failed]
