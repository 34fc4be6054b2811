"""A stanza that many are sent: what all copies of it have in common is there once, however many of them wait.

A message to a room of two hundred phones that sleep is two hundred addressees, and one text.
"""

from collections.abc import Callable
from typing import Any

from lxml import etree

from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped, without_to


def copies(stanza: Stanza) -> Callable[[JID], Stanza]:
    """A function that does what `stanza.addressed` does, for many addressees."""
    common, new, kind, type = _Common(stanza), _Copy.__new__, stanza.kind, stanza.type

    def addressed(to: JID) -> Stanza:
        copy = new(_Copy)
        copy.common = common
        copy.to = to
        copy.devices = ()
        copy.kind, copy.type, copy._lasting = kind, type, None  # every copy is asked for these
        return copy

    return addressed


class _Common:
    """What all copies of a stanza have in common, as a stanza without an addressee, and in bytes."""

    __slots__ = ("stanza", "written")

    def __init__(self, stanza: Stanza) -> None:
        self.stanza = stanza.kept()
        self.written = _Written(stanza)


class _Written:
    """The bytes of all copies of a stanza, before the addressee and after it."""

    __slots__ = ("start", "end", "size")

    def __init__(self, stanza: Stanza) -> None:
        data, name_end = stanza.wire(), len(stanza.kind) + 1
        self.start = data[:name_end] + b' to="'
        self.end = b'"' + without_to(data[name_end:])
        self.size = len(self.start) + len(self.end)

    def to(self, addressee: JID) -> bytes:
        """The bytes of one copy."""
        return self.start + (addressee if addressee.is_plain else escaped(addressee)).encode() + self.end


class AddressedBytes:
    """The bytes of a copy, made anew each time. Their length is that which they have if nothing in `to` is escaped."""

    __slots__ = ("_written", "_to")

    def __init__(self, written: _Written, to: JID) -> None:
        self._written = written
        self._to = to

    def __bytes__(self) -> bytes:
        return self._written.to(self._to)

    def __len__(self) -> int:
        return self._written.size + len(self._to)


class _Copy(Stanza):
    """A copy for one addressee. It has an addressee and devices of its own; all else it looks up in what is common, and
    most of it nobody asks for."""

    __slots__ = ("common", "_lasting")

    to: JID
    common: _Common
    _lasting: AddressedBytes | None

    def __getattr__(self, name: str) -> Any:
        """What was not set in this copy; called for nothing else."""
        return _OWN[name] if name in _OWN else getattr(self.common.stanza, name)

    @property
    def child_tags(self) -> frozenset[str]:
        return self.common.stanza.child_tags

    def _parent_of_children(self) -> etree._Element:
        return self.common.stanza.element  # parsed once for all copies

    def wire(self) -> bytes:
        return self.common.written.to(self.to)

    def lasting(self) -> AddressedBytes:
        if self._lasting is None:
            self._lasting = AddressedBytes(self.common.written, self.to)
        return self._lasting

    def kept(self) -> Stanza:
        return self


_OWN = {"_element": None, "_content": None, "_is_stamped": False, "_afterwards": None, "_wire": None}
"""What a copy does not take from the stanza that it is a copy of, until it has made it for itself."""
