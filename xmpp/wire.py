"""Elements to bytes and back: the one place that knows how a stanza stands inside a stream.

Inside a stream `jabber:client` is the default namespace, so `wire` leaves that declaration out and `parse` puts it
back. libxml2 writes namespace declarations right after the name of an element: its own, then those that it inherits.
"""

import re
from typing import Any

from lxml import etree

from xmpp import names

# The root of every tree that stanzas are parsed in, and what an element inherits from it.
ROOT = f"<stream:stream xmlns='{names.CLIENT}' xmlns:stream='{names.STREAM}'>".encode()
ROOT_END = b"</stream:stream>"
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
    Anything else, such as a stanza with a prefix, is built anew without prefixes, which costs ten times as much.
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
    data = etree.tostring(_WITHOUT_PREFIXES(element), encoding="utf-8")
    name, rest = _AFTER_NAME.split(data, maxsplit=1)
    return name + rest.removeprefix(DEFAULT)


def parse(data: bytes) -> etree._Element:
    """The element that `wire` gave these bytes for. Only for what has gone through a stream, or is our own making."""
    name, rest = _AFTER_NAME.split(data, maxsplit=1)
    if not rest.startswith((b' xmlns="', b" xmlns='")):
        data = name + DEFAULT + rest
    element: etree._Element = etree.fromstring(data, _PARSER)
    return element


def quoted(value: str) -> str:
    """The value of an attribute as libxml2 writes it: escaped, between double quotes."""
    return '"' + escaped(value) + '"'


def escaped(value: str) -> str:
    """What stands between these quotes."""
    if value.isalnum():
        return value
    if "&" in value or "<" in value or '"' in value or ">" in value or not value.isprintable():
        return "".join(_ESCAPES.get(character, character) for character in value)
    return value


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_AFTER_NAME = re.compile(rb"(?=[ />])")
_PARSER = hardened(etree.XMLParser)
_WITHOUT_PREFIXES = etree.XSLT(
    etree.XML(
        """
        <xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
          <xsl:template match="*">
            <xsl:element name="{local-name()}" namespace="{namespace-uri()}">
              <xsl:copy-of select="@*"/>
              <xsl:apply-templates/>
            </xsl:element>
          </xsl:template>
        </xsl:stylesheet>
        """
    )
)
