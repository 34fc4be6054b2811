"""What makes a demo: settings that would be careless elsewhere, loopback addresses only, and two accounts."""

import ipaddress
import secrets
from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

from db import accounts, rosters
from db.rosters import Item
from handlers.admin import administration
from handlers.contacts import roster_items, subscriptions
from xmpp.config.configuration import ConfigError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMES = ("juliet", "romeo")
PASSWORD_BYTES = 12


def settings(
    addresses: Sequence[str],
    port: int | None,
    tls_port: int | None,
    http_port: int | None,
    https_port: int | None,
    domains: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """The settings that replace those of the configuration, by section and key. Raises ConfigError."""
    for address in addresses:
        if not _is_loopback(address):
            raise ConfigError(f"A demo listens on loopback addresses only, such as 127.0.0.1 or ::1, not on {address}.")
    ports = {"port": port, "tls_port": tls_port, "http_port": http_port, "https_port": https_port}
    listen = {"addresses": addresses, "http_addresses": addresses, **ports}
    return {
        "listen": {key: value for key, value in listen.items() if value is not None},
        "server": {"domains": domains} if domains else {},
        "register": {"enabled": True, "open": True, "accounts_per_address": 0, "min_password_length": 1},
        "sasl": {"max_delay_seconds": 0},
    }


def make_accounts(server: "Server") -> dict[str, str]:
    """Make the demo's accounts, unless they exist; returns the passwords of new ones, by address. Yields.

    They are each other's contacts. If both exist already, their rosters are left alone.
    """
    addresses = [f"{name}@{server.default_domain}" for name in NAMES]
    missing = [address for address in addresses if not accounts.exists(server.db, address)]
    passwords = {address: secrets.token_urlsafe(PASSWORD_BYTES) for address in missing}
    administration.carry_out(server, "import", accounts_and_passwords=list(passwords.items()))
    if passwords:
        _introduce(server, [JID.parse(address) for address in addresses])
    return passwords


def _introduce(server: "Server", people: Sequence[JID]) -> None:
    """Make people each other's contacts who see each other's presence: asked for and granted, as clients do it."""
    for account, contact in permutations(people, 2):
        known = rosters.item(server.db, account, contact)
        roster_items.keep(server, account, (known or Item(contact))._replace(name=contact.local.capitalize()))
    for type in ("subscribe", "subscribed"):
        for account, contact in permutations(people, 2):
            presence = Stanza.build("presence", type=type, to=contact, sender=account)
            subscriptions.sent(Delivery(server, account, presence))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
