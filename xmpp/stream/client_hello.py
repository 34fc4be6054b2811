"""The first message of a TLS client, read without I/O for what Python's ssl keeps to itself: the protocols it offers.

The ssl module selects an application protocol, but goes on when nothing fits, where RFC 7301 section 3.2 wants the
connection refused. Otherwise a browser could be led to talk HTTP to us in the name of our certificate (ALPACA).
"""

from io import BytesIO

RECORD_HEADER_BYTES = 5
MAX_RECORD_BYTES = 1 << 14  # RFC 8446 section 5.1
HANDSHAKE, CLIENT_HELLO, ALPN = 22, 1, 16


def record_size(header: bytes) -> int:
    """Return the size of the handshake record that begins so, header included; 0 if that is not what begins."""
    size = int.from_bytes(header[3:5])
    if len(header) < RECORD_HEADER_BYTES or header[0] != HANDSHAKE or size > MAX_RECORD_BYTES:
        return 0
    return RECORD_HEADER_BYTES + size


def offered_protocols(record: bytes) -> list[bytes]:
    """Return the application protocols a client hello offers, none for anything that is not a client hello.

    A hello that goes on in a second record is read as far as it is here; OpenSSL judges what is malformed.
    """
    message = BytesIO(record[RECORD_HEADER_BYTES:])
    if message.read(1) != bytes([CLIENT_HELLO]):
        return []
    message.read(3 + 2 + 32)  # length, version, random
    for length_bytes in (1, 2, 1):  # session id, cipher suites, compression methods
        _vector(message, length_bytes)
    extensions = BytesIO(_vector(message, 2))
    while kind := extensions.read(2):
        body = _vector(extensions, 2)
        if int.from_bytes(kind) == ALPN:
            return _names(body)
    return []


def _names(body: bytes) -> list[bytes]:
    names = BytesIO(_vector(BytesIO(body), 2))
    found = []
    while name := _vector(names, 1):
        found.append(name)
    return found


def _vector(stream: BytesIO, length_bytes: int) -> bytes:
    return stream.read(int.from_bytes(stream.read(length_bytes)))
