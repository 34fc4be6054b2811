"""Two servers for one domain in the test's own process: each account is one's or the other's, and all that one has for
the other's goes over as bytes. Dialogues are played with both: clients connect to the owner of their account."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import gevent
from gevent.threadpool import ThreadPool

from db import accounts as account_records
from db import blocklists, last_activity, private, pubsub_nodes, rosters, subscription_requests, vcards
from db.accounts import Credential
from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers import pubsub
from handlers.login import accounts
from handlers.login.sasl import passwords
from handlers.tables import FEATURES, TABLES
from tests.harness import scsrun
from tests.harness.dialogues import failure, options
from tests.harness.in_process import configuration
from tests.harness.streams import SETTINGS, listener_of
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.online import Online
from xmpp.routing.ownership import Ownership
from xmpp.routing.session import Session
from xmpp.running.handling import Handled
from xmpp.server import Server
from xmpp.stream.listen_settings import ListenSettings
from xmpp.stream.listener import ClientListener

log = logging.getLogger(__name__)

PlainConnection = scsrun.Connection  # the player's own, for which ours stands in


class Other:
    """What one server knows of the other: that it owns these accounts, and takes stanzas for them as bytes."""

    def __init__(self, house: "House", number: int) -> None:
        self._house = house
        self._number = number

    def has(self, address: JID) -> bool:
        return self._house.owner(address) == self._number

    def send(self, stanza: Stanza) -> None:
        self._house.under_way += 1
        gevent.get_hub().loop.run_callback(self._take, bytes(stanza.wire()))

    def _take(self, data: bytes) -> None:
        self._house.under_way -= 1
        with Handled():
            try:
                self._house.servers[self._number].router.route(Stanza.from_wire(data))
            except Exception:
                log.exception("%d cannot take %r", self._number, data)


class OwnOnline(Online):
    """Who is online, for whoever asks for accounts that are the server's own. There is no answer for any other."""

    def __init__(self, house: "House", number: int) -> None:
        super().__init__()
        self._house = house
        self._number = number

    def _hold_own(self, address: str) -> None:
        assert self._house.owner(JID.parse(address).bare) == self._number, f"{address} is somebody else's"

    def session(self, address: JID) -> Session | None:
        self._hold_own(address)
        return super().session(address)

    def sessions(self, account: JID) -> tuple[Session, ...]:
        self._hold_own(account)
        return tuple(super().sessions(account))

    def count(self, account: str) -> int:
        self._hold_own(account)
        return super().count(account)

    def available(self, account: JID) -> list[Session]:
        self._hold_own(account)
        return super().available(account)


# What is written down of an account, by what reads it: f(db, account, ...).
OF_ONE_ACCOUNT: Mapping[ModuleType, Sequence[str]] = {
    account_records: ("exists", "identity", "credential"),
    blocklists: ("blocks_any_resource", "is_blocked", "patterns"),
    last_activity: ("get",),
    private: ("get",),
    pubsub_nodes: ("get", "of_account"),
    rosters: ("item", "roster", "subscribed_to", "subscribers"),
    subscription_requests: ("count", "is_pending", "senders"),
    vcards: ("get",),
}


@contextmanager
def only_own_rows_are_read(house: "House") -> Iterator[None]:
    """While this lasts, to read what is written down of somebody else's account fails, instead of finding nothing."""
    theirs = [(module, name, getattr(module, name)) for module, names in OF_ONE_ACCOUNT.items() for name in names]
    for module, name, read in theirs:
        setattr(module, name, partial(_read_own, house, read))
    try:
        yield
    finally:
        for module, name, read in theirs:
            setattr(module, name, read)


def _read_own(house: "House", read: Callable[..., Any], db: Database, account: JID, *more: Any, **named: Any) -> Any:
    address = JID.parse(account).bare
    if address.local:
        assert house.servers[house.owner(address)].db is db, f"{address} is somebody else's"
    return read(db, account, *more, **named)


