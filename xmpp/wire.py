"""Elements to bytes and back: the one place that knows how a stanza stands inside a stream.

Inside a stream `jabber:client` is the default namespace, so `wire` leaves that declaration out and `parse` puts it
back. libxml2 writes namespace declarations right after the name of an element: its own, then those that it inherits.
"""

import re
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from xmpp import names

# The root of every tree that stanzas are parsed in, and what an element inherits from it.
ROOT = f"<stream:stream xmlns='{names.CLIENT}' xmlns:stream='{names.STREAM}'>".encode()
DEFAULT = f' xmlns="{names.CLIENT}"'.encode()
INHERITED = DEFAULT + f' xmlns:stream="{names.STREAM}"'.encode()


def hardened(parser: type, **options: Any) -> Any:
    """A parser of that lxml class that loads nothing, expands nothing, and does not collect each `xml:id` it meets."""
    return parser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, collect_ids=False, **options
    )


def wire(element: etree._Element) -> bytes:
    """The element as it is written inside a stream of `jabber:client`.

    It may stand in the tree of its stream, or be built by us with a default namespace and no others: those are cheap.
    Anything else, such as a stanza with a prefix, is written element by element, without prefixes.
    """
    data: bytes = etree.tostring(element, encoding="utf-8", with_tail=False)
    name_end = data.find(b" ")
    name = data[:name_end]
    if data.startswith(DEFAULT, name_end) and b":" not in name:
        rest = data[name_end + len(INHERITED) :]
        if data.startswith(INHERITED, name_end) and b"stream:" not in rest:
            return name + rest
        return name + data[name_end + len(DEFAULT) :]
    if data.startswith(b' xmlns="', name_end) and b"xmlns:" not in data and b":" not in name:
        return data
    pieces: list[str] = []
    _write(element, names.CLIENT, pieces)
    return "".join(pieces).encode()


def parse(data: bytes) -> etree._Element:
    """The element that `wire` gave these bytes for. Only for what has gone through a stream, or is our own making."""
    name, rest = _AFTER_NAME.split(data, maxsplit=1)
    if not rest.startswith((b' xmlns="', b" xmlns='")):
        data = name + DEFAULT + rest
    element: etree._Element = etree.fromstring(data, _PARSER)
    return element


def _write(element: etree._Element, default: str, pieces: list[str]) -> None:
    """Add the element, inside of one whose default namespace is `default`, without prefixes for elements."""
    namespace, name = _namespace_and_name(element.tag)
    pieces.append("<" + name)
    if namespace != default:
        pieces.append(f" xmlns={_quoted(namespace)}")
    for number, (key, value) in enumerate(element.items()):
        pieces.append(_written_attribute(key, value, f"a{number}"))
    pieces.append(">" + _escaped(element.text))
    for child in element:
        _write(child, namespace, pieces)
        pieces.append(_escaped(child.tail))
    pieces.append(f"</{name}>")


def _written_attribute(key: str, value: str, prefix: str) -> str:
    namespace, name = _namespace_and_name(key)
    if not namespace:
        return f" {name}={_quoted(value)}"
    if namespace == names.XML:
        return f" xml:{name}={_quoted(value)}"
    return f" xmlns:{prefix}={_quoted(namespace)} {prefix}:{name}={_quoted(value)}"


def _namespace_and_name(tag: Any) -> tuple[str, str]:
    """Of a tag or an attribute in Clark notation. By hand: a QName for each takes several times as long."""
    namespace, _, name = tag.rpartition("}")
    return namespace[1:], name


def _quoted(value: str) -> str:
    if _SPECIAL.search(value) is None:
        return f'"{value}"'
    return quoteattr(value, {'"': "&quot;"})  # as libxml2 does it: never between single quotes


def _escaped(text: str | None) -> str:
    return escape(text, {"\r": "&#13;"}) if text else ""


_SPECIAL = re.compile(r'[&<>"\n\r\t]')  # in an attribute
_AFTER_NAME = re.compile(rb"(?=[ />])")
_PARSER = hardened(etree.XMLParser)
