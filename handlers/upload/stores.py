"""Where the bytes of files are kept, as the settings say; and which files are on their way just now."""

from pathlib import Path
from typing import TYPE_CHECKING

from gevent.event import Event

from db.files import FileStore
from db.files.disk import DiskStore
from handlers.upload.settings import S3, UploadSettings

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

FOLDER = "uploads"


class Uploads:
    """What is known of uploads while a server runs."""

    def __init__(self) -> None:
        self.store: FileStore | None = None
        self.receiving: dict[str, int] = {}  # how large the files are that are on their way, by their slots
        self.has_left = Event()  # something is to be deleted


def store_of(server: "Server") -> FileStore:
    """The store of a server, made when it is first asked for: one of S3 takes a moment."""
    known = server.state(Uploads)
    if known.store is None:
        known.store = _made(server.settings(UploadSettings), Path(server.db.path).parent / FOLDER)
    return known.store


def _made(settings: UploadSettings, folder: Path) -> FileStore:
    disk = DiskStore(folder, settings.min_free_bytes)
    if settings.store != S3:
        return disk
    from db.files.s3 import S3Store  # an extra that is large, and not there where nobody uses it

    return S3Store(
        disk,
        settings.s3_bucket,
        settings.s3_prefix,
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_access_key,
        settings.s3_secret_key,
    )
