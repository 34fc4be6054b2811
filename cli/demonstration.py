"""What makes a demo: settings that would be careless elsewhere, loopback addresses only, and two accounts."""

import ipaddress
import os
import secrets
import socket
import sys
import time
import webbrowser
from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

import gevent

from db import accounts, rooms, rosters
from db.rooms import Subject
from db.rosters import Item
from handlers.admin import administration
from handlers.contacts import roster_items, subscriptions
from handlers.rooms import SUBDOMAIN as ROOMS
from handlers.rooms import rooms_here
from handlers.rooms.configuration import RoomConfiguration
from xmpp.config.configuration import ConfigError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.running.handling import Handled
from xmpp.stream.listen_settings import ListenSettings

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMES = ("juliet", "romeo")
PASSWORD_BYTES = 12
ROOM = "masquerade"
GREETING = "Welcome! Whatever you write here, both of you see."


def settings(
    addresses: Sequence[str],
    port: int | None,
    tls_port: int | None,
    http_port: int | None,
    https_port: int | None,
    domains: Sequence[str],
    *,
    is_configured: bool,
) -> dict[str, dict[str, Any]]:
    """The settings that replace those of the configuration, by section and key. `is_configured`: there is one, which
    may name ports. Raises ConfigError."""
    for address in addresses:
        if not _is_loopback(address):
            raise ConfigError(f"A demo listens on loopback addresses only, such as 127.0.0.1 or ::1, not on {address}.")
    ports = {"port": port, "tls_port": tls_port, "http_port": http_port, "https_port": https_port}
    for key in ("http_port", "https_port"):  # any will do, since browsers are told
        if ports[key] is None and not is_configured and not _is_free(addresses[0], getattr(ListenSettings, key)):
            ports[key] = 0
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


def make_room(server: "Server") -> JID | None:
    """Make the room of the demo, with a greeting as its subject, unless it exists; None where there are no rooms."""
    services = server.subdomains.addresses(ROOMS)
    if not services:
        return None
    address = JID.parse(f"{ROOM}@{services[0]}")
    with Handled():
        if rooms_here.find(server, address) is None:
            creator = JID.parse(f"{NAMES[0]}@{server.default_domain}")
            room = rooms_here.create(server, address, creator, RoomConfiguration(roomname=ROOM.capitalize()))
            rooms.set_subject(server.db, room.number, Subject(GREETING, NAMES[0], time.time()))
            room.unlock()
            rooms_here.let_go_if_empty(room)
        server.db.wait_for_own()
    return address


def open_in_browser(address: str) -> None:
    """Open a page in the browser if there is a desktop. Never yields; what goes wrong is not worth a word."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        gevent.spawn(webbrowser.open, address)


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


def _is_free(address: str, port: int) -> bool:
    """True if a port can be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
            tried.listen(1)
        except OSError:
            return False
    return True
