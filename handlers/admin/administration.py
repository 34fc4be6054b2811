"""The commands behind `xserv user`: what the administrator does to accounts.

They run inside the server; if none runs, inside the command line, on a server object that does not listen.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import gevent

from db import accounts as account_records
from db.sqlite.errors import StorageError
from handlers.login import accounts
from xmpp.control import Refused
from xmpp.data.jid import JID, MalformedJID
from xmpp.running.handling import Handled
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

AT_ONCE = 200  # accounts that are looked at before others have their turn
PAUSE_SECONDS = 0.001  # a sleep of 0 would not let the loop look at its sockets

Item = TypeVar("Item")


def carry_out(server: "Server", command: str, **arguments: Any) -> Any:
    """Carry out one of COMMANDS, and return its result once all is on the disk. Yields. Raises Refused."""
    try:
        with Handled():
            result = COMMANDS[command](server, **arguments)
            server.db.wait_for_own()
    except StorageError as error:
        raise Refused(f"This cannot be stored: {error}.") from error
    return result


def add(server: "Server", account: str, password: str) -> None:
    """Make an account."""
    import_accounts(server, [(account, password)])


def change_password(server: "Server", account: str, password: str) -> None:
    """Change the password of an account, which ends its sessions."""
    try:
        accounts.change_password(server, _address(account), password)
    except (accounts.NoSuchAccount, ValueError) as error:
        raise Refused(f"{error}.") from error
    _note(_address(account), "was given another password")


def remove(server: "Server", account: str) -> None:
    """Remove an account with everything it has, which ends its sessions."""
    try:
        accounts.remove(server, _address(account))
    except accounts.NoSuchAccount as error:
        raise Refused(f"{error}.") from error
    _note(_address(account), "was removed")


def listing(server: "Server") -> list[tuple[str, float, int]]:
    """Return every account: its address, when it was made, and how many sessions it has. Yields."""
    listed = account_records.in_order(server.db)
    return [(jid, created, server.online.count(jid)) for jid, created in _unhurried(listed)]


def unsuitable(server: "Server", addresses: Sequence[str]) -> list[tuple[int, str]]:
    """Return the addresses for which no account can be made: (place in the list, reason). Yields."""
    reasons = [(place, _objection(server, address)) for place, address in enumerate(_unhurried(addresses))]
    return [(place, reason) for place, reason in reasons if reason]


def import_accounts(server: "Server", accounts_and_passwords: Sequence[tuple[str, str]]) -> None:
    """Make all of these accounts, or none."""
    given = [(_new_account(server, address), password) for address, password in accounts_and_passwords]
    try:
        accounts.create_many(server, given)
    except (account_records.AccountExists, ValueError) as error:
        raise Refused(f"{error}.") from error
    for account, _ in given:
        _note(account, "was made")


COMMANDS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "add": add,
        "passwd": change_password,
        "remove": remove,
        "list": listing,
        "unsuitable": unsuitable,
        "import": import_accounts,
    }
)


def _unhurried(items: Iterable[Item]) -> Iterator[Item]:
    """The same items; after every AT_ONCE of them others have their turn, since there may be very many. Yields."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % AT_ONCE == 0:
            gevent.sleep(PAUSE_SECONDS)


def _note(account: JID, what: str) -> None:
    log.info("account %s %s by the administrator", one_word(account), what)


def domain_of(address: str) -> str | None:
    """The domain of an account's address as somebody typed it; None if it is no such address."""
    try:
        return _address(address).domain
    except Refused:
        return None


def _objection(server: "Server", address: str) -> str:
    try:
        account = _new_account(server, address)
    except Refused as refused:
        return str(refused)
    return f"{account} exists." if account_records.exists(server.db, account) else ""


def _new_account(server: "Server", text: str) -> JID:
    account = _address(text)
    if not server.ownership.serves(account.domain):
        raise Refused(f"{account.domain} is not served here; expected NAME@{' or NAME@'.join(server.domains)}.")
    return account


def _address(text: str) -> JID:
    """The account's address that somebody typed. Raises Refused if it is none."""
    try:
        account = JID.parse(text)
    except MalformedJID as error:
        raise Refused(f"{text!r} is not an address, expected NAME@DOMAIN: {error}.") from error
    if not account.local or account.resource:
        raise Refused(f"{text!r} is not the address of an account, expected NAME@DOMAIN.")
    return account
