"""Elements to bytes and back: the one place that knows how a stanza is written inside a stream.

Inside a stream `jabber:client` is the default namespace, so `wire` leaves that declaration out and `parse` puts it
back. libxml2 writes namespace declarations right after the name of an element: its own, then those that it inherits.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from lxml import etree

from xmpp.data import names

# The root of every tree that stanzas are parsed in, and what an element inherits from it.
ROOT = f"<stream:stream xmlns='{names.CLIENT}' xmlns:stream='{names.STREAM}'>".encode()
ROOT_END = b"</stream:stream>"
DEFAULT = f' xmlns="{names.CLIENT}"'.encode()
SHORT_NAMESPACE = 64  # bytes: the names of namespaces that are in use are shorter
INHERITED = DEFAULT + f' xmlns:stream="{names.STREAM}"'.encode()


class Written(Protocol):
    """What was, or will be, written: bytes, or what makes them when they are asked for."""

    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...


def hardened(parser: type, **options: Any) -> Any:
    """A parser of that lxml class that loads nothing, expands no entities, and does not collect `xml:id`s."""
    return parser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, collect_ids=False, **options
    )


def wire(element: etree._Element) -> bytes:
    """The element as it is written inside a stream of `jabber:client`.

    Cheap for an element in the tree of a stream, or one that we have built with a default namespace and no others. Any
    other, such as a stanza with a prefix, is written anew without prefixes, which costs several times as much.
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
    return _Writer().written(element)


class _Writer:
    """Writes an element anew, with jabber:client as the default namespace.

    Each element declares its namespace if it differs from its parent's. Long namespaces, and those of attributes, are
    declared once, at the top: otherwise what is written could be hundreds of times as long as what was read. The
    namespace of the prefix xml must not be declared, and may have no other prefix: a client would close the stream.
    """

    def __init__(self) -> None:
        self._prefixes: dict[str, str] = {}
        self._parts: list[str] = []
        self._split = cache(_split)  # the same tags come again and again

    def written(self, element: etree._Element) -> bytes:
        self._write(element, names.CLIENT)
        declared = (f" xmlns:{prefix}={quoted(namespace)}" for namespace, prefix in self._prefixes.items())
        self._parts.insert(1, "".join(declared))
        return "".join(self._parts).encode()

    def _write(self, element: etree._Element, default: str) -> None:
        namespace, name = self._split(str(element.tag))
        declaration = ""
        if namespace != default:
            if namespace != names.XML and (len(namespace) <= SHORT_NAMESPACE or not self._parts):
                declaration, default = f" xmlns={quoted(namespace)}", namespace
            else:
                name = self._prefixed(namespace, name)
        self._parts.append(f"<{name}{declaration}")
        head = ""
        for key, value in element.items():
            head += f' {self._prefixed(*_split(key)) if key[0] == "{" else key}="{escaped(value)}"'
        text, is_empty = element.text, not len(element)
        if is_empty:
            self._parts.append(f"{head}>{_escaped_text(text)}</{name}>" if text is not None else head + "/>")
            return
        self._parts.append(f"{head}>{_escaped_text(text)}" if text else head + ">")
        for child in element:
            self._write(child, default)
            if child.tail:
                self._parts.append(_escaped_text(child.tail))
        self._parts.append(f"</{name}>")

    def _prefixed(self, namespace: str, name: str) -> str:
        if namespace == names.XML:
            return "xml:" + name
        prefix = self._prefixes.get(namespace)
        if prefix is None:
            prefix = self._prefixes[namespace] = f"ns{len(self._prefixes)}"
        return f"{prefix}:{name}"


def _split(key: str) -> tuple[str, str]:
    """The namespace, "" for none, and the name of a tag or key in Clark notation."""
    namespace, _, name = key.rpartition("}")
    return namespace[1:], name


def _escaped_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def parse(data: bytes) -> etree._Element:
    """The element of which `wire` gave these bytes. Only for bytes that came in a stream, or that we made."""
    name, rest = _AFTER_NAME.split(data, maxsplit=1)
    if not rest.startswith(_DECLARATION):
        data = name + DEFAULT + rest
    element: etree._Element = etree.fromstring(data, _PARSER)
    return element


def standing_alone(data: bytes) -> bytes:
    """The element of which `wire` gave these bytes, as it is written where it is not inside a stream."""
    name_end = data.find(b" ")
    if name_end < 0 or data.find(b">", 0, name_end) >= 0:  # it has no attributes
        name_end = len(_NAME.match(data)[0])  # type: ignore[index]  # an element begins with a name
    elif data.startswith(_DECLARATION, name_end):
        return data
    return data[:name_end] + DEFAULT + data[name_end:]


def written_around(content: bytes, name: str, attributes: Mapping[str, str]) -> bytes | None:
    """An element with these attributes around `content`; None if an attribute has a prefix, or a value that would have
    to be escaped."""
    head = "".join([f' {key}="{value}"' for key, value in attributes.items()]).encode()
    if head.translate(None, delete=_PLAIN) != b'""' * len(attributes):
        return None
    return b"<%b%b>%b</%b>" % (name.encode(), head, content, name.encode())


def without_to(rest: bytes) -> bytes:
    """What follows the name of an element, without the attribute `to` if there is one.

    We and libxml2 escape each quote and ">" inside of a value, so the first ">" ends the start tag.
    """
    found = _TO.match(rest)
    return rest if found is None else found[1] + rest[found.end() :]


def without_addresses(rest: bytes) -> bytes:
    """The same without `to` and `from`."""
    rest = without_to(rest)
    found = _FROM.match(rest)
    return rest if found is None else found[1] + rest[found.end() :]


def attributes_of(data: bytes) -> dict[bytes, bytes]:
    """The attributes of an element by its bytes, with the values as they are written: for those that are not worth
    parsing."""
    return dict(_ATTRIBUTE.findall(data.partition(b">")[0]))


def quoted(value: str) -> str:
    """The value of an attribute as libxml2 writes it: escaped, between double quotes."""
    return '"' + escaped(value) + '"'


def escaped(value: str) -> str:
    """The value of an attribute, escaped, without the quotes."""
    if value.isalnum():
        return value
    if "&" in value or "<" in value or '"' in value or ">" in value or not value.isprintable():
        return "".join(_ESCAPES.get(character, character) for character in value)
    return value


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_PLAIN = bytes(set(range(0x20, 0x100)) - set(b'&<>"{\x7f'))  # can stand in an attribute as it is
# Attribute by attribute, from the name on, since a value may contain what looks like an attribute.
_TO = re.compile(rb'((?: [^ =]++="[^"]*+")*?) to="[^"]*+"')
_FROM = re.compile(rb'((?: [^ =]++="[^"]*+")*?) from="[^"]*+"')
_ATTRIBUTE = re.compile(rb' ([^ =]++)="([^"]*+)"')
_DECLARATION = (b' xmlns="', b" xmlns='")
_NAME = re.compile(rb"<[^ />]++")
_AFTER_NAME = re.compile(rb"(?=[ />])")
_PARSER = hardened(etree.XMLParser)
