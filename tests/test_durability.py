"""Nothing is told before it is on the disk, shown by the system calls of a server in traffic.

A process that is killed leaves what it wrote to the operating system, so killing it (test_crash.py) shows nothing
about a power cut. Here strace writes down in which order rows go to the write-ahead log, the log to the disk, and
answers to clients.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness.rawclient import RawClient, somebody
from tests.harness.tracing import SYNCS, WRITES, Call, _hex, calls, line, traced_server

CHANGES = 15  # by each client









def told_too_early(trace: Sequence[str], marks: Sequence[str]) -> list[str]:
    """Which of these texts, each in one change and in what is told about it, left before they were on the disk."""
    made = calls(trace)
    written = [call for call in made if call.is_of_log and call.name in WRITES]
    return [mark for mark in marks if not _is_safe(made, written, mark.encode())]


def _is_safe(made: Sequence[Call], written: Sequence[Call], mark: bytes) -> bool:
    told = next(call for call in made if call.is_to_client and mark in call.data)
    row = next((place for place, call in enumerate(written) if mark in call.data), None)
    if row is None:
        return False
    header = next(place for place in range(row - 1, len(written)) if written[place].is_commit)
    committed = written[header + 1].ended
    return any(
        call.name in SYNCS and call.is_of_log and call.succeeded and committed < call.began and call.ended < told.began
        for call in made
    )


# -- a server in traffic


Change = Callable[[str], str]
"""What one request is about, made of a mark."""


def roster_change(mark: str) -> str:
    return f"<query xmlns='jabber:iq:roster'><item jid='{mark}@localhost' name='{mark}'/></query>"


def blocklist_change(mark: str) -> str:
    return f"<block xmlns='urn:xmpp:blocking'><item jid='{mark}@localhost'/></block>"


def private_change(mark: str) -> str:
    return f"<query xmlns='jabber:iq:private'><note xmlns='urn:example:note'>{mark}</note></query>"


def registration(mark: str) -> str:
    return f"<query xmlns='jabber:iq:register'><username>{mark}</username><password>{mark}</password></query>"


def change_again_and_again(port: int, change: Change) -> list[str]:
    """Make changes, each with a mark of its own in the row and in the answer; returns the marks."""
    marks = [f"mark-{change.__name__}-{number}".replace("_", "-") for number in range(CHANGES)]
    if change is registration:
        for mark in marks:
            with RawClient(port) as client:
                client.open()
                make_change(client, change, mark)
    else:
        with somebody(port) as client:
            client.ask("get", "<query xmlns='jabber:iq:roster'/>")  # from now on it is told by pushes too
            client.ask("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
            for mark in marks:
                make_change(client, change, mark)
    return marks


def make_change(client: RawClient, change: Change, mark: str) -> None:
    client.send(f"<iq type='set' id='{mark}-'>{change(mark)}</iq>")
    while (answer := client.receive()).get("id") != f"{mark}-":
        pass  # a push
    assert answer.get("type") == "result"




@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """What strace says of a server that four clients work with at the same time, and the marks of their changes."""
    with traced_server(tmp_path_factory.mktemp("traced")) as (server, lines):
        marks = list(all_marks(server.port))
    return lines, marks


def all_marks(port: int) -> Iterator[str]:
    kinds: list[Change] = [roster_change, blocklist_change, private_change, registration]
    with ThreadPoolExecutor(len(kinds)) as pool:
        for marks in pool.map(lambda change: change_again_and_again(port, change), kinds):
            yield from marks


def test_nothing_is_told_before_it_is_on_the_disk(traced: tuple[list[str], list[str]]) -> None:
    trace, marks = traced
    assert len(marks) == 4 * CHANGES
    assert told_too_early(trace, marks) == []


def test_the_trace_without_its_syncs_would_not_pass(traced: tuple[list[str], list[str]]) -> None:
    trace, marks = traced
    assert told_too_early([line for line in trace if "sync" not in line], marks) == marks


# -- the check can fail


WAL, DATABASE, SOCKET = "/data/xserv.db-wal", "/data/xserv.db", "socket:[1]"
HEADER = b"\0\0\0\2" + b"\0\0\0\0" + bytes(16)
LAST_HEADER = b"\0\0\0\2" + b"\0\0\0\3" + bytes(16)






ROW = [line(1, "pwrite64", WAL, HEADER), line(1, "pwrite64", WAL, b"page with mark-1")]
COMMIT = [line(1, "pwrite64", WAL, LAST_HEADER), line(1, "pwrite64", WAL, b"page")]
SYNC = [line(2, "fdatasync", WAL)]
ANSWER = [line(1, "sendto", SOCKET, b"<iq id='mark-1'/>")]
SYNC_BEGINS = [f"2 fdatasync(7<{_hex(WAL.encode())}> <unfinished ...>"]
SYNC_ENDS = ["2 <... fdatasync resumed>) = 0"]


@pytest.mark.parametrize(
    "trace",
    [
        [*ROW, *COMMIT, *SYNC, *ANSWER],
        [*ROW, *COMMIT, *SYNC_BEGINS, *SYNC_ENDS, *ANSWER],
        [*ROW, *SYNC, *COMMIT, *SYNC, *ANSWER],
    ],
    ids=["in order", "with a sync that is interrupted", "with a sync too many"],
)
def test_the_check_passes_what_is_in_order(trace: list[str]) -> None:
    assert told_too_early(trace, ["mark-1"]) == []


@pytest.mark.parametrize(
    "trace",
    [
        [*ROW, *COMMIT, *ANSWER, *SYNC],
        [*ROW, *COMMIT, *ANSWER],
        [*SYNC, *ROW, *COMMIT, *ANSWER],
        [*ANSWER, *ROW, *COMMIT, *SYNC],
        [*ROW, *SYNC, *COMMIT, *ANSWER],
        [*ROW, *COMMIT[:1], *SYNC_BEGINS, *COMMIT[1:], *SYNC_ENDS, *ANSWER],
        [*ROW, *COMMIT, *SYNC_BEGINS, *ANSWER, *SYNC_ENDS],
        [*ROW, *COMMIT, line(2, "fdatasync", WAL, result="= -1 EIO (Input/output error)"), *ANSWER],
        [*ROW, *COMMIT, line(2, "fdatasync", DATABASE), *ANSWER],
        [*SYNC, *ANSWER],
    ],
    ids=[
        "synced afterwards",
        "never synced",
        "synced before it was written",
        "told before it was written",
        "synced before it was committed",
        "sync began before the commit was written",
        "told before the sync ended",
        "a sync that failed",
        "another file synced",
        "never written",
    ],
)
def test_the_check_notices_what_is_told_too_early(trace: list[str]) -> None:
    assert told_too_early(trace, ["mark-1"]) == ["mark-1"]
