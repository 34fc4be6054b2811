"""The parts of a server that features and the engine's routing use."""

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
    """A server: a running one, or one that only carries out a command of the administrator and does not listen."""

    @property
    def configuration(self) -> "Configuration":
        """The whole configuration; a feature asks for its own `settings`."""

    @property
    def db(self) -> Any:
        """The storage, for the functions of db/."""

    @property
    def storage_errors(self) -> tuple[type[Exception], ...]:
        """The exceptions that the storage raises when it cannot store."""

    @property
    def domains(self) -> Sequence[str]:
        """The domains that this server serves."""

    @property
    def default_domain(self) -> str:
        """The domain that the server speaks for until a client has named one."""

    @property
    def subdomains(self) -> "Subdomains":
        """The services with addresses of their own."""

    @property
    def registry(self) -> "Registry":
        """What the enabled features declare."""

    @property
    def tables(self) -> "Tables":
        """The steps of the enabled features."""

    @property
    def online(self) -> "Online":
        """All sessions."""

    @property
    def ownership(self) -> "Ownership":
        """Which accounts are its own."""

    @property
    def router(self) -> "Router":
        """Where stanzas go."""

    @property
    def portions(self) -> "Portions":
        """Work that concerns many, done a portion at a time."""

    @property
    def requests(self) -> "Requests":
        """The requests that this server has sent and that wait for an answer."""

    @property
    def stream_settings(self) -> "StreamSettings":
        """The settings of streams, at hand because every stanza needs them."""

    @property
    def started_at(self) -> float:
        """When the server was started, in seconds since the epoch."""

    @property
    def is_stopping(self) -> bool:
        """True once the server has begun to stop."""

    def settings(self, of: type[Settings]) -> Settings:
        """The settings of a feature, by their class. Ask each time: a reload changes them."""

    def settings_at(self, domain: str, of: type[Settings]) -> Settings:
        """The same, as they are for one of the domains: for those that may differ (`by_domain`)."""

    def state(self, of: type[State]) -> State:
        """What a feature remembers while the server runs, by its class; made when it is first asked for."""

    def runs(self, domain: str) -> bool:
        """True if it is a service of ours that answers at this domain."""

    def web_base(self, domain: str) -> str | None:
        """The address, without a slash at its end, at which people at this domain find what is there over HTTP; None if
        there is nothing."""

    def close_unbound_streams(self, account: "JID", error: "StreamError") -> None:
        """Close the streams that have logged in as this account and have no session yet."""
