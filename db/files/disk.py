"""The bytes of files on the disk. A file appears under its name when all of it is on the disk, or never.

    unfinished-PROCESS/KEY   while it comes
    KE/KEY                   from then on

All that waits for the disk runs in threads of its own, a piece at a time, so neither the loop nor the database's own
thread stands behind a large file.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from gevent.threadpool import ThreadPool

from db.files import FileStoreError, FileStoreFull, NoSuchFile

PIECE_BYTES = 256 * 1024
"""What is written or read at once, in one turn of a thread. Twice as much is not measurably cheaper."""
SYNC_BYTES = 8 << 20
"""So often what was written is brought to the disk: all of a large file at once would keep everybody waiting who wants
a few bytes on the same disk, such as the database."""
THREADS = 4
UNFINISHED = "unfinished-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Result = TypeVar("Result")


class DiskStore:
    """Files in a folder, which is made when it is first needed. `min_free`: so many bytes of the disk are left free."""

    def __init__(self, folder: Path, min_free: int = 0) -> None:
        self._folder = folder
        self._unfinished = folder / f"{UNFINISHED}{token_hex(4)}"
        self._min_free = min_free
        self._threads = ThreadPool(THREADS)

    def keep(self, key: str, pieces: Iterable[bytes]) -> None:
        with self.gathered(key, pieces) as unfinished, _in_our_words():
            self._apply(self._move, unfinished, self.path(key))

    @contextmanager
    def gathered(self, key: str, pieces: Iterable[bytes]) -> Iterator[Path]:
        """A file with these bytes, once all of them have come and are on the disk. It is gone after the block, unless
        it was moved. Yields."""
        unfinished = self._unfinished / key
        try:
            with _in_our_words():
                file = self._apply(_new, unfinished)
            try:
                self._write(file, pieces)
            finally:
                file.close()
            yield unfinished
        finally:
            self._apply(unfinished.unlink, True)

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        with _in_our_words():
            file = self._apply(_opened_at, self.path(key), start)
        return _Reading(file, length, self._threads)

    def delete(self, key: str) -> None:
        with _in_our_words():
            self._apply(self._remove, key)

    def has_room(self, size: int) -> bool:
        try:
            existing = next(each for each in (self._folder, *self._folder.parents) if each.exists())
            return shutil.disk_usage(existing).free >= size + self._min_free
        except OSError:
            return True  # writing will tell

    def tidy(self) -> None:
        with _in_our_words():
            self._apply(self._remove_unfinished)

    def close(self) -> None:
        self._threads.kill()
        shutil.rmtree(self._unfinished, ignore_errors=True)  # what has not come to its end will not any more

    def path(self, key: str) -> Path:
        """Where the bytes lie."""
        if not key.isalnum() or not key.isascii():
            raise ValueError("no key of a file")
        return self._folder / key[:2] / key

    # -- writing

    def _write(self, file: Any, pieces: Iterable[bytes]) -> None:
        gathered, size, unsynced = list[bytes](), 0, 0
        for piece in pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                unsynced += size
                with _in_our_words():
                    self._apply(_append, file, gathered, unsynced >= SYNC_BYTES)
                gathered, size, unsynced = [], 0, unsynced % SYNC_BYTES
        with _in_our_words():
            self._apply(_append, file, gathered, True)

    def _move(self, unfinished: Path, path: Path) -> None:
        try:
            path.parent.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
            _sync_folder(self._folder)
            _sync_folder(self._folder.parent)
        unfinished.rename(path)
        _sync_folder(path.parent)

    def _remove_unfinished(self) -> None:
        for folder in self._folder.glob(f"{UNFINISHED}*"):
            if folder != self._unfinished:
                shutil.rmtree(folder, ignore_errors=True)

    def _remove(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self.path(key).unlink()

    def _apply(self, act: Callable[..., Result], *arguments: object) -> Result:
        return _in(self._threads, act, *arguments)


class _Reading(Iterator[bytes]):
    """What is read of a file. No generator: one that was never begun would not close the file."""

    def __init__(self, file: Any, length: int, threads: ThreadPool) -> None:
        self._file = file
        self._left = length
        self._threads = threads

    def __next__(self) -> bytes:
        if not self._left:
            self.close()
            raise StopIteration
        with _in_our_words():
            piece: bytes = _in(self._threads, self._file.read, min(PIECE_BYTES, self._left))
        if not piece:
            raise FileStoreError("the file is shorter than it was")
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Close the file. It is no use any more."""
        self._file.close()


def _in(threads: ThreadPool, act: Callable[..., Result], *arguments: object) -> Result:
    """What it returns, or raises, in a thread."""
    outcome: tuple[Exception | None, list[Result]] = threads.apply(_outcome, (act, arguments))
    failed, results = outcome
    if failed is not None:
        raise failed
    [result] = results
    return result


def _outcome(act: Callable[..., Result], arguments: tuple[object, ...]) -> tuple[Exception | None, list[Result]]:
    """What it raised, or returned: of what is raised in a thread gevent prints a traceback."""
    try:
        return None, [act(*arguments)]
    except Exception as error:
        return error, []


def _new(path: Path) -> Any:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", 0)


def _append(file: Any, pieces: Iterable[bytes], and_sync: bool) -> None:
    left = memoryview(b"".join(pieces))
    while left:
        left = left[file.write(left) :]
    if and_sync:
        os.fdatasync(file.fileno())


def _opened_at(path: Path, start: int) -> Any:
    file = os.fdopen(os.open(path, os.O_RDONLY), "rb", 0)
    file.seek(start)
    return file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NoSuchFile(_said(error)) from error
    except OSError as error:
        raise (FileStoreFull if error.errno in FULL else FileStoreError)(_said(error)) from error


def _said(error: OSError) -> str:
    """What it says but for the name of the file: whoever knows that can read it."""
    return error.strerror or type(error).__name__
