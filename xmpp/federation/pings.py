"""Pings to other servers (XEP-0199), for streams on which nothing is acknowledged: whoever answers has all that was
sent before. The answer comes on a stream of the other server's own."""

from typing import TYPE_CHECKING, NamedTuple

from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.federation.acknowledged import AcknowledgedStream


class _Expected(NamedTuple):
    stream: "AcknowledgedStream"
    theirs: JID
    ours: JID


class Pings:
    """The pings that are not answered yet: one for each stream at most."""

    def __init__(self) -> None:
        self._expected: dict[str, _Expected] = {}

    def expect(self, stream: "AcknowledgedStream", theirs: JID, ours: JID) -> str:
        """Wait for the answer to a ping of this stream, which the caller sends; returns the id for it."""
        id = random_id()
        self._expected[id] = _Expected(stream, theirs, ours)
        return id

    def take(self, stanza: Stanza) -> bool:
        """True if this iq is the answer to a ping; an error says as much."""
        if stanza.is_request or stanza.id not in self._expected:
            return False
        expected = self._expected[stanza.id]
        if (stanza.sender, stanza.to) != (expected.theirs, expected.ours):
            return False
        del self._expected[stanza.id]
        expected.stream.ponged()
        return True

    def forget(self, id: str) -> None:
        """The stream that has sent this ping has ended."""
        self._expected.pop(id, None)
