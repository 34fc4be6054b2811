"""A TLS client's first message, read without I/O before OpenSSL sees it: the host and the protocols it asks for.

Python's ssl would give us the host in a callback, but refuses a client whose host name is not ASCII. It also goes on
when no application protocol fits, where RFC 7301 section 3.2 wants the connection refused: a browser could be led to
talk HTTP to us under our certificate (ALPACA).
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

RECORD_HEADER_BYTES = 5
MAX_RECORD_BYTES = 1 << 14  # RFC 8446 section 5.1
MESSAGE_HEADER_BYTES = 4
MAX_BYTES = 1 << 15  # with all records that it is cut into; real ones have less than 2,000
HANDSHAKE, CLIENT_HELLO = 22, 1
SERVER_NAME, ALPN = 0, 16  # extensions
HOST_NAME = 0


@dataclass(frozen=True)
class ClientHello:
    """What a client says of itself: the host it asks for (SNI) in lower case, and the application protocols it offers.

    `server_name` is None if the client gives no name, or one that is not ASCII, which no host can have.
    """

    server_name: str | None = None
    protocols: tuple[bytes, ...] = ()


class HelloReader:
    """Takes bytes until the hello is whole; until then `hello` is None. What is malformed is for OpenSSL to judge."""

    def __init__(self) -> None:
        self.hello: ClientHello | None = None
        self._received = bytearray()
        self._next = 0  # where the record begins that is not whole yet
        self._message = bytearray()

    def feed(self, data: bytes) -> None:
        """Take more bytes. If they are not a hello, or it is far too large, `hello` becomes an empty one."""
        self._received += data
        while len(self._received) - self._next >= RECORD_HEADER_BYTES:
            begin = self._next + RECORD_HEADER_BYTES
            size = record_size(bytes(self._received[self._next : begin]))
            if not size:
                self.hello = ClientHello()
                return
            if len(self._received) < self._next + size:
                break
            self._next += size
            self._message += self._received[begin : self._next]
            if _is_whole(self._message):
                self.hello = _read(bytes(self._message))
                return
        if len(self._received) > MAX_BYTES:
            self.hello = ClientHello()


def read_hello(receive: Callable[[], bytes]) -> tuple[ClientHello, bytes]:
    """The hello in what is received, and all bytes that this took."""
    reader, received = HelloReader(), b""
    while reader.hello is None:
        portion = receive()
        received += portion
        reader.feed(portion)
    return reader.hello, received


def record_size(header: bytes) -> int:
    """The size of the handshake record with this header, header included; 0 if this does not begin one."""
    size = int.from_bytes(header[3:5])
    if len(header) < RECORD_HEADER_BYTES or header[0] != HANDSHAKE or size > MAX_RECORD_BYTES:
        return 0
    return RECORD_HEADER_BYTES + size


def _is_whole(message: bytearray) -> bool:
    if message[:1] != bytes([CLIENT_HELLO]):
        return len(message) > 0  # as whole as it gets
    return len(message) >= MESSAGE_HEADER_BYTES + int.from_bytes(message[1:MESSAGE_HEADER_BYTES])


def _read(message: bytes) -> ClientHello:
    if message[0] != CLIENT_HELLO:
        return ClientHello()
    body = BytesIO(message[MESSAGE_HEADER_BYTES:])
    body.read(2 + 32)  # version, random
    for length_bytes in (1, 2, 1):  # session id, cipher suites, compression methods
        _vector(body, length_bytes)
    extensions = dict(_extensions(BytesIO(_vector(body, 2))))
    return ClientHello(
        server_name=_host_name(extensions.get(SERVER_NAME, b"")),
        protocols=tuple(_vectors(_vector(BytesIO(extensions.get(ALPN, b"")), 2))),
    )


def _extensions(stream: BytesIO) -> "list[tuple[int, bytes]]":
    found = []
    while kind := stream.read(2):
        found.append((int.from_bytes(kind), _vector(stream, 2)))
    return found


def _host_name(extension: bytes) -> str | None:
    """RFC 6066 section 3."""
    names = BytesIO(_vector(BytesIO(extension), 2))
    if names.read(1) != bytes([HOST_NAME]):
        return None
    name = _vector(names, 2)
    return name.decode("ascii").lower() if name and name.isascii() else None


def _vectors(content: bytes) -> list[bytes]:
    stream = BytesIO(content)
    found = []
    while vector := _vector(stream, 1):
        found.append(vector)
    return found


def _vector(stream: BytesIO, length_bytes: int) -> bytes:
    return stream.read(int.from_bytes(stream.read(length_bytes)))
