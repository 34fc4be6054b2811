"""The content of a request, as whoever answers it reads it: in pieces, within a size, and not too slowly."""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import h11

from web.http.messages import Body, Headers, HTTPError

GRACE_SECONDS = 30  # for content that has just begun to come or to go


class Content(Body):
    """The content of one request."""

    def __init__(self, headers: Headers, next_event: Callable[[float], Any], bytes_per_second: int) -> None:
        self._next_event = next_event
        self._length = headers.get("content-length")
        self._bytes_per_second = bytes_per_second

    @property
    def length(self) -> int | None:
        return int(self._length) if self._length is not None else None

    def pieces(self, most: int) -> Iterator[bytes]:
        if self.length is not None and self.length > most:
            raise HTTPError(413)
        received, began = 0, monotonic()
        while True:
            allowed = GRACE_SECONDS + received / self._bytes_per_second
            event = self._next_event(began + allowed - monotonic())
            if isinstance(event, h11.EndOfMessage):
                return
            received += len(event.data)
            if received > most:
                raise HTTPError(413)
            yield bytes(event.data)
