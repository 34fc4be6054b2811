"""Which clients have access to an account (XEP-0494), for its owner and for administrators: what they are, when they
were there, and by what they have logged in; and how access is taken from one.

A client that says which installation it is (XEP-0388) is remembered. Others are listed for as long as their session
lasts: all that is known of them is that somebody has shown the password.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from db import accounts, devices, fast_tokens
from db.devices import Device
from handlers.login.clients import Access, client_of, name_of
from handlers.login.fast.hashed_token import BINDINGS
from handlers.login.sasl import external, guests
from handlers.login.sasl2.inline import LoggedIn
from handlers.login.sasl2.request import UserAgent
from xmpp.config.configuration import setting
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.jid import JID
from xmpp.data.names import SASL
from xmpp.data.stanza import Stanza
from xmpp.data.timestamps import format_utc
from xmpp.routing.feature import OWN, Feature
from xmpp.routing.session import Session, session_of
from xmpp.running.handling import Handled
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

NAMESPACE = "urn:xmpp:cam:0"
LIST, REVOKE = f"{{{NAMESPACE}}}list", f"{{{NAMESPACE}}}revoke"
PASSWORD, CERTIFICATE, TOKEN = "password", "certificate", "token"
DAY = 86_400.0
SEEN_SECONDS = 600.0  # within so many, that a client was there is not written again
AT_ONCE = 200


@dataclass(frozen=True)
class ClientAccessSettings:
    """Devices (XEP-0494): people see which clients have logged in to their account, and when."""

    devices: int = setting(50, "How many clients of one account are remembered.", minimum=1, maximum=1_000)
    days: int = setting(
        180, "A client that was not there for so long is forgotten, with its token.", minimum=1, maximum=3_650
    )


feature = Feature("client_access", xep="0494", settings=ClientAccessSettings, needs=["sasl2"])


class Client(NamedTuple):
    """A client that has access. `id` is for `revoke`; `ways`: by what it can log in, or has. Times are in seconds since
    1970; it `is_connected` also while it is away for a moment, and then `resource` is that of its session."""

    id: str
    software: str
    device: str
    first_seen: float
    last_seen: float
    is_connected: bool
    ways: tuple[str, ...]
    resource: str = ""

    @property
    def called(self) -> str:
        """What people know it by, as far as it has said anything: its device, or else its resource."""
        return self.device or self.resource


class NoSuchClient(Exception):
    """The account has no client of this id; nothing was changed."""


# -- remembering


@feature.step
def note_login(logged_in: LoggedIn) -> None:
    """AUTHENTICATED_INLINE: this client is here, and how it has logged in."""
    stream, agent = logged_in.stream, logged_in.request.user_agent
    account, identity = stream.account, stream.identity
    assert account is not None and identity is not None
    if not agent.id or logged_in.mechanism == guests.MECHANISM:
        return
    client = client_of(stream.server, identity, agent.id)
    assert isinstance(stream.access, Access)
    stream.access = replace(stream.access, client=client)
    _note(stream.server, account, client, agent, way_of(logged_in.mechanism))


def _note(server: "Server", account: JID, client: str, agent: UserAgent, way: str) -> None:
    db, now = server.db, time.time()
    known = devices.device(db, account, client)
    was = known or Device(client, "", "", now, now)
    is_so = _after(was, agent, way)
    if known == is_so:
        _seen(server, account, client, now)
    else:
        devices.put(db, account, is_so._replace(last_seen=now), server.settings(ClientAccessSettings).devices)


def _after(was: Device, agent: UserAgent, way: str) -> Device:
    """What is known of a client after another login."""
    return was._replace(
        software=agent.software or was.software,
        device=agent.device or was.device,
        by_password=was.by_password or way == PASSWORD,
        by_certificate=was.by_certificate or way == CERTIFICATE,
    )


def way_of(mechanism: str) -> str:
    """What somebody has who logs in by this mechanism."""
    if mechanism == external.MECHANISM:
        return CERTIFICATE
    return TOKEN if mechanism in BINDINGS else PASSWORD


@feature.step
def note_end(session: Session) -> None:
    """SESSION_ENDED: until now its client was there."""
    access, server = session.state(Access), session.server
    if access is not None and access.client and accounts.identity(server.db, session.account) == session.identity:
        _seen(server, session.account, access.client, time.time())


def _seen(server: "Server", account: JID, client: str, now: float) -> None:
    """Nobody waits for this to be on the disk, and it may be lost."""
    with suppress(*server.storage_errors), Handled():
        devices.seen(server.db, account, client, now, SEEN_SECONDS)


def forget_some(server: "Server") -> int:
    """Forget some of the clients that were not there for too long; returns how many were looked at."""
    now = time.time()
    then = now - server.settings(ClientAccessSettings).days * DAY
    found = devices.not_seen_since(server.db, then, AT_ONCE)
    for address, client in found:
        account = JID.parse(address)
        if sessions_of(server, account, client):
            devices.seen(server.db, account, client, now, 0)
        else:
            devices.forget(server.db, account, client)
    return len(found)


# -- looking


def listing(server: "Server", account: JID) -> list[Client]:
    """The clients that have access, the one that was there last first."""
    db, now = server.db, time.time()
    with_tokens = fast_tokens.clients(db, account, now)
    found = [_remembered(server, account, each, now, with_tokens) for each in devices.listing(db, account)]
    known = {each.id for each in found}
    for session in server.online.sessions(account):
        access = session.state(Access)
        if access is None or access.client not in known:
            way = way_of(access.mechanism) if access is not None else PASSWORD
            found.append(Client(_name_of(session), "", "", session.since, now, True, (way,), session.jid.resource))
    return sorted(found, key=lambda client: -client.last_seen)


def _remembered(server: "Server", account: JID, device: Device, now: float, with_tokens: set[str]) -> Client:
    sessions = sessions_of(server, account, device.client)
    ways = {PASSWORD: device.by_password, CERTIFICATE: device.by_certificate, TOKEN: device.client in with_tokens}
    return Client(
        device.client,
        device.software,
        device.device,
        device.first_seen,
        now if sessions else device.last_seen,
        bool(sessions),
        tuple(way for way, is_so in ways.items() if is_so),
        sessions[0].jid.resource if sessions else "",
    )


def sessions_of(server: "Server", account: JID, id: str) -> list[Session]:
    """The sessions of a client, also of one that is not remembered."""
    return [session for session in server.online.sessions(account) if id in _names(session)]


def _names(session: Session) -> tuple[str, ...]:
    access = session.state(Access)
    return (access.client, _name_of(session)) if access is not None else (_name_of(session),)


def _name_of(session: Session) -> str:
    return name_of(session.server, "session", session.jid, repr(session.since))


# -- revoking


def find(server: "Server", account: JID, id: str) -> Client:
    """Raises NoSuchClient."""
    for client in listing(server, account):
        if client.id == id:
            return client
    raise NoSuchClient(f"{account} has no client {id}")


def revoke(server: "Server", account: JID, id: str) -> None:
    """Make a client's tokens void, and forget it. Its sessions are for `end`."""
    devices.forget(server.db, account, id)


