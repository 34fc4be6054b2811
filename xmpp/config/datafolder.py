"""The data folder: what is where in it, and that only its owner can read it, which may not be so after copying it."""

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

OTHERS = 0o077
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
OWN_FOLDERS = ("certificates", "lost+found", "uploads")


class DataFolderError(Exception):
    """The folder cannot be used; one sentence says why, and what to do."""


@dataclass(frozen=True)
class DataFolder:
    """The folder in which one server keeps everything."""

    path: Path

    @property
    def database(self) -> Path:
        """The database, with its write-ahead log and its lock beside it."""
        return self.path / "xserv.db"

    @property
    def control(self) -> Path:
        """The socket of the command line."""
        return self.path / "control.sock"

    @property
    def certificates(self) -> Path:
        """The folder of the self-signed certificates with their keys."""
        return self.path / "certificates"

    @property
    def uploads(self) -> Path:
        """The folder of uploaded files."""
        return self.path / "uploads"

    @property
    def configuration(self) -> Path:
        """Where the administrator may put the configuration."""
        return self.path / "xserv.toml"

    def has(self, path: Path) -> bool:
        """True if that path exists. Raises DataFolderError if the folder cannot be read."""
        try:
            return path.exists()
        except OSError as error:
            raise DataFolderError(
                f"{self.path}: this folder cannot be read: {error.strerror}; "
                "run this as the user that the server runs as."
            ) from error

    def make(self) -> None:
        """Make the folder if it does not exist. Raises DataFolderError."""
        try:
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise DataFolderError(f"{self.path}: this folder cannot be made: {error.strerror}.") from error

    def refuse_missing_database(self) -> None:
        """Raise DataFolderError if there is no database: for commands that are of no use on a new one."""
        if not self.has(self.database):
            raise DataFolderError(
                f"{self.path} has no {self.database.name} in it, so there are no accounts. "
                "Name the server's data folder with --data or in $XSERV_DATA; "
                "for a new one, `xserv user add` or `xserv run` makes the database."
            )

    def close_to_others(self) -> None:
        """Remove all permissions of group and others on the folder and its files, and say so in the log.

        The configuration is left as it is: it may belong to somebody else, who lets the server read it.
        """
        foreign = self._what_is_foreign()
        private = list(self._private())
        if foreign is None:
            _close(self.path, level=logging.WARNING if private else logging.INFO)  # a new one has kept nothing yet
        elif self.path.stat().st_mode & OTHERS:
            log.warning(
                "%s is open to others, and stays so, since it is not for xserv alone (%s): "
                "a folder of its own is safer",
                self.path,
                foreign,
            )
        for path in private:
            _close(path)

    def _what_is_foreign(self) -> str | None:
        """Why others may need this folder too, such as /tmp, /etc or somebody's home; None if nothing shows that."""
        if self.path.stat().st_mode & stat.S_ISVTX:
            return "anybody may put files there"
        foreign = sorted(entry.name for entry in os.scandir(self.path) if entry.is_dir(follow_symlinks=False))
        return next((f"it has a folder {name}" for name in foreign if name not in OWN_FOLDERS), None)

    def _private(self) -> Iterator[Path]:
        for path in sorted(self.path.glob(f"{self.database.stem}.*")):  # copies of the database too
            if path != self.configuration:
                yield path
        if self.uploads.is_dir() and not self.uploads.is_symlink():
            yield self.uploads  # which closes all that is in it
        if self.certificates.is_dir() and not self.certificates.is_symlink():
            yield self.certificates
            yield from sorted(self.certificates.iterdir())


def _close(path: Path, *, level: int = logging.WARNING) -> None:
    """Close a file or a folder to others, but not what a link leads to. A socket is made anew at the start. `level` is
    how much it matters that it was open."""
    before = path.lstat().st_mode
    if not before & OTHERS or not (stat.S_ISREG(before) or stat.S_ISDIR(before)):
        return
    after = PRIVATE_FOLDER if stat.S_ISDIR(before) else PRIVATE_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            os.fchmod(descriptor, after)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.warning(
            "%s is open to others (mode %o), and cannot be closed: %s; its owner can: chmod %o",
            path,
            stat.S_IMODE(before),
            error.strerror,
            after,
        )
        return
    log.log(level, "%s was open to others (mode %o), and is closed now (%o)", path, stat.S_IMODE(before), after)
