"""TLS over a socket: we read the bytes, and give OpenSSL a few records at a time.

If OpenSSL read the socket itself, it would go on for as long as records without data come: a peer that sends key
updates without pause (RFC 8446 section 4.6.3) would keep the loop. Here each record has a price, whatever is in it, and
bytes that carry no data are paid for like data.
"""

import ssl
from typing import Any

import gevent

from xmpp.data.errors import StreamError
from xmpp.stream.pace import Pace
from xmpp.stream.tls.between_servers import ClientTLS
from xmpp.stream.tls.client_hello import RECORD_HEADER_BYTES, read_hello
from xmpp.stream.tls.contexts import XMPP_SERVER
from xmpp.stream.tls.records import Records
from xmpp.stream.tls.tls import NO_APPLICATION_PROTOCOL, ServerTLS

READ_BYTES = 16384  # what is read at once is parsed at once
RECORD_BYTES = 16384  # of data in one record, RFC 8446 section 5.1
HANDSHAKE_BYTES = 512  # at a time, which OpenSSL takes a millisecond for at most
UNSENT_BYTES = 65536  # of OpenSSL's own answers, for a peer that does not read

# A key update takes 20 to 50 us. Records with data that come one by one cost their data alone, as without TLS.
RECORDS_AT_ONCE = 16
RECORDS_PER_SECOND = 5_000
# A stranger needs some ten records to get a session, and many strangers may come at once.
STRANGERS_RECORDS_AT_ONCE = 1
STRANGERS_RECORDS_PER_SECOND = 50
STRANGERS_RECORDS = 300


def receive(sock: Any, size: int) -> bytes:
    """Wait for bytes on a gevent socket and return at most `size`; b"" at the end. Yields. Raises OSError."""
    while True:
        sock._wait(sock._read_event)
        try:
            received: bytes = sock._sock.recv(size)
            return received
        except BlockingIOError:
            continue


