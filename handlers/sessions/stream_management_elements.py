"""The elements of XEP-0198: attributes checked, answers made."""

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from lxml import etree

from xmpp.data import names
from xmpp.routing.streams import Stream

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "urn:xmpp:sm:3"
SM = f"{{{NAMESPACE}}}sm"
ENABLE = f"{{{NAMESPACE}}}enable"
RESUME = f"{{{NAMESPACE}}}resume"
REQUEST = f"{{{NAMESPACE}}}r"
ANSWER = f"{{{NAMESPACE}}}a"

REQUEST_WIRE = f'<r xmlns="{NAMESPACE}"/>'.encode()

_LARGEST_COUNT = (1 << 32) - 1  # xs:unsignedInt
_DIGITS = re.compile(r"[ \t\r\n]*([0-9]{1,20})[ \t\r\n]*")


class Refused(Exception):
    """What <failed/> says: a stanza error condition, and how many stanzas were handled, None if that is unknown."""

    def __init__(self, condition: str, h: int | None = None) -> None:
        super().__init__(condition)
        self.condition = condition
        self.h = h

    def element(self) -> etree._Element:
        """The <failed/> element."""
        failed = element("failed") if self.h is None else element("failed", h=str(self.h))
        etree.SubElement(failed, f"{{{names.STANZA_ERRORS}}}{self.condition}", nsmap={None: names.STANZA_ERRORS})
        return failed


ElementHandler = Callable[["Server", Stream, etree._Element], None]


def or_failed(handle: ElementHandler) -> ElementHandler:
    """A handler that raises Refused answers <failed/>, and the stream goes on (section 6)."""

    @wraps(handle)
    def handle_or_fail(server: "Server", stream: Stream, asked: etree._Element) -> None:
        try:
            handle(server, stream, asked)
        except Refused as refused:
            stream.send_element(refused.element())

    return handle_or_fail


def element(name: str, **attributes: str) -> etree._Element:
    """An element of stream management."""
    return etree.Element(f"{{{NAMESPACE}}}{name}", attributes, nsmap={None: NAMESPACE})


def count(text: str | None) -> int:
    """The value of the attribute `h`. Raises Refused if it is missing or malformed."""
    number = _integer(text)
    if number > _LARGEST_COUNT:
        raise Refused("bad-request")
    return number


def seconds(text: str | None) -> int | None:
    """The value of the attribute `max`, in seconds; None if it is missing. Raises Refused if it is not positive."""
    if text is None:
        return None
    number = _integer(text)
    if number == 0:
        raise Refused("bad-request")
    return number


def boolean(text: str | None) -> bool:
    """The value of the attribute `resume`, False if it is missing. Raises Refused if it is malformed."""
    try:
        return names.BOOLEANS[(text or "false").strip()]
    except KeyError:
        raise Refused("bad-request") from None


def _integer(text: str | None) -> int:
    match = _DIGITS.fullmatch(text or "")
    if match is None:
        raise Refused("bad-request")
    return int(match[1])
