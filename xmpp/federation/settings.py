"""The settings of federation."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xmpp.config.configuration import setting
from xmpp.data.jid import JID
from xmpp.federation.denied import read_denied

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
MODES = ("auto", "open", "listed", "closed")


def _check_domains(domains: tuple[str, ...]) -> None:
    for domain in domains:
        _check_domain(domain)


def _check_pins(pins: Mapping[str, str]) -> None:
    for domain, fingerprint in pins.items():
        _check_domain(domain)
        if not _FINGERPRINT.fullmatch(plain_fingerprint(fingerprint)):
            raise ValueError("expected SHA-256 fingerprints of certificates: 64 hexadecimal digits, with colons or not")


def _check_domain(domain: str) -> None:
    if JID.parse(domain).domain != domain:
        raise ValueError(f"expected domains as they stand in addresses, such as {JID.parse(domain).domain}")


def plain_fingerprint(fingerprint: str) -> str:
    """A fingerprint in hexadecimal digits without colons, in lower case."""
    return fingerprint.replace(":", "").lower()


@dataclass(frozen=True)
class FederationSettings:
    """Other servers: who may talk with the people here, and how their servers have to show who they are."""

    mode: str = setting("auto", "Which servers ours talks to: open, all but those in `denied`; listed, only those in "
                        "`allowed`; closed, none; auto, open if one of our domains can be reached from elsewhere.",
                        choices=MODES, restart=True)  # fmt: skip
    authorities: Path | None = setting(None, "A PEM file with the certificates of the authorities that are trusted to "
                                       "issue those of other servers; without it, the system's.",
                                       restart=True)  # fmt: skip
    allowed: tuple[str, ...] = setting((), "The domains to talk to if the mode is listed; those beneath them, too.",
                                       check=_check_domains)  # fmt: skip
    denied: tuple[str, ...] = setting((), "The domains not to talk to; nor to those beneath them.",
                                      check=_check_domains)  # fmt: skip
    denied_file: Path | None = setting(None, "A file of more such domains, one in each line; # begins a comment. It is "
                                       "read again at SIGHUP.")  # fmt: skip
    pinned: dict[str, str] = setting(
        {},
        "Domains that have to show just this certificate, whoever has signed it: its SHA-256 fingerprint.\n"
        'For example {"example.net" = "5e:ca:..."}.',
        check=_check_pins,
    )
    dialback: tuple[str, ...] = setting((), "Domains whose certificate may be invalid: what DNS says of them is proof "
                                        "enough (dialback).",
                                        check=_check_domains)  # fmt: skip
    without_tls: tuple[str, ...] = setting((), "Domains to talk to without encryption if they offer none.",
                                           check=_check_domains)  # fmt: skip
    negotiation_seconds: int = setting(60, "How long two servers may take until they may exchange stanzas.",
                                       minimum=1, maximum=600)  # fmt: skip
    answer_seconds: int = setting(30, "How long a server may take to confirm what it was sent.",
                                  minimum=1, maximum=600)  # fmt: skip
    unconfirmed_bytes: int = setting(16 << 20, "How much a server may leave unconfirmed until the connection is given "
                                     "up.", minimum=65_536, maximum=1 << 30)  # fmt: skip
    all_unconfirmed_bytes: int = setting(256 << 20, "How much all servers together may leave unconfirmed; of more, the "
                                         "connections are given up on which it is most.",
                                         minimum=65_536, maximum=1 << 36)  # fmt: skip
    idle_seconds: int = setting(600, "After how long without stanzas a connection that we have made is closed.",
                                minimum=5, maximum=86_400)  # fmt: skip
    most_pause_seconds: int = setting(300, "The longest pause before a domain that could not be reached is tried "
                                      "again.", minimum=1, maximum=3_600)  # fmt: skip
    stanza_bytes: int = setting(524_288, "The longest stanza that a server may send.",
                                minimum=10_000, maximum=10_000_000)  # fmt: skip
    bytes_per_second: int = setting(4_000_000, "How much is read from one connection of a server.",
                                    minimum=10_000, maximum=1_000_000_000)  # fmt: skip
    domain_bytes_per_second: int = setting(8_000_000, "How much is read from all connections of one domain, and of "
                                           "those beneath it.", minimum=10_000, maximum=1_000_000_000)  # fmt: skip
    domain_stanzas_per_second: int = setting(20_000, "How many stanzas. More of them wait; none are lost.",
                                             minimum=10, maximum=1_000_000)  # fmt: skip
    domain_connections: int = setting(100, "How many connections the servers of one domain, and of those beneath it, "
                                      "may make for each domain here. Of more, the one that was not used for longest "
                                      "is closed.",
                                      minimum=1, maximum=10_000)  # fmt: skip
    address_bytes_per_second: int = setting(32_000_000, "How much is read from all servers behind one address.",
                                            minimum=10_000, maximum=1_000_000_000)  # fmt: skip
    queue_stanzas: int = setting(100, "How many stanzas wait for a domain while its server is looked for.",
                                 minimum=1, maximum=100_000)  # fmt: skip
    queue_bytes: int = setting(262_144, "How many bytes of them.", minimum=1_000, maximum=1 << 30)
    all_queued_stanzas: int = setting(10_000, "How many stanzas wait for all domains together; a fifth of "
                                      "them of one account.",
                                      minimum=1, maximum=1_000_000)  # fmt: skip
    links: int = setting(10_000, "To how many domains there may be connections, or attempts to make one.",
                         minimum=1, maximum=1_000_000)  # fmt: skip
    pairs_per_stream: int = setting(100, "For how many pairs of domains one connection may be used.",
                                    minimum=1, maximum=10_000)  # fmt: skip

    def __post_init__(self) -> None:
        _ = self.all_denied  # what is wrong with the file is found now, and not when somebody connects

    @cached_property
    def all_denied(self) -> frozenset[str]:
        """The domains not to talk to, from both places. Raises ValueError if the file is not as it should be."""
        return frozenset(self.denied) | (read_denied(self.denied_file) if self.denied_file else frozenset())


# Nobody elsewhere finds what has no dot, or ends with one of these (RFC 2606, 6761, 6762, 8375, 9476).
NOT_FOUND_ELSEWHERE = frozenset(
    {"alt", "arpa", "example", "internal", "invalid", "lan", "local", "localdomain", "localhost", "onion", "test"}
)


def talks_to_others(settings: FederationSettings, domains: Iterable[str]) -> bool:
    """True if a server for these domains is to talk to others."""
    if settings.mode == "auto":
        return any(_can_be_found(domain) for domain in domains)
    return settings.mode != "closed"


def _can_be_found(domain: str) -> bool:
    top = domain.rpartition(".")[2]
    return "." in domain and top not in NOT_FOUND_ELSEWHERE and not top.isdecimal() and not domain.endswith("]")


def is_beneath(domain: str, listed: Collection[str]) -> bool:
    """True if the domain, or one that it is beneath, is listed."""
    while domain and domain not in listed:
        domain = domain.partition(".")[2]
    return bool(domain)