class SecuredSocket:
    """Our side of one connection; `layer` is the ssl module's object for it. There is one reader.

    All connections share the buffers between OpenSSL and us, since OpenSSL never shrinks a buffer. So they are empty
    whenever this yields or returns.
    """

    __slots__ = ("layer", "_ssl", "_sock", "_pace", "_incoming", "_outgoing", "_records", "_strangers_records",
                 "_expects_record", "_ahead", "_unsent", "_owed")  # fmt: skip

    layer: ssl.SSLObject
    _ssl: Any  # the C object beneath the layer
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO

    def __init__(self, sock: Any, pace: Pace) -> None:
        self._sock, self._pace = sock, pace
        self._records = Records()
        self._strangers_records: int | None = STRANGERS_RECORDS  # how many may still come; None: it has a session
        self._expects_record = False  # the peer has a session, and the next byte begins a record
        self._ahead: tuple[bytes, ...] = ()  # data to be read before the socket is; b"" is the end, and stays
        self._unsent = b""
        self._owed = 0  # bytes of data in `_unsent` that have not been reported as sent yet

    def trust(self) -> None:
        """Say that the peer has a session: the limits for strangers no longer apply."""
        self._strangers_records = None
        self._pace.is_stranger(None)
        self._expects_record = self._records.is_between

    def unread(self, data: bytes) -> None:
        """Have these bytes read once more."""
        self._ahead = (data, *self._ahead)

    # -- the handshake

    def shake_hands(self, tls: ServerTLS, *, is_direct: bool, for_servers: bool, asked_for: str) -> None:
        """Shake hands as the server. A client that begins with TLS (`is_direct`) has to name one of our application
        protocols, or none; it is another server if the port is `for_servers`, or if it names theirs. `asked_for`: the
        domain that it has named before, if any.

        Yields. Raises OSError, such as ssl.SSLError.
        """
        hello, received = read_hello(self._receive_portion)
        if is_direct and not tls.speaks_with(hello, for_servers=for_servers):
            self._sock._sock.send(NO_APPLICATION_PROTOCOL)
            raise ssl.SSLError("the client offers other application protocols only")
        for_servers |= is_direct and XMPP_SERVER.encode() in hello.protocols
        self._shake_hands(tls, tls.layer(hello, for_servers=for_servers, asked_for=asked_for), received)

    def shake_hands_as_client(self, tls: ClientTLS, ours: str, theirs: str, *, is_direct: bool) -> None:
        """The same as the client: for our domain, with the server of theirs."""
        self._shake_hands(tls, tls.layer(ours, theirs, is_direct=is_direct), b"")

    def _shake_hands(self, tls: ServerTLS | ClientTLS, layer: ssl.SSLObject, received: bytes) -> None:
        self._incoming, self._outgoing = tls.incoming, tls.outgoing
        self.layer, self._ssl = layer, layer._sslobj  # type: ignore[attr-defined]  # the layer's methods only pass on
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
            if data := self._decrypt(b""):  # data that came together with the end of the handshake
                self._ahead = (data, *self._ahead)
            return True
        finally:
            while not self._flush():
                self._sock._wait(self._sock._write_event)

    def _receive_portion(self) -> bytes:
        portion = receive(self._sock, HANDSHAKE_BYTES)
        if not portion:
            raise ssl.SSLEOFError("gone during the handshake")
        self._pace.queue_up()
        self._records.follow(portion)
        self._pace.turn.begin()  # what others took meanwhile does not count
        self._pace.pay(len(portion))
        return portion

    # -- reading

    def read(self) -> bytes:
        """Wait for data and return some; b"" when the peer sends no more. Always yields.

        Raises OSError, and StreamError if a peer without a session sends more records than it takes to get one.
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
            # A single whole record, the usual case, is read here with as few calls as possible.
            if self._expects_record and size > RECORD_HEADER_BYTES and received[3] * 256 + received[4] + 5 == size:
                self._incoming.write(received)
                try:
                    data: bytes = self._ssl.read(size) or self._stop_reading()
                except ssl.SSLError as error:
                    data = self._without_data(error, size)
            else:
                data = self._read_in_portions(received)
            if data or self._ahead:
                return data

    def _read_ahead(self) -> bytes:
        gevent.sleep(0)  # so that what was written goes out before the connection is closed
        data = self._ahead[0]
        if data:
            self._ahead = self._ahead[1:]
        return data

    def _without_data(self, error: ssl.SSLError, size: int) -> bytes:
        """Charge for one record that held no data. Yields."""
        self._raise_but_want(error)
        self._answer()
        self._pace.turn.begin()
        self._pay(size, 1)
        return b""

    def _read_in_portions(self, received: bytes) -> bytes:
        if not received:
            return self._stop_reading()
        if self._is_refused:
            return received  # not decrypted any more; it only shows that the peer is still there
        self._pace.turn.begin()
        is_known = self._strangers_records is None
        found: list[bytes] = []
        for portion, records in self._records.portions(
            received, RECORDS_AT_ONCE if is_known else STRANGERS_RECORDS_AT_ONCE
        ):
            if found and not is_known:
                self._pace.give_way()  # even within a turn, as many strangers may begin theirs at once
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
        """The data in the records that this portion completes."""
        self._incoming.write(portion)
        found = []
        try:
            while self._incoming.pending:
                data = self._ssl.read(RECORD_BYTES)
                if not data:
                    self._stop_reading()
                found.append(data)
        except ssl.SSLError as error:
            self._raise_but_want(error)
        return b"".join(found)

    def _raise_but_want(self, error: ssl.SSLError) -> None:
        """Raise the error, unless it only says that OpenSSL has taken all bytes and wants more."""
        if not isinstance(error, ssl.SSLWantReadError):
            self._stop_reading()
            raise error

    def _stop_reading(self) -> bytes:
        """Read nothing more from now on; returns b"", for the end."""
        self._ahead = (b"",)
        self._incoming.read()
        self._flush()  # OpenSSL tells the peer what is wrong
        return b""

    def _answer(self) -> None:
        """Send what OpenSSL answers to what it has read. Raises OSError if the peer does not read its answers."""
        if self._outgoing.pending and not self._flush() and len(self._unsent) > UNSENT_BYTES:
            raise BrokenPipeError("the peer reads nothing")

    # -- what it costs

    def _pay(self, size: int, records: int) -> None:
        """Charge for bytes that carried no data, and for records. Yields. `size` is negative where a record's data
        comes in this portion and most of its bytes came, and were charged, before."""
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
        """Send what the socket takes at once; returns how many bytes that was. The caller passes the rest again.

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

    def send_close_notify(self) -> None:
        """Send the alert that says that nothing was cut off (RFC 8446 section 6.1), without waiting for the peer's."""
        try:
            self.layer.unwrap()
        except ssl.SSLError:
            pass  # it has not answered yet
        self._flush()

    def _flush(self) -> bool:
        """Send what the socket takes of OpenSSL's bytes; True if none are left."""
        unsent = self._unsent + self._outgoing.read()
        if not unsent:
            return True
        try:
            sent = self._sock._sock.send(unsent)
        except BlockingIOError:
            sent = 0
        self._unsent = unsent[sent:]
        return not self._unsent
