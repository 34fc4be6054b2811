"""Whatever happens to the connections between two servers: what is said arrives once, in order, or who said it is told
that it may not have; and everybody sees who is there, and is in the rooms that they believe to be in."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from secrets import randbelow

import gevent
import pytest

from handlers.login import accounts
from handlers.rooms.rooms_elsewhere import ask_due
from tests.harness.federated import Directory, Servers, federated, settle, somebody, trusted, two_servers
from tests.harness.in_process import Client
from tests.harness.roads import Roads
from tests.harness.rooms import MUC, room_at
from tests.harness.soak import IS_SOAKING, rounds
from tests.harness.streams import local_name
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.federation import link
from xmpp.server import Server

ROUNDS = rounds(60, 600)
FAR = 4_000  # bytes; a stream is agreed on after about half of that
ROOM = "verona@rooms.a.example"
ACCEPT = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>"


class Person:
    """Somebody who notes what comes, by its id. `arrived`: messages by who has sent them; `seen`: the last presence of
    who is there; `errors`: what came back. `stay`: what was heard in the room since it was entered, None while it is
    not."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jid, self.nick = str(client.jid), client.account.local
        self.arrived = dict[str, list[int]]()
        self.errors: list[int] = []
        self.seen = dict[str, int]()
        self.stay: list[int] | None = None
        self.stays: list[list[int]] = []

    def says(self, stanza: str) -> None:
        """Send a stanza, and note what has come."""
        self._notes(self.client.sends(stanza))

    def looks(self) -> None:
        """Note what has come."""
        self._notes(self.client.received())

    def _notes(self, stanzas: list[str]) -> None:
        for text in stanzas:
            element = parse(text.encode())
            kind, sender, type = local_name(element), element.get("from") or "", element.get("type")
            id = element.get("id") or ""
            if kind == "message" and id.isdecimal():
                if type == "error":
                    self.errors.append(int(id))
                elif type == "groupchat":
                    assert self.stay is not None, f"{self.nick} hears {id} and is not in the room"
                    self.stay.append(int(id))
                else:
                    self.arrived.setdefault(sender, []).append(int(id))
            elif sender == f"{ROOM}/{self.nick}":
                self._notes_own(type)
            elif kind == "presence" and id.isdecimal():
                if type == "error":
                    self.errors.append(int(id))
                elif type is None:
                    self.seen[sender] = int(id)
            if kind == "presence" and type == "unavailable":
                self.seen.pop(sender, None)

    def _notes_own(self, type: str | None) -> None:
        if type is None and self.stay is None:
            self.stay = []
            self.stays.append(self.stay)
        elif type == "unavailable":
            self.stay = None


@pytest.fixture
def roads() -> Iterator[Roads]:
    with Roads() as roads:
        yield roads


