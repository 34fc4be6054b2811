"""Elements that come one by one, each of them whole: the messages of WebSocket (RFC 7395).

They go through the same guard and the same parser as a stream of bytes.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from lxml import etree

from xmpp.data.errors import StreamError
from xmpp.stream.xml.nameguard import CDATA_START, ProcessNames, XMLLimits
from xmpp.stream.xml.stanzaguard import CDATA_END, StanzaGuard
from xmpp.stream.xml.xmlfeed import SLICE_BYTES, XMLFeed

# A stanza that declares jabber:client as clients write it, and no other default.
_ATTRIBUTES = rb"(?: (?!xmlns[ =])[^ =<>/'\"]++=(?:'[^'<]*+'|\"[^\"<]*+\"))*+"
_STANZA = re.compile(
    rb"(<(?:message|presence|iq)%b) xmlns=(?:'jabber:client'|\"jabber:client\")(?=%b ?/?>)" % (_ATTRIBUTES, _ATTRIBUTES)
)


class ElementFeed(XMLFeed):
    """Reads elements, from the first one on. Each stands alone: it declares its namespaces, and is of jabber:client if
    it declares no default."""

    __slots__ = ()

    def __init__(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> None:
        super().__init__(limits, process_names, tags)
        self._guard = StanzaGuard(limits, self._names, root=b"")  # there is no header, and no root

    def read_each(self, messages: Sequence[bytes]) -> Iterator[etree._Element]:
        """Yield the elements that these messages are, as `read` does. Raises StreamError: bad-format if a message is
        anything else than one whole element."""
        written = [undeclared(message) for message in messages]
        for batch in _batches(written):
            if len(batch) == 1 and (len(batch[0]) > SLICE_BYTES or CDATA_START in batch[0]):
                yield self._read_alone(batch[0])
            else:
                yield from self._read_together(batch)

    def _read_together(self, batch: list[bytes]) -> Iterator[etree._Element]:
        guard = self._guard
        assert guard is not None
        whole, refusal = guard.admit(b"".join(batch)), guard.refusal
        if whole != batch:
            whole = _alike(whole, batch)
            refusal = refusal if refusal and _may_be_whole(batch[len(whole)]) else _not_one_element()
        try:
            found = self._parse(whole) if whole else ()
        except StreamError as error:
            found, refusal = self._parse_before_the_bad_one(whole), error
        for element, self.content in found:
            if element.tag not in self._tags:
                raise StreamError("unsupported-stanza-type")
            yield element
        if refusal is not None:
            raise refusal

    def _read_alone(self, message: bytes) -> etree._Element:
        """By slices, since it is large; or of other bytes than it is written, since it contains CDATA."""
        assert self._guard is not None
        if not _may_be_whole(message):
            raise _not_one_element()
        found = None
        for element in self.read(message):
            if found is not None or not isinstance(element, etree._Element):
                raise _not_one_element()
            found = element
        if found is None or not self._guard.is_between_stanzas:
            raise _not_one_element()
        return found


def _batches(messages: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Together those that are small: to read several at once costs a fraction."""
    batch: list[bytes] = []
    size = 0
    for message in messages:
        size += len(message)
        if batch and (size > SLICE_BYTES or CDATA_START in message or CDATA_START in batch[-1]):
            yield batch
            batch, size = [], len(message)
        batch.append(message)
    if batch:
        yield batch


def undeclared(message: bytes) -> bytes:
    """The same without the declaration, if it is a stanza of jabber:client that can do without it: it is read the short
    way then, and its content can be passed on as it is."""
    declared = _STANZA.match(message)
    return message if declared is None else declared[1] + message[declared.end() :]


def _may_be_whole(message: bytes) -> bool:
    return message.startswith(b"<") and message.endswith(b">") and not message.endswith(CDATA_END)


def _alike(some: list[bytes], others: list[bytes]) -> list[bytes]:
    """What both begin with."""
    same = 0
    while same < min(len(some), len(others)) and some[same] == others[same]:
        same += 1
    return some[:same]


def _not_one_element() -> StreamError:
    return StreamError("bad-format", "a message is one whole element, and nothing else (RFC 7395 section 3.3.3)")
