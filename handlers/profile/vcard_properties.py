"""XEP-0292 section 10: the properties of a vCard, from vcard-temp (XEP-0054) to vCard4 (RFC 6351) and back.

What the other format cannot express is left out; the caller keeps it where it was. Works on data alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lxml import etree

VCARD_TEMP = "vcard-temp"
VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"

Elements = list[etree._Element]

GEO_URI = re.compile(r"geo:([-+.0-9]+),([-+.0-9]+)")
TEL_NUMBER = re.compile(r"[-+.()0-9]+")  # what stands in a tel: URI as it is (RFC 3966)
TEL = "tel:"


def to_vcard4(vcard: Iterable[etree._Element]) -> Elements:
    """The properties of a vcard-temp vCard as vCard4; those that vCard4 cannot express are left out."""
    return [new for old in vcard if (new := _to_vcard4(old)) is not None]


def to_vcard_temp(vcard: Iterable[etree._Element]) -> Elements:
    """The properties of a vCard4 as vcard-temp; those that vcard-temp cannot express are left out."""
    return [old for new in vcard if (old := _to_vcard_temp(new)) is not None]


def is_only_in_vcard_temp(element: etree._Element) -> bool:
    """True for a property of vcard-temp that has no counterpart in vCard4."""
    return _name(element, VCARD_TEMP) not in _OLD


def is_only_in_vcard4(element: etree._Element) -> bool:
    """True for a property of vCard4 that says something that vcard-temp cannot express."""
    return _to_vcard_temp(element) is None and bool(_text(element))


def _to_vcard4(old: etree._Element) -> etree._Element | None:
    shape = _OLD.get(_name(old, VCARD_TEMP))
    content = shape.to_vcard4(old) if shape else None
    if shape is None or not content:
        return None
    new = _element(VCARD4, shape.new)
    new.extend([*_parameters(old, shape.flags), *content])
    return new


def _to_vcard_temp(new: etree._Element) -> etree._Element | None:
    shape = _NEW.get(_name(new, VCARD4))
    if shape is None:
        return None
    old = _element(VCARD_TEMP, shape.old)
    old.extend(_flags(new, shape.flags))
    return old if shape.fill(old, new) else None


# -- the shapes that properties have


class Shape(Protocol):
    """How a property looks in both formats. `old` and `new`: its names in vcard-temp and vCard4. `flags`: the types,
    such as HOME, that it may have in both."""

    @property
    def old(self) -> str: ...

    @property
    def new(self) -> str: ...

    @property
    def flags(self) -> Sequence[str]: ...

    def to_vcard4(self, old: etree._Element) -> Elements:
        """The children of the vCard4 property; none if `old` is empty."""

    def fill(self, old: etree._Element, new: etree._Element) -> bool:
        """Put the content of `new` into the empty element `old`; False if vcard-temp cannot express it."""


@dataclass(frozen=True)
class Value:
    """One value. In vcard-temp it is the text of the element, or of its child `part`. In vCard4 it is read from any of
    these `kinds`, and written as the first; a "uri" begins with `scheme`."""

    old: str
    new: str
    kinds: tuple[str, ...] = ("text",)
    part: str = ""
    scheme: str = ""
    flags: Sequence[str] = ()

    def to_vcard4(self, old: etree._Element) -> Elements:
        text = _part(old, VCARD_TEMP, self.part) if self.part else _text(old)
        kind = self.kinds[0]
        if self.scheme == TEL and not TEL_NUMBER.fullmatch(text):
            kind = "text"
        return [_element(VCARD4, kind, self.scheme + text if kind == "uri" else text)] if text else []

    def fill(self, old: etree._Element, new: etree._Element) -> bool:
        for child in new:
            kind, text = _name(child, VCARD4), _text(child)
            if kind in self.kinds and text and (kind != "uri" or text.startswith(self.scheme)):
                value = text.removeprefix(self.scheme) if kind == "uri" else text
                if self.part:
                    old.append(_element(VCARD_TEMP, self.part, value))
                else:
                    old.text = value
                return True
        return False


@dataclass(frozen=True)
class Parts:
    """Several values. `parts`: the name of each in vcard-temp, and in vCard4."""

    old: str
    new: str
    parts: Mapping[str, str]
    flags: Sequence[str] = ()

    def to_vcard4(self, old: etree._Element) -> Elements:
        texts = {new: _part(old, VCARD_TEMP, part) for part, new in self.parts.items()}
        return [_element(VCARD4, name, text) for name, text in texts.items() if text]

    def fill(self, old: etree._Element, new: etree._Element) -> bool:
        texts = {part: _part(new, VCARD4, name) for part, name in self.parts.items()}
        found = [_element(VCARD_TEMP, name, text) for name, text in texts.items() if text]
        old.extend(found)
        return bool(found)


@dataclass(frozen=True)
class Organization:
    """A name and units: in vCard4 all are <text/>, the name first (RFC 6350 section 6.6.4)."""

    old: str = "ORG"
    new: str = "org"
    flags: Sequence[str] = ()

    def to_vcard4(self, old: etree._Element) -> Elements:
        name, units = _part(old, VCARD_TEMP, "ORGNAME"), _texts(old, VCARD_TEMP, "ORGUNIT")
        return [_element(VCARD4, "text", text) for text in ([name, *units] if name or units else [])]

    def fill(self, old: etree._Element, new: etree._Element) -> bool:
        texts = [_text(child) for child in new.iterchildren(f"{{{VCARD4}}}text")]
        names = ["ORGNAME", *["ORGUNIT"] * len(texts)]
        old.extend([_element(VCARD_TEMP, name, text) for name, text in zip(names, texts, strict=False)])
        return any(texts)


@dataclass(frozen=True)
class Place:
    """A latitude and a longitude: in vCard4 a geo: URI (RFC 5870)."""

    old: str = "GEO"
    new: str = "geo"
    flags: Sequence[str] = ()

    def to_vcard4(self, old: etree._Element) -> Elements:
        latitude, longitude = _part(old, VCARD_TEMP, "LAT"), _part(old, VCARD_TEMP, "LON")
        return [_element(VCARD4, "uri", f"geo:{latitude},{longitude}")] if latitude and longitude else []

    def fill(self, old: etree._Element, new: etree._Element) -> bool:
        match = GEO_URI.match(_part(new, VCARD4, "uri"))
        if match is not None:
            old.extend([_element(VCARD_TEMP, "LAT", match[1]), _element(VCARD_TEMP, "LON", match[2])])
        return match is not None


_ANYWHERE = ("HOME", "WORK")
_PHONES = (*_ANYWHERE, "TEXT", "VOICE", "FAX", "CELL", "VIDEO", "PAGER")
_NAME = {"FAMILY": "surname", "GIVEN": "given", "MIDDLE": "additional", "PREFIX": "prefix", "SUFFIX": "suffix"}
_ADDRESS = {
    "POBOX": "pobox",
    "EXTADD": "ext",
    "STREET": "street",
    "LOCALITY": "locality",
    "REGION": "region",
    "PCODE": "code",
    "CTRY": "country",
}

SHAPES: Sequence[Shape] = (
    Value("FN", "fn"),
    Parts("N", "n", _NAME),
    Value("NICKNAME", "nickname"),
    Value("BDAY", "bday", ("date", "date-time", "date-and-or-time", "text")),
    Parts("ADR", "adr", _ADDRESS, flags=_ANYWHERE),
    Value("TEL", "tel", ("uri", "text"), part="NUMBER", scheme=TEL, flags=_PHONES),
    Value("EMAIL", "email", part="USERID", flags=_ANYWHERE),
    Value("JABBERID", "impp", ("uri",), scheme="xmpp:"),
    Value("TZ", "tz", ("text", "utc-offset")),
    Place(),
    Value("TITLE", "title"),
    Value("ROLE", "role"),
    Organization(),
    Value("URL", "url", ("uri", "text")),
    Value("KEY", "key", part="CRED"),
    Value("NOTE", "note"),
    Value("DESC", "note"),  # after NOTE, so that a note becomes this one, which clients use
)
_OLD = {shape.old: shape for shape in SHAPES}
_NEW = {shape.new: shape for shape in SHAPES}


# -- types: empty elements in vcard-temp, a parameter in vCard4


def _parameters(old: etree._Element, flags: Sequence[str]) -> Elements:
    types = [flag for flag in flags if old.find(f"{{{VCARD_TEMP}}}{flag}") is not None]
    parameters = _element(VCARD4, "parameters")
    if types:
        type = etree.SubElement(parameters, f"{{{VCARD4}}}type")
        type.extend([_element(VCARD4, "text", flag.lower()) for flag in types])
    if flags and old.find(f"{{{VCARD_TEMP}}}PREF") is not None:
        etree.SubElement(parameters, f"{{{VCARD4}}}pref").append(_element(VCARD4, "integer", "1"))
    return [parameters] if len(parameters) else []


def _flags(new: etree._Element, flags: Sequence[str]) -> Elements:
    parameters = new.find(f"{{{VCARD4}}}parameters")
    if parameters is None or not flags:
        return []
    types = {_text(each).upper() for each in parameters.iterfind(f"{{{VCARD4}}}type/{{{VCARD4}}}text")}
    is_preferred = parameters.find(f"{{{VCARD4}}}pref") is not None
    found = [*(flag for flag in flags if flag in types), *(["PREF"] if is_preferred else [])]
    return [_element(VCARD_TEMP, flag) for flag in found]


# -- elements


def _element(namespace: str, name: str, text: str = "") -> etree._Element:
    element = etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})
    element.text = text or None
    return element


def _name(element: etree._Element, namespace: str) -> str:
    """The local name of an element; "" if it is of another namespace."""
    prefix = f"{{{namespace}}}"
    tag = str(element.tag)
    return tag.removeprefix(prefix) if tag.startswith(prefix) else ""


def _text(element: etree._Element) -> str:
    """All text in an element, without white space around it."""
    return "".join(element.itertext()).strip()


def _texts(element: etree._Element, namespace: str, name: str) -> list[str]:
    texts = (_text(each) for each in element.iterchildren(f"{{{namespace}}}{name}"))
    return [text for text in texts if text]


def _part(element: etree._Element, namespace: str, name: str) -> str:
    """The texts of the children of that name, joined: in vCard4 there may be several."""
    return " ".join(_texts(element, namespace, name))
