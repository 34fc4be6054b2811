"""Stanzas: messages, presence and iqs (RFC 6120 section 8), as everything inside the server passes them on.

A stanza is an lxml element, bytes, or both: what came from a client begins as an element in the tree of its stream,
what the server makes begins as bytes, and the other form is made when it is asked for. Once a stanza is routed it does
not change: `addressed`, `with_first` and `with_last` make changed copies, from the bytes, which costs a fraction of
copying a tree. An element belongs to its stream and exists only while it is handled: to keep a stanza, keep `kept()`.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Protocol

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.wire import Written, escaped, parse, quoted, wire, without_addresses, without_to, written_around

KINDS = ("message", "presence", "iq")
MESSAGE_TYPES = frozenset({"chat", "error", "groupchat", "headline", "normal"})
PRESENCE_TYPES = frozenset({"error", "probe", "subscribe", "subscribed", "unavailable", "unsubscribe", "unsubscribed"})
SUBSCRIPTION_TYPES = frozenset({"subscribe", "subscribed", "unsubscribe", "unsubscribed"})
IQ_TYPES = frozenset({"get", "set", "result", "error"})

_KIND: Mapping[Any, str] = {f"{{{names.CLIENT}}}{kind}": kind for kind in KINDS}
# The namespaces that tags declare, and whatever looks like a declaration: nothing is skipped, so that no text or value
# can hide a declaration behind it.
_DECLARED = re.compile(rb"xmlns(?=[^=<>]*+=[ \t\r\n]*+['\"]([^'\"<]*+))")


class Unreadable(Exception):
    """Bytes that were kept are not a stanza, or not any more. Code that reads several goes on with the others."""


class Origin(Protocol):
    """Where a stanza came in: a session, or a stream that has none yet."""

    def send(self, stanza: "Stanza") -> None:
        """Send an answer back to where the stanza came in."""


class Stanza:
    """One stanza. `kind` is "message", "presence" or "iq".

    `type` is None for available presence; a message without a type, or with an unknown one, is "normal" (RFC 6121
    section 5.2.2). `to` and `sender` are parsed addresses or None. `origin` is where it came in, None if the server
    itself made it. `devices`: the numbers of the account's sessions that get it, if there are several.
    `found_by`: what the archive makes of it, once it has been asked. `is_said_again`: it may have arrived before.
    """

    __slots__ = (
        "kind", "type", "id", "to", "sender", "origin", "devices", "found_by", "is_said_again", "_element",
        "_attributes", "_is_stamped", "_children", "_content", "_declared", "_has_references", "_wire", "_child_tags",
        "_afterwards",
    )  # fmt: skip

    devices: Collection[int]
    found_by: tuple[str | None] | None
    _element: etree._Element | None
    _attributes: dict[str, str]  # of a stanza that came as an element: the attributes that are to be written
    _children: list[etree._Element] | None  # of it
    _content: bytes | None
    _declared: list[bytes] | None  # namespaces
    _wire: bytes | None
    _child_tags: frozenset[str] | None
    _afterwards: Callable[[], None] | None

    def __init__(
        self, kind: str, type: str | None, id: str | None, to: JID | None, sender: JID | None, origin: "Origin | None"
    ) -> None:
        """For `read`, `build` and those that change a stanza, which add its element or its bytes."""
        self.kind = kind
        self.type = type
        self.id = id
        self.to = to
        self.sender = sender
        self.origin = origin
        self.devices = ()
        self.found_by = None
        self.is_said_again = self._is_stamped = self._has_references = False
        self._element = self._children = self._content = self._declared = None
        self._wire = self._child_tags = self._afterwards = None

    @staticmethod
    def read(element: etree._Element, origin: "Origin | None" = None, content: bytes | None = None) -> "Stanza":
        """Wrap a parsed element; `content` is the bytes between its tags, if known. Raises MalformedJID."""
        attributes: Any = dict(element.items())
        get = attributes.get
        kind, type, to, sender = _KIND[element.tag], get("type"), get("to"), get("from")
        if kind == "message" and type not in MESSAGE_TYPES:
            type = "normal"
        if to is not None:
            to = JID.parse(to)
        if sender is not None:
            sender = JID.parse(sender)
        stanza = Stanza(kind, type, get("id"), to, sender, origin)
        stanza._element = element
        stanza._attributes = attributes
        stanza._content = content
        return stanza

    @staticmethod
    def build(
        kind: str,
        content: bytes = b"",
        *,
        type: str | None = None,
        id: str | None = None,
        to: JID | None = None,
        sender: JID | None = None,
        child_tags: frozenset[str] | None = None,
    ) -> "Stanza":
        """A stanza that the server makes. `content`: the bytes of its children, with their namespaces declared;
        `child_tags`: their tags, which saves later steps the parsing."""
        stanza = Stanza(kind, type, id, to, sender, None)
        stanza._child_tags = child_tags
        head = "<" + kind
        if type is not None:
            head += ' type="' + escaped(type) + '"'
        if id is not None:
            head += ' id="' + escaped(id) + '"'
        if to is not None:
            head += ' to="' + (to if to.is_plain else escaped(to)) + '"'
        if sender is not None:
            head += ' from="' + (sender if sender.is_plain else escaped(sender)) + '"'
        stanza._wire = b"%b>%b</%b>" % (head.encode(), content, kind.encode()) if content else head.encode() + b"/>"
        return stanza

    @staticmethod
    def from_wire(data: bytes) -> "Stanza":
        """The stanza of which `wire()` gave these bytes, as they are kept in the database. Raises Unreadable."""
        try:
            stanza = Stanza.read(parse(data))
        except (etree.XMLSyntaxError, ValueError, KeyError) as error:
            raise Unreadable(str(error)) from error
        stanza._wire = data
        return stanza

    # -- what is in it

    @property
    def element(self) -> etree._Element:
        """The element, to be read and not changed."""
        if self._element is None:
            self._element = parse(self.wire())
        elif self._is_stamped:
            self._element.attrib.update(self._attributes)
            self._is_stamped = False
        return self._element

    def _all_children(self) -> list[etree._Element]:
        """Made once: to come by the element of a child costs several times as much as to read its tag."""
        if self._children is None:
            parent = self.element if self._element is None else self._element  # whose attributes may be out of date
            self._children = parent[:]
        return self._children

    @property
    def is_request(self) -> bool:
        """True if this is an iq that has to be answered."""
        return self.kind == "iq" and self.type in ("get", "set")

    @property
    def child_tags(self) -> frozenset[str]:
        """The tags of all children. Made once, since many steps look at them."""
        if self._child_tags is None:
            tags: Any = [child.tag for child in self._all_children()]
            self._child_tags = frozenset(tags)
        return self._child_tags

    def may_use(self, namespaces: frozenset[bytes]) -> bool:
        """False if no child is of one of these namespaces, as can be told quickly for most stanzas; else True."""
        if self._content is None or self._child_tags is not None:  # to compare the tags is as quick then
            return True
        if self._declared is None:
            self._declared = _DECLARED.findall(self._content)
            self._has_references = b"".join(self._declared).find(b"&") >= 0
        # A value with a reference (&) may stand for any namespace
        return self._has_references or not namespaces.isdisjoint(self._declared)

    def children(self, tag: str) -> Iterator[etree._Element]:
        """All children of that tag."""
        return iter([child for child in self._all_children() if child.tag == tag])

    def child(self, tag: str) -> etree._Element | None:
        """The first child of that tag."""
        return next(self.children(tag)) if tag in self.child_tags else None

    @property
    def payload(self) -> etree._Element | None:
        """The first child: of an iq, what is asked or answered."""
        return next(iter(self._all_children()), None)

    def only_child(self) -> etree._Element:
        """The one child that an iq of type get or set must have (RFC 6120 section 8.2.3). Raises StanzaError."""
        children = self._all_children()
        if len(children) != 1:
            raise StanzaError("bad-request", f"a request needs one child element, not {len(children)}")
        return children[0]

    # -- before it is routed

    def stamp(self, sender: JID, to: JID | None) -> None:
        """Write the true sender, and the addressee, into a stanza that has just been read."""
        self._is_stamped = True
        self._attributes["from"] = sender
        self.sender = sender
        if to is not None and to is not self.to:
            self._attributes["to"] = to
            self.to = to

    def check(self) -> None:
        """Check the type and the id of an iq or of presence, once it is stamped (RFC 6120 section 8); what is about a
        subscription is from bare to bare from now on (RFC 6121 section 3). Raises StanzaError."""
        if self.kind == "iq":
            if self.type not in IQ_TYPES:
                raise StanzaError("bad-request", "an iq has the type get, set, result or error")
            if not self.id:
                raise StanzaError("bad-request", "an iq needs an id")
            if self.is_request:
                self.only_child()  # checked for every addressee, so that the error does not show who is online
        elif self.kind == "presence":
            if self.type in SUBSCRIPTION_TYPES:
                assert self.sender is not None
                self.stamp(self.sender.bare, self.to.bare if self.to is not None else None)
            elif self.type is not None and self.type not in PRESENCE_TYPES:
                raise StanzaError("bad-request", f"presence has no type {self.type!r}")

    def speak(self, language: str) -> None:
        """Write the language in, unless the stanza has one of its own."""
        self._is_stamped = True
        self._attributes.setdefault(names.XML_LANG, language)

    # -- passing it on

    def wire(self) -> bytes:
        """The bytes as they are written inside a stream whose default namespace is jabber:client."""
        if self._wire is None:
            content = self._content  # to write only the start tag anew saves three quarters of the work
            around = None if content is None else written_around(content, self.kind, self._attributes)
            self._wire = around or wire(self.element)
        return self._wire

    def lasting(self) -> Written:
        """Its bytes, to be kept for a while: those that are the same for many addressees are in memory once."""
        return self.wire()

    def kept(self) -> "Stanza":
        """The same stanza as bytes alone, to be kept: an element keeps a parsed tree and libxml2's names in memory."""
        return self._changed(self.wire(), self._child_tags)

    def addressed(self, to: JID) -> "Stanza":
        """The same stanza to somebody else. For many addressees there is copies.py."""
        data, name_end = self.wire(), len(self.kind) + 1
        attribute = f" to={quoted(to)}".encode()
        copy = self._changed(data[:name_end] + attribute + without_to(data[name_end:]), self._child_tags)
        copy.to = to
        return copy

    def sent_by(self, sender: JID) -> "Stanza":
        """The same stanza in somebody else's name, and to nobody yet: what a service passes on."""
        data, name_end = self.wire(), len(self.kind) + 1
        attribute = f" from={quoted(sender)}".encode()
        copy = self._changed(data[:name_end] + attribute + without_addresses(data[name_end:]), self._child_tags)
        copy.sender, copy.to, copy.origin = sender, None, None
        return copy

    def with_last(self, child: bytes, tag: str | None = None) -> "Stanza":
        """The same stanza with one more child at the end. To give its tag saves later steps the parsing."""
        data = self.wire()
        if data.endswith(b"/>"):
            return self._changed(b"%b>%b</%b>" % (data[:-2], child, self.kind.encode()), self._child_tags_and(tag))
        end = len(data) - len(self.kind) - 3
        return self._changed(data[:end] + child + data[end:], self._child_tags_and(tag))

    def with_first(self, child: bytes, tag: str | None = None) -> "Stanza":
        """The same stanza with one more child before the others. As `with_last`."""
        data = self.wire()
        head = data.index(b">") + 1
        if data[head - 2 : head] == b"/>":
            return self.with_last(child, tag)
        return self._changed(data[:head] + child + data[head:], self._child_tags_and(tag))

    def without(self, is_unwanted: Callable[[etree._Element], bool]) -> "Stanza":
        """The same stanza without some of its children. This parses it anew."""
        element = parse(self.wire())
        for child in list(element):
            if is_unwanted(child):
                element.remove(child)
        return self._changed(wire(element), None)

    def _child_tags_and(self, tag: str | None) -> frozenset[str] | None:
        return None if tag is None or self._child_tags is None else self._child_tags | {tag}

    def _changed(self, data: bytes, child_tags: frozenset[str] | None) -> "Stanza":
        copy = Stanza(self.kind, self.type, self.id, self.to, self.sender, self.origin)
        copy.devices = self.devices
        copy._child_tags = child_tags
        copy._wire = data
        return copy

    # -- answers

    def result(self, payload: etree._Element | bytes | None = None) -> "Stanza":
        """The answer to this request; the payload as an element, or as `wire` writes it."""
        content = payload if isinstance(payload, bytes) else b"" if payload is None else wire(payload)
        return Stanza.build("iq", content, type="result", id=self.id, to=self.sender, sender=self.to)

    def error_reply(self, error: StanzaError) -> "Stanza":
        """The error that answers this stanza, without a copy of what was sent."""
        about = b"" if error.about is None else wire(error.about)
        content = about + wire(error.element())
        return Stanza.build(self.kind, content, type="error", id=self.id, to=self.sender, sender=self.to)

    def after_reply(self, act: Callable[[], None]) -> None:
        """Call act() once this request has been answered with a result; for example, to end the session that asked."""
        self._afterwards = act

    def replied(self) -> None:
        """Say that this request has been answered with a result."""
        if self._afterwards is not None:
            self._afterwards()

    def __repr__(self) -> str:
        return f"<{self.kind} type={self.type} id={self.id} to={self.to} from={self.sender}>"
