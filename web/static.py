"""Files of the package that browsers fetch: those that a list names, and nothing else.

Each is sent with its digest as a tag, compressed where the browser takes that. What was read once is kept, in both
forms: there are only so many files, and a browser that reads slowly has no copy of its own in memory.
"""

import gzip
from collections.abc import Callable, Mapping
from importlib.resources.abc import Traversable

import gevent
from gevent.lock import BoundedSemaphore

from web.http.conditions import names
from web.http.messages import HTTPError, Request, Response

TYPES = {
    "css": "text/css; charset=utf-8",
    "ico": "image/vnd.microsoft.icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "wasm": "application/wasm",
}
COMPRESSED = ("css", "js", "json", "svg", "wasm")
FOR_GOOD = "public, max-age=31536000, immutable"
"""For what has a name that changes with it."""


class StaticFiles:
    """The files in a folder of the package. `digests`: SHA-256, in hexadecimal, by path."""

    def __init__(self, folder: Traversable, digests: Mapping[str, str]) -> None:
        self._folder = folder
        self._digests = digests
        self._kept: dict[tuple[str, bool], bytes] = {}  # by path, and whether it is compressed
        self._reading = BoundedSemaphore()

    def response(self, request: Request, path: str) -> Response:
        """The file at this path, or that it has not changed. Yields. Raises HTTPError 404 if the list has it not."""
        digest = self._digests.get(path)
        if digest is None:
            raise HTTPError(404)
        kind = path.rpartition(".")[2]
        takes_gzip = kind in COMPRESSED and "gzip" in _encodings(request)
        tag = f'"{digest[:32]}{"-gzip" if takes_gzip else ""}"'
        headers = {"Cache-Control": FOR_GOOD, "ETag": tag, "Vary": "Accept-Encoding", "Content-Type": TYPES[kind]}
        if names(request.headers.get("if-none-match") or "", tag):
            return Response(304, headers=headers)
        if takes_gzip:
            headers["Content-Encoding"] = "gzip"
        return Response(200, self._kept.get((path, takes_gzip)) or self._content(path, takes_gzip), headers)

    def _content(self, path: str, is_compressed: bool) -> bytes:
        with self._reading:  # once, however many ask for it meanwhile
            if (path, is_compressed) not in self._kept:
                act = self._compress if is_compressed else self._read
                self._kept[path, is_compressed] = _in_a_thread(act, path)
            return self._kept[path, is_compressed]

    def _read(self, path: str) -> bytes:
        return self._folder.joinpath(*path.split("/")).read_bytes()

    def _compress(self, path: str) -> bytes:
        return gzip.compress(self._read(path), mtime=0)


def _in_a_thread(act: Callable[[str], bytes], path: str) -> bytes:
    """What is larger takes longer than others should wait."""
    found: bytes = gevent.get_hub().threadpool.apply(act, (path,))
    return found


def _encodings(request: Request) -> list[str]:
    """What the browser can decompress; what it weighs with 0 is left out (RFC 9110 section 12.5.3)."""
    listed = (each.replace(" ", "").partition(";") for each in request.headers.tokens("accept-encoding"))
    return [name for name, _, weight in listed if weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")]
