"""How many bytes an archive holds, and how many somebody may add to archives in a day."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import archive, archive_sizes, archives
from handlers.admin import upkeep
from handlers.archive.budget import MESSAGE_BYTES, PAID_UNTIL
from tests.harness.archives import JULIET, MERCUTIO, ROMEO, query, remember, say, server_with_archive, write
from tests.harness.in_process import Client
from xmpp.server import Server

LONG = "x" * 900


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path, archive={"max_bytes": 5_000, "daily_bytes": 10_000}) as server:
        yield server


def test_the_oldest_go_where_an_archive_holds_too_many_bytes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "DELETE_MESSAGES", 1)
    monkeypatch.setattr(upkeep, "COUNT_SIZES", 2)
    remember(server, *(f"{letter}{LONG}" for letter in "abcdefgh"))
    archive.settle(server.db)
    upkeep.delete_what_is_not_kept(server)
    left = query(Client(server, f"{JULIET}/balcony"))
    assert [(body or "")[0] for body in left.bodies] == list("defgh")


def test_what_is_counted_is_what_is_there(server: Server) -> None:
    number = archives.of(server.db, JULIET).number

    def is_right() -> bool:
        while archive_sizes.count_some(server.db, 3):
            pass
        rows = "SELECT coalesce(sum(length(stanza)), 0) FROM archive_message WHERE archive = ?"
        [found] = server.db.connection.execute(rows, (number,)).fetchall()
        return bool(found == (archive_sizes.size(server.db, number),))

    ids = remember(server, *"abcdefgh")
    archive.settle(server.db)
    server.db.connection.execute("DELETE FROM archive_message WHERE text = 'a'")  # before it is counted
    assert is_right()
    row = archive.row_of(server.db, number, ids[1])
    assert row is not None
    archive.replace(server.db, row, b"<message/>")
    assert is_right()
    server.db.connection.execute("DELETE FROM archive_message WHERE text IN ('c', 'd')")
    assert is_right()
    assert archive_sizes.size(server.db, number) > 0


def test_who_has_sent_too_much_in_a_day_is_told_and_nobody_else_pays_for_it(server: Server) -> None:
    romeo, mercutio = Client(server, f"{ROMEO}/orchard"), Client(server, f"{MERCUTIO}/street")
    juliet = Client(server, f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    said, answer = say_until_refused(romeo)
    [archived] = server.db.connection.execute("SELECT DISTINCT length(stanza) FROM archive_message WHERE is_sent")
    size = archived[0] + MESSAGE_BYTES
    assert said == 10_000 // size
    assert "resource-constraint" in answer[0] and 'type="wait"' in answer[0]
    assert sum(LONG in stanza for stanza in juliet.received()) == len(query(juliet).bodies) == said
    assert write(romeo, "<composing xmlns='http://jabber.org/protocol/chatstates'/>") == []  # is not archived
    say(mercutio, "from somebody else")
    juliet.received()
    say(juliet, "from Juliet", to=ROMEO)
    server.db.memory[PAID_UNTIL][ROMEO] -= 12 * 3600  # half a day later
    again, _ = say_until_refused(romeo)
    assert again == (10_000 % size + 5_000) // size
    assert query(juliet).bodies[-1] == LONG


def say_until_refused(sender: Client) -> tuple[int, list[str]]:
    """How many long messages somebody may send, and the answer to the next one."""
    said = 0
    while not (answer := write(sender, f"<body>{LONG}</body>")):
        said += 1
    return said, answer


def test_messages_to_oneself_count_and_without_a_limit_none_does(tmp_path: Path) -> None:
    for daily, refused in ((1_000, True), (0, False)):
        folder = tmp_path / str(daily)
        folder.mkdir()
        with server_with_archive(folder, archive={"daily_bytes": daily}) as server:
            romeo = Client(server, f"{ROMEO}/orchard")
            answers = write(romeo, f"<body>{LONG}</body>", to=ROMEO)
            assert any("resource-constraint" in answer for answer in answers) == refused
