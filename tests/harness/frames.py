"""A client's side of WebSocket frames (RFC 6455 section 5): what it sends is masked, what it gets is not."""

import secrets
from typing import NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Frame(NamedTuple):
    """A frame that came."""

    first: int
    """Its first byte: whether it is the last of a message, and its kind."""
    content: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F


def masked(content: bytes | str, first: int = 0x80 | TEXT) -> bytes:
    """A frame as a client writes it, by its first byte."""
    data = content.encode() if isinstance(content, str) else content
    mask = secrets.token_bytes(4)
    stretched = (mask * (len(data) // 4 + 1))[: len(data)]
    hidden = (int.from_bytes(data, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(data), "big")
    return bytes((first,)) + length(len(data), 0x80) + mask + hidden


def length(size: int, mask: int = 0) -> bytes:
    """How long a frame is, as it is written."""
    if size < 126:
        return bytes((mask | size,))
    return (
        bytes((mask | 126,)) + size.to_bytes(2, "big")
        if size < 65536
        else bytes((mask | 127,)) + size.to_bytes(8, "big")
    )


def taken(data: bytes) -> tuple[Frame | None, bytes]:
    """The frame of a server's that these bytes begin with, None if it is not complete, and what follows it."""
    if len(data) < 2:
        return None, data
    assert data[1] < 0x80, "a server's frame is not masked"
    width = {126: 2, 127: 8}.get(data[1], 0)
    size = int.from_bytes(data[2 : 2 + width], "big") if width else data[1]
    end = 2 + width + size
    if len(data) < max(2 + width, end):
        return None, data
    return Frame(data[0], data[2 + width : end]), data[end:]
