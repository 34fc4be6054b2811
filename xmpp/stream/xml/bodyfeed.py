"""The bodies of BOSH (XEP-0124): each is a document of its own, whose root holds a part of a stream.

Its tag is read first, apart from the rest, as a stream header is; what it holds goes through the same guard and the
same parser as a stream of bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import ROOT, ROOT_END, quoted
from xmpp.stream.xml.elementfeed import ElementFeed, undeclared
from xmpp.stream.xml.header import XML_PREFIX, Root, read_root
from xmpp.stream.xml.nameguard import BLANK, NameGuard, ProcessNames, XMLLimits

HTTPBIND = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
BODY = f"{{{HTTPBIND}}}body"
TAG_BYTES = 10_000
_TAG_LIMITS = XMLLimits(stanza_bytes=TAG_BYTES, depth=1, elements=1, attributes=32, names=40)
_PREFIXES = {f"{{{XBOSH}}}": "xmpp:", XML_PREFIX: "xml:"}


@dataclass(frozen=True, slots=True)
class Body:
    """A body as it came. `attributes` are by name (`rid`, `xmpp:restart`, `xml:lang`), their values unchecked;
    `content` is what stands between its tags, not yet looked at, and `root` the tag that it is to be read in."""

    attributes: dict[str, str]
    content: bytes
    root: bytes


class BodyTag:
    """The tag that a body begins with. Raises StreamError if it is not that of a body."""

    def __init__(self, root: Root) -> None:
        if root.element.tag != BODY:
            raise StreamError("bad-format", f"expected <body/> in {HTTPBIND}")
        self.attributes = {_plain(str(key)): str(value) for key, value in root.element.items()}
        self._namespaces = dict(root.element.nsmap)
        self._name = root.name
        self._rest = root.rest

    def body(self, more: bytes) -> Body:
        """The whole body, of which `more` has come since its tag was read. Raises StreamError."""
        data = self._rest + more
        end = data.rstrip(BLANK)
        if not end.endswith(b">"):
            raise StreamError("not-well-formed", "the body does not end")
        content, _, name = end[:-1].rstrip(BLANK).rpartition(b"</")
        if name != self._name:
            raise StreamError("not-well-formed", "the body does not end")
        content = content.strip(BLANK)
        return Body(self.attributes, content, _stream_root(self._namespaces, content))


def read_tag(data: bytes, process_names: ProcessNames) -> BodyTag | None:
    """Read the tag of the body that `data` begins with; None if it is not complete yet. Raises StreamError."""
    root = read_root(data.lstrip(BLANK), NameGuard(process_names, _TAG_LIMITS))
    if len(data if root is None else root.tag) > TAG_BYTES:
        raise StreamError("policy-violation", "too long a tag")
    return None if root is None else BodyTag(root)


class BodyFeed(ElementFeed):
    """Reads what is in the bodies of one stream."""

    __slots__ = ()

    def read_body(self, body: Body) -> Iterator[etree._Element]:
        """Yield the elements in this body. Raises StreamError, also if the last of them is not complete."""
        assert self._guard is not None
        self._root, self._end = body.root, ROOT_END if body.root is ROOT else _OTHER_END
        for element in self.read(body.content):
            assert isinstance(element, etree._Element)  # nothing ends the stream in its middle
            yield element
        if not self._guard.is_between_stanzas:
            raise StreamError("not-well-formed", "an element does not end where its body does")

    def _parse(self, stanzas: list[bytes]) -> Iterable[tuple[etree._Element, bytes | None]]:
        return super()._parse([undeclared(stanza) for stanza in stanzas] if self._root is ROOT else stanzas)


def _plain(key: str) -> str:
    for namespace, prefix in _PREFIXES.items():
        if key.startswith(namespace):
            return prefix + key.removeprefix(namespace)
    return key


def _stream_root(namespaces: dict[str | None, str], content: bytes) -> bytes:
    """The tag of a stream in which what such a body holds means the same.

    Stanzas without a namespace are those of clients: many clients do not declare it (XEP-0206 section 2).
    """
    default = namespaces.get(None, HTTPBIND)
    used = {prefix: name for prefix, name in namespaces.items() if prefix and f"{prefix}:".encode() in content}
    if default in (HTTPBIND, names.CLIENT) and used.items() <= {"stream": names.STREAM}.items():
        return ROOT
    declared = {"xmlns": names.CLIENT if default == HTTPBIND else default}
    declared |= {f"xmlns:{prefix}": name for prefix, name in used.items()}
    return ("<body" + "".join(f" {key}={quoted(name)}" for key, name in declared.items()) + ">").encode()


_OTHER_END = b"</body>"
