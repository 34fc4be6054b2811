"""On a full disk senders get clear errors, nothing that was acknowledged is lost, and with room again all goes on."""

import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.harness.crashes import started
from tests.harness.letters import Writer, acquainted_writers, compare
from tests.harness.rawclient import PATIENCE, RawClient, StreamEnded, condition_of, logged_in
from tests.harness.servers import RunningServer

CLEAR = {"resource-constraint", "internal-server-error"}
ROOM_BYTES = 200 * 1024  # what is left for some messages before the disk is full
DISK_BYTES = 16 * 1024 * 1024
WRITERS = 3
LARGE = "x" * ROOM_BYTES  # in bytes more than the disk has
BEFORE = AFTER = 30  # messages that are acknowledged before the disk is full, and once it is not


class Disk(Protocol):
    """Where the server keeps its data."""

    folder: Path

    def fill(self, server: RunningServer) -> None:
        """Leave but ROOM_BYTES."""

    def make_room(self, server: RunningServer) -> None:
        """As much as there was."""


class SmallDisk:
    """A file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, server: RunningServer) -> None:
        free = os.statvfs(self.folder)
        with self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, free.f_bavail * free.f_frsize - ROOM_BYTES)

    def make_room(self, server: RunningServer) -> None:
        self._ballast.unlink()


class Limit:
    """A limit to the size of the files that the server's process writes (setrlimit(2))."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: RunningServer) -> None:
        largest = max(file.stat().st_size for file in self.folder.iterdir())
        self._limit(server, largest + ROOM_BYTES)

    def make_room(self, server: RunningServer) -> None:
        self._limit(server, resource.RLIM_INFINITY)

    def _limit(self, server: RunningServer, size: int) -> None:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    command = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder))
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("mount is not installed")
    except subprocess.CalledProcessError as refused:
        pytest.skip(f"mounting a file system takes root: {refused.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture(params=["small disk", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "limit":
        yield Limit(tmp_path)
    else:
        with small_disk(tmp_path) as disk:
            yield disk


def test_a_full_disk_loses_nothing_that_was_acknowledged(disk: Disk) -> None:
    with started(disk.folder) as server:
        writers = acquainted_writers(server.port, WRITERS)
        conditions = write_until_full(disk, server, writers)
        assert set(conditions) <= CLEAR
        for writer in writers:
            is_served_but_cannot_store(server, writer)
        server.wait_for("Nothing can be stored")
        disk.make_room(server)
        write_some(server, writers)
        read_and_compare(server, writers)
        assert server.terminate() == 0
        assert not any("is lost" in line for line in server.said)  # in a line for each
    with started(disk.folder) as server:
        read_and_compare(server, writers)


def write_until_full(disk: Disk, server: RunningServer, writers: list[Writer]) -> list[str | None]:
    """All write until their streams end; returns the conditions."""
    acknowledged = threading.Semaphore(0)
    with ThreadPoolExecutor(WRITERS) as pool:
        endings = [pool.submit(ending, writer, server.port, acknowledged) for writer in writers]
        for _ in range(BEFORE):
            assert acknowledged.acquire(timeout=PATIENCE)
        disk.fill(server)
        return [each.result() for each in endings]


def ending(writer: Writer, port: int, acknowledged: threading.Semaphore) -> str | None:
    with pytest.raises(StreamEnded) as ended:
        writer.make_until_killed(port, acknowledged.release)
    return ended.value.condition


def is_served_but_cannot_store(server: RunningServer, writer: Writer) -> None:
    with logged_in(server.port, *writer.account) as client:
        roster = client.ask("get", "<query xmlns='jabber:iq:roster'/>")
        assert roster.get("type") == "result"
        client.send(f"<message to='{writer.others[0]}' type='chat' id='large'><body>{LARGE}</body></message>")
        assert refusal(client) in CLEAR


def refusal(client: RawClient) -> str | None:
    """The condition of the error that comes next, of the stream or of a message."""
    try:
        return condition_of(client.receive()[0])
    except StreamEnded as ended:
        return ended.condition


def write_some(server: RunningServer, writers: list[Writer]) -> None:
    """All write until enough has been acknowledged."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda writer: writer.write(server.port, AFTER), writers))


def read_and_compare(server: RunningServer, writers: list[Writer]) -> None:
    """Each archive from its beginning."""
    for writer in writers:
        writer.mail.archived.clear()
        writer.verify(server.port)
    compare([writer.mail for writer in writers])
