"""Bytes to stanzas, without a socket: what a client sends becomes a header, then elements, then an end.

All of it goes through stanzaguard.py, which knows where tags and stanzas begin and end and lets nothing pass that has
no place in a stream (RFC 6120 section 11), and then into an lxml parser, in a tree whose root is ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from xmpp import names
from xmpp.errors import StreamError
from xmpp.stream.header import OpenedStream, StreamHeader, read_header
from xmpp.stream.nameguard import BLANK, NameGuard, ProcessNames, XMLLimits
from xmpp.stream.stanzaguard import StanzaGuard
from xmpp.stream.trees import Tree, Trees
from xmpp.wire import ROOT

__all__ = ["StreamEnd", "StreamHeader", "XMLFeed", "XMLLimits"]

SLICE_BYTES = 4096  # a parser's buffer stays as large as the largest piece that it was given
USUAL_NAMESPACES = {None: names.CLIENT, "stream": names.STREAM}


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The client has closed its stream."""


class XMLFeed:
    """Reads one stream, from its header to its end. A stream that begins anew (after TLS, after SASL) takes a new one.

    `content` belongs to the element that was read last: the bytes between its tags where they can stand in another
    stream as they are, else None.
    """

    __slots__ = ("content", "_limits", "_trees", "_names", "_early", "_root", "_guard", "_tree", "_error")

    def __init__(self, limits: XMLLimits, process_names: ProcessNames, trees: Trees) -> None:
        self.content: bytes | None = None
        self._limits = limits
        self._trees = trees
        self._names = NameGuard(process_names, limits)
        self._early = b""  # what has come of the header
        self._root = ROOT
        self._guard: StanzaGuard | None = None  # from the header on
        self._tree: Tree | None = None  # of the stanza under way
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
            tree, self._tree = self._tree or self._trees.take(self._root), None
            contents = guard.contents if self._root is ROOT else [None] * len(guard.contents)
            # Strict: were there a difference, somebody would get what belongs to another stanza, or another stream.
            for element, self.content in zip(tree.grow(admitted), contents, strict=True):
                yield element
            self._put_away(tree, guard)
        if guard.refusal is not None:
            raise guard.refusal
        if guard.is_closed:
            yield StreamEnd()

    def _put_away(self, tree: Tree, guard: StanzaGuard) -> None:
        """Keep a tree only if it is one of a kind, or the last stanza in it is not whole."""
        if self._root is ROOT and guard.is_between_stanzas and guard.refusal is None:
            self._trees.give_back(tree)
        else:
            self._tree = tree
