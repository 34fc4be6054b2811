"""Puts all parts together: into a server, or into what carries out administration. The only file that knows all of
them."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import web.demo
from db.secrets import secret
from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers.admin import administration
from handlers.tables import FEATURES, TABLES
from web import host_meta
from web.part import Part
from web.parts import PARTS
from web.serving import Serving
from web.site import Site, WebSettings, public_base
from xmpp import config_review
from xmpp.components.listener import ComponentListener
from xmpp.config.component_settings import ComponentsSettings
from xmpp.config.configuration import ConfigError, Configuration, Section
from xmpp.config.datafolder import DataFolder
from xmpp.config.settings import ServerSettings, StreamSettings
from xmpp.config_review import ClashError
from xmpp.control import CarryOut, ControlClient, ControlSocket
from xmpp.data.jid import JID
from xmpp.federation.dns.dialing import Dialer
from xmpp.federation.dns.resolver import Resolver
from xmpp.federation.dns.settings import DialSettings
from xmpp.federation.federation import Federation
from xmpp.federation.own_certificates import refused_by_others
from xmpp.federation.own_records import Found, look_up
from xmpp.federation.roots import read_roots
from xmpp.federation.settings import FederationSettings, talks_to_others
from xmpp.routing.feature import Feature, those_on
from xmpp.server import Server
from xmpp.stream.listen_settings import PORTS, ListenSettings
from xmpp.stream.listener import ClientListener, ListenError
from xmpp.stream.tls.certificates import CertificateError
from xmpp.stream.tls.contexts import HTTP, XMPP
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

log = logging.getLogger(__name__)

FOR_PEOPLE = ("pages", "web_client")  # parts of the HTTP side of which one stands at its address


def sections() -> list[Section]:
    """All sections that a configuration may have: the engine's own, and those of the features."""
    engine = {"server": ServerSettings, "listen": ListenSettings, "tls": TLSSettings, "streams": StreamSettings,
              "dialling": DialSettings, "components": ComponentsSettings}  # fmt: skip
    ours = [Section(name, settings, settings.__doc__ or "") for name, settings in engine.items()]
    declared: list[Feature | Part] = [*FEATURES, *PARTS]
    sides = {"web": WebSettings, "federation": FederationSettings}
    ours += [Section(name, settings, settings.__doc__ or "", True, True) for name, settings in sides.items()]
    return ours + [
        Section(each.name, each.settings, _about(each), each.optional, each.by_default)
        for each in declared
        if each.settings or each.optional
    ]


def _about(feature: Feature | Part) -> str:
    if feature.settings and feature.settings.__doc__:
        return feature.settings.__doc__
    return f"XEP-{feature.xep}." if feature.xep else f"RFC {feature.rfc}."


def chosen(config: Path | None, data: DataFolder) -> Path | None:
    """The configuration file that the user named, else the one in the data folder, if there is one."""
    return config or (data.configuration if data.has(data.configuration) else None)


def read_configuration(
    file: Path | None, *, overriding: Mapping[str, Mapping[str, Any]] | None = None
) -> Configuration:
    """Read the configuration, with the settings `overriding` in place of its own. Raises ConfigError."""
    configuration = Configuration.load(file, sections()).with_values(overriding or {})
    with blaming(file):
        config_review.refuse_clashes(configuration, FEATURES)
    return configuration


def served_configuration(
    file: Path | None, *, overriding: Mapping[str, Mapping[str, Any]] | None = None
) -> Configuration:
    """Read the configuration for a server: as `read_configuration`, and what is unwise in it is logged."""
    configuration = read_configuration(file, overriding=overriding)
    for doubt in config_review.unwise(configuration, file):
        log.warning("%s%s", f"{file}: " if file else "", doubt)
    return configuration


def review_certificates(configuration: Configuration) -> config_review.CertificateReview:
    """Review the certificates that the configuration names. Raises CertificateError if one cannot be used at all."""
    return config_review.review_certificates(configuration, FEATURES)


def notes_on_components(configuration: Configuration) -> Iterator[str]:
    """A sentence for each component that is configured."""
    return config_review.notes_on_components(configuration, FEATURES)


def talks_to_other_servers(configuration: Configuration) -> bool:
    """True if a server with this configuration talks to others."""
    domains = configuration[ServerSettings].domains
    return configuration.is_enabled("federation") and talks_to_others(configuration[FederationSettings], domains)


