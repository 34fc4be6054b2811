"""The settings of components (XEP-0114), which the engine, service discovery and what gives components rights read."""

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xmpp.config.configuration import setting
from xmpp.data.jid import JID, MalformedJID

SAFE_SECRET = 16  # characters; fewer could be tried out


def _check_secrets(secrets: Mapping[str, str]) -> None:
    for domain, secret in secrets.items():
        check_domain(domain)
        if not secret:
            raise ValueError(f"expected a secret for {domain}, as `openssl rand -hex 20` makes one")


def check_domain(domain: str) -> None:
    """Raise ValueError unless this is a domain as it stands in addresses."""
    try:
        normal = JID.parse(domain).domain
    except MalformedJID:
        raise ValueError(f"expected domains of components, such as bridge.example.org, found {domain!r}") from None
    if normal != domain:
        raise ValueError(f"expected domains of components as they stand in addresses, such as {normal}")


def _check_addresses(addresses: tuple[str, ...]) -> None:
    try:
        parsed = {ipaddress.ip_address(address) for address in addresses}
    except ValueError:
        raise ValueError("expected IP addresses, such as 127.0.0.1 or ::1") from None
    if not parsed or len(parsed) < len(addresses):
        raise ValueError("expected at least one address, and each once")


@dataclass(frozen=True)
class ComponentsSettings:
    """Components: programs of their own, such as bridges to other networks, that answer at domains of their own
    (XEP-0114)."""

    secrets: dict[str, str] = setting({}, "The components: for each domain the secret that its program knows, too. "
                                      "Without any, no port is opened.", check=_check_secrets, secret=True,
                                      restart=True)  # fmt: skip
    port: int = setting(5347, "The port where they connect, without TLS. 0: the system chooses one.",
                        minimum=0, maximum=65535, restart=True)  # fmt: skip
    addresses: tuple[str, ...] = setting(("127.0.0.1",), "The addresses to listen on for them.",
                                         check=_check_addresses, restart=True)  # fmt: skip
    replace: bool = setting(False, "Whether a component that connects a second time takes the place of its first "
                            "connection. If not, the second one is refused.")  # fmt: skip
    waiting_stanzas: int = setting(10_000, "How many stanzas wait for a component that is away or does not read.",
                                   minimum=1, maximum=1_000_000)  # fmt: skip
    waiting_bytes: int = setting(4 << 20, "How long they may be together.",
                                 minimum=10_000, maximum=1 << 30, at_most="streams.unsent_bytes")  # fmt: skip
    waiting_seconds: int = setting(60, "How long they wait, before their senders are told that the component is not "
                                   "there.", minimum=1, maximum=86_400)  # fmt: skip
    confirm_seconds: int = setting(2, "So long after it was sent something, a component is asked by a ping whether it "
                                   "has read it; if its connection breaks, the senders of what it has not read are "
                                   "told. 0: never.", minimum=0, maximum=3_600)  # fmt: skip
    stanza_bytes: int = setting(524_288, "The longest stanza from a component.", minimum=10_000, maximum=10_000_000)
    bytes_per_second: int = setting(10_000_000, "How much is read from one component; it is slowed down to that.",
                                    minimum=10_000, maximum=1_000_000_000)  # fmt: skip
    strangers: int = setting(20, "How many connections there may be that have not shown a secret yet.",
                             minimum=1, maximum=10_000)  # fmt: skip

    @property
    def is_open_to_others(self) -> bool:
        """True if other machines may reach the port."""
        return not all(ipaddress.ip_address(address).is_loopback for address in self.addresses)


def home(component: str, domains: Collection[str]) -> str | None:
    """The one of these domains that a component is beneath; None if it is beneath none, and so belongs to them all."""
    parent = component
    while parent:
        parent = parent.partition(".")[2]
        if parent in domains:
            return parent
    return None


def belonging_to(domain: str, components: Collection[str], domains: Collection[str]) -> list[str]:
    """The components that people of this domain are shown, and that may have rights there: those beneath it, and those
    that are beneath none of the `domains`."""
    return [each for each in components if home(each, domains) in (domain, None)]
