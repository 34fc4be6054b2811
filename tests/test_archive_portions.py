"""A search through a large archive is done in portions: nothing is missed between them, and others have their turns."""

import random
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db import archive, archive_portions, archives
from db.archive import Selection
from db.sqlite import searching
from tests.harness.archives import (
    FULLTEXT,
    JULIET,
    MAM,
    NOON,
    ROMEO,
    form_of,
    query,
    refusal,
    remember,
    server_with_archive,
)
from tests.harness.in_process import Client
from xmpp.server import Server

MANY = 60


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(archive_portions, "PORTION", 4)
    with server_with_archive(tmp_path) as server:
        yield server


def selections(number: int) -> Iterator[Selection]:
    chance = random.Random(5)
    for _ in range(100):
        low, high = sorted(chance.sample(range(MANY + 1), 2))
        yield Selection(
            number,
            after=low if chance.random() < 0.5 else 0,
            before=high if chance.random() < 0.5 else archive.MAX_ROW,
            start=NOON + low if chance.random() < 0.5 else None,
            end=NOON + high if chance.random() < 0.5 else None,
            contact=ROMEO if chance.random() < 0.5 else None,
            resource=chance.choice(["orchard", "chamber", None]),
        )


@pytest.mark.parametrize("backwards", [False, True])
def test_the_portions_together_are_the_whole(server: Server, backwards: bool) -> None:
    texts = (f"{n} {'' if n % 2 else 'even'} {'' if n % 3 else 'third'}" for n in range(MANY))
    remember(server, *texts)
    archive.settle(server.db)
    for selection in selections(archives.of(server.db, JULIET).number):
        parts = list(archive_portions.portions(server.db, selection, backwards=backwards))
        pages = [archive.page(server.db, part, MANY, backwards=backwards) for part in parts]
        whole = archive.page(server.db, selection, MANY, backwards=backwards)
        assert [entry for page in pages for entry in page] == whole
        assert max(map(len, pages)) <= 4 or len(parts) == 1


def test_what_the_index_finds_by_itself_is_one_portion(server: Server) -> None:
    remember(server, *map(str, range(MANY)))
    for plain in (Selection(1), Selection(1, contact=ROMEO), Selection(1, after=7), Selection(1, rows=[1, 2])):
        assert list(archive_portions.portions(server.db, plain, backwards=False)) == [plain]


def test_others_have_their_turns_in_between(server: Server) -> None:
    juliet = Client(server, f"{JULIET}/balcony")
    remember(server, *(map(str, range(MANY))), "last")
    turns = 0

    def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    others = gevent.spawn(count)
    answer = query(juliet, form_of({"FORM_TYPE": MAM, "start": "2017-07-14T02:40:59Z"}))
    others.kill()
    assert answer.bodies == ["59", "last"]
    assert turns >= MANY // 4 - 1


def test_a_message_that_is_deleted_meanwhile_is_not_sent(server: Server) -> None:
    juliet = Client(server, f"{JULIET}/balcony")
    remember(server, "common and rare", *(f"common {n}" for n in range(MANY)))
    for sought in ({FULLTEXT: "rare"}, {"end": "2017-07-14T02:40:00Z"}):
        deletion = gevent.spawn(server.db.connection.execute, "DELETE FROM archive_message WHERE text LIKE '%rare'")
        assert query(juliet, form_of({"FORM_TYPE": MAM, **sought})).bodies == []
        deletion.get()
        remember(server, "common and rare")


def test_an_account_looks_for_one_thing_at_a_time(server: Server) -> None:
    one, other = (Client(server, f"{JULIET}/{resource}") for resource in ("balcony", "chamber"))
    remember(server, *map(str, range(MANY)))
    first = gevent.spawn(query, one, form_of({"FORM_TYPE": MAM, FULLTEXT: "7"}))
    gevent.sleep(0)
    assert refusal(other, form_of({"FORM_TYPE": MAM, FULLTEXT: "8"})) == "resource-constraint"
    assert first.get().bodies == ["7"]
    assert query(other, form_of({"FORM_TYPE": MAM, FULLTEXT: "8"})).bodies == ["8"]


def test_what_takes_too_long_to_find_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "SEARCH_SECONDS", 0.0)
    monkeypatch.setattr(searching, "STEPS", 1)
    juliet = Client(server, f"{JULIET}/balcony")
    remember(server, *(f"common {n}" for n in range(MANY)))
    assert refusal(juliet, form_of({"FORM_TYPE": MAM, FULLTEXT: "common 7"})) == "policy-violation"
    monkeypatch.setattr(searching, "SEARCH_SECONDS", 60.0)
    assert query(juliet, form_of({"FORM_TYPE": MAM, FULLTEXT: "common 7"})).bodies == ["common 7"]
