"""A stanza that many are sent: what all copies of it have in common is there once, however many of them wait.

A message to a room of two hundred phones that sleep is two hundred addressees, and one text.
"""

from collections.abc import Callable
from functools import partial

from lxml import etree

from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped, without_to


def copies(stanza: Stanza) -> Callable[[JID], Stanza]:
    """A function that does what `stanza.addressed` does, for many addressees."""
    return partial(_Copy, _Common(stanza))


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
    """A copy for one addressee. It has an addressee and devices of its own; its bytes and what is in it are made from
    what is common."""

    __slots__ = ("_common", "_addressee", "_lasting")

    _lasting: AddressedBytes | None

    def __init__(self, common: _Common, to: JID) -> None:
        stanza = common.stanza
        super().__init__(stanza.kind, stanza.type, stanza.id, to, stanza.sender, stanza.origin)
        self._common = common
        self._addressee = to
        self._lasting = None

    @property
    def child_tags(self) -> frozenset[str]:
        return self._common.stanza.child_tags

    def _all_children(self) -> list[etree._Element]:
        return self._common.stanza._all_children()  # parsed once for all copies

    def wire(self) -> bytes:
        return self._common.written.to(self._addressee)

    def lasting(self) -> AddressedBytes:
        if self._lasting is None:
            self._lasting = AddressedBytes(self._common.written, self._addressee)
        return self._lasting

    def kept(self) -> Stanza:
        return self
