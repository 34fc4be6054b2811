"""Who does something as an administrator, and where; what administrators name, as they typed it, and what the log says
of what they did."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import gevent

from db import accounts
from handlers.admin import roles
from xmpp.control import Refused
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger("handlers.admin.administration")

COMMAND_LINE = "the administrator"  # who does something, where it is not an account that is logged in
AT_ONCE = 200  # items that are looked at before others have their turn
PAUSE_SECONDS = 0.001  # a sleep of 0 would not let the loop look at its sockets
SHOWN = 50  # on a page, unless another number is asked for

Item = TypeVar("Item")


class Administrator(NamedTuple):
    """Who does something: an account, or COMMAND_LINE. `domain`: the only one where it may, "" for all."""

    name: str = COMMAND_LINE
    domain: str = ""

    def may_at(self, domain: str) -> bool:
        """True for one of our domains at which it is an administrator."""
        return self.domain in ("", domain)

    def may_at_service(self, server: "Server", service: str) -> bool:
        """The same for the address of a service of ours."""
        return self.domain in ("", server.subdomains.home.get(service))


def acting(server: "Server", name: str) -> Administrator:
    """Who does something in this name, an account's or COMMAND_LINE, as far as it may just now. Raises Refused."""
    if name == COMMAND_LINE:
        return Administrator()
    domain = roles.reach(server, JID.parse(name))
    if domain is None:
        raise Refused(f"{name} is no administrator.", "forbidden")
    return Administrator(name, domain)


def note(by: Administrator, what: str, thing: str, done: str) -> None:
    """Log what was done to something, such as ("account", "juliet@example.org", "was removed"), and by whom."""
    log.info("%s %s %s by %s", what, one_word(thing), done, by.name if by.name == COMMAND_LINE else one_word(by.name))


def address(text: str) -> JID:
    """The account's address that somebody typed. Raises Refused if it is none."""
    try:
        account = JID.parse(text)
    except MalformedJID as error:
        raise Refused(f"{text!r} is not an address, expected NAME@DOMAIN: {error}.", "jid-malformed") from error
    if not account.local or account.resource:
        raise Refused(f"{text!r} is not the address of an account, expected NAME@DOMAIN.")
    return account


def existing_account(server: "Server", by: Administrator, text: str) -> JID:
    """The account that an administrator means. Raises Refused if there is none where he is one."""
    account = address(text)
    is_there = server.ownership.is_ours(account) and by.may_at(account.domain)
    if not is_there or not accounts.exists(server.db, account):
        raise Refused(f"{account} does not exist.", "item-not-found")
    return account


def domains_of(server: "Server", by: Administrator, domain: str = "") -> list[str]:
    """The domains that an administrator means: this one, or all where he is one. Raises Refused if he is none there."""
    if domain and (domain not in server.domains or not by.may_at(domain)):
        raise Refused(f"{domain} is not served here.", "item-not-found")
    return [domain] if domain else [each for each in server.domains if by.may_at(each)]


def changeable_account(server: "Server", by: Administrator, text: str) -> JID:
    """The same, for what is to be done to the account or to what is its. Raises Refused."""
    account = existing_account(server, by, text)
    refuse_raising(server, by, account)
    return account


def refuse_raising(server: "Server", by: Administrator, account: JID) -> None:
    """Raise Refused if an administrator of one domain would get hold of an account that the configuration makes one of
    the whole server: by its password, or by making it (docs/security.md row 190)."""
    if by.domain and roles.is_configured(server, account):
        raise Refused(f"{account} is an administrator of the whole server: only such a one can do this.", "forbidden")


def after_address(text: str) -> JID | None:
    """The address that a page of a list begins after; None for the first page. Raises Refused if it is none."""
    try:
        return JID.parse(text) if text else None
    except MalformedJID as error:
        raise Refused(f"{text!r} is not an address: {error}.") from error


def unhurried(items: Iterable[Item]) -> Iterator[Item]:
    """The same items; after every AT_ONCE of them others have their turn, since there may be very many. Yields."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % AT_ONCE == 0:
            gevent.sleep(PAUSE_SECONDS)


def served_domain(server: "Server", by: Administrator, domain: str) -> str:
    """The domain that an administrator means; "" for the one where it is one, or the default one. Raises Refused if it
    may do nothing there."""
    chosen = domain or by.domain or server.default_domain
    if chosen not in server.domains or not by.may_at(chosen):
        raise Refused(f"{chosen} is not served here.")
    return chosen


def done_or_refused(do: Callable[[], Item]) -> Item:
    """What this returns, with what it raises as StanzaError said as a sentence: for what clients ask for, too."""
    try:
        return do()
    except StanzaError as error:
        said = error.text or error.condition
        first = "" if "@" in said.partition(" ")[0] else said[0].upper()  # an address stays as it is
        raise Refused(f"{first}{said[len(first):]}.") from error
