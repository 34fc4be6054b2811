"""The parts of a stream that sessions and features may use."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lxml import etree

from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import State

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


class Connection(Protocol):
    """What a session writes to while it is connected; `peer` is the network address of its client, `carrier` what
    carries it, such as tcp. Nothing here yields."""

    peer: str
    carrier: str

    @property
    def has_room(self) -> bool:
        """True if little waits to be written, so that more can be sent in bulk."""

    def when_room(self, act: Callable[[], None]) -> None:
        """Call act() as soon as there is room; never if the connection is lost before that."""

    def write(self, data: bytes) -> None:
        """Enqueue bytes for the peer; they wait for the disk if what is being handled has stored something."""

    def write_ahead(self, data: bytes) -> None:
        """Enqueue bytes that may overtake what waits for the disk."""

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream, with an error if one is given; its session ends or hibernates."""

    def detach(self, error: StreamError) -> None:
        """Close the stream with this error; its session goes on with another stream."""

    def drop(self, reason: Exception) -> None:
        """Drop the connection: the peer does not read, or what it was to be told could not be stored."""


class Negotiated(Protocol):
    """What a feature negotiates over several elements, such as SASL."""

    def allows(self, tag: str) -> bool:
        """True if an element of this tag may come now. Whatever else comes ends the stream."""


class ClientCertificate(NamedTuple):
    """A certificate that a client has shown: the addresses that it is for, as they are written there, or why it is not
    good: the certificate `refused`, such as "has expired"; "" if it is good. `until`: when it expires, or one of those
    that it rests on, in seconds since 1970."""

    addresses: tuple[str, ...]
    refused: str
    until: float


class Stream(Connection, Protocol):
    """A client's stream, as seen by features that handle its top-level elements.

    `identity` is that of the account that has logged in. `exchange` belongs to the feature that negotiates over several
    elements, such as SASL; it is None between negotiations. `access` belongs to the feature that lets people in:
    what it knows of how the client has logged in, which its session keeps; `invitation` to the one that invites them.
    """

    identity: str | None
    access: object | None
    invitation: object | None
    exchange: Negotiated | None

    @property
    def server(self) -> "Server":
        """The server that the client is connected to."""

    @property
    def host(self) -> str:
        """The domain that the client connected to."""

    @property
    def account(self) -> JID | None:
        """Who has logged in."""

    @property
    def claimed(self) -> JID | None:
        """Who the client says it is, in its stream header: a bare address, which proves nothing."""

    @property
    def state(self) -> State:
        """How far the negotiation has come."""

    @property
    def its_session(self) -> "Session":
        """The session; there is one for elements that are declared for State.BOUND."""

    @property
    def is_secure(self) -> bool:
        """True if TLS is on."""

    @property
    def must_be_secure(self) -> bool:
        """True if clients have to use TLS here."""

    @property
    def tls_version(self) -> str:
        """Such as TLSv1.3; "" if there is no TLS, or it does not end here."""

    def channel_bindings(self) -> dict[str, bytes]:
        """The channel bindings by type (RFC 5929), strongest first; empty without TLS. Worked out each time."""

    def client_certificate(self) -> ClientCertificate | None:
        """The certificate that the client has shown; None if there is none, or the domain does not ask for any. Looked
        at each time, which may take some milliseconds."""

    def send(self, stanza: Stanza) -> None:
        """Enqueue a stanza: the answer to a request made before binding."""

    def send_element(self, element: etree._Element) -> None:
        """Enqueue an element that is no stanza."""

    def authenticated(self, account: JID, identity: str, *, in_place: bool = False) -> None:
        """Say that this account has logged in; the client begins a new stream, or goes on with this one."""

    def send_features(self) -> None:
        """Enqueue what is offered now, on a stream that goes on."""

    def bind(self, session: "Session") -> None:
        """Make this the stream of a new session, which is online from now on."""

    def resume(self, session: "Session") -> None:
        """Make this the stream of a session that goes on."""


def stream_of(iq: Stanza) -> Stream:
    """The stream that a request addressed to STREAM came in on."""
    stream: Any = iq.origin
    return stream  # type: ignore[no-any-return]
