"""Bytes to stanzas, without a socket: what a client sends becomes a header, then elements, then an end.

All of it goes through stanzaguard.py, which knows where tags and stanzas begin and end and lets nothing pass that has
no place in a stream (RFC 6120 section 11), and then into an lxml parser, in a tree whose root is ours.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lxml import etree

from xmpp import names
from xmpp.errors import StreamError
from xmpp.stream.header import OpenedStream, StreamHeader, read_header
from xmpp.stream.nameguard import BLANK, NameGuard, ProcessNames, XMLLimits
from xmpp.stream.stanzaguard import StanzaGuard
from xmpp.wire import ROOT, hardened

__all__ = ["StreamEnd", "StreamHeader", "XMLFeed", "XMLLimits"]

SLICE_BYTES = 4096  # a parser's buffer stays as large as the largest piece that it was given
USUAL_NAMESPACES = {None: names.CLIENT, "stream": names.STREAM}


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The client has closed its stream."""


class XMLFeed:
    """Reads one stream, from its header to its end. A stream that begins anew (after TLS, after SASL) takes a new one.

    `tags` are the elements that may stand at the top level, in Clark notation. `content` belongs to the element that
    was read last: the bytes between its tags where they can stand in another stream as they are, else None.
    """

    __slots__ = ("content", "_limits", "_tags", "_names", "_early", "_root", "_guard", "_tree", "_error")

    def __init__(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> None:
        self.content: bytes | None = None
        self._limits = limits
        self._tags = tags
        self._names = NameGuard(process_names, limits)
        self._early = b""  # what has come of the header
        self._root = ROOT
        self._guard: StanzaGuard | None = None  # from the header on
        self._tree: _Tree | None = None  # from the first stanza on
        self._error: StreamError | None = None

    def read(self, data: bytes) -> Iterator[StreamHeader | etree._Element | StreamEnd]:
        """What these bytes complete: a StreamHeader first, then elements, at last StreamEnd and nothing after it.

        An element stands in its tree, where it serialises as it came, until the next event is asked for. Raises
        StreamError where the stream must end, and from then on.
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
            self._tree = None
            raise

    def rest(self) -> None:
        """Give back the parser's memory, unless a stanza is under way. The next stanza makes a new one."""
        if self._guard is not None and self._guard.is_between_stanzas:
            self._tree = None

    def _read_header(self, data: bytes) -> OpenedStream | None:
        self._early = (self._early + data).lstrip(BLANK)
        opened = read_header(self._early, self._names)
        if len(opened.tag if opened else self._early) > self._limits.header_bytes:
            raise StreamError("policy-violation", "too long a stream header")
        if opened is not None:
            self._early = b""
            self._guard = StanzaGuard(self._limits, self._names, opened.name)
            if opened.header.namespaces != USUAL_NAMESPACES:
                self._root = opened.tag
        return opened

    def _read_slice(self, data: bytes) -> Iterator[etree._Element | StreamEnd]:
        guard = self._guard
        if guard is None or guard.is_closed:
            return
        admitted = guard.admit(data)
        if admitted:
            if self._tree is None:
                self._tree = _Tree(self._root, self._tags)
            contents = iter(guard.contents if self._root is ROOT else ())
            for element in self._tree.grow(admitted):
                self.content = next(contents, None)
                yield element
        if guard.refusal is not None:
            raise guard.refusal
        if guard.is_closed:
            self._tree = None
            yield StreamEnd()


class _Tree:
    """The tree of a stream: stanzas grow in it, one after another, and are taken out of it."""

    __slots__ = ("_parser", "_root", "_tags")

    def __init__(self, root: bytes, tags: Collection[str]) -> None:
        self._tags = tags
        self._parser = hardened(etree.XMLPullParser, events=("end", "comment"), tag=tags)
        self._parser.feed(root + b"<!---->")  # the only comment there will ever be: it leads to the root
        _, comment = next(self._parser.read_events())
        self._root = comment.getparent()
        self._root.remove(comment)

    def grow(self, data: bytes) -> Iterator[etree._Element]:
        """Parse more; the stanzas that it completes, each taken out after its turn."""
        parser, root = self._parser, self._root
        self._feed(data)
        for _, element in parser.read_events():
            if element is root[0]:  # neither nested in a stanza nor behind something unknown
                yield element
                root.remove(element)
        if len(root) and root[0].tag not in self._tags:  # nor may it begin: it might never end
            raise StreamError("unsupported-stanza-type")

    def _feed(self, data: bytes) -> None:
        """Raises StreamError for whatever libxml2 has to say, which is not always raised, beyond a mere warning."""
        try:
            self._parser.feed(data)
        except etree.XMLSyntaxError as error:
            raise StreamError("not-well-formed", error.msg) from None
        entry = self._parser.feed_error_log.last_error
        if entry is not None and entry.level >= etree.ErrorLevels.ERROR:
            raise StreamError("not-well-formed", entry.message)