def end(server: "Server", account: JID, id: str) -> None:
    """End the sessions of a client."""
    error = StreamError("not-authorized", "the access of this client was revoked")
    for session in sessions_of(server, account, id):
        session.close(error)
    server.close_unbound_streams(account, error)


# -- for the account's owner


@feature.iq_get(LIST, to=[OWN])
def show_clients(server: "Server", iq: Stanza) -> etree._Element:
    """Section "Listing clients"."""
    account = session_of(iq).account
    clients = etree.Element(f"{{{NAMESPACE}}}clients", nsmap={None: NAMESPACE})
    for client in listing(server, account):
        clients.append(_element(client))
    return clients


@feature.iq_set(REVOKE, to=[OWN])
def revoke_client(server: "Server", iq: Stanza) -> None:
    """Section "Revoking access"."""
    account = session_of(iq).account
    try:
        client = find(server, account, iq.only_child().get("id", ""))
    except NoSuchClient:
        raise StanzaError("item-not-found") from None
    if PASSWORD in client.ways:
        needed = etree.Element(f"{{{NAMESPACE}}}password-reset-required", nsmap={None: NAMESPACE})
        raise StanzaError("service-unavailable", "this client knows the password", application=needed)
    if CERTIFICATE in client.ways:
        raise StanzaError("service-unavailable", "this client has a certificate")
    revoke(server, account, client.id)
    log.info("a client of %s was revoked by its owner", one_word(account))
    iq.after_reply(lambda: end(server, account, client.id))


def _element(client: Client) -> etree._Element:
    element = etree.Element(
        f"{{{NAMESPACE}}}client", connected=str(client.is_connected).lower(), id=client.id, type="session"
    )
    _add(element, "first-seen", format_utc(client.first_seen))
    _add(element, "last-seen", format_utc(client.last_seen))
    auth = _add(element, "auth")
    if PASSWORD in client.ways:
        _add(auth, "password")
    if TOKEN in client.ways:
        _add(auth, "fast")
    if CERTIFICATE in client.ways:
        etree.SubElement(auth, f"{{{SASL}}}mechanism", nsmap={None: SASL}).text = external.MECHANISM
    _add(element, "permission").set("status", "unrestricted")
    agent = _add(element, "user-agent")
    for name in ("software", "device"):
        if getattr(client, name):
            _add(agent, name, getattr(client, name))
    return element


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text
    return child
