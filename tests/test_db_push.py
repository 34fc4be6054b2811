"""What is kept of push registrations: one for each app server and node, over a restart, as long as the account."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, push
from db.push import Registration
from db.sqlite.database import Database
from xmpp.data.jid import JID

ROMEO = JID.parse("romeo@montague.example")
JULIET = JID.parse("juliet@capulet.example")
APP = JID.parse("push.example")
OTHER_APP = JID.parse("app@push.example/service")
FORM = b"<x xmlns='jabber:x:data' type='submit'/>"

PHONE = Registration(APP, "one", "phone", FORM)
TABLET = Registration(APP, "two", "tablet")
WATCH = Registration(OTHER_APP, "one", "watch")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xserv.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    with Database(path) as db:
        accounts.create_many(db, [(ROMEO, {}), (JULIET, {})], created=0.0)
        for registration in (PHONE, TABLET, WATCH):
            push.put(db, JULIET, registration)
        yield db


def found(db: Database, account: JID = JULIET) -> set[Registration]:
    """What is remembered, which is also what is in the file."""
    remembered = push.registrations(db, account)
    db.memory.clear()
    assert push.registrations(db, account) == remembered
    return set(remembered)


def test_an_account_has_its_own_registrations(db: Database) -> None:
    assert found(db) == {PHONE, TABLET, WATCH}
    assert found(db, ROMEO) == set()


def test_a_node_has_one_registration_the_last(db: Database) -> None:
    again = Registration(APP, "one", "new phone")
    push.put(db, JULIET, again)
    assert found(db) == {again, TABLET, WATCH}


def test_one_node_is_removed_or_all_of_an_app_server(db: Database) -> None:
    push.remove(db, JULIET, APP, "unknown")
    push.remove(db, ROMEO, APP)
    push.remove(db, JULIET, APP, "two")
    assert found(db) == {PHONE, WATCH}
    push.put(db, JULIET, TABLET)
    push.remove(db, JULIET, APP)
    assert found(db) == {WATCH}


def test_registrations_survive_a_restart_and_addresses_are_addresses_again(db: Database, path: Path) -> None:
    db.close()
    with Database(path) as reopened:
        assert found(reopened) == {PHONE, TABLET, WATCH}
        assert {each.service.resource for each in push.registrations(reopened, JULIET)} == {"", "service"}


def test_registrations_go_with_the_account(db: Database) -> None:
    accounts.remove(db, JULIET)
    accounts.create(db, JULIET, {}, created=1.0)
    assert found(db) == set()
