"""One question to one name server (RFC 1035): over UDP first, and over TCP if the answer does not fit.

The socket is connected, and its port is the system's choice; so a forged answer has to guess the port, the id and the
question (RFC 5452).
"""

import struct
from itertools import islice
from time import monotonic
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore

from xmpp.federation.dns.failures import LookupFailed, NoAnswer
from xmpp.federation.dns.settings import NameServer

UDP_BYTES = 1232  # an answer of that size is not taken apart on its way (DNS flag day 2020)
MOST_BYTES = 4096
"""Of an answer: to read one takes up to 10 microseconds a byte, and with more than that others would notice."""
MOST_RECORDS = 64
FORGED_ANSWERS = 16  # to one question; then somebody tries to forge one, which is much harder over TCP
ROUND_SECONDS = 0.002
ONE_ROUND = 1e-6  # a sleep of so many seconds returns after all sockets have been looked at

Question = tuple[str, str]  # a name without its last dot, and a type


class SRV(NamedTuple):
    """Where a service is (RFC 2782). `target` is without its last dot; "" if there is no such service."""

    priority: int
    weight: int
    port: int
    target: str


Record = str | SRV


class Answer(NamedTuple):
    """What DNS says; it has no records if there are none, or no such name. `seconds`: how long that holds."""

    records: tuple[Record, ...]
    seconds: int


class Exchange:
    """Asks name servers. To write or read a message takes a while, and many may be due at the same time: in one round
    of the loop it works on them for ROUND_SECONDS, or on one that takes longer."""

    def __init__(self) -> None:
        self._round_ends = 0.0
        self._next_round = BoundedSemaphore(1)

    def ask(self, server: NameServer, question: Question, seconds: float) -> Answer:
        """The answer to a question. Yields; waits for the name server for so many seconds. Raises NoAnswer,
        LookupFailed."""
        self._wait_for_turn()
        query = dns.message.make_query(*question, use_edns=0, payload=UDP_BYTES)
        wire = query.to_wire()
        until = monotonic() + seconds
        try:
            response = self._over_udp(server, query, wire, until) or self._over_tcp(server, query, wire, until)
        except OSError as error:
            raise NoAnswer(f"no name server can be reached: {error.strerror or error}") from None
        return answer_in(response)

    def _over_udp(self, server: NameServer, query: Any, wire: bytes, until: float) -> Any:
        """The answer; None if it has to be asked for over TCP."""
        with _socket(server, socket.SOCK_DGRAM) as sock:
            sock.connect(server)
            sock.send(wire)
            for _ in range(FORGED_ANSWERS):
                with _within(until):
                    data = sock.recv(MOST_BYTES)
                response = self._read(data, query) if data[:2] == wire[:2] else None  # the id
                if response is not None:
                    return None if response.flags & dns.flags.TC else response
        return None

    def _over_tcp(self, server: NameServer, query: Any, wire: bytes, until: float) -> Any:
        with _socket(server, socket.SOCK_STREAM) as sock, _within(until):
            sock.connect(server)
            sock.sendall(struct.pack(">H", len(wire)) + wire)
            (size,) = struct.unpack(">H", _received(sock, 2))
            if size > MOST_BYTES:
                raise LookupFailed("the answer is too long")
            data = _received(sock, size)
        response = self._read(data, query)
        if response is None:
            raise LookupFailed("the answer is malformed")
        return response

    def _read(self, data: bytes, query: Any) -> Any:
        self._wait_for_turn()
        return read(data, query)

    def _wait_for_turn(self) -> None:
        if monotonic() < self._round_ends:
            return
        with self._next_round:
            if monotonic() >= self._round_ends:
                gevent.sleep(ONE_ROUND)
                self._round_ends = monotonic() + ROUND_SECONDS


def read(data: bytes, query: Any) -> Any:
    """The message if it is an answer to the query, else None. Of one that was cut off, the head is enough."""
    try:
        response = dns.message.from_wire(data, raise_on_truncation=True)
    except dns.message.Truncated as cut_off:
        response = cut_off.kwargs["message"]
    except (dns.exception.DNSException, ValueError):
        return None
    return response if query.is_response(response) else None


def answer_in(response: Any) -> Answer:
    """What a message says about its question, by way of aliases. Raises LookupFailed."""
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise LookupFailed(f"the name server says {dns.rcode.to_text(response.rcode())}")
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException:
        raise LookupFailed("the answer is malformed") from None
    return Answer(tuple(map(_record, islice(chain.answer or (), MOST_RECORDS))), chain.minimum_ttl)


def _record(found: Any) -> Record:
    if found.rdtype == dns.rdatatype.SRV:
        target = found.target.to_text(omit_final_dot=True).lower().removesuffix(".")
        return SRV(found.priority, found.weight, found.port, target)
    return str(found.address)


def _within(until: float) -> gevent.Timeout:
    """To wait no longer than that. What has come already is read all the same."""
    return gevent.Timeout(max(0.0, until - monotonic()), NoAnswer("no name server answers"))


def _socket(server: NameServer, kind: int) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in server.address else socket.AF_INET, kind)


def _received(sock: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = sock.recv(size - len(received))
        if not data:
            raise NoAnswer("the name server hung up")
        received += data
    return received