@pytest.fixture
def servers(tmp_path: Path, roads: Roads, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    monkeypatch.setattr(link, "FIRST_PAUSE_SECONDS", 0)  # what cannot be reached is tried again at once
    with two_servers(tmp_path, roads) as both:
        yield both


@pytest.fixture
def people(servers: Servers) -> list[Person]:
    here = [Person(somebody(servers[0], f"{name}@a.example/x")) for name in ("juliet", "nurse")]
    return here + [Person(somebody(servers[1], f"{name}@b.example/y")) for name in ("romeo", "benvolio")]


def chance(usual: int) -> Random:
    """The same in each short run; in a long one the seed is printed."""
    seed = randbelow(1 << 32) if IS_SOAKING else usual
    print("seed", seed)
    return Random(seed)


def test_what_is_said_arrives_once_and_in_order_or_comes_back(
    servers: Servers, people: list[Person], roads: Roads
) -> None:
    random, numbers, tally = chance(7), itertools.count(1), Counter[str]()
    for _ in range(ROUNDS):
        is_cut = random.random() < 0.8
        if is_cut:
            roads.cut_after(random.randrange(FAR))
        sent = dict[int, tuple[Person, Person]]()
        for number in itertools.islice(numbers, random.randrange(1, 30)):
            sender, to = random.sample(people, 2)
            sent[number] = sender, to
            sender.says(f"<message to='{to.jid}' type='chat' id='{number}'><body>{number}</body></message>")
            if random.random() < 0.3:
                settle(servers)
        settle(servers)
        roads.cut_no_more()
        for person in people:
            person.looks()
        for number, (sender, to) in sent.items():
            came = to.arrived.get(sender.jid, []).count(number)
            back = sender.errors.count(number)
            assert came <= 1 and back <= 1 and came + back >= 1, (number, sender.jid, to.jid, came, back, roads.cuts)
            assert is_cut or not back
            tally["came back" if back else "arrived"] += 1
        for person in people:
            assert all(numbers == sorted(numbers) for numbers in person.arrived.values())
    print(tally, roads.cuts)


def test_nothing_is_lost_without_a_word_when_the_other_server_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "FIRST_PAUSE_SECONDS", 0)
    random, numbers, tally = chance(10), itertools.count(1), Counter[str]()
    directory, settings = Directory(), {"federation": {"without_tls": trusted("a.example", "b.example")}}
    with federated(tmp_path, directory, "a.example", **settings) as here:
        juliet, sent, came = Person(somebody(here, "juliet@a.example/x")), list[int](), Counter[int]()
        for each in range(ROUNDS // 3):
            with federated(tmp_path, directory, "b.example", **settings) as there:
                if not each:
                    accounts.create(there, JID.parse("romeo@b.example"), "secret")
                came.update(kept_for("romeo@b.example/y", there))
                for number in itertools.islice(numbers, random.randrange(1, 40)):
                    juliet.says(f"<message to='romeo@b.example' type='chat' id='{number}'><body>hi</body></message>")
                    sent.append(number)
                    if random.random() < 0.1:
                        settle([here, there])
                    for _ in range(random.choice((0, 0, 20))):
                        gevent.sleep(0)
            settle([here])
        with federated(tmp_path, directory, "b.example", **settings) as there:
            came.update(kept_for("romeo@b.example/y", there))
        juliet.looks()
        for number in sent:
            back = juliet.errors.count(number)
            assert came[number] <= 1 and back <= 1 and came[number] + back >= 1, (number, came[number], back)
            tally[f"arrived {came[number]}, came back {back}"] += 1
    print(tally)


def kept_for(address: str, server: Server) -> list[int]:
    """The messages that have waited for somebody, who comes and goes."""
    person = Person(Client(server, address))
    person.says("<presence/>")
    person.client.session.close()
    return [number for numbers in person.arrived.values() for number in numbers]


def test_everybody_sees_who_is_there_unless_that_came_back(
    servers: Servers, people: list[Person], roads: Roads
) -> None:
    random, numbers, tally = chance(9), itertools.count(1), Counter[str]()
    for one, other in itertools.permutations(people, 2):
        one.says(f"<presence type='subscribe' to='{other.client.account}'/>")
        settle(servers)
        other.says(f"<presence type='subscribed' to='{one.client.account}'/>")
        settle(servers)
    said = dict.fromkeys(people, 0)  # 0: that one is gone
    for person in people:
        person.says("<presence type='unavailable'/>")
    for _ in range(ROUNDS):
        for one, other in itertools.permutations((people[0], people[-1])):  # who goes while no server is reached stays
            one.says(f"<message to='{other.jid}' type='headline'/>")
            settle(servers)
        if random.random() < 0.8:
            roads.cut_after(random.randrange(FAR))
        for number in itertools.islice(numbers, random.randrange(1, 10)):
            person = random.choice(people)
            type = random.choice(("", "", "type='unavailable'"))
            person.says(f"<presence id='{number}' {type}/>")
            said[person] = 0 if type else number
            if type:
                person.seen.clear()
            if random.random() < 0.2:
                settle(servers)
        settle(servers)
        roads.cut_no_more()
        for person in people:
            person.looks()
        for person, other in itertools.permutations(people, 2):
            if said[other]:
                is_told = said[person] not in person.errors
                assert other.seen.get(person.jid, 0) == said[person] or not is_told, (person.jid, other.jid)
                tally["told" if is_told else "not told"] += 1
    print(tally, roads.cuts)


def test_everybody_is_in_the_room_that_they_believe_to_be_in_and_has_heard_all(
    servers: Servers, people: list[Person], roads: Roads
) -> None:
    random, numbers, tally = chance(8), itertools.count(1), Counter[str]()
    juliet = people[0]
    enter(juliet)
    juliet.says(f"<iq type='set' id='c' to='{ROOM}'>{ACCEPT}</iq>")
    for _ in range(ROUNDS):
        for person in people:
            person.looks()
            if person.stay is None and random.random() < 0.7:
                enter(person)
        settle(servers)
        if random.random() < 0.8:
            roads.cut_after(random.randrange(FAR))
        for person in people:
            person.looks()
        for number in itertools.islice(numbers, random.randrange(1, 20)):
            person = random.choice(people)
            if person.stay is not None and random.random() < 0.1 and person is not juliet:
                person.says(f"<presence to='{ROOM}/{person.nick}' type='unavailable'/>")
            elif person.stay is not None:
                say = f"<message to='{ROOM}' type='groupchat' id='{number}'><body>{number}</body></message>"
                person.says(say)
            if random.random() < 0.2:
                settle(servers)
                person.looks()
        settle(servers)
        roads.cut_no_more()
        ask_due(servers[1], float("inf"))
        settle(servers)
        there = room_at(servers[0], ROOM).occupants
        for person in people:
            person.looks()
            assert (person.stay is not None) == (person.nick in there), person.nick
            tally["in" if person.stay is not None else "out"] += 1
        check_heard(juliet, people)
    print(tally, roads.cuts)


def enter(person: Person) -> None:
    x = f"<x xmlns='{MUC}'><history maxstanzas='0'/></x>"
    person.says(f"<presence to='{ROOM}/{person.nick}'>{x}</presence>")


def check_heard(juliet: Person, people: list[Person]) -> None:
    """All stays are parts of what was said, without a gap; those that last are the end of it."""
    assert juliet.stay is not None
    said = juliet.stay
    for person in people:
        for stay in filter(None, person.stays):
            begin = said.index(stay[0])
            assert said[begin : begin + len(stay)] == stay, person.nick
        if person.stay:
            assert said[-1] == person.stay[-1], person.nick
