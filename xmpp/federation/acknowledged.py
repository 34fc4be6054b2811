"""How streams between servers know what has arrived: each server counts what it gets and says how many that is
(XEP-0198, without resumption), or it answers pings."""

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from lxml import etree

from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted
from xmpp.federation.confirmation import COUNTER, Confirmation
from xmpp.federation.dialback import Pair
from xmpp.federation.names import SM
from xmpp.running.tickets import Ticket
from xmpp.stream.connection import Connection
from xmpp.stream.transport import SocketTransport

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation

STANZA_OVERHEAD = 400  # bytes of memory that a stanza takes beside its own


class AcknowledgedStream(Connection[SocketTransport]):
    """A stream on which both servers say what they have got, if they do.

    `hears`: the pairs in whose name the other server may send stanzas. `says`: those in whose name we may. `used_at`:
    when a stanza came or went last, on the monotonic clock.
    """

    def __init__(self, federation: "Federation", transport: SocketTransport, peer: str) -> None:
        super().__init__(federation.server, transport, federation.flusher, peer)
        self._federation = federation
        self.hears: set[Pair] = set()
        self.says: set[Pair] = set()
        self.used_at = monotonic()
        self._received: int | None = None  # stanzas, since they are counted
        self._stored: Ticket | None = None  # of what was stored last
        self._confirmation = Confirmation()
        self._ping = ""  # the id of the last one

    @property
    def settings(self) -> Any:
        """The settings of federation."""
        return self._federation.settings

    # -- what was sent

    def _sent(self, stanza: Stanza, size: int) -> None:
        """Note a stanza of `size` bytes that was just written."""
        if self._confirmation.add(stanza, size, self._outbox.size):
            self._ask()
        if self._confirmation.size > self.settings.unconfirmed_bytes:
            self.drop(BufferError(f"{self._confirmation.size} bytes are not confirmed"))

    def _ask(self) -> None:
        """Ask the other server what it has, or ping it."""
        if self._confirmation.is_counted:
            self.write(f"<r xmlns='{SM}'/>".encode())
            return
        ours, theirs = next(iter(self.says))
        self._ping = self._federation.pings.expect(self, JID.parse(theirs), JID.parse(ours))
        head = f"<iq type='get' id='{self._ping}' from={quoted(ours)} to={quoted(theirs)}>"
        self.write(f"{head}<ping xmlns='urn:xmpp:ping'/></iq>".encode())

    def ponged(self) -> None:
        """The other server has answered the ping."""
        self._confirmation.ponged()

    def look_after(self, now: float) -> None:
        """See to it that what was sent is confirmed, or that it goes back."""
        waits_since = self._confirmation.asked_at
        if waits_since is None:
            if self._confirmation.is_to_be_pinged(now):
                self._ask()
        elif now - waits_since > self.settings.answer_seconds:
            if self._confirmation.is_owed:
                self.drop(TimeoutError("the other server does not say what it has got"))
            else:
                self._confirmation.is_not_ponged(self._outbox.size)

    def _confirmed(self, element: etree._Element) -> None:
        if not self._confirmation.is_counted:
            raise StreamError("undefined-condition", "acknowledgements were not enabled")
        if self._confirmation.answered(element.get("h")):
            self.write(f"<r xmlns='{SM}'/>".encode())

    @property
    def waits_since(self) -> float | None:
        """Since when the other server owes an answer, on the monotonic clock; None if it owes none."""
        return self._confirmation.asked_at

    @property
    def confirms(self) -> bool:
        """True if the other server acknowledges what it has got."""
        return self._confirmation.is_counted

    @property
    def waiting(self) -> int:
        """How many stanzas may not have arrived."""
        return len(self._confirmation)

    @property
    def unconfirmed_bytes(self) -> int:
        """How much memory these take, about."""
        return self._confirmation.size + STANZA_OVERHEAD * len(self._confirmation)

    def unconfirmed(self) -> list[Stanza]:
        """What may not have arrived, once the stream has ended; nobody is told of it twice."""
        return self._confirmation.left(self._outbox.lost or self._outbox.size)

    # -- what has come

    def _came(self) -> None:
        """Count a stanza that has come."""
        if self._received is not None:
            self._received = (self._received + 1) % COUNTER

    def _enable(self, element: etree._Element) -> None:
        if not self.hears or self._received is not None:
            self.write(f"<failed xmlns='{SM}'/>".encode())
            return
        self.write(f"<enabled xmlns='{SM}'/>".encode())
        self.enabled()

    def enabled(self) -> None:
        """Both servers count what they get from now on."""
        self._received = 0
        self._confirmation.count()

    def _say_what_has_come(self, _: etree._Element) -> None:
        """It has come when it is on the disk, or its sender has been told that it could not be stored."""
        if self._received is None:
            raise StreamError("undefined-condition", "acknowledgements were not enabled")
        if self._stored is not None and self._stored.is_open:
            self._stored.when_closed(partial(self._outbox.add_ahead, self._what_has_come()))
        else:
            self.write_ahead(self._what_has_come())

    def _what_has_come(self) -> bytes:
        return f"<a xmlns='{SM}' h='{self._received}'/>".encode()
