"""TLS over a socket, where the bytes pass through our own hands in small portions.

OpenSSL on the socket itself goes on reading for as long as what comes is its own business: whoever sends key updates
without pause (RFC 8446 section 4.6.3) would hold the loop. Here it gets a portion at a time, and bytes that carry no
data are paid for like data.
"""

import ssl
from time import monotonic
from typing import Any

from xmpp.stream.client_hello import HelloReader
from xmpp.stream.pace import Pace
from xmpp.stream.tls import NO_APPLICATION_PROTOCOL, ServerTLS, speaks_ours

READ_BYTES = 16384  # what is read at once is parsed at once
PORTION_BYTES = 512  # some twenty key updates, which take less than a millisecond
STRANGERS_BYTES = 128  # of who has no session: there may be many of them, and a round of all is not to take long
MOST_BYTES = 4096
QUICK_SECONDS = 50e-6
# The buffers between OpenSSL and us keep their largest size for as long as the connection lasts.
RECORD_BYTES = 2048
UNSENT_BYTES = 65536  # of what OpenSSL itself has to say, to a peer that does not read


def receive(sock: Any, size: int) -> bytes:
    """Wait for bytes on a socket of gevent's and return so many at most; b"" at the end. Yields. Raises OSError."""
    while True:
        sock._wait(sock._read_event)
        try:
            received: bytes = sock._sock.recv(size)
            return received
        except BlockingIOError:
            continue


class SecuredSocket:
    """The server's side of one connection; `layer` is how the ssl module sees it. There is one reader.

    `portion`: how many bytes OpenSSL gets at a time, if it is not quick with them.
    """

    __slots__ = ("layer", "portion", "_sock", "_pace", "_incoming", "_outgoing", "_ahead", "_is_over", "_unpaid",
                 "_unsent", "_owed")  # fmt: skip

    layer: ssl.SSLObject

    def __init__(self, sock: Any, pace: Pace) -> None:
        self.portion = STRANGERS_BYTES
        self._sock = sock
        self._pace = pace
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ahead = b""  # data that came together with the end of the handshake
        self._unpaid = 0  # bytes that carried no data; negative while they did, but were paid for before
        self._unsent = b""
        self._owed = 0  # bytes of data that are in what is unsent, and were not yet said to be sent
        self._is_over = False

    # -- the handshake

    def shake_hands(self, tls: ServerTLS, *, is_direct: bool) -> None:
        """As the server. If the client begins with TLS (direct) and names protocols, ours must be one of them.

        Yields. Raises OSError, as ssl.SSLError is one.
        """
        reader, received = HelloReader(), b""
        while reader.hello is None:
            portion = self._receive_portion()
            received += portion
            reader.feed(portion)
        if is_direct and not speaks_ours(reader.hello):
            self._sock._sock.send(NO_APPLICATION_PROTOCOL)
            raise ssl.SSLError("the client offers other application protocols only")
        self.layer = tls.layer(reader.hello, self._incoming, self._outgoing)
        while not self._is_shaken(received[:PORTION_BYTES]):
            received = received[PORTION_BYTES:] or self._receive_portion()
        self._ahead = self._read(b"")

    def _is_shaken(self, portion: bytes) -> bool:
        self._incoming.write(portion)
        try:
            self.layer.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            while not self._flush():
                self._sock._wait(self._sock._write_event)
        return True

    def _receive_portion(self) -> bytes:
        portion = receive(self._sock, PORTION_BYTES)
        if not portion:
            raise ssl.SSLEOFError("gone during the handshake")
        self._pace.pay(len(portion))
        return portion

    # -- reading

    def read(self) -> bytes:
        """Wait for data and return some; b"" when the peer is done. Yields. Raises OSError."""
        data, self._ahead = self._ahead, b""
        while not (data or self._is_over):
            received = receive(self._sock, READ_BYTES)
            if not received:
                break
            data = self._read(received) if len(received) <= self.portion else self._read_in_portions(received)
        return data

    def _read_in_portions(self, received: bytes) -> bytes:
        """What OpenSSL was quick with may be the pieces of a large record: then it gets more at once."""
        self._pace.turn.begin()
        found, begin, size = [], 0, self.portion
        while begin < len(received):
            at = monotonic()
            found.append(self._read(received[begin : begin + size]))
            begin += size
            size = min(2 * size, MOST_BYTES) if monotonic() - at < QUICK_SECONDS else self.portion
        return b"".join(found)

    def _read(self, portion: bytes) -> bytes:
        """The data in the records that are whole with this portion."""
        self._incoming.write(portion)
        data = self._next_record()
        while self._incoming.pending and not self._is_over:
            data += self._next_record()
        if self._outgoing.pending:
            self._answer()
        self._unpaid += len(portion) - len(data)
        if self._unpaid >= self.portion:
            self._pace.pay(self._unpaid)
            self._unpaid = 0
        return data

    def _next_record(self) -> bytes:
        """The data of one record; b"" where none is whole."""
        try:
            data = self.layer.read(READ_BYTES)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            self._is_over = True
            self._flush()  # OpenSSL tells the peer what is wrong
            if isinstance(error, ssl.SSLZeroReturnError):
                return b""
            raise
        if not data:
            self._is_over = True
        return data

    def _answer(self) -> None:
        """Send what OpenSSL has to say to what it has read."""
        if not self._flush() and len(self._unsent) > UNSENT_BYTES:
            raise BrokenPipeError("the peer reads nothing")

    # -- writing

    def try_send(self, data: bytes) -> int:
        """Send what the socket takes at once; returns how many bytes that was. What was not sent has to come again.

        Never yields. Raises OSError.
        """
        if self._unsent and not self._flush():
            return 0
        sent, self._owed = self._owed, 0
        while sent < len(data):
            encrypted = self._encrypt(data[sent : sent + READ_BYTES])
            if not self._flush():
                self._owed = encrypted
                break
            sent += encrypted
        return sent

    def _encrypt(self, data: bytes) -> int:
        if len(data) <= RECORD_BYTES:
            return self.layer.write(data)
        records = []
        for begin in range(0, len(data), RECORD_BYTES):
            self.layer.write(data[begin : begin + RECORD_BYTES])
            records.append(self._outgoing.read())
        self._unsent = b"".join(records)
        return len(data)

    def notify_of_end(self) -> None:
        """RFC 8446 section 6.1: with this alert the peer knows that nothing was cut off. Its own is not waited for."""
        try:
            self.layer.unwrap()
        except ssl.SSLError:
            pass  # it has not answered yet
        self._flush()

    def _flush(self) -> bool:
        """Whether nothing is left."""
        unsent = self._unsent + self._outgoing.read() if self._unsent else self._outgoing.read()
        if not unsent:
            return True
        try:
            sent = self._sock._sock.send(unsent)
        except BlockingIOError:
            sent = 0
        self._unsent = unsent[sent:]
        return not self._unsent
