"""XEP-0077: people change their password, or remove their account; and the rules for accounts that people make for
themselves (newcomers.py, and a page in the browser).

Off by default. Unless `open` is set, people without an account cannot use it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gevent
from lxml import etree

from db import accounts as account_records
from db import invitations as invitation_records
from db.accounts import AccountExists
from handlers.admin.comings_and_goings import shown_address
from handlers.login import accounts, registration_form
from handlers.login.registration_form import CHANGE_PASSWORD, NAMESPACE, PASSWORD, QUERY, USERNAME
from handlers.login.sasl.saslprep import saslprep
from handlers.login.sasl.settings import SASLSettings
from handlers.login.throttle import FadingCounts, LoginThrottle
from xmpp.config.configuration import setting
from xmpp.config.settings import ServerSettings
from xmpp.data.confusables import look
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.networks import network
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import OWN, SERVER, Feature
from xmpp.routing.session import Session
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

REMOVE = f"{{{NAMESPACE}}}remove"

HOUR = 3600.0
# What people, mail and certificates trust: RFC 2142, and what whoever runs a server is called elsewhere.
RESERVED = (
    "abuse", "admin", "administrator", "help", "helpdesk", "hostmaster", "info", "moderator", "noc", "noreply",
    "no-reply", "operator", "owner", "postmaster", "root", "security", "server", "service", "staff", "support",
    "sysadmin", "system", "team", "webmaster", "xmpp",
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegisterSettings:
    """Registration by clients (XEP-0077): people change their password and remove their account themselves."""

    open: bool = setting(False, "Whether strangers may make accounts for themselves.", by_domain=True)
    accounts_per_address: int = setting(
        3,
        "How many accounts may be made from one address in a row; each hour half of them are forgotten. 0: any number.",
        minimum=0,
        maximum=20,
    )
    reserved_names: tuple[str, ...] = setting(
        RESERVED,
        "Names that strangers get no account under, nor under what looks like one of them: people would take them for "
        "those who run the server. Administrators may give them.",
    )
    min_password_length: int = setting(
        8,
        "How many characters a password has at least that people choose themselves. Administrators may give any.",
        minimum=1,
        maximum=100,
    )


feature = Feature(
    "register", xep="0077", disco=[NAMESPACE], settings=RegisterSettings, by_default=False, needs=["accounts", "sasl"]
)


class NewAccounts(FadingCounts):
    """How many accounts were made lately from each network. A server has one."""

    def __init__(self) -> None:
        super().__init__(half_life=HOUR)
        self.underway: dict[tuple[str, str], JID] = {}  # by what the names look like, and domain


# -- strangers


def is_open(server: "Server", domain: str) -> bool:
    """True if strangers may make accounts for themselves at this domain."""
    return feature in server.registry.features and server.settings_at(domain, RegisterSettings).open


def make(server: "Server", account: JID, password: str, peer: str) -> None:
    """Make an account for somebody at this address of the network. Whether he may have one is for the caller to say.
    Yields.

    Raises StanzaError: conflict, not-acceptable, or resource-constraint if too many were made there.
    """
    if _is_reserved(server, account) or invitation_records.is_reserved(server.db, account, time.time()):
        raise StanzaError("conflict")
    limit = server.settings(RegisterSettings).accounts_per_address
    refusal = StanzaError("resource-constraint", "too many accounts were made from your address")
    with server.state(NewAccounts).counting(network(peer), limit, refusal):
        _make(server, account, password, peer)
    log.info("account %s was registered from %s", one_word(account), shown_address(peer))


def make_invited(
    server: "Server", account: JID, password: str, peer: str, within: AbstractContextManager[None], *, is_given: bool
) -> None:
    """The same for somebody who was invited: no matter how many were made there. `within`: entered within the change
    that adds the account. `is_given`: whoever has invited him gives him this name. Yields. Raises StanzaError."""
    if not is_given and _is_reserved(server, account):
        raise StanzaError("conflict")
    _make(server, account, password, peer, within)


def _make(
    server: "Server", account: JID, password: str, peer: str, within: AbstractContextManager[None] | None = None
) -> None:
    _slow_down(server, peer, account)
    try:
        check_password(server, password)
        with _only_of_its_look(server, account):
            accounts.create(server, account, password, within)
    except AccountExists:
        raise StanzaError("conflict") from None
    except ValueError as error:
        raise StanzaError("not-acceptable", str(error)) from None


def _is_reserved(server: "Server", account: JID) -> bool:
    """True for a name that people would take for whoever runs the server, and for one of an administrator: whoever
    came first would be one."""
    administrators = map(JID.parse, server.settings(ServerSettings).administrators)
    names = [each.local or "" for each in administrators if each.domain == account.domain]
    return look(account.local or "") in map(look, (*names, *server.settings(RegisterSettings).reserved_names))


@contextmanager
def _only_of_its_look(server: "Server", account: JID) -> Iterator[None]:
    """Make sure that there is no other account that looks like this one, and that none is made meanwhile. Raises
    AccountExists."""
    underway = server.state(NewAccounts).underway
    seen_as = (look(account.local or ""), account.domain)
    if underway.setdefault(seen_as, account) != account or account_records.has_double(server.db, account):
        raise AccountExists(account)
    try:
        yield
    finally:
        underway.pop(seen_as, None)


def check_password(server: "Server", password: str) -> None:
    """Raise ValueError for a password that people may not choose, with what is wrong with it.

    One that preparing changes, such as with "²" or "µ" in it, lets nobody in whose client does not prepare passwords
    before it salts them. Of the clients for browsers hardly one does, since browsers know no SASLprep.
    """
    least = server.settings(RegisterSettings).min_password_length
    prepared = saslprep(password)
    if len(prepared) < least:
        raise ValueError(f"a password needs at least {least} characters")
    if prepared != password:
        raise ValueError("a password may not contain characters that clients send in different ways")


def _slow_down(server: "Server", peer: str, account: JID) -> None:
    """Delay the answer as for failed logins, since taken names could be guessed this way. Yields.

    A failure counts before the wait, so that attempts at the same time do not slip through.
    """
    throttle, now = server.state(LoginThrottle), time.monotonic()
    delay = throttle.delay(peer, account, now)
    if account_records.exists(server.db, account) or account_records.has_double(server.db, account):
        throttle.failed(peer, account, now)
    gevent.sleep(min(delay, server.settings(SASLSettings).max_delay_seconds))


# -- the account's owner


@feature.iq_get(QUERY, to=[OWN, SERVER])
def show_registration(server: "Server", iq: Stanza) -> etree._Element:
    """Section 3.1: tell people under which name they are registered."""
    session = _own_session(iq)
    query = etree.Element(QUERY, nsmap={None: NAMESPACE})
    etree.SubElement(query, f"{{{NAMESPACE}}}registered")
    etree.SubElement(query, USERNAME).text = session.account.local
    etree.SubElement(query, PASSWORD)
    return query


@feature.iq_set(QUERY, to=[OWN, SERVER])
def change_account(server: "Server", iq: Stanza) -> None:
    """Sections 3.2 and 3.3: remove the account, or change its password. Yields for the latter."""
    session = _own_session(iq)
    if iq.only_child().find(REMOVE) is not None:
        _remove(server, iq, session.account)
    else:
        _change_password(server, iq, session)


def _own_session(iq: Stanza) -> Session:
    """The session that asks. Raises StanzaError unless it asks its own account or its own domain (docs/security.md row
    38)."""
    assert iq.to is not None
    if not isinstance(iq.origin, Session) or iq.origin.account.domain != iq.to.domain:
        raise StanzaError("not-allowed")
    return iq.origin


def _remove(server: "Server", iq: Stanza, account: JID) -> None:
    if len(iq.only_child()) != 1:
        raise StanzaError("bad-request", "<remove/> stands alone")
    accounts.erase(server, account)
    log.info("account %s was removed by its owner", one_word(account))
    iq.after_reply(lambda: accounts.end_removed(server, account))


def _change_password(server: "Server", iq: Stanza, session: Session) -> None:
    host = session.account.domain
    account, password = account_and_password(server, iq, host, incomplete="bad-request")  # section 3.3
    if account != session.account:
        raise StanzaError("not-allowed", "this is not your account")
    try:
        accounts.change_password(server, account, password, keep=session)
    except accounts.NoSuchAccount:  # removed meanwhile
        raise StanzaError("registration-required") from None
    except accounts.Overtaken as error:
        raise StanzaError("not-authorized", str(error)) from None
    except ValueError as error:
        raise StanzaError("not-acceptable", str(error)) from None
    log.info("account %s was given another password by its owner", one_word(account))


def account_and_password(server: "Server", iq: Stanza, host: str, incomplete: str) -> tuple[JID, str]:
    """The account and the password in a query. Raises StanzaError; `incomplete` is the condition if one is missing."""
    try:
        # Whoever has logged in need not give the old password: the form does not ask for it, and it is not read
        name, password = registration_form.filled_in(iq.only_child(), NAMESPACE, CHANGE_PASSWORD)
    except ValueError as error:
        raise StanzaError(incomplete, str(error)) from None
    if not name or not password:
        raise StanzaError(incomplete, "both a username and a password are needed")
    try:
        account = registration_form.account(name, host)
        check_password(server, password)
    except ValueError as error:
        raise StanzaError("not-acceptable", str(error)) from None
    return account, password
