"""Bytes to stanzas, without a socket: what a client sends becomes a header, then elements, then an end.

All of it goes through stanzaguard.py, which knows where tags and stanzas begin and end and lets nothing pass that has
no place in a stream (RFC 6120 section 11). A stanza that is whole is parsed by lxml, in a tree whose root is ours. So
no parser is kept for anybody, and nothing but bytes of what is not whole.
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

SLICE_BYTES = 4096  # of small stanzas, so many are parsed at once
USUAL_NAMESPACES = {None: names.CLIENT, "stream": names.STREAM}
USUAL_STARTS = (b"<message ", b"<presence ", b"<iq ")


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The client has closed its stream."""


class XMLFeed:
    """Reads one stream, from its header to its end. A stream that begins anew (after TLS, after SASL) takes a new one.

    `tags` are the elements that it may consist of, in Clark notation. `content` belongs to the element that was read
    last: the bytes between its tags where they can stand in another stream as they are, else None.
    """

    __slots__ = ("content", "_limits", "_tags", "_names", "_early", "_root", "_end", "_guard", "_error")

    def __init__(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> None:
        self.content: bytes | None = None
        self._limits = limits
        self._tags = tags
        self._names = NameGuard(process_names, limits)
        self._early = b""  # what has come of the header
        self._root, self._end = ROOT, ROOT_END
        self._guard: StanzaGuard | None = None  # from the header on
        self._error: StreamError | None = None

    def read(self, data: bytes) -> Iterator[StreamHeader | etree._Element | StreamEnd]:
        """What these bytes complete: a StreamHeader first, then elements, at last StreamEnd and nothing after it.

        An element stands in a tree, where it serialises as it came. Raises StreamError where the stream must end, and
        from then on.
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
        """The elements, each with the bytes between its tags where those can stand in another stream.

        Raises StreamError if one is not well-formed.
        """
        if self._root is not ROOT:
            return zip(self._tree_of(stanzas), [None] * len(stanzas), strict=True)
        if len(stanzas) == 1 and stanzas[0].startswith(USUAL_STARTS):
            content = _content(stanzas[0])
            if content is not None:  # a tree for it alone spares a third of the work
                name, attributes = stanzas[0].split(b" ", 1)
                return ((_parsed(name + DEFAULT + b" " + attributes), content),)
        # Strict: were there a difference, somebody would get what belongs to another stanza.
        return zip(self._tree_of(stanzas), map(_content, stanzas), strict=True)

    def _parse_before_the_bad_one(self, stanzas: list[bytes]) -> Iterable[tuple[etree._Element, bytes | None]]:
        """The same where one is not well-formed: those before it are good."""
        with suppress(StreamError):
            for stanza in stanzas:
                yield from self._parse([stanza])

    def _tree_of(self, stanzas: list[bytes]) -> etree._Element:
        return _parsed(b"".join([self._root, *stanzas, self._end]))


def _parsed(data: bytes) -> etree._Element:
    """Raises StreamError for whatever libxml2 has to say beyond a mere warning."""
    try:
        _PARSER.feed(data)  # cheaper than `fromstring`, with a fresh buffer all the same
        root: etree._Element = _PARSER.close()
    except etree.XMLSyntaxError as error:
        raise StreamError("not-well-formed", error.msg) from None
    log = _PARSER.feed_error_log
    if log and (errors := log.filter_from_errors()):  # not all of them are raised
        raise StreamError("not-well-formed", errors[0].message)
    return root


def _content(stanza: bytes) -> bytes | None:
    """What stands between its first and its last tag, if it means the same in any stream of jabber:client."""
    start, end = stanza.find(b"<", 1), stanza.rfind(b"<")
    if start == end or stanza.find(b">") != start - 1 or stanza.find(b"xmlns", 0, start) >= 0:
        return None
    return None if stanza.find(b"stream:") >= 0 else stanza[start:end]


_PARSER = hardened(etree.XMLParser)
