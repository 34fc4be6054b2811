"""Bytes to stanzas, without a socket: what a client sends becomes a header, then elements, then an end.

All of it goes through stanzaguard.py, which knows where tags and stanzas begin and end and lets nothing pass that has
no place in a stream (RFC 6120 section 11). A stanza that is whole is parsed by lxml, in a tree whose root is ours. So
no parser is kept for anybody, and nothing but bytes of what is not whole.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lxml import etree

from xmpp import names
from xmpp.errors import StreamError
from xmpp.stream.header import OpenedStream, StreamHeader, read_header
from xmpp.stream.nameguard import BLANK, NameGuard, ProcessNames, XMLLimits
from xmpp.stream.stanzaguard import StanzaGuard
from xmpp.wire import ROOT, ROOT_END, hardened

__all__ = ["StreamEnd", "StreamHeader", "XMLFeed", "XMLLimits"]

SLICE_BYTES = 4096  # of small stanzas, so many are parsed at once
USUAL_NAMESPACES = {None: names.CLIENT, "stream": names.STREAM}


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
            for start in range(0, len(data), SLICE_BYTES):
                yield from self._read_slice(data[start : start + SLICE_BYTES])
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

    def _read_slice(self, data: bytes) -> Iterator[etree._Element | StreamEnd]:
        guard = self._guard
        if guard is None or guard.is_closed:
            return
        whole = guard.admit(data)
        try:
            root = self._tree_of(whole) if whole else ()
        except StreamError:
            for stanza in whole:  # those before the bad one are good
                yield self._read_element(self._tree_of([stanza])[0], stanza)
            raise
        # Strict: were there a difference, somebody would get what belongs to another stanza.
        for element, stanza in zip(root, whole, strict=True):
            yield self._read_element(element, stanza)
        if guard.refusal is not None:
            raise guard.refusal
        if guard.begun:  # it might never end
            self._check_tag(self._tree_of([guard.begun[:-1] + b"/>"])[0])
        if guard.is_closed:
            yield StreamEnd()

    def _read_element(self, element: etree._Element, stanza: bytes) -> etree._Element:
        self._check_tag(element)
        self.content = _content(stanza) if self._root is ROOT else None
        return element

    def _tree_of(self, stanzas: list[bytes]) -> etree._Element:
        """Raises StreamError for whatever libxml2 has to say beyond a mere warning."""
        try:
            root: etree._Element = etree.fromstring(b"".join([self._root, *stanzas, self._end]), _PARSER)
        except etree.XMLSyntaxError as error:
            raise StreamError("not-well-formed", error.msg) from None
        log = _PARSER.error_log
        if log and (errors := log.filter_from_errors()):  # not all of them are raised
            raise StreamError("not-well-formed", errors[0].message)
        return root

    def _check_tag(self, element: etree._Element) -> None:
        if element.tag not in self._tags:
            raise StreamError("unsupported-stanza-type")


def _content(stanza: bytes) -> bytes | None:
    """What stands between its first and its last tag, if it means the same in any stream of jabber:client."""
    start, end = stanza.find(b"<", 1), stanza.rfind(b"<")
    if start == end or stanza.find(b">") != start - 1 or stanza.find(b"xmlns", 0, start) >= 0:
        return None
    content = stanza[start:end]
    return None if content.find(b"stream:") >= 0 else content


_PARSER = hardened(etree.XMLParser)
