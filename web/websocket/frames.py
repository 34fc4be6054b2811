"""Frames of WebSocket (RFC 6455 section 5), without a socket: a client's bytes to messages, our messages to bytes.

A client's frames are masked and ours are not. XMPP takes messages of text only, and no extensions (RFC 7395).
"""

import struct

from xmpp.data.errors import StreamError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, RESERVED, OPCODE, MASKED, LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
WHOLE_TEXT = FINAL | TEXT
CONTROL_BYTES = 125  # the most that a control frame may have, and that are counted in one byte
LONG, LONGER = 126, 127  # in place of a length: it follows in two bytes, or in eight
MASK_BYTES = 4
FRAGMENTS = 64  # browsers cut a large message where their buffers end

# Why a connection is closed (section 7.4.1), and which codes there are.
NORMAL, GOING_AWAY, PROTOCOL_ERROR, NOT_ACCEPTED, NO_CODE, NOT_UTF_8, TOO_BIG = 1000, 1001, 1002, 1003, 1005, 1007, 1009
CODES = frozenset({NORMAL, GOING_AWAY, PROTOCOL_ERROR, NOT_ACCEPTED, *range(1007, 1015), *range(3000, 5000)})


class FrameError(StreamError):
    """The client has broken the rules of frames. `code` is the one that the connection is closed with."""

    def __init__(self, code: int, text: str, condition: str = "bad-format") -> None:
        super().__init__(condition, text)
        self.code = code


class Frames:
    """Reads the frames of one connection.

    `limit` is how many bytes a message may have. `ping`: what came with the last one, None if there was none. `closing`
    is the client's code once it has closed the connection; `refusal` is set when we must. Nothing is read after that.
    """

    __slots__ = ("limit", "ping", "closing", "refusal", "_rest", "_missing", "_message", "_fragments")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.ping: bytes | None = None
        self.closing: int | None = None
        self.refusal: FrameError | None = None
        self._rest: bytes | bytearray = b""  # of a frame that has not come as a whole
        self._missing = 0  # so many bytes have to come before it is worth to look again
        self._message: bytearray | None = None  # the fragments that have come
        self._fragments = 0

    def take(self, data: bytes) -> list[bytes]:
        """Take bytes; returns the messages that they complete. Sets the rest, never raises."""
        found: list[bytes] = []
        if self._rest:
            self._rest += data
            if len(data) < self._missing:
                self._missing -= len(data)
                return found
            data = bytes(self._rest)
        if self.refusal is None:
            try:
                self._read(data, found)
            except FrameError as error:
                self.refusal = error
        return found

    def _read(self, data: bytes, found: list[bytes]) -> None:
        """The hot loop, so in one piece; whatever is not a whole message of text in one frame is left to others."""
        at, end, limit, to_number = 0, len(data), self.limit, int.from_bytes
        self._missing = 0
        while end - at >= 2 and self.closing is None:
            first, size, start = data[at], data[at + 1] & LENGTH, at + 2 + MASK_BYTES
            if size > CONTROL_BYTES:
                start += 2 if size == LONG else 8
                if start > end:
                    break
                size = _long_size(data[at + 2 : start - MASK_BYTES])
            is_usual = first == WHOLE_TEXT and data[at + 1] >= MASKED and size <= limit and self._message is None
            if not is_usual:
                self._check(first, data[at + 1] >= MASKED, size)
            at_next = start + size
            if at_next > end:
                self._missing = at_next - end
                break
            # Unmasked as one large number: byte by byte would take a hundred times as long.
            mask = (data[start - MASK_BYTES : start] * (size // MASK_BYTES + 1))[:size]
            content = (to_number(data[start:at_next]) ^ to_number(mask)).to_bytes(size)
            at = at_next
            if not is_usual:
                self._take_unusual(first, content, found)
            else:
                if not content.isascii():
                    _check_encoding(content)
                found.append(content)
        self._rest = bytearray(data[at:]) if at < end else b""

    def _check(self, first: int, is_masked: bool, size: int) -> None:
        """Raise FrameError for a frame that may not come now, by its head alone."""
        opcode = first & OPCODE
        if first & RESERVED:
            raise FrameError(PROTOCOL_ERROR, "reserved bits without an extension")
        if not is_masked:
            raise FrameError(PROTOCOL_ERROR, "a frame that is not masked")
        if opcode in (CLOSE, PING, PONG):
            if size > CONTROL_BYTES or not first & FINAL:
                raise FrameError(PROTOCOL_ERROR, "a control frame is short, and not a fragment")
        elif opcode == BINARY:
            raise FrameError(NOT_ACCEPTED, "text only")
        elif opcode not in (TEXT, CONTINUATION):
            raise FrameError(PROTOCOL_ERROR, f"no such kind of frame: {opcode}")
        elif (opcode == CONTINUATION) is (self._message is None):
            raise FrameError(PROTOCOL_ERROR, "fragments follow each other, and the first one says what they are")
        elif len(self._message or b"") + size > self.limit:
            raise FrameError(TOO_BIG, "too large a stanza", "policy-violation")
        elif self._fragments == FRAGMENTS:
            raise FrameError(TOO_BIG, "too many fragments", "policy-violation")

    def _take_unusual(self, first: int, content: bytes, found: list[bytes]) -> None:
        opcode = first & OPCODE
        if opcode == PING:
            self.ping = content
        elif opcode == CLOSE:
            self.closing = _code(content)
        elif opcode != PONG:
            self._message = (self._message or bytearray()) + content
            self._fragments += 1
            if first & FINAL:
                message, self._message, self._fragments = bytes(self._message), None, 0
                _check_encoding(message)
                found.append(message)


def text(message: bytes) -> bytes:
    """A frame with a whole message."""
    size = len(message)
    if size <= CONTROL_BYTES:
        return b"\x81%c%b" % (size, message)
    if size < 1 << 16:
        return struct.pack("!BBH", WHOLE_TEXT, LONG, size) + message
    return struct.pack("!BBQ", WHOLE_TEXT, LONGER, size) + message


def control(opcode: int, content: bytes = b"") -> bytes:
    """A control frame, with at most CONTROL_BYTES."""
    return bytes((FINAL | opcode, len(content))) + content


def close(code: int) -> bytes:
    """The frame that closes a connection. NO_CODE stands for none and is not written."""
    return control(CLOSE, b"" if code == NO_CODE else code.to_bytes(2, "big"))


def _long_size(written: bytes) -> int:
    size = int.from_bytes(written, "big")
    if size <= (CONTROL_BYTES if len(written) == 2 else 0xFFFF):
        raise FrameError(PROTOCOL_ERROR, "a length is written as short as possible")
    return size


def _check_encoding(written: bytes) -> None:
    try:
        written.decode()
    except UnicodeDecodeError:
        raise FrameError(NOT_UTF_8, "not UTF-8", "unsupported-encoding") from None


def _code(content: bytes) -> int:
    """Why the client has closed the connection (section 7.1.5). Raises FrameError."""
    if not content:
        return NO_CODE
    code = int.from_bytes(content[:2], "big")
    if len(content) == 1 or code not in CODES:
        raise FrameError(PROTOCOL_ERROR, "no such reason to close a connection")
    _check_encoding(content[2:])
    return code
