"""What is remembered: bounded, coherent with the file, and enough for the message path to make no query."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, blocklists, offline, rosters, secrets, subscription_requests, vcards
from db.sqlite.database import Database
from db.sqlite.memory import Memory, Remembered
from xmpp.data.jid import JID

ROMEO = JID.parse("romeo@montague.example")
JULIET = JID.parse("juliet@capulet.example")

NAMES = Remembered[str](bound=3)
LISTS = Remembered[list[int]](bound=10, weigh=len)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "xserv.db") as db:
        accounts.create(db, ROMEO, {}, created=0.0)
        yield db


def test_what_was_remembered_first_goes_first() -> None:
    names = Memory()[NAMES]
    for name in "abc":
        names.put(name, name)
    names.put("a", "a again")
    names.put("d", "d")
    assert [names.get(name) for name in "abcd"] == ["a again", None, "c", "d"]


def test_a_bound_counts_weight() -> None:
    lists = Memory()[LISTS]
    lists.put("a", [0] * 6)
    lists.put("b", [0] * 4)
    assert (len(lists), lists.weight) == (2, 10)
    lists.put("b", [0] * 5)
    assert (len(lists), lists.weight, lists.get("a")) == (1, 5, None)


def test_one_value_above_the_bound_is_remembered_alone() -> None:
    lists = Memory()[LISTS]
    lists.put("small", [0])
    lists.put("huge", [0] * 100)
    assert (len(lists), lists.weight) == (1, 100)
    lists.put("small", [0])
    assert (len(lists), lists.weight) == (1, 1)


def test_forgetting_an_account_concerns_all_subjects_and_no_other_account() -> None:
    memory = Memory()
    memory[NAMES].put("a", "a")
    memory[LISTS].put("a", [1])
    memory[NAMES].put("b", "b")
    memory.forget("a")
    assert (memory[NAMES].get("a"), memory[LISTS].get("a"), memory[NAMES].get("b")) == (None, None, "b")


def test_the_message_path_makes_no_query_once_an_account_is_remembered(db: Database) -> None:
    def message_path() -> None:
        accounts.exists(db, ROMEO)
        accounts.exists(db, JULIET)
        blocklists.is_blocked(db, ROMEO, JULIET)
        rosters.roster(db, ROMEO)
        rosters.item(db, ROMEO, JULIET)
        rosters.subscribers(db, ROMEO)
        rosters.subscribed_to(db, ROMEO)
        vcards.photo_hash(db, ROMEO)
        subscription_requests.is_pending(db, ROMEO, JULIET)
        subscription_requests.requests(db, ROMEO)
        offline.count(db, ROMEO)
        offline.waiting(db, ROMEO)
        secrets.secret(db, "salts")

    statements: list[str] = []
    db.connection.set_trace_callback(statements.append)
    message_path()
    assert statements != []
    db.flush()
    statements.clear()
    message_path()
    assert statements == []


def test_what_a_failed_change_has_not_touched_stays_remembered(db: Database) -> None:
    db.memory[NAMES].put(ROMEO, "Romeo")
    with pytest.raises(LookupError), db.change():
        raise LookupError  # before anything was written
    assert db.memory[NAMES].get(ROMEO) == "Romeo"
    with pytest.raises(LookupError), db.change():
        blocklists.add(db, ROMEO, [JULIET])
        raise LookupError
    assert db.memory[NAMES].get(ROMEO) is None


def test_what_is_written_is_remembered_without_being_read(db: Database) -> None:
    rosters.put(db, ROMEO, rosters.Item(JULIET, subscription="both"))
    blocklists.add(db, ROMEO, [JULIET])
    vcards.put_photo_hash(db, ROMEO, "abc")
    statements: list[str] = []
    db.connection.set_trace_callback(statements.append)
    assert rosters.subscribers(db, ROMEO) == (JULIET,)
    assert blocklists.is_blocked(db, ROMEO, JULIET)
    assert vcards.photo_hash(db, ROMEO) == "abc"
    assert statements == []


def test_made_up_addresses_do_not_push_accounts_out(db: Database) -> None:
    assert accounts.exists(db, ROMEO)
    for number in range(accounts.STRANGERS.bound + 10):
        accounts.exists(db, f"stranger{number}@montague.example")
    assert len(db.memory[accounts.STRANGERS]) == accounts.STRANGERS.bound
    assert db.memory[accounts.IDENTITIES].get(ROMEO)
