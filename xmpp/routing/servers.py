"""What is seen of a server by those who handle stanzas: features, and the engine's own routing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from xmpp.config.configuration import Configuration
    from xmpp.config.settings import StreamSettings
    from xmpp.data.errors import StreamError
    from xmpp.data.jid import JID
    from xmpp.routing.feature import Registry, Subdomains
    from xmpp.routing.online import Online
    from xmpp.routing.ownership import Ownership
    from xmpp.routing.portions import Portions
    from xmpp.routing.requests import Requests
    from xmpp.routing.router import Router
    from xmpp.routing.tables import Tables

Settings = TypeVar("Settings")
State = TypeVar("State")


class Server(Protocol):
    """A server that runs, or one that carries out administration and does not listen."""

    @property
    def configuration(self) -> "Configuration":
        """All that it was configured with; a feature asks for its `settings`."""

    @property
    def db(self) -> Any:
        """The storage, for the functions of db/."""

    @property
    def storage_errors(self) -> tuple[type[Exception], ...]:
        """What the storage raises when it cannot store."""

    @property
    def domains(self) -> Sequence[str]:
        """The domains that it serves."""

    @property
    def default_domain(self) -> str:
        """The one it speaks for before a client has named one."""

    @property
    def subdomains(self) -> "Subdomains":
        """The services with addresses of their own."""

    @property
    def registry(self) -> "Registry":
        """What the features that are on declare."""

    @property
    def tables(self) -> "Tables":
        """Their steps."""

    @property
    def online(self) -> "Online":
        """The sessions that there are."""

    @property
    def ownership(self) -> "Ownership":
        """Which accounts are its own."""

    @property
    def router(self) -> "Router":
        """Where stanzas go."""

    @property
    def portions(self) -> "Portions":
        """What is done for many, a little at a time."""

    @property
    def requests(self) -> "Requests":
        """What it has asked others."""

    @property
    def stream_settings(self) -> "StreamSettings":
        """The settings of streams: these are asked for with each stanza."""

    @property
    def started_at(self) -> float:
        """When it was started, in seconds since the epoch."""

    @property
    def is_stopping(self) -> bool:
        """Whether it is about to end."""

    def settings(self, of: type[Settings]) -> Settings:
        """The settings of a feature, by their class: asked for each time, since they can be read anew."""

    def state(self, of: type[State]) -> State:
        """What a feature remembers while the server runs, by its class; made when it is first asked for."""

    def close_unbound_streams(self, account: "JID", error: "StreamError") -> None:
        """End the streams that have logged in as this account and have no session yet."""
