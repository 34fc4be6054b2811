"""One question to one name server: over UDP first, and over TCP if the answer does not fit.

The socket is connected, and its port is the system's choice; so a forged answer has to guess the port, the id and the
question (RFC 5452).
"""

import struct
from time import monotonic

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore

from xmpp.federation.dns import messages
from xmpp.federation.dns.failures import LookupFailed, NoAnswer
from xmpp.federation.dns.messages import MOST_BYTES, Answer, CutOff, NoOptions, Question
from xmpp.federation.dns.settings import NameServer

FORGED_ANSWERS = 16  # to one question; then somebody tries to forge one, which is much harder over TCP
ROUND_SECONDS = 0.002
ONE_ROUND = 1e-6  # a sleep of so many seconds returns after all sockets have been looked at


class Exchange:
    """Asks name servers. To read a message takes a while, and many may come at the same time: in one round of the loop
    it reads for ROUND_SECONDS, or one that takes longer."""

    def __init__(self) -> None:
        self._old: set[NameServer] = set()  # they do not know EDNS
        self._round_ends = 0.0
        self._next_round = BoundedSemaphore(1)

    def ask(self, server: NameServer, question: Question, seconds: float) -> Answer:
        """The answer to a question. Yields; waits for the name server for so many seconds. Raises NoAnswer,
        LookupFailed."""
        self._wait_for_turn()
        until = monotonic() + seconds
        try:
            return self._answer(server, messages.query(question, has_options=server not in self._old), until)
        except NoOptions:
            answer = self._answer(server, messages.query(question, has_options=False), until)
        self._old.add(server)
        return answer

    def _answer(self, server: NameServer, query: bytes, until: float) -> Answer:
        try:
            return self._over_udp(server, query, until) or self._over_tcp(server, query, until)
        except OSError as error:
            raise NoAnswer(f"no name server can be reached: {error.strerror or error}") from None

    def _over_udp(self, server: NameServer, query: bytes, until: float) -> Answer | None:
        """The answer; None if it has to be asked for over TCP."""
        with _socket(server, socket.SOCK_DGRAM) as sock:
            sock.connect(server)
            sock.send(query)
            for _ in range(FORGED_ANSWERS):
                with _within(until):
                    data = sock.recv(MOST_BYTES)
                self._wait_for_turn()
                try:
                    answer = messages.read(data, query)
                except CutOff:
                    return None
                if answer is not None:
                    return answer
        return None

    def _over_tcp(self, server: NameServer, query: bytes, until: float) -> Answer:
        with _socket(server, socket.SOCK_STREAM) as sock, _within(until):
            sock.connect(server)
            sock.sendall(struct.pack(">H", len(query)) + query)
            (size,) = struct.unpack(">H", _received(sock, 2))
            if size > MOST_BYTES:
                raise LookupFailed("the answer is too long")
            data = _received(sock, size)
        self._wait_for_turn()
        try:
            answer = messages.read(data, query)
        except CutOff:
            answer = None
        if answer is None:
            raise LookupFailed("the answer is malformed")
        return answer

    def _wait_for_turn(self) -> None:
        if monotonic() < self._round_ends:
            return
        with self._next_round:
            if monotonic() >= self._round_ends:
                gevent.sleep(ONE_ROUND)
                self._round_ends = monotonic() + ROUND_SECONDS


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
