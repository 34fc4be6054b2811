"""What administrators name, as they typed it, and what the log says of what they did."""

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import gevent

from db import accounts
from xmpp.control import Refused
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


def note(by: str, what: str, thing: str, done: str) -> None:
    """Log what was done to something, such as ("account", "juliet@example.org", "was removed"), and by whom."""
    log.info("%s %s %s by %s", what, one_word(thing), done, by if by == COMMAND_LINE else one_word(by))


def address(text: str) -> JID:
    """The account's address that somebody typed. Raises Refused if it is none."""
    try:
        account = JID.parse(text)
    except MalformedJID as error:
        raise Refused(f"{text!r} is not an address, expected NAME@DOMAIN: {error}.") from error
    if not account.local or account.resource:
        raise Refused(f"{text!r} is not the address of an account, expected NAME@DOMAIN.")
    return account


def existing_account(server: "Server", text: str) -> JID:
    """The account that somebody means. Raises Refused if there is none here."""
    account = address(text)
    if not server.ownership.is_ours(account) or not accounts.exists(server.db, account):
        raise Refused(f"{account} does not exist.")
    return account


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
