"""The header that a client opens its stream with (RFC 6120 section 4.7), read apart from what follows it."""

import re
from codecs import utf_8_decode
from dataclasses import dataclass

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import hardened
from xmpp.stream.xml.nameguard import BLANK, CLOSE, EMPTY, NameGuard, check_references, has_whole_tag

XML_PREFIX = f"{{{names.XML}}}"


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """The client's stream header. `attributes` are by name (`to`, `version`, `xml:lang`), their values unchecked."""

    attributes: dict[str, str]
    namespaces: dict[str | None, str]  # by prefix; the default one at None

    @property
    def default_namespace(self) -> str | None:
        """The content namespace, where it is declared as it usually is."""
        return self.namespaces.get(None)


@dataclass(frozen=True, slots=True)
class Root:
    """The start tag of a document's root, whatever it is."""

    element: etree._Element  # without its content
    tag: bytes  # as it came, from "<" to ">"
    name: bytes  # with its prefix
    rest: bytes  # what came after the tag


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A stream whose header has been read."""

    header: StreamHeader
    tag: bytes  # the header as it came, from "<" to ">"
    name: bytes  # the root's, with the client's prefix
    rest: bytes  # what came after the header


def read_header(data: bytes, guard: NameGuard) -> OpenedStream | None:
    """Read the header that `data` begins with; None if it is not complete yet. Raises StreamError."""
    root = read_root(data, guard)
    return None if root is None else OpenedStream(_header(root.element), root.tag, root.name, root.rest)


def read_root(data: bytes, guard: NameGuard) -> Root | None:
    """Read the tag of the root that `data` begins with; None if it is not complete yet. Raises StreamError."""
    start = _after_declaration(data)
    _check_encoding(start[: start.find(b">") + 1] or start)
    if start and not start.startswith(b"<"):
        raise StreamError("not-well-formed", "text before the stream header")
    if not has_whole_tag(start[1:]):
        return None
    check_references(start[: start.find(b">")])
    step, end = guard.read_tag(start[1:])
    tag, rest = start[: end + 1], start[end + 1 :]
    if step == CLOSE:
        raise StreamError("not-well-formed", "an end tag without a start")
    name = _NAME_END.split(tag[1:], 1)[0]
    if step == EMPTY:  # opened and closed at once
        tag, rest = tag[:-2] + b">", b"</" + name + b">" + rest
    return Root(_parse(tag), tag, name, rest)


def _after_declaration(data: bytes) -> bytes:
    """What follows the XML declaration, if there is one; empty if the declaration may not be complete yet."""
    if _DECLARATION_START.startswith(data[: len(_DECLARATION_START)]) and b"?>" not in data:
        return b""
    if not data.startswith(_DECLARATION_START):
        return data
    match = _DECLARATION.match(data)
    if match is None:
        raise StreamError("not-well-formed", "not an XML declaration")
    if match["encoding"] and match["encoding"].lower() != b"utf-8":  # RFC 6120 section 11.6
        raise StreamError("unsupported-encoding", "UTF-8 only")
    return data[match.end() :].lstrip(BLANK)


def _check_encoding(data: bytes) -> None:
    try:
        utf_8_decode(data, "strict", False)
    except UnicodeDecodeError:  # RFC 6120 section 4.9.3.22
        raise StreamError("unsupported-encoding", "not UTF-8") from None


def _parse(tag: bytes) -> etree._Element:
    try:
        root: etree._Element = etree.fromstring(tag[:-1] + b"/>", _PARSER)
    except etree.XMLSyntaxError as error:
        is_unbound = error.code == etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE
        raise StreamError("bad-namespace-prefix" if is_unbound else "not-well-formed", error.msg) from None
    return root


def _header(root: etree._Element) -> StreamHeader:
    name = etree.QName(root)
    if name.namespace != names.STREAM:
        raise StreamError("invalid-namespace", f"a stream is in {names.STREAM}")
    if name.localname != "stream":
        raise StreamError("bad-format", "the root of a stream is <stream/>")
    attributes = {key.replace(XML_PREFIX, "xml:"): value for key, value in root.attrib.items()}
    return StreamHeader(attributes, dict(root.nsmap))


_PARSER = hardened(etree.XMLParser)
_DECLARATION_START = b"<?xml "
_DECLARATION = re.compile(
    rb"""<\?xml\ +version\ *=\ *(?:'1\.[0-9]+'|"1\.[0-9]+")
         (?:\ +encoding\ *=\ *['"](?P<encoding>[A-Za-z][-.\w]*)['"])?
         (?:\ +standalone\ *=\ *['"](?:yes|no)['"])?\ *\?>""",
    re.VERBOSE,
)
_NAME_END = re.compile(rb"[ \t\r\n/>]")
