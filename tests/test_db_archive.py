"""What is kept of archived messages, and that looking them up costs what is found, not what there is."""

import itertools
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peewee import SqliteDatabase

from db import accounts, archive, archive_deletion, archives
from db.archive import Selection
from db.sqlite.database import Database
from db.sqlite.errors import ConstraintViolated
from db.sqlite.migrations import MIGRATIONS, migrate
from db.sqlite.queries import Prepared
from handlers.archive.rules import SEARCHABLE
from xmpp.data.jid import JID

ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "xserv.db") as db:
        accounts.create(db, ROMEO, {}, created=0.0)
        accounts.create(db, JULIET, {}, created=0.0)
        yield db


def add(db: Database, account: JID, *uids: str, contact: str = "mercutio@localhost") -> None:
    number = archives.of(db, account).number
    for second, uid in enumerate(uids):
        text = f"text of {uid}"
        archive.append(db, number, uid, second * 1000, contact, "", False, uid, text, b"<message/>")


def uids(db: Database, account: JID) -> list[str]:
    archive.settle(db)
    return [entry.uid for entry in archive.page(db, Selection(archives.of(db, account).number), 100)]


def test_an_archive_begins_with_the_first_question_and_keeps_its_number(db: Database) -> None:
    number = archives.of(db, JULIET).number
    db.memory.clear()
    assert archives.of(db, JULIET).number == number
    assert archives.of(db, ROMEO).number != number
    with pytest.raises(ConstraintViolated):
        archives.of(db, "nobody@localhost")


