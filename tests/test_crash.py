"""Killed at any moment, a server still has all that a client was told is done: in the middle of traffic, fifty times.

What was not answered may be there or not, but then whole or not at all. A killed process leaves what it has written to
the operating system; that it would survive a power cut as well is shown by test_durability.py.
"""

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.harness.crashes import Changes, Ledger, Lost, State, Traffic, started
from tests.harness.rawclient import Element, LoginFailed, RawClient, logged_in, new_account
from xmpp.data import names

KILLS = 50
MOST_ANSWERS = 60  # to all clients together, before a kill
MOST_DELAY = 0.005  # seconds: an answer is a few of these apart from the next
CONTACTS = [f"contact-{number}@localhost" for number in range(12)]
ROSTER_ITEM = "{jabber:iq:roster}item"
BLOCKED_ITEM = "{urn:xmpp:blocking}item"
ENOUGH_ACCOUNTS = 30









class RosterChanges(Changes):
    def stored(self, client: RawClient) -> State:
        roster = client.ask("get", "<query xmlns='jabber:iq:roster'/>")
        return {item.attrib["jid"]: item.attrib["name"] for item in roster.iter(ROSTER_ITEM)}

    def make_one(self, client: RawClient) -> None:
        contact = self.random.choice(CONTACTS)
        if contact in self.ledger.told and self.random.random() < 0.4:
            state = {jid: name for jid, name in self.ledger.told.items() if jid != contact}
            item = f"<item jid='{contact}' subscription='remove'/>"
        else:
            state = {**self.ledger.told, contact: f"name {self.count}"}
            item = f"<item jid='{contact}' name='name {self.count}'><group>{self.count}</group></item>"
        with self.ledger.becoming(state):
            succeed(client.ask("set", f"<query xmlns='jabber:iq:roster'>{item}</query>"))


