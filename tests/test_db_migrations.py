"""The schema: every earlier version leads to today's, and it is what the models say."""

import sqlite3
from pathlib import Path

import peewee
import pytest

from db import (
    accounts,
    archive,
    archives,
    blocklists,
    directory,
    groups,
    invitations,
    last_activity,
    offline,
    private,
    pubsub_affiliations,
    pubsub_items,
    pubsub_nodes,
    pubsub_people,
    pubsub_usage,
    push,
    roles,
    room_hats,
    room_vcards,
    room_visits,
    rooms,
    rooms_passing,
    rosters,
    secrets,
    stream_management,
    subscription_requests,
    suspensions,
    vcards,
)
from db.sqlite.database import Database
from db.sqlite.errors import DatabaseTooNew
from db.sqlite.migrations import MIGRATIONS, migrate
from xmpp.data.jid import JID

SUBJECTS = (
    accounts,
    archive,
    archives,
    blocklists,
    directory,
    groups,
    invitations,
    last_activity,
    offline,
    private,
    pubsub_affiliations,
    pubsub_items,
    pubsub_nodes,
    pubsub_people,
    pubsub_usage,
    push,
    rooms,
    roles,
    rooms_passing,
    room_hats,
    room_vcards,
    room_visits,
    rosters,
    secrets,
    stream_management,
    subscription_requests,
    suspensions,
    vcards,
)
MODELS = [
    model
    for subject in SUBJECTS
    for model in vars(subject).values()
    if isinstance(model, type) and issubclass(model, peewee.Model) and model is not peewee.Model
]
NEWEST = len(MIGRATIONS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xserv.db"


def make_file(path: Path, *steps: tuple[str, ...]) -> None:
    """Leaves a file as an xserv that knew these migrations would."""
    sql = peewee.SqliteDatabase(str(path))
    migrate(sql, steps)
    sql.close()


def schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("earlier", range(NEWEST + 1))
def test_every_earlier_version_becomes_what_a_new_file_is(path: Path, tmp_path: Path, earlier: int) -> None:
    make_file(path, *(tuple(step) for step in MIGRATIONS[:earlier]))
    with Database(path) as migrated, Database(tmp_path / "new.db") as new:
        assert version(migrated.connection) == NEWEST
        assert schema(migrated.connection) == schema(new.connection)


def test_accounts_of_before_there_were_identities_get_one_each(path: Path) -> None:
    make_file(path, *(tuple(step) for step in MIGRATIONS[:8]))
    connection = sqlite3.connect(path)
    for name in ("juliet", "romeo"):
        connection.execute(f"INSERT INTO account VALUES ('{name}@localhost', 'localhost', 0)")
    connection.commit()
    connection.close()
    with Database(path) as db:
        identities = {accounts.identity(db, f"{name}@localhost") for name in ("juliet", "romeo")}
    assert len(identities) == 2 and all(identity and len(identity) == 16 for identity in identities)


def test_accounts_of_before_names_were_compared_are_found_by_what_they_look_like(path: Path) -> None:
    make_file(path, *(tuple(step) for step in MIGRATIONS[:20]))
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO account VALUES ('juliet@localhost', 'localhost', 0, 'one')")
    connection.commit()
    connection.close()
    with Database(path) as db:
        assert accounts.has_double(db, JID.parse("ju1iet@localhost"))
        assert not accounts.has_double(db, JID.parse("juliet@localhost"))
        assert not accounts.has_double(db, JID.parse("ju1iet@example.org"))


FIRST = ("CREATE TABLE person (name TEXT)", "INSERT INTO person VALUES ('romeo')")
SECOND = ("ALTER TABLE person ADD COLUMN house TEXT", "UPDATE person SET house = 'montague'")


def test_a_file_gets_only_the_steps_it_has_not_seen_and_keeps_its_rows(path: Path) -> None:
    make_file(path, FIRST)
    make_file(path, FIRST, SECOND)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM person").fetchall() == [("romeo", "montague")]
    assert version(connection) == 2
    connection.close()


def test_a_step_that_fails_leaves_the_version_before_it(path: Path) -> None:
    with pytest.raises(peewee.OperationalError):
        make_file(path, FIRST, (*SECOND, "nonsense"))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM person").fetchall() == [("romeo",)]
    assert version(connection) == 1
    connection.close()


def test_a_file_of_a_later_xserv_is_refused_and_left_alone(path: Path) -> None:
    make_file(path, *[()] * (NEWEST + 1))
    with pytest.raises(DatabaseTooNew, match=rf"has schema version {NEWEST + 1}, .* up to {NEWEST}$"):
        Database(path)
    connection = sqlite3.connect(path)
    assert (version(connection), schema(connection)) == (NEWEST + 1, [])
    connection.close()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_has_the_columns_of_its_table(path: Path, model: type[peewee.Model]) -> None:
    with Database(path) as db:
        info = db.connection.execute(f"PRAGMA table_info({model._meta.table_name})").fetchall()
    key = [column[1] for column in sorted(info, key=lambda column: column[5]) if column[5]]
    # a query that puts every value gives them in this order
    assert [field.column_name for field in model._meta.sorted_fields] == [column[1] for column in info]
    assert [field.column_name for field in model._meta.get_primary_keys()] == key


def test_whatever_belongs_to_an_account_goes_with_it(path: Path) -> None:
    usual = {("account", "account", "CASCADE")}
    others: dict[str, set[tuple[str, str, str]]] = {
        "account": set(),
        "secret": set(),
        # is of nobody then, and is deleted bit by bit
        "archive": {("account", "account", "SET NULL"), ("room", "room", "SET NULL")},
        "archive_rule": {("archive", "archive", "CASCADE")},
        "archive_message": set(),  # by name only: an archive is deleted with the last of its messages
        "archive_indexed": set(),
        "contact_group": set(),  # is there before anybody is in it
        "contact_group_member": {*usual, ("contact_group", "group_id", "CASCADE")},
        "invitation": {
            ("account", "inviter", "CASCADE"),
            ("account", "resets", "CASCADE"),
            ("contact_group", "group_id", "CASCADE"),
        },
        "pubsub_item": {("pubsub_node", "node", "CASCADE")},
        "pubsub_affiliation": {("pubsub_node", "node", "CASCADE")},  # also of people elsewhere
        "pubsub_subscription": {("pubsub_node", "node", "CASCADE")},
        "room_vcard": {("room", "room", "CASCADE")},
        "room_hat": {("room", "room", "CASCADE")},
        "room_hat_worn": {("room_hat", "room", "CASCADE"), ("room_hat", "uri", "CASCADE")},
        "room_visit": {("room", "room", "CASCADE")},
        "pubsub_usage": set(),  # goes when there is nothing left to count
        "room": set(),  # outlives who has made it
        "room_affiliation": {("room", "room", "CASCADE")},  # also of people elsewhere
        "room_passing": {("room", "room", "CASCADE")},
        "room_tombstone": set(),
    }
    with Database(path) as db:
        for model in MODELS:
            table = model._meta.table_name
            keys = db.connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()
            cascades = {(key[2], key[3], key[6]) for key in keys}
            assert cascades == others.get(table, usual)


def test_only_who_made_a_node_has_agreed_to_own_it(path: Path) -> None:
    steps = [tuple(step) for step in MIGRATIONS]
    before = next(number for number, step in enumerate(steps) if any("has_agreed" in each for each in step))
    nodes = (
        "INSERT INTO pubsub_node VALUES (1, 'pubsub.localhost', 'n', NULL, 'romeo@localhost', 0, '{}', 0, 0)",
        "INSERT INTO pubsub_affiliation VALUES (1, 'romeo@localhost', 'owner'), (1, 'juliet@localhost', 'owner')",
    )
    make_file(path, *steps[: before - 1], (*steps[before - 1], *nodes))
    with Database(path) as db:
        node = pubsub_nodes.get(db, JID.parse("pubsub.localhost"), "n")
        assert node is not None
        assert pubsub_affiliations.owners(db, node) == ["romeo@localhost"]
