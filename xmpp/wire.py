"""Elements to bytes and back: the one place that knows how a stanza stands inside a stream.

Inside a stream `jabber:client` is the default namespace, so `wire` leaves that declaration out and `parse` puts it
back. libxml2 writes namespace declarations right after the name of an element: its own, then those that it inherits.
"""

import re
from collections.abc import Iterator
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

    It may stand in the tree of its stream or be built by us with `jabber:client` as the default namespace: those are
    cheap. Anything else, such as a stanza with a prefix, is written element by element, without prefixes.
    """
    data: bytes = etree.tostring(element, encoding="utf-8", with_tail=False)
    name_end = data.find(b" ")
    name = data[:name_end]
    if data.startswith(DEFAULT, name_end) and b":" not in name:
        rest = data[name_end + len(INHERITED) :]
        if data.startswith(INHERITED, name_end) and b"stream:" not in rest:
            return name + rest
        return name + data[name_end + len(DEFAULT) :]
    return "".join(_written(element, names.CLIENT)).encode()


def parse(data: bytes) -> etree._Element:
    """The element that `wire` gave these bytes for. Only for what has gone through a stream, or is our own making."""
    name, rest = _AFTER_NAME.split(data, maxsplit=1)
    if not rest.startswith((b' xmlns="', b" xmlns='")):
        data = name + DEFAULT + rest
    element: etree._Element = etree.fromstring(data, _PARSER)
    return element


def _written(element: etree._Element, default: str) -> Iterator[str]:
    """The element, inside of one whose default namespace is `default`, without prefixes for elements."""
    name = etree.QName(element)
    namespace = name.namespace or ""
    yield "<" + name.localname
    if namespace != default:
        yield f" xmlns={quoteattr(namespace)}"
    for number, (key, value) in enumerate(element.attrib.items()):
        yield from _written_attribute(etree.QName(key), str(value), f"a{number}")
    yield ">" + _escaped(element.text)
    for child in element:
        yield from _written(child, namespace)
        yield _escaped(child.tail)
    yield f"</{name.localname}>"


def _written_attribute(name: etree.QName, value: str, prefix: str) -> Iterator[str]:
    if name.namespace is None:
        yield f" {name.localname}={quoteattr(value)}"
    elif name.namespace == names.XML:
        yield f" xml:{name.localname}={quoteattr(value)}"
    else:
        yield f" xmlns:{prefix}={quoteattr(name.namespace)} {prefix}:{name.localname}={quoteattr(value)}"


def _escaped(text: str | None) -> str:
    return escape(text, {"\r": "&#13;"}) if text else ""


_AFTER_NAME = re.compile(rb"(?=[ />])")
_PARSER = hardened(etree.XMLParser)
