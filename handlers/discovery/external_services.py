"""XEP-0215: the addresses of services outside of XMPP, such as STUN and TURN for calls, with credentials for them."""

import hmac
import ipaddress
import re
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from handlers.contacts.access import is_at_home
from xmpp.config.configuration import REQUIRED, setting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.timestamps import format_utc
from xmpp.routing.feature import SERVER, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "urn:xmpp:extdisco:2"
SERVICES = f"{{{NAMESPACE}}}services"
CREDENTIALS = f"{{{NAMESPACE}}}credentials"
SERVICE = f"{{{NAMESPACE}}}service"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LABEL = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?")
_HOST_LENGTH = 253  # RFC 1035 section 2.3.4, as text


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError("expected a type such as stun or turn")


def _check_host(host: str) -> None:
    if not (_is_address(host) or _is_host_name(host)):
        raise ValueError("expected the name or the IP address of a host alone; its port is a setting of its own")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_host_name(host: str) -> bool:
    """True for a host name by RFC 1123 section 2.1. The last label is no number: 192.0.2.256 is no name either."""
    labels = host.removesuffix(".").split(".")
    return len(host) <= _HOST_LENGTH and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


@dataclass(frozen=True)
class ExternalService:
    """One service. It lets in everybody, or those who know a username and a password; the server makes ones that end
    where it shares a secret with the service."""

    type: str = setting(REQUIRED, "What it is: stun, stuns, turn, turns or another type.", check=_check_name)
    host: str = setting(REQUIRED, "Its name or address.", check=_check_host)
    port: int | None = setting(None, "Its port; without one, the usual port of its type.", minimum=1, maximum=65535)
    transport: str = setting("udp", "By which protocol it is reached.", choices=("udp", "tcp"))
    name: str = setting("", "Its name, for people to read.")
    username: str = setting("", "The username for everybody.")
    password: str = setting("", "The password that goes with it.", secret=True)
    secret: str = setting("", "Shared with the service, to make usernames and passwords that end: the"
                          " static-auth-secret of coturn.", secret=True)  # fmt: skip
    lifetime: int = setting(86_400, "After how many seconds those end.", minimum=60, maximum=31_536_000)

    def __post_init__(self) -> None:
        if bool(self.username) != bool(self.password):
            raise ValueError("expected both a username and a password, or none")
        if self.secret and self.username:
            raise ValueError("expected either a secret, or a username and a password")


@dataclass(frozen=True)
class ExternalServicesSettings:
    """Services outside of XMPP that clients are told of: STUN and TURN, which calls need (XEP-0215)."""

    services: tuple[ExternalService, ...] = setting((), "The services, each a table of its own.")


feature = Feature(
    "external_services",
    xep="0215",
    disco=[NAMESPACE],
    settings=ExternalServicesSettings,
    announced_if=lambda settings: bool(settings.services),
)


class Credentials(NamedTuple):
    """What lets an account in. `expires`: until when, in seconds since 1970; None for ever."""

    username: str
    password: str
    expires: int | None = None


@feature.iq_get(SERVICES, to=[SERVER])
def list_services(server: "Server", iq: Stanza) -> etree._Element:
    """All services, or those of one type, with credentials (sections 3.1, 3.2)."""
    services, account = _services_for(server, iq)
    wanted = iq.only_child().get("type")
    answer = etree.Element(SERVICES, {} if wanted is None else {"type": wanted}, nsmap={None: NAMESPACE})
    answer.extend(_element(service, account) for service in services if wanted in (None, service.type))
    return answer


@feature.iq_get(CREDENTIALS, to=[SERVER])
def tell_credentials(server: "Server", iq: Stanza) -> etree._Element:
    """Credentials for one service, on all its ports if none is named (section 3.3)."""
    services, account = _services_for(server, iq)
    named = list(iq.only_child().iterchildren(SERVICE))
    if len(named) != 1 or not named[0].get("host") or not named[0].get("type"):
        raise StanzaError("bad-request", "credentials are for one service, with its host and its type")
    found = [service for service in services if _is_named(service, named[0]) and (service.secret or service.username)]
    if not found:
        raise StanzaError("item-not-found")
    answer = etree.Element(CREDENTIALS, nsmap={None: NAMESPACE})
    answer.extend(_element(service, account) for service in found)
    return answer


def credentials(service: ExternalService, account: JID, now: float) -> Credentials | None:
    """What lets an account into a service; None if nothing is needed. `now`: in seconds since 1970.

    With a secret they are made as TURN servers expect (their "REST API"): the username is the time of expiry and a
    name, the password is the HMAC-SHA-1 of that. The name is always the same for one account, so that the service can
    count, but does not tell which account it is, as usernames are sent in the clear.
    """
    if not service.secret:
        return Credentials(service.username, service.password) if service.username else None
    expires = int(now) + service.lifetime
    name = hmac.digest(service.secret.encode(), account.encode(), "sha256").hex()[:16]
    username = f"{expires}:{name}"
    password = b64encode(hmac.digest(service.secret.encode(), username.encode(), "sha1")).decode()
    return Credentials(username, password, expires)


def _services_for(server: "Server", iq: Stanza) -> tuple[Sequence[ExternalService], JID]:
    """The services, and the account that asks. Raises StanzaError for others than the people of this server (section
    2)."""
    services = server.settings(ExternalServicesSettings).services
    if not services:
        raise StanzaError("service-unavailable")
    if iq.sender is None or not is_at_home(server, iq.sender):
        raise StanzaError("forbidden")
    return services, iq.sender.bare


def _is_named(service: ExternalService, named: etree._Element) -> bool:
    port = named.get("port")
    is_same = (service.host, service.type) == (named.get("host"), named.get("type"))
    return is_same and port in (None, str(service.port))


def _element(service: ExternalService, account: JID) -> etree._Element:
    element = etree.Element(SERVICE, type=service.type, host=service.host, transport=service.transport)
    if service.port is not None:
        element.set("port", str(service.port))
    if service.name:
        element.set("name", service.name)
    given = credentials(service, account, time.time())
    if given is not None:
        element.attrib.update({"restricted": "true", "username": given.username, "password": given.password})
        if given.expires is not None:
            element.set("expires", format_utc(given.expires))
    return element