def own_records(configuration: Configuration) -> Iterator[Found]:
    """What other servers find in DNS for each domain and each of its services. Yields to other greenlets."""
    resolver = Resolver(lambda: configuration[DialSettings].name_servers)
    port = configuration[ListenSettings].server_port
    for domain, services in config_review.services_of(configuration, FEATURES).items():
        for name in (domain, *services):
            yield look_up(name, domain, port, resolver)


def notes_on_domains(configuration: Configuration) -> Iterator[str]:
    """A sentence for each domain that has settings of its own."""
    return config_review.notes_on_domains(configuration)


@contextmanager
def opened_server(data: DataFolder, configuration: Configuration, *, is_demo: bool = False) -> Iterator[Server]:
    """A server that is ready to start, with its data folder, which no other process can use meanwhile. To a demo
    clients log in without TLS, too.

    The database is made, or migrated. Raises the exceptions in cli.commands.FAILURES.
    """
    data.make()
    data.close_to_others()
    with Database(data.database) as db:
        server = _server(configuration, db)
        if configuration[ComponentsSettings].secrets:  # first, so that people still hear of what waits when it stops
            server.listeners.append(ComponentListener(server))
        has_web = configuration.is_enabled("web")
        protocols = (XMPP, HTTP) if has_web else (XMPP,)
        has_others = talks_to_other_servers(configuration)
        tls = ServerTLS(
            configuration[TLSSettings],
            server.subdomains.by_domain,
            data.certificates,
            protocols,
            with_servers=has_others,
        )
        listener = ClientListener(server, tls, must_be_secure=not is_demo)
        server.listeners.append(listener)
        if has_web:
            add_web(server, listener, (*PARTS, web.demo.part) if is_demo else PARTS)
        if has_others:
            add_federation(server, listener, tls)
        yield server


def host_meta_to_paste(configuration: Configuration) -> Iterator[str]:
    """For each domain, what its web server needs if that is another machine (XEP-0156)."""
    ports = _configured_ports(configuration)
    for domain in configuration[ServerSettings].domains:
        base = public_base(domain, configuration[WebSettings], ports)
        yield host_meta.pasted(domain, base, configuration.is_enabled)


def _configured_ports(configuration: Configuration) -> dict[str, int]:
    listen = configuration[ListenSettings]
    return {spoken: getattr(listen, key) for key, spoken in PORTS.items() if getattr(listen, key) > 0}


def add_web(server: Server, listener: ClientListener, parts: Iterable[Part] = PARTS) -> Site:
    """Give a server its HTTP side, before it starts to listen."""
    features = {feature.name for feature in server.registry.features}
    site = Site(server, listener, those_on(parts, server.configuration.is_enabled, features))
    listener.http_side = Serving(site)
    server.find_web_base = site.base
    return site


def add_federation(server: Server, listener: ClientListener, tls: ServerTLS) -> Federation:
    """Have a server talk to others, before it starts to listen. Raises CertificateError."""
    roots = read_roots(server.settings(FederationSettings).authorities)
    dialer = Dialer(lambda: server.settings(DialSettings))
    federation = Federation(server, secret(server.db, "dialback"), dialer, roots, tls)
    listener.server_side = federation
    warn_of_certificates(server)
    return federation


def warn_of_certificates(server: Server) -> None:
    """Log why other servers will refuse the certificates that it has now, if it talks to others."""
    services = config_review.services_of(server.configuration, FEATURES)
    for side in (listener.server_side for listener in server.listeners if isinstance(listener, ClientListener)):
        if isinstance(side, Federation) and side.tls is not None:
            for domain, certificate in side.tls.certificates.items():
                for refusal in refused_by_others(certificate, [domain, *services.get(domain, ())], side.roots):
                    log.warning(refusal)


def show_in_browser(server: Server, passwords: Mapping[str, str], room: JID | None) -> str | None:
    """Have the page of a demo show these accounts; returns its address, or None where there is no such page."""
    site = _site(server)
    if site is None or not site.has(web.demo.part.name) or "HTTP" not in site.listener.ports:
        return None
    shown = server.state(web.demo.Stage)
    shown.passwords = {JID.parse(address): password for address, password in passwords.items()}
    shown.room = room
    return web.demo.address(site)


def address_for_browsers(server: Server) -> str | None:
    """Where people find the server with a browser, or None where there is nothing for them."""
    site = _site(server)
    if site is None or not any(map(site.has, FOR_PEOPLE)):
        return None
    return site.base(server.default_domain)


def _site(server: Server) -> Site | None:
    for listener in server.listeners:
        if isinstance(listener, ClientListener) and isinstance(listener.http_side, Serving):
            return listener.http_side.site
    return None


