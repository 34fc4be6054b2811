"""The system calls of a server."""

import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.rawclient import PATIENCE
from tests.harness.servers import DEMO, RunningServer

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
    arguments = (*DEMO, "--data", str(folder / "data"))
    with RunningServer(*arguments, command=(*command, sys.executable, "-m", "xserv")) as server:
        yield server, lines
        assert server.terminate() == 0
    reader.join(PATIENCE)


def line(thread: int, name: str, file: str, data: bytes | None = None, result: str = "= 0") -> str:
    argument = "" if data is None else f', "{_hex(data)}", {len(data)}'
    return f"{thread} {name}(7<{_hex(file.encode())}>{argument}) {result}"


def _hex(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)
