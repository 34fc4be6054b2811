"""The bytes of files on the disk: whole or not at all, and a piece at a time."""

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gevent
import pytest

from db.files import FileStoreError, FileStoreFull, NoSuchFile
from db.files.disk import PIECE_BYTES, SYNC_BYTES, DiskStore

KEY = "a1b2c3"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    with closing(DiskStore(tmp_path / "uploads")) as store:
        yield store


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_is_read_from_anywhere(store: DiskStore) -> None:
    content = os.urandom(3 * PIECE_BYTES + 7)
    store.keep(KEY, [content[:10], content[10:PIECE_BYTES], content[PIECE_BYTES:]])
    assert b"".join(store.read(KEY, 0, len(content))) == content
    assert b"".join(store.read(KEY, 5, PIECE_BYTES)) == content[5 : 5 + PIECE_BYTES]
    store.delete(KEY)
    store.delete(KEY)
    with pytest.raises(NoSuchFile):
        store.read(KEY, 0, 1)


def test_no_turn_takes_more_than_a_piece_and_others_have_theirs(store: DiskStore) -> None:
    """Between two pieces that are read or written, others go on; so nobody waits for a whole file."""
    turns, read = list[int](), list[int]()

    def others() -> None:
        while True:
            turns.append(len(turns))
            gevent.sleep(0)

    other = gevent.spawn(others)
    store.keep(KEY, (bytes(16384) for _ in range(64)))
    written = len(turns)
    assert written >= 64 * 16384 // PIECE_BYTES
    for piece in store.read(KEY, 0, 64 * 16384):
        assert len(piece) <= PIECE_BYTES
        read.append(len(turns))
    other.kill()
    assert len(set(read)) == len(read) == 64 * 16384 // PIECE_BYTES


def test_a_large_file_comes_to_the_disk_bit_by_bit(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, fdatasync = list[int](), os.fdatasync

    def counted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    store.keep(KEY, (bytes(PIECE_BYTES) for _ in range(3 * SYNC_BYTES // PIECE_BYTES)))
    assert synced[:3] == [SYNC_BYTES, 2 * SYNC_BYTES, 3 * SYNC_BYTES]


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, FileStoreFull), (errno.EDQUOT, FileStoreFull),
                                               (errno.EIO, FileStoreError)])  # fmt: skip
def test_on_a_full_disk_nothing_is_half_kept(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, error: type[Exception]
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fails)
        with pytest.raises(error):
            store.keep(KEY, [b"a hat"])
    assert files_in(tmp_path) == []
    store.keep(KEY, [b"a hat"])
    assert files_in(tmp_path) == [KEY]


def test_what_breaks_off_is_not_kept(store: DiskStore, tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(PIECE_BYTES)
        assert len(files_in(tmp_path)) == 1
        raise LookupError("hung up")

    with pytest.raises(LookupError):
        store.keep(KEY, pieces())
    assert files_in(tmp_path) == []


def test_only_its_owner_can_read_a_file(store: DiskStore, tmp_path: Path) -> None:
    store.keep(KEY, [b"a hat"])
    for path in (tmp_path / "uploads").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_what_another_process_left_unfinished_is_tidied_away_and_nothing_else(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path)) as one, closing(DiskStore(tmp_path)) as other:
        one.keep(KEY, [b"a hat"])
        with one.gathered("d4", [b"half"]) as half:
            one.tidy()
            assert half.exists()
            other.tidy()
            assert not half.exists()
        assert b"".join(other.read(KEY, 0, 5)) == b"a hat"


@pytest.mark.parametrize("key", ["", "../a", "a/b", ".", "é"])
def test_a_key_leads_nowhere_else(store: DiskStore, key: str) -> None:
    with pytest.raises(ValueError):
        store.read(key, 0, 1)
