"""Guests (XEP-0175): people without an account log in by ANONYMOUS (RFC 4505), to an account that lasts as long as
their session, and may do less than others. Off by default.

Who is a guest is known in memory: accounts of guests do not outlive the server either (handlers/login/departures.py).
"""

import time
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from db import guests as guest_records
from handlers.login.throttle import FadingCounts
from xmpp.config.configuration import setting
from xmpp.data.errors import SASLFailure, StanzaError
from xmpp.data.jid import JID
from xmpp.data.networks import network
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

MECHANISM = "ANONYMOUS"
HOUR = 3600.0
NAME_BYTES = 16  # of randomness: as unique as the UUID that XEP-0175 section 3 proposes, and cannot be guessed
# What would make others' lists longer, or outlast the guest; some of it they may read.
LASTING = ("{jabber:iq:register}query", "{jabber:iq:roster}query", "{urn:xmpp:push:0}enable")
# What is for those who have an account: files, who else has one, and relays, which could carry anything for anybody.
NEVER = (
    "{urn:xmpp:http:upload:0}request",
    "{jabber:iq:search}query",
    "{urn:xmpp:extdisco:2}services",
    "{urn:xmpp:extdisco:2}credentials",
)
SUBSCRIBING = ("subscribe", "subscribed")


@dataclass(frozen=True)
class GuestSettings:
    """Guests (XEP-0175): people without an account, who may chat with those here and enter rooms. They have no
    contacts, make no rooms, send no files and cannot search for people, and nothing of them is kept when they go."""

    welcome: bool = setting(True, "Whether guests are let in.", by_domain=True)
    at_a_time: int = setting(100, "How many guests there may be at a time.", minimum=1, maximum=10_000)
    per_address: int = setting(
        10,
        "How many guests may come from one address in a row; each hour half of them are forgotten. 0: any number.",
        minimum=0,
        maximum=20,
    )


feature = Feature("guests", xep="0175", settings=GuestSettings, by_default=False)


class Guests:
    """When the guests who are here logged in, on the monotonic clock, by their accounts. A server has one."""

    def __init__(self) -> None:
        self.since: dict[JID, float] = {}
        self.lately = FadingCounts(half_life=HOUR)


def are_welcome(server: "Server", domain: str) -> bool:
    """True if guests may log in at this domain."""
    return feature in server.registry.features and server.settings_at(domain, GuestSettings).welcome


def is_guest(server: "Server", account: JID) -> bool:
    """True if this (bare) address is that of a guest who is here."""
    return account in server.state(Guests).since


def admit(server: "Server", host: str, peer: str) -> tuple[JID, str]:
    """Make an account for a guest from this address of the network; returns it with its identity. Raises SASLFailure
    if there are too many already."""
    settings, guests, now = server.settings(GuestSettings), server.state(Guests), time.monotonic()
    if len(guests.since) >= settings.at_a_time:
        raise SASLFailure("temporary-auth-failure", "there are too many guests")
    refusal = SASLFailure("temporary-auth-failure", "too many guests have come from your address")
    with guests.lately.counting(network(peer), settings.per_address, refusal):
        account = JID.of(token_hex(NAME_BYTES), host)
        identity = guest_records.create(server.db, account, time.time())
    guests.since[account] = now
    return account, identity


# -- what guests may not do


@feature.step
def refuse_elsewhere(delivery: Delivery) -> None:
    """MESSAGE_SENT, PRESENCE_SENT, IQ_SENT: guests reach nobody but those at their domain (section 3)."""
    to, server = delivery.stanza.to, delivery.server
    if to is None or not is_guest(server, delivery.account):
        return
    if delivery.account.domain not in (to.domain, server.subdomains.home.get(to.domain)):
        raise StanzaError("forbidden", "guests cannot write to other domains")


@feature.step
def refuse_contacts(delivery: Delivery) -> None:
    """PRESENCE_SENT: guests are nobody's contacts, who would be left with an address that never comes again."""
    if delivery.stanza.type in SUBSCRIBING and is_guest(delivery.server, delivery.account):
        raise StanzaError("forbidden", "guests have no contacts")


@feature.step
@concerns(*LASTING, *NEVER)
def refuse_lasting(delivery: Delivery) -> None:
    """IQ_SENT: what is not for guests."""
    stanza = delivery.stanza
    is_asked_for = stanza.type == "set" or not stanza.child_tags.isdisjoint(NEVER)
    if is_asked_for and is_guest(delivery.server, delivery.account):
        raise StanzaError("forbidden", "this needs an account")
