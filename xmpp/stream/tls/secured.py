"""TLS over a socket, where the bytes pass through our own hands, a few records at a time.

OpenSSL on the socket itself goes on reading for as long as what comes is its own business: whoever sends key updates
without pause (RFC 8446 section 4.6.3) would hold the loop. Here it gets a few records at a time. Those have a price,
whatever is in them, and bytes that carry no data are paid for like data.
"""

import ssl
from typing import Any

import gevent

from xmpp.data.errors import StreamError
from xmpp.stream.pace import Pace
from xmpp.stream.tls.client_hello import RECORD_HEADER_BYTES, HelloReader
from xmpp.stream.tls.records import Records
from xmpp.stream.tls.tls import NO_APPLICATION_PROTOCOL, ServerTLS, speaks_ours

READ_BYTES = 16384  # what is read at once is parsed at once
RECORD_BYTES = 16384  # of data in one record, RFC 8446 section 5.1
HANDSHAKE_BYTES = 512  # at a time, which OpenSSL takes a millisecond for at most
UNSENT_BYTES = 65536  # of what OpenSSL itself has to say, to a peer that does not read

# A key update takes 20 to 50 us. What comes one by one, with data, costs its data alone, as it does without TLS.
RECORDS_AT_ONCE = 16
RECORDS_PER_SECOND = 5_000
# Who has no session needs some ten records to get one, and may have company.
STRANGERS_RECORDS_AT_ONCE = 1
STRANGERS_RECORDS_PER_SECOND = 50
STRANGERS_RECORDS = 300


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

    The buffers between OpenSSL and us are the same ones for all connections, as OpenSSL never makes them smaller. So
    they are empty whenever this yields or returns.
    """

    __slots__ = ("layer", "_ssl", "_sock", "_pace", "_incoming", "_outgoing", "_records", "_strangers_records",
                 "_expects_record", "_ahead", "_unsent", "_owed")  # fmt: skip

    layer: ssl.SSLObject
    _ssl: Any  # what the layer calls itself
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO

    def __init__(self, sock: Any, pace: Pace) -> None:
        self._sock = sock
        self._pace = pace
        self._records = Records()
        self._strangers_records: int | None = STRANGERS_RECORDS  # so many may still come; None: it has a session
        self._expects_record = False  # of somebody who has a session, and there is nothing of it yet
        self._ahead: tuple[bytes, ...] = ()  # is read before the socket is looked at; b"" is the end, and stays
        self._unsent = b""
        self._owed = 0  # bytes of data that are in what is unsent, and were not yet said to be sent

    def trust(self) -> None:
        """The peer has a session."""
        self._strangers_records = None
        self._expects_record = self._records.is_between

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
        self._incoming, self._outgoing = tls.incoming, tls.outgoing
        self.layer = tls.layer(reader.hello)
        self._ssl = self.layer._sslobj  # type: ignore[attr-defined]  # the layer's own methods only pass on
        while not self._is_shaken(received[:HANDSHAKE_BYTES]):
            received = received[HANDSHAKE_BYTES:] or self._receive_portion()

    def _is_shaken(self, portion: bytes) -> bool:
        self._incoming.write(portion)
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            self._incoming.read()
            raise
        else:
            if data := self._decrypt(b""):  # that came together with the end of the handshake
                self._ahead = (data, *self._ahead)
            return True
        finally:
            while not self._flush():
                self._sock._wait(self._sock._write_event)

    def _receive_portion(self) -> bytes:
        portion = receive(self._sock, HANDSHAKE_BYTES)
        if not portion:
            raise ssl.SSLEOFError("gone during the handshake")
        self._records.follow(portion)
        self._pace.turn.begin()  # what others took meanwhile does not count
        self._pace.pay(len(portion))
        return portion

    # -- reading

    def read(self) -> bytes:
        """Wait for data and return some; b"" when the peer is done. Always yields.

        Raises OSError, and StreamError where whoever has no session sends more than it takes to get one.
        """
        if self._ahead:
            return self._read_ahead()
        sock = self._sock
        while True:
            sock._wait(sock._read_event)
            try:
                received = sock._sock.recv(READ_BYTES)
            except BlockingIOError:
                continue
            size = len(received)
            # What comes one by one is read here, with as few calls as can be.
            if self._expects_record and size > RECORD_HEADER_BYTES and received[3] * 256 + received[4] + 5 == size:
                self._incoming.write(received)
                try:
                    data: bytes = self._ssl.read(size) or self._end()
                except ssl.SSLError as error:
                    data = self._without_data(error, size)
            else:
                data = self._read_in_portions(received)
            if data or self._ahead:
                return data

    def _read_ahead(self) -> bytes:
        gevent.sleep(0)  # for what was written to go out before the connection is closed
        data = self._ahead[0]
        if data:
            self._ahead = self._ahead[1:]
        return data

    def _without_data(self, error: ssl.SSLError, size: int) -> bytes:
        """There was one record, and no data in it."""
        self._raise_but_want(error)
        self._answer()
        self._pace.turn.begin()
        self._pay(size, 1)
        return b""

    def _read_in_portions(self, received: bytes) -> bytes:
        if not received:
            return self._end()
        if self._is_refused:
            return received  # is not understood any more, and says that the peer is still there
        self._pace.turn.begin()
        is_known = self._strangers_records is None
        found: list[bytes] = []
        for portion, records in self._records.portions(
            received, RECORDS_AT_ONCE if is_known else STRANGERS_RECORDS_AT_ONCE
        ):
            if found and not is_known:
                self._pace.turn.give_way()  # turns are long until others wait, and all strangers may begin at once
            found.append(data := self._decrypt(portion))
            self._answer()
            if self._ahead:
                break
            self._pay(len(portion) - len(data), records)
            if self._is_refused:
                raise StreamError("policy-violation", "too many TLS records before login")
        self._expects_record = is_known and self._records.is_between
        return b"".join(found)

    def _decrypt(self, portion: bytes) -> bytes:
        """The data in the records that are whole with this portion."""
        self._incoming.write(portion)
        found = []
        try:
            while self._incoming.pending:
                data = self._ssl.read(RECORD_BYTES)
                if not data:
                    self._end()
                found.append(data)
        except ssl.SSLError as error:
            self._raise_but_want(error)
        return b"".join(found)

    def _raise_but_want(self, error: ssl.SSLError) -> None:
        """Where OpenSSL wants more, it has taken all that there was."""
        if not isinstance(error, ssl.SSLWantReadError):
            self._end()
            raise error

    def _end(self) -> bytes:
        """Nothing more is read."""
        self._ahead = (b"",)
        self._incoming.read()
        self._flush()  # OpenSSL tells the peer what is wrong
        return b""

    def _answer(self) -> None:
        """Send what OpenSSL has to say to what it has read."""
        if self._outgoing.pending and not self._flush() and len(self._unsent) > UNSENT_BYTES:
            raise BrokenPipeError("the peer reads nothing")

    # -- what it costs

    def _pay(self, size: int, records: int) -> None:
        """For bytes that carried no data, less than none where others paid for them before, and for records. Yields."""
        if self._strangers_records is None:
            self._pace.pay(size, records / RECORDS_PER_SECOND)
        else:
            self._strangers_records -= records
            self._pace.pay(size, records / STRANGERS_RECORDS_PER_SECOND)

    @property
    def _is_refused(self) -> bool:
        return self._strangers_records is not None and self._strangers_records < 0

    # -- writing

    def try_send(self, data: bytes) -> int:
        """Send what the socket takes at once; returns how many bytes that was. What was not sent has to come again.

        Never yields. Raises OSError.
        """
        if self._owed or self._unsent or len(data) > RECORD_BYTES:
            return self._try_send_all(data)
        self._encrypt(data)
        records = self._outgoing.read()
        try:
            sent = self._sock._sock.send(records)
        except BlockingIOError:
            sent = 0
        if sent == len(records):
            return len(data)
        self._unsent, self._owed = records[sent:], len(data)
        return 0

    def _try_send_all(self, data: bytes) -> int:
        if self._unsent and not self._flush():
            return 0
        sent, self._owed = self._owed, 0
        while sent < len(data):
            size = self._encrypt(data[sent : sent + RECORD_BYTES])
            if not self._flush():
                self._owed = size
                break
            sent += size
        return sent

    def _encrypt(self, data: bytes) -> int:
        try:
            size: int = self._ssl.write(data)
            return size
        except ssl.SSLError:
            self._outgoing.read()
            raise

    def notify_of_end(self) -> None:
        """RFC 8446 section 6.1: with this alert the peer knows that nothing was cut off. Its own is not waited for."""
        try:
            self.layer.unwrap()
        except ssl.SSLError:
            pass  # it has not answered yet
        self._flush()

    def _flush(self) -> bool:
        """Whether nothing is left."""
        unsent = self._unsent + self._outgoing.read()
        if not unsent:
            return True
        try:
            sent = self._sock._sock.send(unsent)
        except BlockingIOError:
            sent = 0
        self._unsent = unsent[sent:]
        return not self._unsent
