"""Dialogues whose people are on two servers that federate, a.example and b.example: clients connect to the server of
their account, and what the dialogue says of localhost is said of the server that is meant."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gevent
from gevent.threadpool import ThreadPool

from db import accounts as account_records
from db.accounts import Credential
from handlers import pubsub
from handlers.login import accounts
from handlers.login.sasl import passwords
from handlers.rooms import forgetting
from tests.harness import scsrun
from tests.harness.across import Connection as HeedfulConnection
from tests.harness.dialogues import SCRIPTS, failure, has_several_people, options, uses
from tests.harness.federated import PATIENCE, settle, two_servers
from tests.harness.streams import listener_of
from xmpp.data.jid import JID
from xmpp.server import Server

DOMAINS = ("a.example", "b.example")

BESIDE, AWAY = "beside", "away"  # whether who is named first is where the services are
CASES = [(script, BESIDE) for script in SCRIPTS if has_several_people(script)]
CASES += [(script, AWAY) for script in SCRIPTS if uses(script, "pubsub", "rooms")]

PlainConnection, PlainPerformance = scsrun.Connection, scsrun.Performance  # the player's own, for which ours stand in

PERSON = re.compile(r"(?<![\w.\\+-])([\w.\\+-]+)@(localhost)\b", re.IGNORECASE)
SERVICE = re.compile(r"\b(rooms|pubsub)\.localhost\b")
BLOCKED = re.compile(r"(?<=<item jid=.)localhost(?=./>)")  # who blocks a domain means the other one
OWN = re.compile(r"(?<![\w.@-])(?<!tag:)((?:upload\.)?)localhost\b")
ASKED_SERVER = re.compile(r"\s*<iq\b[^>]*\bfrom=.localhost['\"]")  # it tells of its own services
SPEAKER = re.compile(r"\s*<(presence|message|iq)\b[^>]*?\bfrom=(['\"])(.*?)\2[^>]*>")


class Geography:
    """Which domain is meant where a dialogue says localhost.

    The first person that it names is at the domain that has the services, or at the other one, and those who follow
    are so in turn; whoever it does not name beforehand is where the services are. A person's own server is the one
    that `localhost` alone means in what that person says and hears, but for what the speaker's server has put there.
    """

    def __init__(self, script: scsrun.Script, *, first_beside_services: bool) -> None:
        self._characters = script.characters
        order = list(dict.fromkeys(who.user for who in script.characters.values()))
        self._domains = {name: DOMAINS[(place + (not first_beside_services)) % 2] for place, name in enumerate(order)}

    def address(self, text: str) -> str:
        """Where somebody is whom the dialogue names as at localhost."""
        return PERSON.sub(lambda found: f"{found[1]}@{self._domain(found[1], found[2])}", text)

    def moved(self, text: str, own: str) -> str:
        """What is said in the dialogue, with the domains where they are; `own` is that of whoever says or hears it."""
        text = self.address(text)
        where = own if ASKED_SERVER.match(text) else DOMAINS[0]
        text = SERVICE.sub(lambda found: f"{found[1]}.{where}", text)
        text = BLOCKED.sub(DOMAINS[own == DOMAINS[0]], text)
        theirs = self._domain_of_speaker(text) or own
        return OWN.sub(lambda found: found[1] + theirs, text)

    def _domain(self, name: str, written: str = "localhost") -> str:
        domain = self._domains.get(name.lower(), DOMAINS[0])
        return domain if written.islower() else domain.title()

    def _domain_of_speaker(self, text: str) -> str:
        """The domain of the server that has put there what is in a stanza beside what was said: that of whoever shows
        presence or publishes something, and a service's own."""
        found = SPEAKER.match(text)
        if found is None:
            return ""
        owner = re.fullmatch(r"\$\{(.*)'s (?:full )?JID\}", found[3])
        domain = self._domain(self._characters[owner[1]].user) if owner else found[3].partition("/")[0].split("@")[-1]
        if domain.endswith("." + DOMAINS[0]):
            return DOMAINS[0]
        is_theirs = found[1] == "presence" or 'type="headline"' in found[0]
        return domain if is_theirs and domain in DOMAINS else ""


