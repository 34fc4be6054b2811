"""Names are counted before they reach lxml.

libxml2 keeps every element, attribute and prefix name and every namespace name that it sees, so a client that sends
ever new ones would use up the server's memory. So when there are many, whoever sent them, all are forgotten
(dictionary.py): nobody can use up what others need.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xmpp.data.errors import StreamError
from xmpp.stream.xml import dictionary
from xmpp.stream.xml.commonnames import COMMON_NAMES

NAMES_KEPT = 10_000  # in units of NAME_UNIT: some 7 MB here and in libxml2, with the tags that are made of them
TAGS_REMEMBERED = 10_000
TAG_BYTES_REMEMBERED = 256
ATTRIBUTES_REMEMBERED = 16
OUTLINE = b"'"  # stands for a value in an outline
NAME_UNIT = 64  # bytes: a longer name counts as several

BLANK = b" \t\r\n"
CDATA_START = b"![CDATA["


@dataclass(frozen=True)
class XMLLimits:
    """What one stream may send; beyond a limit it is closed with policy-violation.

    `names` limits the names in one stanza that the process does not know, in units of NAME_UNIT.
    """

    stanza_bytes: int
    depth: int
    elements: int
    attributes: int  # of one element; ATTRIBUTES_REMEMBERED or more
    names: int
    header_bytes: int = 10_000


# How far a tag leads into the tree: <a>, <a/>, </a>.
OPEN, EMPTY, CLOSE = 1, 0, -1


class ProcessNames:
    """The names that lxml has seen lately, and the tags made of them. When there are more than `most`, all but the
    common ones are forgotten, here and in lxml.

    `tags` holds tags as they were written, but with empty values except those of namespaces. Tags with attributes but
    without namespaces are in `outlines` instead, as the text around their values. Every tag in either is well-formed.
    """

    def __init__(self, most: int = NAMES_KEPT) -> None:
        self._most = most
        self._names: set[bytes] = set(COMMON_NAMES)
        self._learned = 0
        self.tags: dict[bytes, int] = {}
        self.outlines: dict[bytes, int] = {}

    def __contains__(self, name: bytes) -> bool:
        return name in self._names

    def __len__(self) -> int:
        return len(self._names)

    def learn(self, names: Collection[bytes], allowance: int) -> int:
        """Add these names; returns what the new ones cost, in units of NAME_UNIT.

        Raises StreamError, and adds none, if that is more than `allowance`.
        """
        new = {name for name in names if name not in self._names}
        if not new:
            return 0
        cost = _cost(new)
        if cost > allowance:
            raise StreamError("policy-violation", "too many new names")
        if self._learned + cost > self._most:
            self._forget()
            new = {name for name in names if name not in self._names}
        self._names |= new
        self._learned += _cost(new)
        return cost

    def _forget(self) -> None:
        if not dictionary.renew():
            raise StreamError("policy-violation", "too many new names since this server was started")
        self._names = set(COMMON_NAMES)
        self._learned = 0
        self.tags.clear()
        self.outlines.clear()

    def remember(self, tag: bytes, step: int) -> None:
        """Recognise from now on all tags that differ from this one only in their values."""
        parts = _around_values(tag)
        outline = OUTLINE.join(parts[::2])
        if len(parts) == 1 or b"xmlns" in outline:
            _keep(self.tags, _with_namespaces(tag, parts), step)
        else:
            _keep(self.outlines, outline, step)


def _cost(names: Collection[bytes]) -> int:
    return sum(1 + len(name) // NAME_UNIT for name in names)


class NameGuard:
    """Reads the tags of one stream. Raises StreamError for a tag that is not well-formed or has too many new names.

    Most tags are recognised by one or two look-ups; only the first of its kind in the process is taken apart. `spent`
    is what the current stanza has cost so far; the caller resets it at the end of each stanza.
    """

    __slots__ = ("spent", "_process", "_limits")

    def __init__(self, process: ProcessNames, limits: XMLLimits) -> None:
        self.spent = 0
        self._process = process
        self._limits = limits

    def widen(self, limits: XMLLimits) -> None:
        """Let these limits hold from now on."""
        self._limits = limits

    @property
    def known_tags(self) -> Mapping[bytes, int]:
        """The tags that are known to be well-formed, as in ProcessNames."""
        return self._process.tags

    def charge(self, names: Collection[bytes]) -> None:
        """Pay for the new ones among these names. Raises StreamError if the stanza has too many."""
        self.spent += self._process.learn(names, self._limits.names - self.spent)

    def read_tag(self, piece: bytes) -> tuple[int, int]:
        """The step of the tag at the start of `piece` (OPEN, EMPTY or CLOSE), and where it ends.

        `piece` is what comes after a "<". Raises StreamError.
        """
        process = self._process
        tag = piece
        end = piece.find(b">") + 1
        if end < len(piece):
            tag = piece[:end]
            step = process.tags.get(tag)
            if step is not None:
                return step, end
        parts = _around_values(tag)
        step = process.outlines.get(OUTLINE.join(parts[::2]))
        if step is None:
            step = process.tags.get(_with_namespaces(tag, parts))
        if step is None:
            return self._take_apart(piece)
        return step, end

    def _take_apart(self, piece: bytes) -> tuple[int, int]:
        match = TAG.match(piece)
        if match is None:
            raise _what_is_wrong(piece)
        tag, (slash, name, attributes, empty) = match[0], match.groups()
        if slash and (attributes or empty):
            raise StreamError("not-well-formed", "an end tag with more than a name")
        found = ATTRIBUTE.findall(attributes)
        if len(found) > self._limits.attributes:
            raise StreamError("policy-violation", "too many attributes")
        self.charge([name, *(each for each, _ in found), *(value[1:-1] for each, value in found if b"xmlns" in each)])
        step = CLOSE if slash else EMPTY if empty else OPEN
        if len(found) <= ATTRIBUTES_REMEMBERED and not (b"'" in tag and b'"' in tag):
            self._process.remember(tag, step)
        return step, match.end()


def has_whole_tag(piece: bytes) -> bool:
    """True if the tag that starts this piece also ends in it, or if it cannot be a tag at all."""
    return _TAG_END.match(piece) is not None or (piece.startswith((b"!", b"?")) and not CDATA_START.startswith(piece))


def tag_of(piece: bytes) -> bytes:
    """The tag that starts this piece, without the text after it; the whole piece if the tag does not end in it."""
    match = _TAG_END.match(piece)
    return piece if match is None else match[0]


# Two tags with the same text around their values, all in one kind of quotes, are well-formed or not together. A value
# in the other kind of quotes, or one cut off at a ">" that was taken for the end of its tag, shows in that text.


def _around_values(tag: bytes) -> list[bytes]:
    parts = tag.split(b"'")
    return parts if len(parts) > 1 else tag.split(b'"')


def _with_namespaces(tag: bytes, parts: list[bytes]) -> bytes:
    """The tag without its values, except those of namespace declarations, which count as names.

    The text before a value holds the attribute's name, with whatever spaces.
    """
    kept = [part if not at % 2 or b"xmlns" in parts[at - 1] else b"" for at, part in enumerate(parts)]
    return (b"'" if b"'" in tag else b'"').join(kept)


def _keep(tags: dict[bytes, int], tag: bytes, step: int) -> None:
    if len(tags) >= TAGS_REMEMBERED:
        tags.clear()
    if len(tag) <= TAG_BYTES_REMEMBERED:
        tags[tag] = step


def check_references(text: bytes) -> None:
    """Raise StreamError if there is a reference other than XML's five entities and character references.

    Without a DTD no other can be declared; libxml2 would keep its name, and lxml would not report it.
    """
    if _BAD_REFERENCE.search(text):
        raise StreamError("not-well-formed", "an undeclared entity")


def _what_is_wrong(piece: bytes) -> StreamError:
    if piece.startswith((b"!", b"?")):  # RFC 6120 section 11.1; CDATA has been unwrapped before
        return StreamError("restricted-xml", "no comments, processing instructions or document types")
    return StreamError("not-well-formed", "not a tag")


# Possessive quantifiers, so that no input makes them backtrack. Whether a non-ASCII character may be in a name is left
# to libxml2.
_NAME = rb"[A-Za-z_:\x80-\xff][-.0-9A-Za-z_:\x80-\xff]*+"
_VALUE = rb"(?:'[^'<]*+'|\"[^\"<]*+\")"
_ATTRIBUTE = rb"[ \t\r\n]++%b[ \t\r\n]*+=[ \t\r\n]*+%b"
ATTRIBUTE = re.compile(_ATTRIBUTE % (b"(" + _NAME + b")", b"(" + _VALUE + b")"))
TAG = re.compile(rb"(/?)(%b)((?:%b)*+)[ \t\r\n]*+(/?)>" % (_NAME, _ATTRIBUTE % (_NAME, _VALUE)))
_TAG_END = re.compile(rb"(?:[^'\">]++|'[^']*+'|\"[^\"]*+\")*+>")
_BAD_REFERENCE = re.compile(rb"&(?!(?:lt|gt|amp|quot|apos|#[0-9]{1,8}|#x[0-9A-Fa-f]{1,8});)")
