"""The HTTP side of one server, as its parts see it: the server, the streams of its clients, and its own address."""

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from web.http.targets import host_of, is_address
from web.part import Part
from xmpp.config.configuration import setting
from xmpp.server import Server
from xmpp.stream.client_streams import ClientStreams
from xmpp.stream.listener import ClientListener
from xmpp.stream.tls.certificates import a_label, a_labels

HTTPS_PORT = 443
DOMAIN = "{domain}"


def _check_address(address: str) -> None:
    if address and not address.startswith(("https://", "http://")):
        raise ValueError("expected an address such as https://chat.example.org")
    if address.endswith("/"):
        raise ValueError("expected an address without a slash at its end")


@dataclass(frozen=True)
class WebSettings:
    """What browsers, apps and proxies reach over HTTP, on the ports that [listen] names."""

    address: str = setting("", "The address at which all of this is reached from outside, such as "
                           "`https://chat.example.org`, or `https://{domain}` for each domain's own. Behind a proxy it "
                           "may have a path, which the proxy takes away. Empty: the domain, and the port of [listen].",
                           check=_check_address)  # fmt: skip
    names: tuple[str, ...] = setting((), "Host names to answer for, beside the domains, their services, and the one in "
                                     "`address`.")  # fmt: skip
    head_seconds: int = setting(10, "How long the head of a request may take.", minimum=1, maximum=600)
    idle_seconds: int = setting(60, "How long a connection may wait for its next request.", minimum=1, maximum=3_600)
    slowest_bytes_per_second: int = setting(1_000, "How fast a client has to send, and to read what it has asked for, "
                                            "once the first 30 seconds are over.",
                                            minimum=1, maximum=1_000_000)  # fmt: skip


class Site:
    """The HTTP side of one server. `parts` are those that are on."""

    def __init__(self, server: Server, listener: ClientListener, parts: Iterable[Part]) -> None:
        self.server = server
        self.listener = listener
        self.parts = tuple(parts)
        self._names: tuple[WebSettings, Collection[str]] | None = None  # of our hosts, for these settings

    @property
    def streams(self) -> ClientStreams:
        """The streams of all clients."""
        return self.listener.streams

    @property
    def settings(self) -> WebSettings:
        """The settings of the HTTP side itself."""
        return self.server.settings(WebSettings)

    def has(self, name: str) -> bool:
        """True if the part of this name is on."""
        return any(part.name == name for part in self.parts)

    def base(self, domain: str) -> str:
        """The address from which clients at this domain reach all of this, without a slash at its end.

        On this machine that is HTTP, since no browser knows a certificate for localhost.
        """
        return public_base(domain, self.settings, self.listener.ports)

    def origin(self, domain: str) -> str:
        """The same without its path, as browsers name where a page comes from."""
        base = urlsplit(self.base(domain))
        return f"{base.scheme}://{base.netloc}"

    def root(self, host: str) -> str:
        """What stands in front of our paths in a browser that asked for this host: the path of [web] address, which
        the proxy there has taken away; "" where there is none."""
        return urlsplit(self.base(self.domain_for(host))).path

    def own_host(self, domain: str) -> str:
        """The name of the host in the address for this domain."""
        return host_of(urlsplit(self.base(domain)).netloc)

    def answers_for(self, host: str) -> bool:
        """True if a request may name this host: one of ours, or an address."""
        return host in self._hosts() or is_address(host) or host == "localhost"

    def domain_for(self, host: str) -> str:
        """The domain whose people somebody means who asked for this host: the default one if it says nothing."""
        return self.domain_named(host) or self.server.default_domain

    def domain_named(self, host: str) -> str | None:
        """The domain of ours whose name this host has; None for a host of all of them, such as chat.example.org."""
        meant = (domain for domain in self.server.domains if host in (domain, a_label(domain)))
        return next(meant, None)

    def _hosts(self) -> Collection[str]:
        settings = self.settings
        if self._names is None or self._names[0] is not settings:
            self._names = settings, self._names_of_hosts()
        return self._names[1]

    def _names_of_hosts(self) -> Collection[str]:
        domains = [*self.server.domains, *self.server.subdomains.by_address]
        own = map(self.own_host, self.server.domains)
        return {*a_labels(domains), *self.settings.names, *own}


def public_base(domain: str, settings: WebSettings, ports: Mapping[str, int]) -> str:
    """The address from which clients at this domain reach the HTTP side, with these ports by what is spoken there."""
    if settings.address:
        return settings.address.replace(DOMAIN, a_label(domain))
    if _is_here(domain) and "HTTP" in ports:
        return f"http://{domain}:{ports['HTTP']}"
    port = next((ports[each] for each in ("everything", "HTTPS", "TLS") if each in ports), HTTPS_PORT)
    host = domain if domain.startswith("[") else a_label(domain)
    return f"https://{host}" + ("" if port == HTTPS_PORT else f":{port}")


def _is_here(domain: str) -> bool:
    try:
        return ipaddress.ip_address(domain.strip("[]")).is_loopback
    except ValueError:
        return domain == "localhost" or domain.endswith(".localhost")
