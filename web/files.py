"""XEP-0363: files are put into slots, and had by whoever knows their address.

What a stranger has uploaded is never to act in the name of this server: a browser shows only types that cannot hold a
script, takes them for nothing else, and lets them do nothing; all others it saves.
"""

import logging
import time
from collections.abc import Iterator
from email.utils import formatdate

from db.files import FileStoreError, FileStoreFull, NoSuchFile
from db.uploads import File
from handlers.upload import files
from handlers.upload.names import OCTETS, SHOWN, media_type
from handlers.upload.stores import store_of
from web.http.conditions import Verdict, range_of, verdict
from web.http.messages import Answer, CutShort, HTTPError, Request, Response
from web.part import Part
from web.site import Site

log = logging.getLogger(__name__)

part = Part("files", xep="0363", optional=False, needs=["upload"])

YEAR_SECONDS = 31_536_000
POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


@part.put("/upload/{slot}/{name}", cross_origin=True)
def put(site: Site, request: Request, slot: str, name: str) -> Answer:
    """Take the file of a slot, which is there to be had once this is answered. Yields."""
    file = _open_slot(site, slot, name)
    type = _checked(request, file)
    request.trust()  # nobody else knows of this slot
    pieces = request.body.pieces(file.size)
    try:
        files.receive(site.server, file, type, pieces)
    except files.NoSlot:
        raise HTTPError(404, "The slot for this file is gone.") from None
    except FileStoreError as error:
        log.error("an uploaded file cannot be stored: %s", error)
        for _ in pieces:  # while a client sends it reads nothing, and would never learn why it was cut off
            pass
        if isinstance(error, FileStoreFull):
            raise HTTPError(507, "There is no room for this file.") from error
        raise HTTPError(503, "This file cannot be stored at present.") from error
    return Response(201)


@part.get("/upload/{slot}/{name}", cross_origin=True)
def get(site: Site, request: Request, slot: str, name: str) -> Answer:
    """Give a file, or a range of it. Yields."""
    file = files.stored_file(site.server, slot, name)
    if file is None or file.stored is None:
        raise HTTPError(404, "There is no such file, or not any more.")
    tag, changed = f'"{file.slot}"', int(file.stored)
    headers = _headers(file, tag, changed)
    match verdict(request.headers, tag, changed):
        case Verdict.NOT_MODIFIED:
            return Response(304, headers=headers)
        case Verdict.FAILED:
            raise HTTPError(412, "The file is another one.")
    if request.method == "HEAD":
        return Response(200, iter(()), headers, length=file.size)
    try:
        chosen = range_of(request.headers, tag, changed, file.size)
    except ValueError:
        raise HTTPError(416, "The file is shorter.", {"Content-Range": f"bytes */{file.size}"}) from None
    start, end = chosen or (0, file.size)
    if chosen:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return Response(206 if chosen else 200, _opened(site, file, start, end), headers, length=end - start)


def _open_slot(site: Site, slot: str, name: str) -> File:
    try:
        return files.open_slot(site.server, slot, name)
    except files.SlotTaken:
        raise HTTPError(409, "This file is there already, or is being uploaded.") from None
    except files.NoSlot:
        raise HTTPError(404, "There is no such slot, or its time is over.") from None


def _checked(request: Request, file: File) -> str:
    """The type of what is sent, if it is what the slot is for. Raises HTTPError."""
    if request.body.length is None:
        raise HTTPError(411)
    if request.body.length != file.size:
        too_large = request.body.length > file.size
        raise HTTPError(413 if too_large else 400, f"The slot is for a file of {file.size} bytes.")
    if request.headers.get("content-range") is not None:  # RFC 9110 section 14.5
        raise HTTPError(400, "Only whole files are taken.")
    type = media_type(request.headers.get("content-type"))
    if file.type and type and type != file.type:
        raise HTTPError(415, "The slot is for a file of another type.")
    return file.type or type


def _headers(file: File, tag: str, changed: int) -> dict[str, str]:
    """What a browser may do with a file, and for how long it may keep it."""
    seconds = YEAR_SECONDS if file.expires is None else min(YEAR_SECONDS, max(0, int(file.expires - time.time())))
    headers = {
        "Content-Type": _shown_as(file),
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Last-Modified": formatdate(changed, usegmt=True),
        "Cache-Control": f"public, max-age={seconds}, immutable",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return headers if file.type in SHOWN else {**headers, "Content-Disposition": "attachment"}


def _shown_as(file: File) -> str:
    if file.type not in SHOWN:
        return OCTETS
    return f"{file.type}; charset=utf-8" if file.type.startswith("text/") else file.type


class _Sending(Iterator[bytes]):
    """What is read of a file. No generator: one that was never begun would not close what it reads."""

    def __init__(self, file: File, pieces: Iterator[bytes]) -> None:
        self._file = file
        self._pieces = pieces

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except FileStoreError as error:
            log.error("an uploaded file (%d) cannot be read to its end: %s", self._file.id, error)
            raise CutShort(str(error)) from error

    def close(self) -> None:
        """Let go of the file."""
        if hasattr(self._pieces, "close"):
            self._pieces.close()


def _opened(site: Site, file: File, start: int, end: int) -> Iterator[bytes]:
    try:
        return _Sending(file, store_of(site.server).read(file.slot, start, end - start))
    except NoSuchFile as error:
        log.error("an uploaded file (%d) is missing: %s", file.id, error)
        raise HTTPError(404, "The file is lost.") from error
    except FileStoreError as error:
        log.error("an uploaded file (%d) cannot be read: %s", file.id, error)
        raise HTTPError(503) from error
