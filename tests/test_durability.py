"""Nothing is told before it is on the disk, shown by the system calls of a server in traffic.

A process that is killed leaves what it wrote to the operating system, so killing it (test_crash.py) shows nothing
about a power cut. Here strace writes down in which order rows go to the write-ahead log, the log to the disk, and
answers to clients.
"""

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rawclient import PATIENCE, RawClient, somebody
from tests.servers import RunningServer

CHANGES = 15  # by each client
SYNCS = {"fsync", "fdatasync"}
WRITES = {"write", "pwrite64"}
SENDS = {"write", "writev", "sendto", "sendmsg"}
FRAME_HEADER_BYTES = 24  # of the write-ahead log, in front of each page (sqlite.org/fileformat2.html section 4.2)

CALL = re.compile(
    r"(?P<thread>\d+) +(?P<name>\w+)\(\d+<(?P<file>[^>]*)>(?P<data>.*?)"
    r"(?:\) += (?P<result>-?\d+).*| <unfinished \.\.\.>)"
)
RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. (?P<name>\w+) resumed>.*\) += (?P<result>-?\d+)")
BYTES = re.compile(r"\\x([0-9a-f]{2})")


@dataclass
class Call:
    """A system call: when it began and ended, in lines of the trace, and what was written."""

    name: str
    file: str
    data: bytes
    began: int
    ended: float = float("inf")
    succeeded: bool = False

    @property
    def is_of_log(self) -> bool:
        """Whether it is about the write-ahead log."""
        return self.file.endswith("-wal")

    @property
    def is_to_client(self) -> bool:
        """Whether it tells somebody something."""
        return self.name in SENDS and self.file.startswith(("socket:", "TCP:"))

    @property
    def is_commit(self) -> bool:
        """Whether it is the header of a frame that ends a transaction: it has the size of the database then."""
        return len(self.data) == FRAME_HEADER_BYTES and any(self.data[4:8])


def calls(trace: Sequence[str]) -> list[Call]:
    """The calls of a trace with all text in hexadecimal, in the order in which they began."""
    found: list[Call] = []
    unfinished: dict[str, Call] = {}
    for number, line in enumerate(trace):
        if match := CALL.match(line):
            call = Call(match["name"], _text(match["file"]).decode(), _text(match["data"]), number)
            found.append(call)
            unfinished[match["thread"]] = call
        else:
            match = RESUMED.match(line)
        if match and match["result"] and match["thread"] in unfinished:
            call = unfinished.pop(match["thread"])
            call.ended, call.succeeded = number, int(match["result"]) >= 0
    return found


def _text(escaped: str) -> bytes:
    return bytes.fromhex("".join(BYTES.findall(escaped)))


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


@contextmanager
def traced_server(folder: Path) -> Iterator[tuple[RunningServer, list[str]]]:
    """A server, and what strace says of it, which is complete when the block is left and the server has ended."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (on Debian: apt-get install strace)")
    lines: list[str] = []
    os.mkfifo(folder / "trace")
    reader = threading.Thread(target=lambda: lines.extend((folder / "trace").open()), daemon=True)
    reader.start()
    watched = f"trace={','.join(sorted(SYNCS | WRITES | SENDS))}"
    # -D: what was started stays the server, and strace watches from beside it
    command = (strace, "-D", "-f", "-y", "-xx", "-s", "1000000", "-e", watched, "-o", str(folder / "trace"))
    arguments = ("demo", "--port", "0", "--tls-port", "0", "--data", str(folder / "data"))
    with RunningServer(*arguments, command=(*command, sys.executable, "-m", "xserv")) as server:
        yield server, lines
        assert server.terminate() == 0
    reader.join(PATIENCE)


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


def line(thread: int, name: str, file: str, data: bytes | None = None, result: str = "= 0") -> str:
    argument = "" if data is None else f', "{_hex(data)}", {len(data)}'
    return f"{thread} {name}(7<{_hex(file.encode())}>{argument}) {result}"


def _hex(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


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
