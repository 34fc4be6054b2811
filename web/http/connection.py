"""One connection that speaks HTTP/1.1: requests read and answered one after the other, each within its limits.

h11 reads and writes the protocol, and refuses what two programs could read differently (request smuggling). The bytes
come and go through the same transport as those of a stream.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Protocol

import gevent
import h11

from web.http.content import GRACE_SECONDS, Content
from web.http.forwarded import Client
from web.http.headers import complete
from web.http.messages import Answer, Headers, HTTPError, Request, Response, Upgrade
from web.http.reading import Reader
from web.http.targets import host_of, target_of
from xmpp.data.errors import StreamError
from xmpp.stream.admission import Admission
from xmpp.stream.sides import Arrival
from xmpp.stream.turns import Turn, Turns

log = logging.getLogger(__name__)

HEAD_BYTES = 16384
HEAD_FIELDS = 100
PIECE_BYTES = 65536
REQUESTS = 100  # on one connection, of a client that has not shown who it is: a limit on its TLS records, too
# A line that does not end in CRLF, or goes on in the next one (RFC 9112 sections 2.2 and 5.2).
AMBIGUOUS = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]")
END_OF_HEAD = re.compile(rb"\n\r?\n")
LINGERING_BYTES = 16 << 20  # of what a client still sends when it has been refused, or it would never see why
UNREAD_BYTES = 65536  # of a request that was refused: so much is read, so that the connection can be used again


@dataclass(frozen=True)
class Limits:
    """How long things may take, as the settings say."""

    head_seconds: float
    idle_seconds: float
    bytes_per_second: int


class ClientGone(OSError):
    """The client has hung up, or is cut off, in the middle of a request."""


class Respond(Protocol):
    """What answers requests."""

    def __call__(self, request: Request) -> Answer:
        """The answer. Yields. Raises HTTPError."""

    def cross_origin_methods(self, request: Request | None) -> str:
        """The methods that pages of other sites may use on what the request is for; "" for none."""


class HTTPConnection:
    """The server's side of a connection. `client_of(headers)` says who asks, and raises HTTPError.

    Each piece of work for a stranger has to be admitted. Who is known need not wait for that, but what came at once is
    still handled in `turns`: it may be hundreds of requests, or thousands of chunks. Whoever has sent the last request
    is taken for who sends the next one, also behind a proxy, whose connections are everybody's.
    """

    def __init__(
        self,
        arrival: Arrival,
        limits: Limits,
        respond: Respond,
        client_of: Callable[[Headers], Client],
        turns: Turns,
        admission: Admission,
    ) -> None:
        self._transport = arrival.transport
        self._has_tls = arrival.transport.tls is not None
        self._reader = Reader(arrival.transport)
        self._place = arrival.place
        self._limits = limits
        self._respond = respond
        self._client_of = client_of
        self._turn = Turn(turns)
        self._admission = admission
        self._is_known = self._has_shown_it = False  # who sent the last request, and the one that is being answered
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._is_trusted = False
        self._is_closing = False
        self._answered = 0
        self._next_protocol: Callable[[], None] | None = None
        self.is_idle = True

    def serve(self) -> Callable[[], None] | None:
        """Answer requests until the client is gone, wants no more, or breaks the rules, and close the connection.

        If the client changes to another protocol, the connection stays, and what serves it from then on is returned.
        Yields.
        """
        try:
            while self._answers_one():
                pass
        except (OSError, StreamError, gevent.Timeout) as error:
            log.debug("HTTP connection lost: %s", error)
        except Exception:  # in the middle of an answer, which cannot be taken back
            log.exception("an answer could not be completed")
        self.is_idle = True
        if self._next_protocol is None:
            self._transport.close()
        return self._next_protocol

    def close(self) -> None:
        """Close at once if no request is being answered, else after the answer."""
        self._is_closing = True
        if self.is_idle:
            self._transport.close()

    def _answers_one(self) -> bool:
        """Answer one request; true if another one may come."""
        try:
            head = self._read_head()
        except h11.RemoteProtocolError as error:
            self._refuse(HTTPError(error.error_status_hint))
            return False
        except HTTPError as error:
            self._refuse(error)
            return False
        if head is None:
            return False
        self._place.stay()
        self.is_idle = False
        request, self._has_shown_it = None, False
        try:
            request = self._request(head)
            answer = self._respond(request)
        except HTTPError as error:
            answer = _shown(error)
        except ClientGone:
            raise
        except h11.RemoteProtocolError as error:
            self._is_closing = True
            answer = _shown(HTTPError(error.error_status_hint))
        except Exception:
            log.exception("a request could not be answered")
            answer = _shown(HTTPError(500))
        if isinstance(answer, Upgrade):
            self._switch(answer)
            return False
        self._is_known = self._has_shown_it
        self._answer(answer, request, is_head=head.method == b"HEAD")
        return self._goes_on()

    # -- reading

    def _read_head(self) -> h11.Request | None:
        """The head of the next request; None if there is none. Raises HTTPError."""
        event = self._next_event(self._limits.idle_seconds if self._answered else self._limits.head_seconds)
        if isinstance(event, h11.ConnectionClosed) or event is None:
            return None
        assert isinstance(event, h11.Request)
        if not event.http_version.startswith(b"1."):
            raise HTTPError(505)
        if {b"transfer-encoding", b"content-length"} <= {name for name, _ in event.headers}:
            raise HTTPError(400)  # RFC 9112 section 6.1
        return event

    def _next_event(self, seconds: float) -> Any:
        """What the client sends next; None if nothing came in time, or only a part of a head in `head_seconds`."""
        began = False
        deadline = monotonic() + seconds
        while True:
            unread = self._http.trailing_data[0]
            _check_fields(unread)
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                if AMBIGUOUS.search(unread, 0, len(unread) - len(self._http.trailing_data[0])):
                    raise HTTPError(400)
                return event
            if not began and self._http.trailing_data[0]:
                began, deadline = True, monotonic() + self._limits.head_seconds
            data = gevent.with_timeout(max(0.0, deadline - monotonic()), self._reader.read, timeout_value=None)
            if data is None:
                if began:
                    raise HTTPError(408)
                return None
            self._queue_up()
            self._http.receive_data(data)

    def _queue_up(self) -> None:
        """Yield until it is a stranger's turn. Those who log in go first, but for the first request after a
        handshake."""
        if not self._is_known:
            self._admission.wait(has_begun=self._has_tls and not self._answered)
        self._turn.begin()

    def _give_way(self) -> None:
        """Yield in the middle of what was sent at once, or of a long answer."""
        if self._is_known:
            self._turn.give_way()
        else:
            self._queue_up()

    def _request(self, head: h11.Request) -> Request:
        is_older = head.http_version < b"1.1"  # which has no upgrades (RFC 9110 section 7.8)
        headers = Headers(each for each in head.headers if not (is_older and each[0] == b"upgrade"))
        target = target_of(head.target.decode("latin-1"))
        hosts = headers.all("host")
        if len(hosts) > 1:
            raise HTTPError(400)
        host = host_of(target.authority or (hosts[0] if hosts else None))
        client = self._client_of(headers)
        return Request(
            head.method.decode("ascii"),
            target.path,
            target.segments,
            target.query,
            headers,
            Content(headers, self._read_content, self._limits.bytes_per_second),
            host,
            client.address,
            bool(client.is_secure),
            self._transport,
            self._trust,
            client.is_forwarded,
            self._reader.watched,
        )

    def _trust(self) -> None:
        self._is_trusted = self._is_known = self._has_shown_it = True
        self._place.known()
        self._transport.trust()

    def _read_content(self, seconds: float) -> Any:
        """The next event of a request's content. Raises HTTPError 408, h11.RemoteProtocolError and ClientGone."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            try:
                if self._http.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                data = gevent.with_timeout(max(0.0, seconds), self._reader.read, timeout_value=None)
            except (OSError, StreamError, gevent.Timeout) as error:
                raise ClientGone(str(error)) from error
            if data is None:
                raise HTTPError(408)
            self._queue_up()
            self._http.receive_data(data)
        if monotonic() > self._turn.ends:
            self._give_way()
        return event

    # -- answering

    def _refuse(self, error: HTTPError) -> None:
        """Answer what is no request."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._is_closing = True
            self._answer(_shown(error), None, is_head=False)
            self._linger()

    def _answer(self, response: Response, request: Request | None, *, is_head: bool) -> None:
        content = response.content
        try:
            unsent = self._head(response, request)  # it goes out together with the first piece of the content
            if not is_head and response.status not in (204, 304):
                for piece in _cut(content) if isinstance(content, bytes) else content:
                    if not unsent:
                        self._give_way()
                    self._write(unsent + (self._http.send(h11.Data(data=piece)) or b""))
                    unsent = b""
            self._write(unsent + (self._http.send(h11.EndOfMessage()) or b""))
        finally:
            if hasattr(content, "close"):
                content.close()
        self._answered += 1

    def _head(self, response: Response, request: Request | None) -> bytes:
        length = len(response.content) if isinstance(response.content, bytes) else response.length
        headers = complete(response.headers, cross_origin_methods=self._respond.cross_origin_methods(request))
        if length is not None and response.status not in (204, 304):
            headers["Content-Length"] = str(length)
        if self._is_last:
            headers["Connection"] = "close"
        fields = [*headers.items(), *(("Set-Cookie", cookie) for cookie in response.cookies)]
        encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in fields]
        return self._http.send(h11.Response(status_code=response.status, headers=encoded)) or b""

    @property
    def _is_last(self) -> bool:
        return self._is_closing or (not self._is_trusted and self._answered + 1 >= REQUESTS)

    def _send(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Yield until the socket has taken all bytes. Raises OSError, and gevent.Timeout if the client reads too
        slowly."""
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            if not (piece := piece[self._transport.try_send(piece) :]):
                continue
            with gevent.Timeout(GRACE_SECONDS + len(piece) / self._limits.bytes_per_second):
                while piece:
                    self._transport.wait_writable()
                    piece = piece[self._transport.try_send(piece) :]

    def _goes_on(self) -> bool:
        """Prepare for the next request; false if there will be none."""
        if self._http.their_state is h11.SEND_BODY:
            self._skip_content()
        if self._is_closing or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self._linger()
            return False
        self._http.start_next_cycle()
        if self._http.trailing_data[0]:
            self._give_way()
        self.is_idle = True
        self._place.linger(self._transport.close)  # browsers wait with connections: whoever needs the place has it
        return True

    def _skip_content(self) -> None:
        """Read what a refused request still sends, if it is not much."""
        skipped, deadline = 0, monotonic() + self._limits.head_seconds
        with suppress(HTTPError, h11.RemoteProtocolError):
            while skipped < UNREAD_BYTES and not self._http.they_are_waiting_for_100_continue:
                event = self._read_content(deadline - monotonic())
                if isinstance(event, h11.EndOfMessage):
                    return
                skipped += len(event.data)

    def _linger(self) -> None:
        """Close our half, and wait a moment for the client to hang up: what it has not read would be destroyed."""
        self._transport.shutdown_write()
        with suppress(OSError, StreamError), gevent.Timeout(self._limits.head_seconds, OSError()):
            left = LINGERING_BYTES
            while left > 0 and (data := self._reader.read()):
                self._queue_up()
                left -= len(data)

    def _switch(self, upgrade: Upgrade) -> None:
        fields = [(name.encode("ascii"), value.encode("latin-1")) for name, value in upgrade.headers.items()]
        try:
            is_whole = isinstance(self._http.next_event(), h11.EndOfMessage)
        except h11.RemoteProtocolError:
            is_whole = False
        if not is_whole:
            self._refuse(HTTPError(400, "A request for another protocol has no content."))
            return
        self._send(h11.InformationalResponse(status_code=101, headers=fields, reason=b"Switching Protocols"))
        self._place.leave()  # what is served from here on has a place of its own, that of who asks
        self._next_protocol = partial(upgrade.serve, self._http.trailing_data[0])


def _check_fields(unread: bytes) -> None:
    """Raise HTTPError 431 if a head has more fields than anybody needs, before h11 reads thousands at once."""
    if unread.count(b"\n") > HEAD_FIELDS:
        end = END_OF_HEAD.search(unread)
        if unread.count(b"\n", 0, end.start() if end else len(unread)) > HEAD_FIELDS:
            raise HTTPError(431)


def _cut(content: bytes) -> Iterator[bytes]:
    """The content in pieces, so that no client who reads slowly keeps a copy of all of it in memory."""
    for start in range(0, max(1, len(content)), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]


def _shown(error: HTTPError) -> Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", **error.headers}
    return Response(error.status, f"{error.text}\n".encode(), headers)
