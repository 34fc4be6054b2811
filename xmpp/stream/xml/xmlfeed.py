"""Bytes to stanzas, without a socket: what a client sends becomes a header, then elements, then an end.

All bytes go through stanzaguard.py, which finds where tags and stanzas begin and end, and refuses what may not be in a
stream (RFC 6120 section 11). Only whole stanzas are parsed by lxml, in a tree whose root is ours. So no stream needs a
parser of its own, and of an unfinished stanza only its bytes are kept.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import DEFAULT, ROOT, ROOT_END, hardened
from xmpp.stream.xml.header import OpenedStream, StreamHeader, read_header
from xmpp.stream.xml.nameguard import BLANK, NameGuard, ProcessNames, XMLLimits
from xmpp.stream.xml.stanzaguard import StanzaGuard

__all__ = ["StreamEnd", "StreamHeader", "XMLFeed", "XMLLimits"]

SLICE_BYTES = 4096  # so many bytes of small stanzas are parsed at once
USUAL_NAMESPACES = {None: names.CLIENT, "stream": names.STREAM}
USUAL_STARTS = (b"<message ", b"<presence ", b"<iq ")


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The client has closed its stream."""


class XMLFeed:
    """Reads one stream, from its header to its end. A stream that begins anew (after TLS, after SASL) takes a new one.

    `tags` are the elements that may stand at its top level, in Clark notation. `content` belongs to the element that
    was read last: the bytes between its tags if they mean the same in any other stream, else None.
    """

    __slots__ = ("content", "_limits", "_tags", "_names", "_early", "_root", "_end", "_guard", "_error")

    def __init__(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> None:
        self.content: bytes | None = None
        self._limits = limits
        self._tags = tags
        self._names = NameGuard(process_names, limits)
        self._early = b""  # the part of the header that has come
        self._root, self._end = ROOT, ROOT_END
        self._guard: StanzaGuard | None = None  # from the header on
        self._error: StreamError | None = None

    def read(self, data: bytes) -> Iterator[StreamHeader | etree._Element | StreamEnd]:
        """Yield what these bytes complete: a StreamHeader first, then elements, then StreamEnd and nothing after it.

        An element stands in a tree, in which it serialises as it came. Raises StreamError if the stream must be closed;
        every later call raises it again.
        """
        if self._error is not None:
            raise StreamError(self._error.condition, self._error.text)
        try:
            if self._guard is None:
                opened = self._read_header(data)
                if opened is None:
                    return
                yield opened.header
                data = opened.rest
            guard = self._guard
            assert guard is not None
            for start in range(0, len(data), SLICE_BYTES):
                if guard.is_closed:
                    return
                whole, refusal = guard.admit(data[start : start + SLICE_BYTES]), guard.refusal
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
                if guard.begun and self._tree_of([guard.begun[:-1] + b"/>"])[0].tag not in self._tags:
                    raise StreamError("unsupported-stanza-type")  # it might never end
                if guard.is_closed:
                    yield StreamEnd()
        except StreamError as error:
            self._error = error
            raise

    def _read_header(self, data: bytes) -> OpenedStream | None:
        self._early = (self._early + data).lstrip(BLANK)
        opened = read_header(self._early, self._names)
        if len(opened.tag if opened else self._early) > self._limits.header_bytes:
            raise StreamError("policy-violation", "too long a stream header")
        if opened is not None:
            self._early = b""
            self._guard = StanzaGuard(self._limits, self._names, opened.name)
            if opened.header.namespaces != USUAL_NAMESPACES:
                self._root, self._end = opened.tag, b"</%b>" % opened.name
        return opened

    def _parse(self, stanzas: list[bytes]) -> Iterable[tuple[etree._Element, bytes | None]]:
        """The elements, each with its `content` (see the class).

        Raises StreamError if one is not well-formed.
        """
        if self._root is not ROOT:
            return zip(self._tree_of(stanzas), [None] * len(stanzas), strict=True)
        if len(stanzas) == 1 and stanzas[0].startswith(USUAL_STARTS):
            content = _content(stanzas[0])
            if content is not None:  # to parse it alone saves a third of the work
                name, attributes = stanzas[0].split(b" ", 1)
                return ((_parsed(name + DEFAULT + b" " + attributes), content),)
        # Strict: if the numbers differed, a stanza would get another one's content.
        return zip(self._tree_of(stanzas), map(_content, stanzas), strict=True)

    def _parse_before_the_bad_one(self, stanzas: list[bytes]) -> Iterable[tuple[etree._Element, bytes | None]]:
        """The elements before the one that is not well-formed."""
        with suppress(StreamError):
            for stanza in stanzas:
                yield from self._parse([stanza])

    def _tree_of(self, stanzas: list[bytes]) -> etree._Element:
        return _parsed(b"".join([self._root, *stanzas, self._end]))


def _parsed(data: bytes) -> etree._Element:
    """Raises StreamError for everything that libxml2 reports, except warnings."""
    try:
        _PARSER.feed(data)  # cheaper than `fromstring`, and also begins with a fresh buffer
        root: etree._Element = _PARSER.close()
    except etree.XMLSyntaxError as error:
        raise StreamError("not-well-formed", error.msg) from None
    log = _PARSER.feed_error_log
    if log and (errors := log.filter_from_errors()):  # not all of them are raised
        raise StreamError("not-well-formed", errors[0].message)
    return root


def _content(stanza: bytes) -> bytes | None:
    """The bytes between its first and its last tag, if they mean the same in any stream of jabber:client, else None."""
    start, end = stanza.find(b"<", 1), stanza.rfind(b"<")
    if start == end or stanza.find(b">") != start - 1 or stanza.find(b"xmlns", 0, start) >= 0:
        return None
    return None if stanza.find(b"stream:") >= 0 else stanza[start:end]


_PARSER = hardened(etree.XMLParser)
