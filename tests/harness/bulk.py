"""A large file in either direction through a proxy, which must pass it on as it is taken, and gather none of it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gevent
from gevent.event import Event

from tests.harness.browsing import Browser
from web.http.messages import Answer, Request, Response, text
from web.part import Part
from web.site import Site

SIZE = 100_000_000
PIECE = bytes(65536)
GATHERED = SIZE // 2  # so much fits into no buffer of the kernel, or of a proxy that passes things on
MOMENT = 0.5  # seconds, in which a proxy that gathers things would have gathered more


class Bulk:
    """What is asked of a server: `sends` and `takes` of its part, `bulk`. Only for one server at a time."""

    def __init__(self) -> None:
        self.part = Part("bulk", optional=False)
        self.part.get("/bulk")(self._send)
        self.part.put("/bulk")(self._take)
        self._sent_much, self._may_read = Event(), Event()

    def _send(self, site: Site, request: Request) -> Answer:
        return Response(content=self._pieces(), length=SIZE)

    def _pieces(self) -> Iterator[bytes]:
        left = SIZE
        while left:
            piece = PIECE[:left]
            left -= len(piece)
            if SIZE - left > GATHERED:
                self._sent_much.set()
            yield piece

    def _take(self, site: Site, request: Request) -> Answer:
        self._may_read.wait()
        return text(str(sum(map(len, request.body.pieces(SIZE)))))

    def comes_as_it_is_read(self, sock: Any) -> None:
        """Ask for the file, and read it only later."""
        with closing(Browser.over(sock)) as browser:
            sock.sendall(b"GET /bulk HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not self._sent_much.wait(MOMENT)
            assert len(browser.response().content) == SIZE

    def goes_as_it_is_taken(self, sock: Any) -> None:
        """Send the file, which the server reads only later."""
        with closing(Browser.over(sock)) as browser:
            sent_much = Event()

            def send() -> None:
                for start in range(0, SIZE, len(PIECE)):
                    sock.sendall(PIECE[: SIZE - start])
                    if start > GATHERED:
                        sent_much.set()

            sock.sendall(f"PUT /bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n".encode())
            sending = gevent.spawn(send)
            assert not sent_much.wait(MOMENT)
            self._may_read.set()
            assert browser.response("PUT").text == str(SIZE)
            sending.get()
