"""The engine's settings that more than one of its parts reads: of the server itself, and of its streams."""

from dataclasses import dataclass

from xmpp.config.configuration import setting
from xmpp.data.jid import JID


def _check_domains(domains: tuple[str, ...]) -> None:
    if not domains:
        raise ValueError("expected at least one domain")
    for domain in domains:
        if JID.parse(domain).domain != domain:
            raise ValueError(f"expected domains as they stand in addresses, such as {JID.parse(domain).domain}")
    if len(set(domains)) < len(domains):
        raise ValueError("expected each domain once")


def _check_accounts(addresses: tuple[str, ...]) -> None:
    for address in addresses:
        jid = JID.parse(address)
        if jid != address or not jid.local or jid.is_full:
            raise ValueError("expected addresses of accounts as they are normalised, such as romeo@example.org")


@dataclass(frozen=True)
class ServerSettings:
    """The server itself."""

    domains: tuple[str, ...] = setting(
        ("localhost",), "The domains to serve; accounts are NAME@DOMAIN.", check=_check_domains, restart=True
    )
    administrators: tuple[str, ...] = setting(
        (), "The accounts that may do what is left to administrators.", check=_check_accounts
    )


@dataclass(frozen=True)
class StreamSettings:
    """Streams: how long things may take, and how much of them there may be."""

    login_seconds: int = setting(30, "How long a client may take to log in.", minimum=1, maximum=3_600)
    close_seconds: int = setting(5, "How long to wait for a client to hang up after the stream was closed.",
                                 minimum=1, maximum=60)  # fmt: skip
    dead_peer_seconds: int = setting(180, "After how long a peer that does not answer at all is dropped.",
                                     minimum=4, maximum=86_400)  # fmt: skip
    unsent_bytes: int = setting(4 << 20, "How much may wait for a client that does not read, until it is dropped.",
                                minimum=65536, maximum=1 << 30)  # fmt: skip
    bytes_per_second: int = setting(2_000_000, "How much is read from one client; it is slowed down to that, "
                                    "after one second's worth at once.",
                                    minimum=10_000, maximum=1_000_000_000)  # fmt: skip
    stanza_bytes: int = setting(262_144, "The longest stanza, once logged in.",
                                minimum=10_000, maximum=10_000_000, at_most="unsent_bytes")  # fmt: skip
    stanza_elements: int = setting(4_000, "The most elements in a stanza, once logged in.", minimum=32, maximum=100_000)
    stanza_depth: int = setting(64, "The deepest nesting in a stanza, once logged in.", minimum=8, maximum=200)
    stanza_attributes: int = setting(64, "The most attributes of an element, once logged in.",
                                     minimum=16, maximum=1_000)  # fmt: skip
    new_names: int = setting(300, "How many names that this server has not seen lately one stanza may use.",
                             minimum=10, maximum=100_000)  # fmt: skip
    login_stanza_bytes: int = setting(10_000, "The longest stanza before login.",
                                      minimum=10_000, maximum=100_000, at_most="stanza_bytes")  # fmt: skip
    login_stanza_elements: int = setting(32, "The most elements in a stanza before login.",
                                         minimum=16, maximum=1_000, at_most="stanza_elements")  # fmt: skip
