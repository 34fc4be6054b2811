"""One server: its configuration, storage, features, tables, sessions and listeners.

Built by assembly.py, the only file that knows all the parts. Two servers can live in one process.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any, Protocol, TypeVar

import gevent

from xmpp.config.component_settings import ComponentsSettings
from xmpp.config.configuration import Configuration
from xmpp.config.settings import ServerSettings, StreamSettings
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.routing.feature import Feature, Registry, Subdomains, those_on
from xmpp.routing.online import Online
from xmpp.routing.ownership import Elsewhere, Ownership
from xmpp.routing.portions import Portions
from xmpp.routing.requests import Requests
from xmpp.routing.router import Router
from xmpp.routing.tables import SERVER_STARTED, SERVER_STOPPING, STREAMS_CLOSING, ServerStep, Table, Tables

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 4.0  # until the last bytes have left; service managers allow 5 s for all of it
LAST_BYTES_SECONDS = 0.5  # of these at least, however long it has taken to store what is to be kept

Settings = TypeVar("Settings")
State = TypeVar("State")


class Listener(Protocol):
    """What accepts connections and serves their streams."""

    def start(self) -> Sequence[str]:
        """Listen; returns the addresses as people read them. Raises ListenError."""

    def reload(self, configuration: Configuration) -> None:
        """Use changed settings and certificates. Yields. Raises CertificateError, and then nothing has changed."""

    def stop(self) -> None:
        """Accept no more connections."""

    def close_streams(self, error: StreamError) -> None:
        """Close every client's stream, with or without a session."""

    def close_others(self, error: StreamError) -> None:
        """Close the streams of other servers and of components, which have heard by now who has gone."""

    def wait_until_told(self) -> None:
        """Yield until all that was written to any stream has been handed to the kernel."""

    def close_unbound_streams(self, account: JID, error: StreamError) -> None:
        """Close the streams that have logged in as this account and have no session yet."""


class Server:
    """A running server, as handlers see it.

    `db` is the storage, which handlers pass to the functions of db/. All that the engine knows of it is
    `storage_errors`, the exceptions that it raises when it cannot store, and that it notes the ticket of what it
    stores in `handled()`.
    """

    def __init__(
        self,
        configuration: Configuration,
        db: Any,
        features: Iterable[Feature],
        tables: Tables,
        *,
        storage_errors: tuple[type[Exception], ...] = (),
        elsewhere: Elsewhere | None = None,
    ) -> None:
        features = tuple(features)
        tables.check_owners(features)
        enabled = those_on(features, configuration.is_enabled)
        self.configuration = configuration
        self.db = db
        self.storage_errors = storage_errors
        self.registry = Registry.of(enabled)
        self.tables = tables.of(enabled)
        self.domains = tuple(self.settings(ServerSettings).domains)
        self.subdomains = Subdomains(enabled, self.settings, self.domains, self.settings(ComponentsSettings).secrets)
        self.started_at = time.time()
        self.online = Online()
        self.ownership = Ownership(self.domains, self.online, elsewhere)
        self.router = Router(self)
        self.portions = Portions(self)
        self.requests = Requests(self.router)
        self.stream_settings: StreamSettings = self.settings(StreamSettings)
        self.listeners: list[Listener] = []  # whoever puts a server together adds them
        self.is_stopping = False
        self.find_web_base: Callable[[str], str] | None = None  # set by the HTTP side, if there is one
        self._states: dict[type, Any] = {}

    def settings(self, of: type[Settings]) -> Settings:
        """The settings of a feature, by their class."""
        return self.configuration[of]

    def settings_at(self, domain: str, of: type[Settings]) -> Settings:
        """The same, as they are for one of the domains."""
        return self.configuration.at(domain, of)

    def state(self, of: type[State]) -> State:
        """What a feature remembers while this server runs, by its class; made when it is first asked for."""
        if of not in self._states:
            self._states[of] = of()
        found: State = self._states[of]
        return found

    def runs(self, domain: str) -> bool:
        """True if it is a service of ours that answers at this domain."""
        return domain in self.subdomains.by_address and self.ownership.runs(domain)

    def web_base(self, domain: str) -> str | None:
        """The address, without a slash at its end, at which people at this domain find what is there over HTTP; None if
        there is nothing."""
        return self.find_web_base(domain) if self.find_web_base else None

    def close_unbound_streams(self, account: JID, error: StreamError) -> None:
        """Close the streams that have logged in as this account and have no session yet."""
        for listener in self.listeners:
            listener.close_unbound_streams(account, error)

    @property
    def default_domain(self) -> str:
        """The domain that the server speaks for until a client has named one."""
        return self.domains[0]

    def start(self) -> Sequence[str]:
        """Listen; returns the addresses as people read them. Raises ListenError."""
        listens_on = [address for listener in self.listeners for address in listener.start()]
        for step in self.tables[SERVER_STARTED]:
            step(self)
        return listens_on

    def reload(self, configuration: Configuration) -> None:
        """Use changed settings and certificates; nobody is disconnected. Yields before anything changes.

        Raises CertificateError, and then nothing has changed.
        """
        for listener in self.listeners:
            listener.reload(configuration)
        self.configuration = configuration
        self.stream_settings = self.settings(StreamSettings)

    def stop(self) -> None:
        """Close every stream with system-shutdown. Yields until that has been sent, and no longer than SHUTDOWN_SECONDS
        in all where clients do not read: what takes longer is to be kept, such as what they have not acknowledged."""
        ends = monotonic() + SHUTDOWN_SECONDS
        self.is_stopping = True
        for listener in self.listeners:
            listener.stop()
        self._run(STREAMS_CLOSING)
        for listener in self.listeners:
            listener.close_streams(StreamError("system-shutdown"))
        self._run(SERVER_STOPPING)
        self.portions.stop(ends - LAST_BYTES_SECONDS - monotonic())  # people elsewhere are still to hear who has gone
        for listener in self.listeners:
            listener.close_others(StreamError("system-shutdown"))
        seconds = max(LAST_BYTES_SECONDS, ends - monotonic())
        gevent.with_timeout(seconds, self._wait_until_told, timeout_value=None)

    def _run(self, table: Table[ServerStep]) -> None:
        for step in self.tables[table]:
            try:
                step(self)
            except Exception:  # the other steps still have something to save
                log.exception("stopping: %s failed", step.__qualname__)

    def _wait_until_told(self) -> None:
        for listener in self.listeners:
            listener.wait_until_told()