def indexed(db: Database) -> list[str]:
    return [entry.uid for entry in archive.page(db, Selection(archives.of(db, JULIET).number), 100)]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_messages_keep_their_order_through_indexing_in_parts(
    db: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(archive, "EFFORTS_AT_ONCE", at_once)
    of_one = len("text of a") + archive.MESSAGE_EFFORT
    add(db, JULIET, *"abcde")
    assert (archive.index_some(db, 2 * of_one), indexed(db)) == (2 * of_one, ["a", "b"])
    add(db, JULIET, "f")
    assert [archive.index_some(db, 2 * of_one) for _ in range(3)] == [2 * of_one, 2 * of_one, 0]
    assert indexed(db) == list("abcdef")


def test_a_message_that_is_too_much_for_a_batch_is_one(db: Database) -> None:
    add(db, JULIET, "a", "b")
    assert archive.index_some(db, archive.MESSAGE_EFFORT) > archive.MESSAGE_EFFORT
    assert indexed(db) == ["a"]


def pieces(db: Database) -> int:
    return int(db.connection.execute("SELECT COUNT(DISTINCT segid) FROM archive_text_idx").fetchone()[0])


def test_the_index_does_not_fall_into_ever_more_pieces(db: Database) -> None:
    for number in range(200):
        add(db, JULIET, f"{number}")
        archive.settle(db)
    assert pieces(db) < 30
    assert len(uids(db, JULIET)) == 100


def add_long(db: Database, count: int) -> None:
    """Messages as long as can be searched, in which hardly a word comes again; indexed in batches of a few."""
    number, words = archives.of(db, JULIET).number, itertools.count(0x4E00)
    for _ in range(count):
        text = " ".join(chr(0x4E00 + next(words) % 20_000) for _ in range(SEARCHABLE // 2))
        archive.append(db, number, f"{next(words)}", 0, "mercutio@localhost", "", False, "", text, b"<message/>")
    while archive.index_some(db, 2 * SEARCHABLE + 2 * archive.MESSAGE_EFFORT):
        pass


def test_long_messages_do_not_make_ever_more_pieces_either(db: Database) -> None:
    """Of 256 pieces of a size SQLite makes one, and nobody else has a turn until it is done."""
    add_long(db, 400)
    assert pieces(db) < 40


def test_of_long_messages_fewer_are_deleted_at_once(db: Database) -> None:
    """To take one out of the index costs as much as to index it."""
    add_long(db, 20)
    number, at_once = archives.of(db, JULIET).number, archive.BATCH_EFFORT // SEARCHABLE
    assert 0 < archive_deletion.delete_before(db, number, archive.MAX_ROW, 50) <= at_once
    assert 0 < archive_deletion.delete_older(db, time.time(), 50) <= at_once
    while archive_deletion.delete_before(db, number, archive.MAX_ROW, 50):
        pass
    assert indexed(db) == []


def test_what_is_deleted_or_taken_back_does_not_make_ever_more_pieces(db: Database) -> None:
    add_long(db, 240)
    number = archives.of(db, JULIET).number
    for entry in archive.page(db, Selection(number), 120, backwards=True):
        archive.replace(db, entry.row, b"<message/>")
        pieces(db)  # looks at the index, so that what is not in it yet is a piece
    while archive_deletion.delete_before(db, number, archive.MAX_ROW, 1):
        pieces(db)
    assert pieces(db) < 40


def test_the_index_is_what_can_be_made_anew_from_the_messages(db: Database) -> None:
    add(db, JULIET, *"abc")
    archive.settle(db)
    add(db, JULIET, *"de")  # not in the index yet
    db.flush()
    rows = [row for (row,) in db.connection.execute("SELECT id FROM archive_message").fetchall()]
    archive.replace(db, rows[0], b"<message/>")
    archive.replace(db, rows[3], b"<message/>")
    db.connection.execute("DELETE FROM archive_message WHERE id IN (?, ?)", (rows[1], rows[4]))
    archive.settle(db)
    db.connection.execute("INSERT INTO archive_text (archive_text) VALUES ('integrity-check')")
    assert indexed(db) == ["a", "c", "d"]
    selection = Selection(archives.of(db, JULIET).number, words=["text"])
    assert [entry.uid for entry in archive.page(db, selection, 100)] == ["c"]


def test_words_that_look_like_an_archive_or_a_contact_are_words(db: Database) -> None:
    number = archives.of(db, JULIET).number
    other = archives.of(db, ROMEO).number
    posing = f"archive{number} {f'{number} mercutio@localhost'.encode().hex()}"
    archive.append(db, other, "x", 0, posing, "", False, "", posing, b"<message/>")
    add(db, JULIET, "a")
    archive.settle(db)
    for contact in (None, "mercutio@localhost"):
        assert [entry.uid for entry in archive.page(db, Selection(number, contact=contact), 100)] == ["a"]


def test_rows_are_never_given_again(db: Database) -> None:
    add(db, JULIET, "a")
    archive.settle(db)
    [first] = archive.page(db, Selection(archives.of(db, JULIET).number), 1)
    archive_deletion.delete_before(db, archives.of(db, JULIET).number, archive.MAX_ROW, most=10)
    add(db, JULIET, "b")
    archive.settle(db)
    [second] = archive.page(db, Selection(archives.of(db, JULIET).number), 1)
    assert second.row > first.row


def test_two_archives_know_the_same_id_for_different_messages(db: Database) -> None:
    add(db, JULIET, "a")
    add(db, ROMEO, "b", "a")
    archive.settle(db)
    rows = [archive.row_of(db, archives.of(db, account).number, "a") for account in (JULIET, ROMEO)]
    assert None not in rows and rows[0] != rows[1]
    assert archive.row_of(db, archives.of(db, JULIET).number, "b") is None


def test_everything_is_there_after_the_file_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with Database(path) as db:
        accounts.create(db, JULIET, {}, created=0.0)
        add(db, JULIET, "a", "b")
    with Database(path) as db:
        assert uids(db, JULIET) == ["a", "b"]


def test_archives_of_before_there_was_one_table_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "earlier.db"
    migrate(sql := SqliteDatabase(str(path)), MIGRATIONS[:5])
    sql.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("INSERT INTO account VALUES ('juliet@localhost', 'localhost', 0)")
    connection.execute("INSERT INTO archive VALUES (7, 'juliet@localhost', 'always')")
    for table, row, uid in (("message", 3, "a"), ("incoming", 5, "b"), ("incoming", 9, "c")):
        values = f"{row}, 7, '{uid}', {row}000, 'romeo@localhost', '', 0, '', 'of {uid}', x'00'"
        connection.execute(f"INSERT INTO archive_{table} VALUES ({values})")
    connection.execute("DELETE FROM archive_incoming WHERE id = 9")
    connection.close()
    with Database(path) as db:
        add(db, JULIET, "d")
        assert uids(db, JULIET) == ["a", "b", "d"]
        conversation = Selection(7, contact="romeo@localhost", words=["of"])
        assert [(entry.row, entry.uid) for entry in archive.page(db, conversation, 10)] == [(3, "a"), (5, "b")]
        assert archive.page(db, Selection(7), 1, backwards=True)[0].row == 10
        db.connection.execute("INSERT INTO archive_text (archive_text) VALUES ('integrity-check')")


def plan(db: Database, query: str) -> str:
    values = [1] * query.count("?")
    return "; ".join(row[3] for row in db.connection.execute(f"EXPLAIN QUERY PLAN {query}", values))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "narrower",
    [names for size in range(5) for names in itertools.combinations(("contact", "resource", "rows", "index"), size)],
)
def test_no_page_looks_at_all_messages_or_sorts_them(db: Database, narrower: tuple[str, ...], backwards: bool) -> None:
    steps = plan(db, archive._page_query(narrower, backwards).text)
    assert "SCAN t1" not in steps
    assert "TEMP B-TREE" not in steps
    if "index" in narrower:
        assert re.search(r"SCAN t2 VIRTUAL TABLE INDEX \d+:M3><", steps)  # words, between rows
    elif "rows" in narrower:
        assert "USING INTEGER PRIMARY KEY (rowid=?)" in steps


@pytest.mark.parametrize(
    "query", [archive._FIND, archive._STANZA, archive._NEXT, archive._MAX_ROW, archive._NEXT_EFFORTS, archive._INDEX,
              archive._FIND_ORIGINAL, archive_deletion._SKIP, archive_deletion._ORPHAN,
              archive_deletion._DELETE_OF_ARCHIVE, archive_deletion._EFFORTS_OF_ARCHIVE,
              archive_deletion._DELETE_ARCHIVE, archive_deletion._EFFORTS_BEFORE, archive._EFFORT_OF],
)  # fmt: skip
def test_nothing_that_is_looked_up_looks_at_all_messages(db: Database, query: Prepared) -> None:
    steps = re.sub(r"SCAN (archive_indexed|t3|t\d VIRTUAL TABLE INDEX \d+:M)", "", plan(db, query.text))
    assert "SCAN" not in steps
    assert "TEMP B-TREE" not in steps


def test_a_message_is_looked_for_by_its_senders_id_only_so_far_back(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "RETRACTABLE", 3)
    number = archives.of(db, JULIET).number
    add(db, JULIET, *"abcd")
    add(db, JULIET, "e", contact="paris@localhost")
    found = {uid: archive.original(db, number, "mercutio@localhost", False, uid) for uid in "abcde"}
    assert [uid for uid, row in found.items() if row is not None] == ["b", "c", "d"]
