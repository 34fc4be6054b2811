"""What each subject keeps: as it was given, by account, over a restart, and not longer than its account."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db import (
    accounts,
    blocklists,
    devices,
    directory,
    fast_tokens,
    greetings,
    groups,
    guests,
    invitations,
    last_activity,
    offline,
    private,
    pubsub_affiliations,
    pubsub_deletion,
    pubsub_items,
    pubsub_nodes,
    pubsub_people,
    push,
    reports,
    roles,
    rosters,
    secrets,
    strangers,
    stream_management,
    subscription_requests,
    suspensions,
    vcards,
)
from db.accounts import AccountExists, Credential
from db.last_activity import LastActivity
from db.push import Registration
from db.rosters import Item
from db.sqlite.database import Database
from db.sqlite.errors import ConstraintViolated, StorageError
from db.subscription_requests import Request
from xmpp.data.jid import JID
from xmpp.running.handling import Handled

ROMEO = JID.parse("romeo@montague.example")
JULIET = JID.parse("juliet@capulet.example")
NURSE = JID.parse("nurse@capulet.example")

SHA_1 = Credential(b"salt" * 4, 10_000, b"\x00" * 20, b"\xff" * 20)
SHA_256 = Credential(b"other salt", 4096, b"\x01" * 32, b"\xfe" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xserv.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    with Database(path) as db:
        accounts.create_many(db, [(ROMEO, {}), (JULIET, {})], created=0.0)
        yield db


def reread(db: Database) -> Database:
    """The same database, of which nothing is remembered."""
    db.memory.clear()
    return db


def both_ways(db: Database) -> Iterator[Database]:
    """First with what is remembered, then from the file."""
    yield db
    yield reread(db)


# Accounts


def test_an_account_is_created_with_its_credentials(db: Database) -> None:
    accounts.create(db, NURSE, {"sha-1": SHA_1, "sha-256": SHA_256}, created=5.5)
    assert accounts.exists(db, NURSE)
    assert accounts.exists(reread(db), NURSE)
    assert accounts.credential(db, NURSE, "sha-1") == SHA_1
    assert accounts.credential(db, NURSE, "sha-256") == SHA_256
    assert accounts.credential(db, NURSE, "sha-512") is None
    assert accounts.credential(db, ROMEO, "sha-1") is None


def test_an_account_that_was_asked_for_before_it_was_created_exists(db: Database) -> None:
    assert not accounts.exists(db, NURSE)
    accounts.create(db, NURSE, {}, created=0.0)
    assert accounts.exists(db, NURSE)
    db.memory[accounts.IDENTITIES].forget(NURSE)  # as if others had pushed it out
    assert accounts.exists(db, NURSE)


def test_an_account_that_is_made_anew_is_another_one(db: Database) -> None:
    assert accounts.identity(db, NURSE) is None
    identities = []
    for _ in range(2):
        accounts.create(db, NURSE, {}, created=0.0)
        known = [accounts.identity(each, NURSE) for each in both_ways(db)]
        assert known[0] == known[1] and known[0]
        identities.append(known[0])
        accounts.remove(db, NURSE)
        assert [accounts.identity(each, NURSE) for each in both_ways(db)] == [None, None]
    assert identities[0] != identities[1]


def test_creating_an_account_that_exists_changes_nothing(db: Database) -> None:
    accounts.create(db, NURSE, {"sha-1": SHA_1}, created=5.5)
    with pytest.raises(AccountExists, match=NURSE):
        accounts.create(reread(db), NURSE, {"sha-1": SHA_256}, created=6.0)
    assert accounts.credential(db, NURSE, "sha-1") == SHA_1
    assert accounts.listing(db, "capulet.example") == [(JULIET, 0.0), (NURSE, 5.5)]


@pytest.mark.parametrize("again", [ROMEO, NURSE], ids=["there already", "given twice"])
def test_of_many_accounts_all_or_none_are_created(db: Database, again: str) -> None:
    before = accounts.listing(db)
    with pytest.raises(AccountExists, match=again):
        accounts.create_many(db, [(NURSE, {}), (again, {})], created=0.0)
    assert accounts.listing(db) == before
    assert not accounts.exists(db, NURSE)


def test_accounts_are_listed_by_domain_and_name(db: Database) -> None:
    accounts.create(db, NURSE, {}, created=1.0)
    assert accounts.listing(db) == [(JULIET, 0.0), (NURSE, 1.0), (ROMEO, 0.0)]
    assert accounts.listing(db, "montague.example") == [(ROMEO, 0.0)]
    assert accounts.listing(db, "example") == []


def test_a_new_password_replaces_all_credentials(db: Database) -> None:
    accounts.create(db, NURSE, {"sha-1": SHA_1, "sha-256": SHA_256}, created=0.0)
    accounts.set_credentials(db, NURSE, {"sha-256": SHA_256})
    assert accounts.credential(db, NURSE, "sha-1") is None
    assert accounts.credential(db, NURSE, "sha-256") == SHA_256


def test_nobody_gets_credentials_without_an_account(db: Database) -> None:
    with pytest.raises(ConstraintViolated):
        accounts.set_credentials(db, NURSE, {"sha-1": SHA_1})
    assert accounts.credential(db, NURSE, "sha-1") is None


def give_everything(db: Database, account: str) -> None:
    accounts.set_credentials(db, account, {"sha-1": SHA_1})
    rosters.put(db, account, Item(NURSE))
    subscription_requests.keep(db, account, NURSE, b"<presence/>", at=1.0)
    blocklists.add(db, account, [NURSE])
    offline.keep(db, account, b"<message/>", at=1.0)
    private.put(db, account, "{a}b", b"<b xmlns='a'/>")
    vcards.put(db, account, b"<vCard/>")
    vcards.put_photo_hash(db, account, "hash")
    directory.enter(db, account, directory.Names(given="romeo"))
    last_activity.put(db, account, at=1.0)
    push.put(db, account, Registration(NURSE, "node", "phone"))
    stream_management.remember(db, account, "stream", 1, now=1.0, until=2.0)
    guests.mark(db, account)
    strangers.note_written(db, JID.parse(account), NURSE, at=1.0)
    strangers.set_rule(db, JID.parse(account), "refuse")
    reports.keep(db, JID.parse(account), 1.0, NURSE, "spam", "", b"", most=10)
    roles.give(db, account, "administrator")
    suspensions.put(db, account, suspensions.Suspension(disabled_at=1.0))
    devices.put(db, account, devices.Device("phone", "Quill", "A phone", 1.0, 1.0, True, False), most=10)
    fast_tokens.give(db, account, "phone", fast_tokens.Token(fast_tokens.NEW, b"salt", 1.0, 2.0), 10)
    greetings.note_told(db, account, "motd", "id")
    group = groups.find(db, "example", "Family") or groups.create(db, "example", "Family", "", created=1.0)
    groups.add(db, group.id, account)
    inviter = JID.parse(account)
    invitation = invitations.Invitation(0, "contact", inviter.domain, inviter, True, None, None, None, 1, 1.0, 2.0)
    invitations.create(db, f"of {account}", invitation)
    node = pubsub_nodes.create(db, JID.parse(account), "node", JID.parse(account), "{}", created=1.0)
    pubsub_items.put(db, node, [pubsub_items.Item("item", NURSE, 1.0, b"<a xmlns='b'/>")])
    pubsub_affiliations.affiliate(db, node, NURSE, "member")
    pubsub_people.subscribe(db, node, pubsub_people.Subscription(NURSE))


def rows_by_table(db: Database) -> dict[str, int]:
    """Of all but the archives and files, which go bit by bit (tests/test_archive_upkeep.py, tests/test_upload.py)."""
    tables = db.connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'archive%'"
        " AND name NOT LIKE 'upload%'"
    )
    return {table: db.connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for (table,) in tables}


# Which are nobody's account's
OF_DOMAINS = {"greeting"}
OF_ROOMS = {
    "room", "room_affiliation", "room_change", "room_hat", "room_hat_worn", "room_passing", "room_tombstone",
    "room_vcard", "room_visit",
}  # fmt: skip


def test_removing_an_account_leaves_nothing_of_it_and_all_of_the_others(db: Database) -> None:
    give_everything(db, ROMEO)
    before = rows_by_table(db)
    assert {table for table, rows in before.items() if not rows} == {"secret", *OF_DOMAINS, *OF_ROOMS}
    give_everything(db, JULIET)
    accounts.remove(db, JULIET)
    while pubsub_deletion.delete_left(db, 10):
        pass
    assert rows_by_table(db) == {**before, "account": 1}
    for known in both_ways(db):
        assert not accounts.exists(known, JULIET)
        assert len(rosters.roster(known, JULIET)) == 0
        assert blocklists.patterns(known, JULIET) == frozenset()
        assert subscription_requests.count(known, JULIET) == 0
        assert offline.count(known, JULIET) == 0
        assert vcards.photo_hash(known, JULIET) is None
        assert rosters.item(known, ROMEO, NURSE) == Item(NURSE)


OF_NOBODY: list[Callable[[Database], object]] = [
    lambda db: rosters.put(db, NURSE, Item(ROMEO)),
    lambda db: subscription_requests.keep(db, NURSE, ROMEO, b"", at=0.0),
    lambda db: blocklists.add(db, NURSE, [ROMEO]),
    lambda db: offline.keep(db, NURSE, b"", at=0.0),
    lambda db: private.put(db, NURSE, "{a}b", b""),
    lambda db: vcards.put(db, NURSE, b"<vCard/>"),
    lambda db: vcards.put_photo_hash(db, NURSE, "cafe"),
    lambda db: last_activity.put(db, NURSE, at=0.0),
]


@pytest.mark.parametrize("write", OF_NOBODY)
def test_nothing_is_kept_for_an_account_that_does_not_exist(db: Database, write: Callable[[Database], object]) -> None:
    before = rows_by_table(db)
    with pytest.raises(ConstraintViolated):
        write(db)
    assert rows_by_table(db) == before


# Secrets of the server


def test_a_secret_is_made_once_and_kept(db: Database, path: Path) -> None:
    salts = secrets.secret(db, "salts")
    assert len(salts) == secrets.SECRET_BYTES
    assert secrets.secret(reread(db), "salts") == salts
    assert secrets.secret(db, "another") != salts
    db.close()
    with Database(path) as reopened:
        assert secrets.secret(reopened, "salts") == salts


# Rosters

JULIET_AS = [
    Item(JULIET),
    Item(JULIET, name="Juliet \U0001f339", groups=("Capulets", 'a "quoted", group', "Ünïcode")),
    Item(JULIET, ask=True),
    Item(JULIET, approved=True),
    Item(JULIET, subscription="to", approved=True),
    Item(JULIET, subscription="from", ask=True),
    Item(JULIET, subscription="both"),
]


@pytest.mark.parametrize("item", JULIET_AS)
def test_a_contact_is_kept_as_it_was_put(db: Database, item: Item) -> None:
    assert dict(rosters.put(db, ROMEO, item).items) == {JULIET: item}
    for known in both_ways(db):
        assert rosters.item(known, ROMEO, JULIET) == item
        assert dict(rosters.roster(known, ROMEO).items) == {JULIET: item}
        assert [type(contact) for contact in rosters.roster(known, ROMEO).items] == [JID]
    assert rosters.roster(db, JULIET).items == {}


@pytest.mark.parametrize(
    ("subscription", "is_subscriber", "is_subscribed_to"),
    [("none", False, False), ("to", False, True), ("from", True, False), ("both", True, True)],
)
def test_who_gets_whose_presence(db: Database, subscription: str, is_subscriber: bool, is_subscribed_to: bool) -> None:
    rosters.put(db, ROMEO, Item(NURSE))
    rosters.put(db, ROMEO, Item(JULIET, subscription=subscription))
    for known in both_ways(db):
        assert rosters.subscribers(known, ROMEO) == ((JULIET,) if is_subscriber else ())
        assert rosters.subscribed_to(known, ROMEO) == ((JULIET,) if is_subscribed_to else ())


def test_a_subscription_has_one_of_four_states(db: Database) -> None:
    with pytest.raises(ConstraintViolated):
        rosters.put(db, ROMEO, Item(JULIET, subscription="remove"))
    assert len(rosters.roster(db, ROMEO)) == 0


def test_a_contact_that_is_put_again_is_replaced(db: Database) -> None:
    rosters.put(db, ROMEO, Item(JULIET, name="J", groups=("a",)))
    roster = rosters.put(db, ROMEO, Item(JULIET, subscription="to"))
    assert dict(roster.items) == dict(rosters.roster(reread(db), ROMEO).items) == {JULIET: Item(JULIET, "", (), "to")}


def test_a_removed_contact_is_gone(db: Database) -> None:
    rosters.put(db, ROMEO, Item(JULIET))
    rosters.put(db, ROMEO, Item(NURSE))
    roster = rosters.remove(db, ROMEO, JULIET)
    assert dict(roster.items) == dict(rosters.roster(reread(db), ROMEO).items) == {NURSE: Item(NURSE)}


def test_each_change_makes_a_version_that_was_never_there_and_survives(db: Database, path: Path) -> None:
    versions = [rosters.roster(db, ROMEO).version]
    versions.append(rosters.put(db, ROMEO, Item(JULIET)).version)
    versions.append(rosters.put(db, ROMEO, Item(JULIET, subscription="to")).version)
    versions.append(rosters.remove(db, ROMEO, JULIET).version)
    assert len(set(versions)) == 4
    assert rosters.remove(db, ROMEO, JULIET).version == versions[-1]
    db.close()
    with Database(path) as reopened:
        assert rosters.roster(reopened, ROMEO).version == versions[-1]
        accounts.remove(reopened, ROMEO)
        accounts.create(reopened, ROMEO, {}, created=0.0)
        assert rosters.put(reopened, ROMEO, Item(JULIET)).version not in versions


def test_a_roster_that_somebody_holds_does_not_change(db: Database) -> None:
    held = rosters.put(db, ROMEO, Item(JULIET))
    rosters.put(db, ROMEO, Item(NURSE))
    assert list(held.items) == [JULIET]


# Requests to subscribe


def test_a_request_is_kept_whole_until_it_is_dropped(db: Database) -> None:
    subscription_requests.keep(db, ROMEO, JULIET, b"<presence>1</presence>", at=2.0)
    subscription_requests.keep(db, ROMEO, NURSE, b"<presence>2</presence>", at=1.0)
    for known in both_ways(db):
        assert subscription_requests.requests(known, ROMEO) == [
            Request(NURSE, b"<presence>2</presence>", 1.0),
            Request(JULIET, b"<presence>1</presence>", 2.0),
        ]
        assert subscription_requests.count(known, ROMEO) == 2
        assert subscription_requests.is_pending(known, ROMEO, JULIET)
        assert not subscription_requests.is_pending(known, JULIET, ROMEO)
    subscription_requests.drop(db, ROMEO, JULIET)
    for known in both_ways(db):
        assert not subscription_requests.is_pending(known, ROMEO, JULIET)
        assert [request.sender for request in subscription_requests.requests(known, ROMEO)] == [NURSE]


def test_one_request_is_kept_of_a_sender(db: Database) -> None:
    subscription_requests.keep(db, ROMEO, JULIET, b"first", at=1.0)
    subscription_requests.keep(db, ROMEO, JULIET, b"second", at=2.0)
    assert subscription_requests.requests(db, ROMEO) == [Request(JULIET, b"second", 2.0)]
    assert subscription_requests.count(reread(db), ROMEO) == 1


def test_dropping_what_was_never_asked_writes_nothing(db: Database) -> None:
    with Handled() as handled:
        subscription_requests.drop(db, ROMEO, JULIET)
    assert handled.ticket is None


# Blocklists (XEP-0191)

MATCHES = [
    # pattern, address, whether it matches
    ("user@domain/resource", "user@domain/resource", True),
    ("user@domain/resource", "user@domain/other", False),
    ("user@domain/resource", "user@domain", False),
    ("user@domain", "user@domain", True),
    ("user@domain", "user@domain/resource", True),
    ("user@domain", "other@domain", False),
    ("user@domain", "domain", False),
    ("domain/resource", "domain/resource", True),
    ("domain/resource", "user@domain/resource", False),
    ("domain/resource", "domain/other", False),
    ("domain/resource", "domain", False),
    ("domain/resource", "user@domain", False),
    ("domain", "domain", True),
    ("domain", "user@domain", True),
    ("domain", "user@domain/resource", True),
    ("domain", "domain/resource", True),
    ("domain", "sub.domain", False),
    ("domain", "user@sub.domain", False),
]


@pytest.mark.parametrize(("pattern", "address", "matches"), MATCHES)
def test_a_pattern_matches(db: Database, pattern: str, address: str, matches: bool) -> None:
    blocklists.add(db, ROMEO, [JID.parse(pattern)])
    assert blocklists.is_blocked(db, ROMEO, JID.parse(address)) == matches
    assert blocklists.is_blocked(reread(db), ROMEO, JID.parse(address)) == matches
    assert not blocklists.is_blocked(db, JULIET, JID.parse(address))


def test_a_blocklist_tells_what_changed(db: Database) -> None:
    assert blocklists.add(db, ROMEO, [JULIET, NURSE, JULIET]) == {JULIET, NURSE}
    assert blocklists.add(db, ROMEO, [JULIET, ROMEO]) == {ROMEO}
    assert blocklists.remove(db, ROMEO, [JULIET, JID.parse("paris@verona.example")]) == {JULIET}
    assert blocklists.patterns(db, ROMEO) == blocklists.patterns(reread(db), ROMEO) == {NURSE, ROMEO}
    assert blocklists.clear(db, ROMEO) == {NURSE, ROMEO}
    assert blocklists.patterns(db, ROMEO) == blocklists.patterns(reread(db), ROMEO) == frozenset()


def test_a_blocklist_that_does_not_change_is_not_written(db: Database) -> None:
    blocklists.add(db, ROMEO, [JULIET])
    with Handled() as handled:
        blocklists.add(db, ROMEO, [JULIET])
        blocklists.remove(db, ROMEO, [NURSE])
        blocklists.clear(db, JULIET)
    assert handled.ticket is None


# Offline messages


def test_messages_wait_in_order_and_go_when_they_are_delivered(db: Database) -> None:
    for number in range(3):
        offline.keep(db, ROMEO, b"%d" % number, at=10.0 - number)
    offline.keep(db, JULIET, b"for Juliet", at=1.0)
    waiting = offline.waiting(reread(db), ROMEO)
    assert [(message.stanza, message.at) for message in waiting] == [(b"0", 10.0), (b"1", 9.0), (b"2", 8.0)]
    assert offline.waiting(db, ROMEO, after=waiting[0].id, most=1) == waiting[1:2]
    offline.drop(db, ROMEO, [each.id for each in waiting[:2]])
    for known in both_ways(db):
        assert offline.count(known, ROMEO) == 1
        assert offline.waiting(known, ROMEO) == waiting[2:]
        assert offline.count(known, JULIET) == 1


def test_a_message_that_comes_during_delivery_is_not_dropped_with_the_others(db: Database) -> None:
    offline.keep(db, ROMEO, b"first", at=0.0)
    [first] = offline.waiting(db, ROMEO)
    offline.drop(db, ROMEO, [first.id])
    offline.keep(db, ROMEO, b"second", at=0.0)
    offline.drop(db, ROMEO, [first.id])
    assert offline.count(db, ROMEO) == 1


def test_a_message_that_waits_is_found_by_its_sender_and_id(db: Database) -> None:
    for stanza, sender, id in ((b"old", JULIET, "m1"), (b"new", JULIET, "m1"), (b"nurse", NURSE, "m1"), (b"", "", "")):
        offline.keep(db, ROMEO, stanza, 1.0, sender, id)
    offline.keep(db, JULIET, b"for Juliet", 1.0, NURSE, "m2")
    found = offline.newest(db, ROMEO, JULIET, "m1")
    assert found is not None and found.stanza == b"new"
    for known in both_ways(db):
        assert offline.newest(known, ROMEO, JULIET, "m1") == found
        assert offline.newest(known, ROMEO, NURSE, "m2") is offline.newest(known, NURSE, JULIET, "m1") is None
    offline.drop(db, ROMEO, [found.id])
    offline.drop(db, JULIET, [found.id])
    for known in both_ways(db):
        assert [message.stanza for message in offline.waiting(known, ROMEO)] == [b"old", b"nurse", b""]
        assert offline.count(known, ROMEO) == 3


def test_finding_a_message_that_waits_looks_at_no_other(db: Database) -> None:
    plan = db.connection.execute(f"EXPLAIN QUERY PLAN {offline._FIND_BY_MESSAGE_ID.text}", ("", "", "")).fetchall()
    assert [step[3] for step in plan] == [
        "SEARCH t1 USING INDEX offline_message_by_message_id (account=? AND sender=? AND message_id=?)"
    ]


# Private XML, vCards, last activity


def test_private_xml_is_kept_by_element(db: Database) -> None:
    private.put(db, ROMEO, "{storage:a}a", b"<a xmlns='storage:a'/>")
    private.put(db, ROMEO, "{storage:b}a", b"old")
    private.put(db, ROMEO, "{storage:b}a", b"<a xmlns='storage:b'/>")
    assert private.get(db, ROMEO, "{storage:a}a") == b"<a xmlns='storage:a'/>"
    assert private.get(db, ROMEO, "{storage:b}a") == b"<a xmlns='storage:b'/>"
    assert private.get(db, ROMEO, "{storage:c}a") is None
    assert private.get(db, JULIET, "{storage:a}a") is None
    size = len("{storage:a}a{storage:b}a<a xmlns='storage:a'/><a xmlns='storage:b'/>")
    assert (private.usage(db, ROMEO), private.usage(db, JULIET)) == ((2, size), (0, 0))


def test_a_vcard_and_the_hash_of_the_photo_are_kept_each_for_itself(db: Database) -> None:
    def kept(known: Database) -> tuple[bytes | None, str | None]:
        return vcards.get(known, ROMEO), vcards.photo_hash(known, ROMEO)

    assert kept(db) == (None, None)
    vcards.put_photo_hash(db, ROMEO, "cafe")
    assert [kept(known) for known in both_ways(db)] == [(None, "cafe")] * 2
    vcards.put(db, ROMEO, b"<vCard>1</vCard>")
    assert [kept(known) for known in both_ways(db)] == [(b"<vCard>1</vCard>", "cafe")] * 2
    vcards.put_photo_hash(db, ROMEO, "")
    vcards.put(db, ROMEO, b"")
    assert [kept(known) for known in both_ways(db)] == [(None, "")] * 2


def test_the_last_activity_is_the_latest_one(db: Database) -> None:
    assert last_activity.get(db, ROMEO) is None
    last_activity.put(db, ROMEO, at=1.5, status="Heading home")
    assert last_activity.get(db, ROMEO) == LastActivity(1.5, "Heading home")
    last_activity.put(db, ROMEO, at=2.5)
    assert last_activity.get(db, ROMEO) == LastActivity(2.5, "")


def test_a_query_of_a_closed_database_is_a_storage_error(path: Path) -> None:
    db = Database(path)
    db.close()
    for use in (lambda: rosters.roster(db, ROMEO), lambda: last_activity.put(db, ROMEO, at=0.0)):
        with pytest.raises(StorageError):
            use()
