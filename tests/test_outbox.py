"""The outbox: in order, in batches, behind the disk, bounded. Against real sockets."""

import socket
from collections.abc import Iterator
from time import monotonic

import gevent
import gevent.socket
import pytest
from gevent.event import AsyncResult

from xmpp.running.tickets import Ticket
from xmpp.stream.outbox import Flusher, Outbox
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import ROUND_SECONDS

PATIENCE = 30  # seconds, only reached by a test that fails
MANY, FEW = 30, 5


class Wire:
    """An outbox at one end of a TCP connection; the test reads the other."""

    def __init__(self, limit: int = 1 << 20, flusher: Flusher | None = None) -> None:
        listener = gevent.socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        self.peer = gevent.socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
        listener.close()
        self.transport = SocketTransport(sock, 60)
        self.failed: list[Exception] = []
        self.outbox = Outbox(self.transport, flusher or Flusher(), limit, self.failed.append)

    def arrives(self, amount: int) -> bytes:
        data = b""
        while len(data) < amount:
            more = self.peer.recv(65536)
            assert more
            data += more
        return data

    def close(self) -> None:
        self.peer.close()
        self.transport.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def test_what_is_added_in_one_turn_arrives_in_order(wire: Wire) -> None:
    for piece in (b"one ", b"two ", b"three"):
        wire.outbox.add(piece)
    assert wire.arrives(13) == b"one two three"
    assert wire.outbox.is_empty


def test_what_waits_for_the_disk_holds_back_what_comes_after_it(wire: Wire) -> None:
    ticket = Ticket()
    wire.outbox.add(b"before ")
    wire.outbox.add(b"stored ", after=ticket)
    wire.outbox.add(b"after")
    assert wire.arrives(7) == b"before "
    gevent.sleep(0)
    assert not wire.outbox.is_empty
    ticket.close()
    assert wire.arrives(12) == b"stored after"


def test_what_says_nothing_of_the_disk_can_go_ahead_of_what_waits_for_it(wire: Wire) -> None:
    ticket = Ticket()
    wire.outbox.add(b"before ")
    wire.outbox.add(b"stored", after=ticket)
    wire.outbox.add_ahead(b"ahead ")
    assert wire.arrives(13) == b"before ahead "
    ticket.close()
    assert wire.arrives(6) == b"stored"


def test_tickets_that_close_out_of_order_do_not_change_the_order(wire: Wire) -> None:
    first, second = Ticket(), Ticket()
    wire.outbox.add(b"1", after=first)
    wire.outbox.add(b"2", after=second)
    second.close()
    assert not wire.outbox.is_empty
    first.close()
    assert wire.arrives(2) == b"12"


def test_what_could_not_be_stored_is_not_told(wire: Wire) -> None:
    ticket = Ticket()
    wire.outbox.add(b"told ")
    wire.outbox.add(b"stored", after=ticket)
    failure = OSError("disk full")
    ticket.close(failure)
    assert wire.failed == [failure]
    wire.outbox.add(b"sorry")
    assert wire.arrives(10) == b"told sorry"


def test_a_closed_ticket_holds_nothing_back(wire: Wire) -> None:
    ticket = Ticket()
    ticket.close()
    wire.outbox.add(b"now", after=ticket)
    assert wire.arrives(3) == b"now"