def control_socket(server: Server, data: DataFolder) -> ControlSocket:
    """The socket through which the command line reaches this server."""
    return ControlSocket(data.control, partial(administration.carry_out, server))


@contextmanager
def blaming(file: Path | None) -> Iterator[None]:
    """Name the configuration file in errors about settings that turn out to be wrong only when they are used."""
    try:
        yield
    except (CertificateError, ListenError, ClashError) as error:
        raise ConfigError(f"{file}: {error}" if file else str(error)) from error


@contextmanager
def blaming_options() -> Iterator[None]:
    """Name the option of the command line that helps when a port cannot be listened on."""
    try:
        yield
    except ListenError as error:
        if error.section != "listen":
            raise ConfigError(str(error)) from error
        option = f"--{error.key.replace('_', '-')}"
        raise ConfigError(f"{option}: {error.reason} With {option} 0 the system chooses one.") from error


@contextmanager
def kept_or_temporary(data: Path | None) -> Iterator[DataFolder]:
    """The data folder that the user named, else one that is removed at the end of the block."""
    if data:
        yield DataFolder(data)
        return
    with TemporaryDirectory(prefix="xserv-demo-") as temporary:
        yield DataFolder(Path(temporary))


# Administration


@contextmanager
def administering(
    config: Path | None, data: DataFolder, *, may_make: bool, made_new: Callable[[], None]
) -> Iterator[CarryOut]:
    """What carries out administration: the server that runs on the data folder, or this process.

    If there is no database: with `may_make` one is made, and `made_new` is called; else raises DataFolderError.
    """
    client = ControlClient.connect(data.control)
    if client:
        with closing(client):
            yield client
        return
    if not may_make:
        data.refuse_missing_database()
    with ExitStack() as opened:
        yield _Alone(data, chosen(config, data), opened, made_new)


class _Alone:
    """Carries out administration while no server runs. The database is opened, or made, by the first command that needs
    it."""

    def __init__(self, data: DataFolder, file: Path | None, opened: ExitStack, made_new: Callable[[], None]) -> None:
        self._data = data
        self._file = file
        self._configuration = read_configuration(file)
        self._opened = opened
        self._made_new = made_new
        self._server: Server | None = None

    def __call__(self, command: str, **arguments: Any) -> Any:
        if command == "unsuitable":
            return self._unsuitable(**arguments)
        return administration.carry_out(self._its_server(), command, **arguments)

    def _unsuitable(self, addresses: Sequence[str]) -> list[tuple[int, str]]:
        """The places of the addresses that are refused, with the reasons. If there is no database yet, this uses a
        temporary one, so that none is made for accounts that are refused."""
        if self._data.has(self._data.database):
            found = administration.carry_out(self._its_server(), "unsuitable", addresses=addresses)
        else:
            with TemporaryDirectory() as empty, Database(Path(empty) / "xserv.db") as db:
                server = _server(self._configuration, db)
                found = administration.carry_out(server, "unsuitable", addresses=addresses)
        return [(place, self._foreign(addresses[place]) or reason) for place, reason in found]

    def _foreign(self, address: str) -> str | None:
        """A reason that helps if the domain is unknown: the server may run with another configuration. Else None."""
        domains = self._configuration[ServerSettings].domains
        domain = administration.domain_of(address)
        if domain is None or domain in domains:
            return None
        if self._file:
            return (
                f"{domain} is not among the domains of {self._file} ({', '.join(domains)}): "
                "add it there to [server] domains, or name the server's configuration with --config."
            )
        return (
            f"{domain} is not among the domains known here ({', '.join(domains)}), since there is no configuration: "
            f"name the server's with --config, or put it at {self._data.configuration}."
        )

    def _its_server(self) -> Server:
        """A server on the data folder that does not listen; opened when it is first needed."""
        if self._server is None:
            is_new = not self._data.has(self._data.database)
            self._data.make()
            self._data.close_to_others()
            db = self._opened.enter_context(Database(self._data.database, may_migrate=False))
            if is_new:
                self._made_new()
            self._server = _server(self._configuration, db)
            if self._configuration.is_enabled("web"):  # for links to what will be there once it listens
                settings, ports = self._configuration[WebSettings], _configured_ports(self._configuration)
                self._server.find_web_base = lambda domain: public_base(domain, settings, ports)
        return self._server


def _server(configuration: Configuration, db: Database) -> Server:
    return Server(configuration, db, FEATURES, TABLES, storage_errors=(StorageError,))