class BlocklistChanges(Changes):
    def stored(self, client: RawClient) -> State:
        blocklist = client.ask("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        return {item.attrib["jid"]: "blocked" for item in blocklist.iter(BLOCKED_ITEM)}

    def make_one(self, client: RawClient) -> None:
        chosen = self.random.sample(CONTACTS, self.random.randint(1, 3))
        action, state = self.random.choice(
            [
                ("block", {**self.ledger.told, **dict.fromkeys(chosen, "blocked")}),
                ("block", {**self.ledger.told, **dict.fromkeys(chosen, "blocked")}),
                ("unblock", {jid: "blocked" for jid in self.ledger.told if jid not in chosen}),
            ]
        )
        items = "".join(f"<item jid='{jid}'/>" for jid in chosen)
        with self.ledger.becoming(state):
            succeed(client.ask("set", f"<{action} xmlns='urn:xmpp:blocking'>{items}</{action}>"))


class PrivateChanges(Changes):
    def stored(self, client: RawClient) -> State:
        note = client.ask("get", "<query xmlns='jabber:iq:private'><note xmlns='urn:example:note'/></query>")[0][0]
        return {"note": note.text} if note.text else {}

    def make_one(self, client: RawClient) -> None:
        text = f"{self.count} " * self.random.randint(1, 500)
        with self.ledger.becoming({"note": text}):
            keep_note(client, text)


class OfflineMessages(Changes):
    """Messages to somebody who is not there: a later answer to their sender says that they have been taken care of."""

    def __init__(self, port: int, random: Random) -> None:
        super().__init__(port, random)
        self.receiver = new_account(port)
        self.sent: list[str] = []
        self.told = 0  # how many of them

    def verify(self, port: int) -> None:
        with logged_in(port, *self.receiver) as client:
            client.send("<presence/>")
            found = [element.findtext(f"{{{names.CLIENT}}}body") for element in client.comes_before_pong()]
            bodies = [body for body in found if body is not None]
            client.send("</stream:stream>")
            client.ending()
        if not self.told <= len(bodies) or bodies != self.sent[: len(bodies)]:
            raise Lost(f"{bodies}, where the first {self.told} of these were to be expected: {self.sent}")
        self.sent, self.told = [], 0

    def make_one(self, client: RawClient) -> None:
        for number in range(self.random.randint(1, 4)):
            body = f"{self.count}.{number}"
            self.sent.append(body)
            client.send(f"<message to='{self.receiver[0]}@localhost' type='chat'><body>{body}</body></message>")
        keep_note(client, str(self.count))
        self.told = len(self.sent)


class Registrations(Changes):
    """Accounts that come, get another password, and go."""

    def __init__(self, port: int, random: Random) -> None:
        super().__init__(port, random)
        self._touched: set[str] = set()

    def verify(self, port: int) -> None:
        """Look at those that have changed since the last time."""
        self._verify(port, self._touched)
        self._touched = set()

    def verify_all(self, port: int) -> None:
        """Look at all that were ever there."""
        self._verify(port, {name for state in self.ledger.possible for name in state})

    def make_until_killed(self, port: int, answered: Callable[[], object]) -> None:
        while True:
            self.count += 1
            name = self._choose()
            self._touched.add(name)
            self._change(port, name)
            answered()

    def _choose(self) -> str:
        existing = sorted(self.ledger.told)
        if len(existing) >= ENOUGH_ACCOUNTS or (existing and self.random.random() < 0.5):
            return self.random.choice(existing)
        return f"account-{self.count}"

    def _change(self, port: int, name: str) -> None:
        told, password = self.ledger.told, f"password {self.count}"
        with RawClient(port) as client:
            client.open()
            if name not in told:
                with self.ledger.becoming({**told, name: password}):
                    client.register(name, password)
                return
            client.authenticate(name, told[name])
            client.bind()
            if self.random.random() < 0.5:
                with self.ledger.becoming({**told, name: password}):
                    client.register(name, password)
            else:
                with self.ledger.becoming({each: kept for each, kept in told.items() if each != name}):
                    succeed(client.ask("set", "<query xmlns='jabber:iq:register'><remove/></query>"))

    def _verify(self, port: int, touched: set[str]) -> None:
        stored = {name: kept for name, kept in self.ledger.told.items() if name not in touched}
        for name in touched:
            candidates = {state[name] for state in self.ledger.possible if name in state}
            stored.update((name, password) for password in candidates if is_password(port, name, password))
        self.ledger.compare(stored)


def succeed(answer: Element) -> None:
    assert answer.get("type") == "result", answer.attrib


def keep_note(client: RawClient, text: str) -> None:
    succeed(client.ask("set", f"<query xmlns='jabber:iq:private'><note xmlns='urn:example:note'>{text}</note></query>"))


def is_password(port: int, name: str, password: str) -> bool:
    with RawClient(port) as client:
        client.open()
        try:
            client.authenticate(name, password)
        except LoginFailed:
            return False
        return True




@pytest.mark.timeout(600)
def test_fifty_kills_lose_nothing_that_a_client_was_told(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(1 << 32))
    print(f"CRASH_SEED={seed}")  # the same choices again; what the clients have reached by then is up to the machine
    random = Random(seed)
    with started(tmp_path) as server:
        registrations = Registrations(server.port, Random(seed))
        others = (RosterChanges, BlocklistChanges, PrivateChanges, OfflineMessages)
        changes = [registrations, *(kind(server.port, Random(seed)) for kind in others)]
    for _ in range(KILLS):
        with started(tmp_path) as server:
            for each in changes:
                each.verify(server.port)
            traffic = Traffic(server.port, changes)
            traffic.wait_for_answers(random.randint(1, MOST_ANSWERS))
            time.sleep(random.uniform(0, MOST_DELAY))  # waits for nothing: the kill comes at a random moment
            server.kill()
            traffic.end()
    with started(tmp_path) as server:
        for each in changes:
            each.verify(server.port)
        registrations.verify_all(server.port)




def test_the_comparison_notices_what_is_lost() -> None:
    ledger = Ledger()
    with ledger.becoming({"a": "1"}):
        pass
    for stored in ({}, {"a": "2"}, {"a": "1", "b": "1"}):
        with pytest.raises(Lost):
            ledger.compare(stored)


def test_the_comparison_takes_an_unanswered_change_either_way_but_whole() -> None:
    for stored in ({"a": "1"}, {"b": "1", "c": "1"}):
        interrupted_ledger().compare(stored)
    for stored in ({}, {"b": "1"}, {"a": "1", "b": "1", "c": "1"}):
        with pytest.raises(Lost):
            interrupted_ledger().compare(stored)


def interrupted_ledger() -> Ledger:
    ledger = Ledger()
    with ledger.becoming({"a": "1"}):
        pass
    with pytest.raises(OSError), ledger.becoming({"b": "1", "c": "1"}):
        raise OSError
    return ledger
