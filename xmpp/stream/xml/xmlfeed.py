"""Bytes to stanzas, without a socket: what a peer sends becomes a header, then elements, then an end.

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
from xmpp.data.wire import DEFAULT, ROOT, ROOT_END, hardened, quoted
from xmpp.stream.xml.header import OpenedStream, StreamHeader, read_header
from xmpp.stream.xml.nameguard import BLANK, NameGuard, ProcessNames, XMLLimits
from xmpp.stream.xml.stanzaguard import StanzaGuard

__all__ = ["StreamEnd", "StreamHeader", "XMLFeed", "XMLLimits"]

SLICE_BYTES = 4096  # so many bytes of small stanzas are parsed at once
STREAM_PREFIX = "stream"
USUAL_STARTS = (b"<message ", b"<presence ", b"<iq ")


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The client has closed its stream."""


class XMLFeed:
    """Reads one stream, from its header to its end. A stream that begins anew (after TLS, after SASL) takes a new one.

    `tags` are the elements that may stand at its top level, in Clark notation. `namespace` is the content namespace of
    the stream: what is in it comes out in that of clients, as everything in the server is, and nothing else changes (a
    forwarded stanza has its own). `content` belongs to the element that was read last: the bytes between its tags if
    they mean the same in any other stream, else None.
    """

    __slots__ = (
        "content", "_limits", "_tags", "_namespace", "_names", "_early", "_root", "_end", "_prefixes", "_guard",
        "_error",
    )  # fmt: skip

    def __init__(
        self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str], namespace: str = names.CLIENT
    ) -> None:
        self.content: bytes | None = None
        self._namespace = namespace
        self._limits = limits
        self._tags = tags
        self._names = NameGuard(process_names, limits)
        self._early = b""  # the part of the header that has come
        self._root, self._end = ROOT, ROOT_END
        # Where the header declares prefixes beside the usual one: a stanza with none of them is parsed as any other.
        self._prefixes: tuple[bytes, ...] = ()
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
                if guard.begun and self._is_foreign(guard.begun):
                    raise StreamError("unsupported-stanza-type")  # it might never end
                if guard.is_closed:
                    yield StreamEnd()
        except StreamError as error:
            self._error = error
            raise

    def widen(self, limits: XMLLimits) -> None:
        """Let these limits hold from now on: the peer has shown who it is, and the stream goes on."""
        self._limits = limits
        self._names.widen(limits)
        if self._guard is not None:
            self._guard.widen(limits)

    def _read_header(self, data: bytes) -> OpenedStream | None:
        self._early = (self._early + data).lstrip(BLANK)
        opened = read_header(self._early, self._names)
        if len(opened.tag if opened else self._early) > self._limits.header_bytes:
            raise StreamError("policy-violation", "too long a stream header")
        if opened is not None:
            self._early = b""
            self._guard = StanzaGuard(self._limits, self._names, opened.name)
            self._choose_root(opened)
        return opened

    def _choose_root(self, opened: OpenedStream) -> None:
        """The root of the trees that stanzas are parsed in: it declares what the header did."""
        namespaces = dict(opened.header.namespaces)
        if namespaces.get(None) != self._namespace or namespaces.get(STREAM_PREFIX) != names.STREAM:
            self._root, self._end = opened.tag, b"</%b>" % opened.name
            return
        namespaces[None] = names.CLIENT
        others = [prefix for prefix in namespaces if prefix not in (None, STREAM_PREFIX)]
        if others:
            self._prefixes = tuple(f"{prefix}:".encode() for prefix in others)
            declared = (f" xmlns:{prefix}={quoted(namespaces[prefix])}" for prefix in others)
            self._root = ROOT[:-1] + "".join(declared).encode() + b">"

    def _parse(self, stanzas: list[bytes]) -> Iterable[tuple[etree._Element, bytes | None]]:
        """The elements, each with its `content` (see the class).

        Raises StreamError if one is not well-formed.
        """
        root, end = self._root, self._end
        if root is not ROOT:
            if not self._prefixes or any(prefix in stanza for prefix in self._prefixes for stanza in stanzas):
                tree = _parsed(b"".join([root, *stanzas, end]))
                return zip(map(self._converted, tree), [None] * len(stanzas), strict=True)
            root = ROOT
        if len(stanzas) == 1 and stanzas[0].startswith(USUAL_STARTS):
            content = _content(stanzas[0])
            if content is not None:  # to parse it alone saves a third of the work
                name, attributes = stanzas[0].split(b" ", 1)
                return ((_parsed(name + DEFAULT + b" " + attributes), content),)
        # Strict: if the numbers differed, a stanza would get another one's content.
        return zip(_parsed(b"".join([root, *stanzas, end])), map(_content, stanzas), strict=True)

    def _parse_before_the_bad_one(self, stanzas: list[bytes]) -> Iterable[tuple[etree._Element, bytes | None]]:
        """The elements before the one that is not well-formed."""
        with suppress(StreamError):
            for stanza in stanzas:
                yield from self._parse([stanza])

    def _is_foreign(self, start_tag: bytes) -> bool:
        """True if the element that begins with this tag may not stand at the top level."""
        element = _parsed(b"".join([self._root, start_tag[:-1], b"/>", self._end]))[0]
        return self._converted(element).tag not in self._tags

    def _converted(self, element: etree._Element) -> etree._Element:
        """The element with what is in the stream's content namespace, down to where others begin, in that of clients.

        That takes it only where a peer writes this namespace out: usually it is the default one (see `_choose_root`).
        """
        if self._namespace != names.CLIENT:
            _move(element, f"{{{self._namespace}}}")
        return element


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


def _move(element: etree._Element, namespace: str) -> None:
    tag = str(element.tag)
    if tag.startswith(namespace):
        element.tag = f"{{{names.CLIENT}}}{tag[len(namespace) :]}"
        for child in element:
            _move(child, namespace)


def _content(stanza: bytes) -> bytes | None:
    """The bytes between its first and its last tag, if they mean the same in any stream of jabber:client, else None."""
    start, end = stanza.find(b"<", 1), stanza.rfind(b"<")
    if start == end or stanza.find(b">") != start - 1 or stanza.find(b"xmlns", 0, start) >= 0:
        return None
    return None if stanza.find(b"stream:") >= 0 else stanza[start:end]


_PARSER = hardened(etree.XMLParser)
