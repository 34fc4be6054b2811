"""What requests are answered: bodies of BOSH, as bytes (XEP-0124 sections 6 to 17)."""

from collections.abc import Mapping

from xmpp.data import names
from xmpp.data.wire import quoted
from xmpp.stream.xml.bodyfeed import HTTPBIND, XBOSH

ANSWER_BYTES = 65536  # an answer is longer only if a single stanza is
SEPARATOR = b"\0"  # between elements on their way here: XML cannot contain it, so answers are made of whole ones
END = b"\1"  # after the last element
_STREAM = b"stream:"


def written(content: bytes, attributes: Mapping[str, str]) -> bytes:
    """A body with this content, which declares the prefixes that are used in it."""
    own = {"xmlns": HTTPBIND, **attributes}
    if any(key.startswith("xmpp:") for key in attributes):
        own["xmlns:xmpp"] = XBOSH
    if _STREAM in content:
        own["xmlns:stream"] = names.STREAM
    head = "".join(f" {key}={quoted(value)}" for key, value in own.items()).encode()
    return b"<body%b>%b</body>" % (head, content) if content else b"<body%b/>" % head


def announced(host: str, stream_id: str) -> dict[str, str]:
    """The attributes that say that a stream has begun."""
    return {"from": host, "authid": stream_id, "xmpp:version": "1.0", "xmpp:restartlogic": "true"}


def terminated(condition: str | None = None, content: bytes = b"") -> bytes:
    """The last body; without a condition, as the client has wanted it (section 17.2)."""
    return written(content, {"type": "terminate", **({"condition": condition} if condition else {})})


EMPTY = written(b"", {})
LOST = written(b"", {"type": "error"})
"""A condition that the client recovers from: what it has had no answer to, it sends again (section 17.3)."""


def whole_elements(data: bytes) -> int:
    """How much of this one answer takes."""
    end = data.rfind(SEPARATOR, 0, ANSWER_BYTES) + 1 or data.find(SEPARATOR) + 1
    return end or len(data)
