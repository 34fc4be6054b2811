"""What hostile clients send: stanzas as large, as many-parted, as deep or as small as they may be."""

from collections.abc import Iterator

STANZA_BYTES = 262_144
STANZA_ELEMENTS = 4_000
STANZA_DEPTH = 64
BLOCK_BYTES = 1 << 17  # of many small ones, so many bytes at once

HOSTILE, OTHER = "u2", "u3"  # the account that is hostile, and one that may be offline
RESOURCE = "hostile"
ITSELF = f"{HOSTILE}@localhost/{RESOURCE}0"
SOMEBODY = f"{OTHER}@localhost"
NOBODY = "nobody-has-this-name@localhost"


def message(to: str, size: int = STANZA_BYTES) -> bytes:
    """A chat message of that many bytes, all words."""
    return _filled(f"<message to='{to}' type='chat'><body>", "</body></message>", size)


def private_storage() -> bytes:
    """The largest request: to store something (XEP-0049)."""
    start = "<iq type='set' id='1'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
    return _filled(start, "</storage></query></iq>", STANZA_BYTES)


def most_elements(prefix: str = "") -> bytes:
    """The largest message of as many elements as are allowed. With a prefix it cannot be written as it came."""
    declared = f" xmlns:{prefix[:-1]}='jabber:client'" if prefix else ""
    elements = f"<{prefix}option label='abcdef'/>" * (STANZA_ELEMENTS - 1)
    return f"<{prefix}message{declared} to='{ITSELF}'>{elements}</{prefix}message>".encode()


def deepest() -> bytes:
    """Messages nested as deeply as is allowed."""
    depth = STANZA_DEPTH - 1
    return many(f"<message to='{ITSELF}'>{'<x>' * depth}{'</x>' * depth}</message>")


def many(stanza: str) -> bytes:
    """A block of the same stanza."""
    data = stanza.encode()
    return data * (BLOCK_BYTES // len(data))


def chat(to: str) -> str:
    """The shortest message that is archived and kept."""
    return f"<message to='{to}' type='chat'><body>x</body></message>"


def ping() -> str:
    """A request to the server (XEP-0199)."""
    return "<iq type='get' id='1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"


def archive_page() -> str:
    """A request for the largest page of one's archive (XEP-0313)."""
    newest = "<set xmlns='http://jabber.org/protocol/rsm'><max>250</max><before/></set>"
    return f"<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'>{newest}</query></iq>"


def roster_changes() -> bytes:
    """500 contacts added and removed again."""
    item = "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='c{}@localhost'{}/></query></iq>"
    changes = (item.format(number, how) for how in ("", " subscription='remove'") for number in range(500))
    return "".join(changes).encode()


def unknown_names(numbers: Iterator[int]) -> bytes:
    """A hundred messages of an element name each that has never been there."""
    return b"".join(b"<message><x%d/></message>" % next(numbers) for _ in range(100))


def _filled(start: str, end: str, size: int) -> bytes:
    """Filled up with words, all of them different ones, for they may be indexed."""
    room = size - len(start) - len(end)
    words = " ".join(f"{number:x}" for number in range(room // 4))
    return (start + words[:room] + end).encode()