def test_a_peer_that_reads_slowly_gets_everything(wire: Wire) -> None:
    amount = 900_000  # more than a loopback socket takes at once
    wire.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for _ in range(9):
        wire.outbox.add(b"x" * (amount // 9))
    assert len(wire.arrives(amount)) == amount
    assert not wire.failed


def test_what_is_added_behind_a_ticket_that_has_failed_is_discarded_and_the_peer_can_be_told(wire: Wire) -> None:
    failure, lost = OSError("disk full"), Ticket()
    lost.close(failure)
    wire.outbox.add(b"<result/>", after=lost)
    assert wire.failed == [failure]
    assert wire.outbox.is_empty
    wire.outbox.add(b"<error/>")
    assert wire.arrives(8) == b"<error/>"


def test_what_is_added_behind_a_failed_ticket_leaves_what_was_added_before(wire: Wire) -> None:
    failure, earlier, lost = OSError("disk full"), Ticket(), Ticket()
    lost.close(failure)
    wire.outbox.add(b"<stored/>", after=earlier)
    wire.outbox.add(b"<result/>", after=lost)
    earlier.close()
    assert wire.failed == [failure]
    wire.outbox.add(b"<error/>")
    assert wire.arrives(17) == b"<stored/><error/>"


def test_a_peer_that_does_not_read_is_dropped_at_the_limit() -> None:
    wire = Wire(limit=1000)
    wire.outbox.add(b"x" * 600, after=Ticket())
    assert not wire.failed
    wire.outbox.add(b"x" * 600)
    assert len(wire.failed) == 1
    assert wire.outbox.is_empty
    wire.outbox.add(b"ignored")
    assert wire.outbox.is_empty
    wire.close()


def test_when_empty_waits_for_the_last_byte(wire: Wire) -> None:
    done = []
    wire.outbox.add(b"bye")
    wire.outbox.when_empty(lambda: done.append("told"))
    assert done == []
    assert wire.arrives(3) == b"bye"
    assert done == ["told"]


def test_a_broken_connection_is_reported_once(wire: Wire) -> None:
    wire.transport.close()
    wire.outbox.add(b"x")
    gevent.sleep(0)
    gevent.sleep(0)
    assert len(wire.failed) == 1


def fail(*_: object) -> None:
    raise AttributeError("a mistake in our code")


class Mistaken:
    """A transport that fails by a mistake in our code."""

    def __init__(self, transport: SocketTransport) -> None:
        self.wait_writable = transport.wait_writable
        self.try_send = fail


@pytest.fixture
def pair() -> Iterator[tuple[Wire, Wire]]:
    """Two whose outboxes are flushed one after the other."""
    flusher = Flusher()
    one, other = Wire(flusher=flusher), Wire(flusher=flusher)
    yield one, other
    one.close()
    other.close()


def test_what_fails_at_one_keeps_nothing_from_another(pair: tuple[Wire, Wire]) -> None:
    one, other = pair
    one.outbox._transport = Mistaken(one.transport)
    one.outbox.add(b"lost")
    other.outbox.add(b"told")
    assert other.arrives(4) == b"told"
    assert [type(each) for each in one.failed] == [AttributeError]
    other.outbox.add(b" more")
    assert other.arrives(5) == b" more"


def test_what_fails_at_the_end_of_one_keeps_nothing_from_another(pair: tuple[Wire, Wire]) -> None:
    one, other = pair
    one.transport.close()
    one.outbox._failed = fail
    one.outbox.add(b"lost")
    other.outbox.add(b"told")
    assert other.arrives(4) == b"told"


def test_who_was_closed_while_it_waited_for_the_disk_keeps_nothing_from_another(pair: tuple[Wire, Wire]) -> None:
    one, other = pair
    ticket = Ticket()
    for wire in pair:
        wire.outbox.add(b"stored", after=ticket)
    one.outbox.when_empty(one.transport.shutdown_write)
    one.transport.close()
    ticket.close()
    assert other.arrives(6) == b"stored"
    assert len(one.failed) == 1


def test_what_fails_while_a_slow_peer_reads_is_the_end_of_its_stream() -> None:
    wire, amount = Wire(limit=10_000_000), 9_000_000
    lost: AsyncResult[Exception] = AsyncResult()
    wire.outbox._failed = lost.set
    wire.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    wire.outbox.add(b"x" * amount)
    gevent.sleep(0)
    wire.outbox._transport = Mistaken(wire.transport)
    reading = gevent.spawn(wire.arrives, amount)
    assert isinstance(lost.get(timeout=PATIENCE), AttributeError)
    reading.kill()
    wire.close()


def test_sockets_are_looked_at_while_many_are_sent_more(pair: tuple[Wire, Wire]) -> None:
    """However long each takes: the loop would go on with what it has been told to call next."""
    one, other = pair
    done = list[float]()

    def send_more() -> None:
        done.append(monotonic())
        while monotonic() < done[-1] + ROUND_SECONDS:
            pass

    flusher = one.outbox._flusher
    others = [Outbox(one.transport, flusher, 1 << 20, one.failed.append) for _ in range(MANY)]
    waiting = gevent.spawn(other.transport.read)
    gevent.sleep(0)
    for outbox in others:
        outbox.when_room(send_more)
    other.peer.sendall(b"something")
    waiting.join(PATIENCE)
    assert len(done) < FEW
    while len(done) < MANY:
        gevent.sleep(0)


def test_what_fails_while_others_wait_keeps_nothing_from_them(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda *_: None)  # it would print it
    heard = list[str]()
    for act in (fail, lambda: heard.append("two"), fail, lambda: heard.append("four")):
        wire.outbox._flusher.rounds.soon(act)
    with gevent.Timeout(PATIENCE):
        while len(heard) < 2:
            gevent.sleep(0)
    assert heard == ["two", "four"]


def test_a_dead_peer_is_watched_for_by_the_kernel(wire: Wire) -> None:
    sock = wire.transport._sock
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
