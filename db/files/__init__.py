"""Where the bytes of files are: on the disk beside the database (disk.py), or at a service that speaks S3 (s3.py)."""

from collections.abc import Iterable, Iterator
from typing import Protocol


class FileStoreError(Exception):
    """The bytes cannot be stored, read or deleted; the text says why."""


class FileStoreFull(FileStoreError):
    """There is no room for them."""


class NoSuchFile(FileStoreError):
    """There are no such bytes."""


class FileStore(Protocol):
    """The bytes of files by keys of letters and digits, which nobody who is not of the server has chosen. All of these
    yield, and raise FileStoreError."""

    def keep(self, key: str, pieces: Iterable[bytes]) -> None:
        """Keep these bytes once the last of them has come, and then for good. If they cannot be kept, or taking the
        next piece raises something, which passes through, nothing of them is left."""

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """The bytes from `start` on, in pieces; `close` ends it early. Raises NoSuchFile at once, and not while it
        goes on."""

    def delete(self, key: str) -> None:
        """Delete these bytes, if there are any."""

    def has_room(self, size: int) -> bool:
        """False if so many bytes would take room that others need. This does not yield."""

    def tidy(self) -> None:
        """Delete what was on its way when an earlier process ended."""

    def close(self) -> None:
        """Let go of threads and connections."""
