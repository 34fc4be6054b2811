"""What sessions and features see of a stream, so that they reach no more of it than they may touch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from lxml import etree

from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import State

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


class Connection(Protocol):
    """What writes for a session, for as long as it has one. Nothing here yields."""

    @property
    def has_room(self) -> bool:
        """Whether little waits to be written: time for more of what is sent in bulk."""

    def when_room(self, act: Callable[[], None]) -> None:
        """Have something done once that is so; never if the connection is lost before."""

    def write(self, data: bytes) -> None:
        """Enqueue bytes for the peer, behind the disk if what is being handled was stored."""

    def write_ahead(self, data: bytes) -> None:
        """Enqueue bytes that may overtake what waits for the disk."""

    def close(self, error: StreamError | None = None) -> None:
        """End the stream, with an error if one is given."""

    def release(self, error: StreamError) -> None:
        """The same, but the session goes on without it."""

    def lose(self, reason: Exception) -> None:
        """Give the connection up: the peer does not read, or what it was to be told could not be stored."""


class Stream(Connection, Protocol):
    """A client's stream, as the features see it whose elements come on it.

    `identity` is that of the account that has logged in. `exchange` is for whoever conducts a negotiation of several
    elements, None between negotiations.
    """

    peer: str
    identity: str | None
    exchange: object | None

    @property
    def server(self) -> "Server":
        """The server that it came to."""

    @property
    def host(self) -> str:
        """The domain that it is for."""

    @property
    def account(self) -> JID | None:
        """Who has logged in."""

    @property
    def state(self) -> State:
        """How far it has come."""

    @property
    def its_session(self) -> "Session":
        """The session, for elements that are declared for State.BOUND."""

    @property
    def is_secure(self) -> bool:
        """Whether TLS is on."""

    @property
    def must_be_secure(self) -> bool:
        """Whether clients have to use TLS here."""

    def channel_bindings(self) -> dict[str, bytes]:
        """The channel bindings by type (RFC 5929); empty without TLS."""

    def send(self, stanza: Stanza) -> None:
        """Enqueue a stanza: the answer to a request made before binding."""

    def send_element(self, element: etree._Element) -> None:
        """Enqueue an element that is no stanza."""

    def authenticated(self, account: JID, identity: str) -> None:
        """Say that this account has logged in; the client begins a new stream."""

    def bind(self, session: "Session") -> None:
        """Make this the stream of a new session, which is entered among those online."""

    def resume(self, session: "Session") -> None:
        """Make this the stream of a session that goes on."""


def stream_of(iq: Stanza) -> Stream:
    """The stream that a request came in at which was addressed to it (STREAM)."""
    stream: Any = iq.origin
    return stream  # type: ignore[no-any-return]
