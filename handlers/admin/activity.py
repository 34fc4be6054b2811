"""How many accounts there are and who is here just now, and what is told of one account beside what stands on its page.
"""

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from db import accounts as account_records
from db import devices, last_activity, rosters, suspensions
from handlers.admin.comings_and_goings import shown_address
from handlers.admin.given import SHOWN, Administrator, domains_of, existing_account, unhurried
from handlers.sessions.client_state import HeldBack
from xmpp.control import Refused
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

KINDS = ("registered", "disabled", "online", "active", "idle")
"""Who is online has a session; of these, who has one that is in use is active, and the others are idle."""


class Contact(NamedTuple):
    """A contact in somebody's list (RFC 6121 section 2.1.2)."""

    contact: str
    name: str
    subscription: str
    ask: bool
    groups: tuple[str, ...]


class Statistics(NamedTuple):
    """What is counted of one account: where its sessions come from, what they are called, how many contacts it has."""

    addresses: list[str]
    resources: list[str]
    contacts: int


def count(server: "Server", by: Administrator, kind: str, domain: str = "") -> int:
    """How many accounts of a kind there are, at one domain or at all. Yields."""
    domains = domains_of(server, by, domain)
    if kind == "registered":
        return sum(account_records.count(server.db, each) for each in domains)
    return sum(1 for _ in _of_kind(server, kind, domains))


def accounts(server: "Server", by: Administrator, kind: str, domain: str = "", most: int = SHOWN) -> list[str]:
    """The first of them, by address. Yields."""
    domains = domains_of(server, by, domain)
    if kind == "registered":
        return list(islice(_registered(server, domains), most))
    return heapq.nsmallest(most, _of_kind(server, kind, domains))


def roster(server: "Server", by: Administrator, account: str) -> list[Contact]:
    """The contacts of an account, by address."""
    items = rosters.roster(server.db, existing_account(server, by, account)).items
    return [Contact(each.contact, each.name, each.subscription, each.ask, each.groups)
            for each in sorted(items.values(), key=lambda item: item.contact)]  # fmt: skip


def last_login(server: "Server", by: Administrator, account: str) -> float | None:
    """When the newest session of an account began; if none is here, when it was here last, as it or a client of it was
    noted. In seconds since 1970; None if it has never been here."""
    jid = existing_account(server, by, account)
    began = [session.since for session in server.online.sessions(jid)]
    if began:
        return max(began)
    # What was here when a server died has not ended, and without [last_activity] no end is noted. That clients come is
    # noted when they log in.
    ended, clients = last_activity.get(server.db, jid), devices.listing(server.db, jid)
    return max([*([ended.at] if ended else []), *(each.last_seen for each in clients)], default=None)


def statistics(server: "Server", by: Administrator, account: str) -> Statistics:
    """What is counted of an account."""
    jid = existing_account(server, by, account)
    sessions = server.online.sessions(jid)
    peers = {shown_address(each.connection.peer) for each in sessions if each.connection is not None}
    resources = sorted(str(each.jid.resource) for each in sessions)
    return Statistics(sorted(peers), resources, len(rosters.roster(server.db, jid)))


def _registered(server: "Server", domains: list[str]) -> Iterator[str]:
    for domain in domains:
        yield from (jid for jid, _ in unhurried(account_records.in_order(server.db, domain=domain)))


def _of_kind(server: "Server", kind: str, domains: list[str]) -> set[JID]:
    """Those that are not just all."""
    if kind not in KINDS:
        raise Refused(f"{kind!r} is no kind of account, expected one of {', '.join(KINDS)}.")
    if kind == "disabled":
        found = suspensions.listing(server.db)
        return {jid for jid, each in found if each.disabled_at is not None and jid.domain in domains}
    sessions = [each for each in unhurried(server.online) if each.account.domain in domains]
    online, active = {each.account for each in sessions}, {each.account for each in sessions if _is_in_use(each)}
    return {"online": online, "active": active, "idle": online - active}[kind]


def _is_in_use(session: "Session") -> bool:
    """True unless its client is away, has not said that it is available, or says that nobody looks at it (XEP-0352)."""
    held = session.state(HeldBack)
    is_looked_at = held is None or not held.is_holding
    return session.connection is not None and session.is_available and is_looked_at