class House:
    """Two servers. Services are the first's, and so is whoever was not named."""

    def __init__(self) -> None:
        self.servers: list[Server] = []
        self.under_way = 0  # stanzas that one has sent and the other has not taken yet
        self._second = frozenset[str]()
        self._thread = ThreadPool(1)
        self._credentials: dict[str, dict[str, Credential]] = {}  # to salt a password takes as long as a dialogue

    def owner(self, address: str) -> int:
        """The number of the server that owns an account or a service."""
        return int(address in self._second)

    def server_of(self, address: str) -> Server:
        return self.servers[self.owner(address)]

    def give_second(self, *accounts: str) -> None:
        """Say which accounts are the second server's; those that were named before are the first's again."""
        self._second = frozenset(accounts)

    def settle(self) -> None:
        """Wait until each server has taken what the other one has sent."""
        while self.under_way:
            gevent.sleep(0)

    def play(self, script: Path, *more: str, first_beside_services: bool) -> str:
        """Play a dialogue, with accounts that last as long: what went wrong; nothing if it went well. They are divided
        between the servers in turn; the first of them is that of the server with the services, or of the other."""
        text = script.read_text(encoding="utf-8")
        people = list(scsrun.parse_script(text, "-").characters.values())
        given = {each.bare: each.password for each in reversed(people)}  # the first tells the password
        order = list(dict.fromkeys(each.bare for each in people))
        self._second = frozenset(order[first_beside_services::2])
        with only_own_rows_are_read(self), _clients_heed_what_they_asked_for():
            for account in order:
                self._make_account(JID.parse(account), given[account])
            try:
                player = _Runner(options(script, 0, *more), self)
                return failure(self._thread.apply(player.run_script, (text, str(script))))
            finally:
                for account in order:
                    self._remove_account(JID.parse(account))
                self.settle()

    def _make_account(self, account: JID, password: str) -> None:
        server = self.server_of(account)
        if password not in self._credentials:
            [self._credentials[password]] = passwords.salted(server, [password])
        account_records.create(server.db, account, self._credentials[password], time.time())

    def _remove_account(self, account: JID) -> None:
        owner = self.server_of(account)
        if account_records.exists(owner.db, account):
            accounts.remove(owner, account)
        for server in self.servers:  # a service elsewhere is not told
            pubsub.forget_account(server, account)


@contextmanager
def house_in(folder: Path, settings: Mapping[str, Mapping[str, Any]]) -> Iterator[House]:
    """Two servers that listen on loopback, each with a database of its own."""
    house = House()
    folder.mkdir()
    with ExitStack() as opened:
        for number in (0, 1):
            db = opened.enter_context(Database(folder / f"{number}.db"))
            other = Other(house, 1 - number)
            chosen = configuration(**{"sasl": SETTINGS["sasl"], **settings})
            server = Server(chosen, db, FEATURES, TABLES, storage_errors=(StorageError,), elsewhere=other)
            server.online = OwnOnline(house, number)
            server.ownership = Ownership(server.domains, server.online, other)
            listen = ListenSettings(addresses=("127.0.0.1",), port=0, tls_port=0)
            server.listeners.append(ClientListener(server, must_be_secure=False, settings=listen))
            house.servers.append(server)
            server.start()
            opened.callback(server.stop)
        yield house


# -- the player


class _Runner(scsrun.Runner):
    def __init__(self, opts: Any, house: House) -> None:
        scsrun.Runner.__init__(self, opts)
        self._house = house

    def prepare(self, script: scsrun.Script) -> None:
        for who in script.characters.values():
            who.connect_port = listener_of(self._house.server_of(who.bare)).ports["STARTTLS"]


class Connection(PlainConnection):
    """A client that heeds no more of contacts who are not online than it has asked for.

    Its server asks other owners for the presence of contacts, and those who are not online answer that they are not
    (RFC 6121 section 4.3.2). Who has the same owner is not asked, and none of the dialogues expects an answer.
    """

    def __init__(self, *arguments: Any) -> None:
        PlainConnection.__init__(self, *arguments)
        self._asked = Counter[str]()  # whom it has asked itself, and how often, since it was last available

    def send(self, text: str) -> None:
        if text.startswith("<presence"):
            attributes = scsrun.parse_fragment(text)[0].attrs
            if "to" not in attributes:
                self._asked.clear()
            elif attributes.get("type") in ("probe", "subscribe"):
                self._asked[attributes["to"].partition("/")[0]] += 1
        PlainConnection.send(self, text)

    def _collect(self) -> None:
        known = len(self.inbox)
        PlainConnection._collect(self)
        self.inbox = deque(each for number, each in enumerate(self.inbox) if number < known or self._heeds(each))

    def _heeds(self, node: scsrun.Node) -> bool:
        sender = node.attrs.get("from", "")
        if node.name != "presence" or node.attrs.get("type") != "unavailable" or "/" in sender:
            return True
        is_asked = self._asked[sender] > 0
        self._asked[sender] -= is_asked
        return is_asked


@contextmanager
def _clients_heed_what_they_asked_for() -> Iterator[None]:
    scsrun.Connection = Connection  # type: ignore[misc]
    try:
        yield
    finally:
        scsrun.Connection = PlainConnection  # type: ignore[misc]