class Land:
    """Two servers. The services are the first's, each has its own for uploads."""

    def __init__(self, servers: tuple[Server, Server]) -> None:
        self.servers = dict(zip(DOMAINS, servers, strict=True))
        self._thread = ThreadPool(1)
        self._loop = gevent.get_hub().loop
        self._credentials: dict[str, dict[str, Credential]] = {}  # to salt a password takes as long as a dialogue

    def play(self, script: Path, *more: str, first_beside_services: bool) -> str:
        """Play a dialogue, with accounts that last as long: what went wrong; nothing if it went well."""
        text = script.read_text(encoding="utf-8")
        people = list(scsrun.parse_script(text, "-").characters.values())
        given = {each.bare: each.password for each in reversed(people)}  # the first tells the password
        geography = Geography(scsrun.parse_script(text, "-"), first_beside_services=first_beside_services)
        members = {JID.parse(geography.address(bare)): password for bare, password in given.items()}
        with _players_wait_for(self):
            for account, password in members.items():
                self._make_account(account, password)
            try:
                player = _Runner(options(script, 0, *more), self, geography)
                return failure(self._thread.apply(player.run_script, (text, str(script))))
            finally:
                for account in members:
                    self._remove_account(account)
                self._settle()

    def _make_account(self, account: JID, password: str) -> None:
        server = self.servers[account.domain]
        if password not in self._credentials:
            [self._credentials[password]] = passwords.salted(server, [password])
        account_records.create(server.db, account, self._credentials[password], time.time())

    def _remove_account(self, account: JID) -> None:
        owner = self.servers[account.domain]
        if account_records.exists(owner.db, account):
            accounts.remove(owner, account)
        self._settle()
        for server in self.servers.values():  # a service elsewhere is not told
            pubsub.forget_account(server, account)
            forgetting.forget_account(server, account)

    # -- what is under way

    def settle(self) -> None:
        """Wait until all that one server has sent has been taken by the other one, and all that came of it. For the
        thread of the player."""
        is_done = threading.Event()
        self._loop.run_callback_threadsafe(partial(gevent.spawn, self._tell_once_settled, is_done))
        assert is_done.wait(PATIENCE), "the servers do not get done with what they have to say to each other"

    def _tell_once_settled(self, is_done: threading.Event) -> None:
        self._settle()
        is_done.set()

    def _settle(self) -> None:
        settle(self.servers.values())


@contextmanager
def land_in(folder: Path, settings: Mapping[str, Mapping[str, Any]]) -> Iterator[Land]:
    """Two servers that federate, and let each other's people make rooms and nodes."""
    folder.mkdir()
    chosen = {**settings}
    for service in ("rooms", "pubsub"):
        chosen[service] = {"creators": "everybody", **settings.get(service, {})}
    with two_servers(folder, **chosen) as servers:
        yield Land(servers)


# -- the player


class _Runner(scsrun.Runner):
    def __init__(self, opts: Any, land: Land, geography: Geography) -> None:
        scsrun.Runner.__init__(self, opts)
        self._land, self._geography = land, geography

    def prepare(self, script: scsrun.Script) -> None:
        for who in script.characters.values():
            who.jid = self._geography.address(who.jid)
            who.connect_port = listener_of(self._land.servers[who.domain]).ports["STARTTLS"]
        for action in script.actions:
            action.xml = self._geography.moved(action.xml, script.characters[action.who].domain)


class Connection(HeedfulConnection):
    """A client that looks at what one domain has to say, if it is told to: what comes over different links comes in any
    order."""

    listens_to: str | None = None

    def next(self, timeout: float) -> Any:
        deadline = time.monotonic() + timeout
        while True:
            for node in self.inbox:
                if self.listens_to in (None, _domain_of(node) or self.domain):
                    self.inbox.remove(node)
                    return node
            if self.closed or time.monotonic() >= deadline:
                return None
            PlainConnection.pump(self, deadline - time.monotonic())


def _domain_of(node: Any) -> str:
    """The domain that has sent this; "" if that is not said."""
    sender: str = node.attrs.get("from", "")
    return sender.partition("/")[0].rpartition("@")[2]


@contextmanager
def _players_wait_for(land: Land) -> Iterator[None]:
    """Before anybody does something, all that was done before has arrived."""

    class Performance(scsrun.Performance):
        def _settle(self, action: scsrun.Action) -> None:
            PlainPerformance._settle(self, action)
            land.settle()

        def _drain(self) -> None:
            land.settle()
            PlainPerformance._drain(self)

        def do_receives(self, action: scsrun.Action) -> None:
            [expected] = scsrun.parse_fragment(PlainPerformance.substitute(self, action))
            connection = PlainPerformance._connection(self, action)
            is_push = expected.name == "iq" and expected.attrs.get("type") == "set"
            connection.listens_to = _domain_of(expected) or (connection.domain if is_push else None)
            PlainPerformance.do_receives(self, action)
            connection.listens_to = None

    scsrun.Connection, scsrun.Performance = Connection, Performance  # type: ignore[misc]
    try:
        yield
    finally:
        scsrun.Connection, scsrun.Performance = PlainConnection, PlainPerformance  # type: ignore[misc]
