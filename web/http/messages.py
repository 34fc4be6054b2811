"""A request and its response, as the parts of web/ see them: no socket, and nothing that is not decoded and checked."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import parse_qsl

FORM_BYTES = 16384
FORM_FIELDS = 100
FORM = "application/x-www-form-urlencoded"
REASONS = {
    400: "This request cannot be understood.",
    401: "Please log in.",
    403: "This is not allowed.",
    404: "There is no such page.",
    405: "This cannot be done here.",
    408: "The request took too long.",
    409: "It is there already.",
    411: "The request has to say how long it is.",
    413: "This is too large.",
    415: "This kind of content is not taken.",
    421: "Another server is responsible for this name.",
    426: "Another version of the protocol is needed.",
    429: "Too many requests: wait a moment.",
    431: "The head of this request is too large.",
    500: "Something went wrong here.",
    501: "This method is not known.",
    503: "This cannot be done at present.",
    505: "This version of HTTP is not spoken here.",
}


class HTTPError(Exception):
    """Answers the request with this status. `text` is for people; it is plain text, and must not quote secrets."""

    def __init__(self, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text or REASONS.get(status, "")
        self.headers = dict(headers or {})


class CutShort(OSError):
    """The rest of an answer's content cannot be had. The connection is closed, so that nobody takes what has come for
    all of it; whoever raises this has logged why."""


class Headers:
    """The header fields of a request, by names in any case."""

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self._fields = [(name.decode("ascii").lower(), value.decode("latin-1")) for name, value in fields]

    def get(self, name: str) -> str | None:
        """The value; several fields of the same name are joined by commas. None if there is none."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def all(self, name: str) -> list[str]:
        """The values of all fields with this name, in order."""
        return [value for key, value in self._fields if key == name.lower()]

    def tokens(self, name: str) -> list[str]:
        """The items of a list such as `Connection: keep-alive, Upgrade`, in lower case."""
        return [each.strip().lower() for value in self.all(name) for each in value.split(",") if each.strip()]


class Body(Protocol):
    """The content of a request, which is read from the connection only when somebody asks for it."""

    @property
    def length(self) -> int | None:
        """How long the request says that it is; None if it does not say (chunked)."""

    def pieces(self, most: int) -> Iterator[bytes]:
        """Yield the content in pieces of at most 64 KiB, as they come. Yields. Raises HTTPError 413 once it is
        longer than `most`, 408 if it comes too slowly, and OSError if the client is gone."""


@dataclass
class Request:
    """What a client asks.

    `path` is decoded and normalised, and has no slash at its end; `segments` are its parts. `client` is the address of
    who asks, maybe from behind a proxy that is trusted. `host` is the name that it asked for, in lower case and
    without a port. `is_secure`: TLS all the way here, or to a trusted proxy, or a client on this machine. `transport`
    carries the connection. `trust()` says that the client has shown that it is somebody: it may send more.
    `is_forwarded`: a proxy seems to have passed this on, trusted or not, so the client may be anywhere.
    `with watched(gone)`: meanwhile, `gone()` is called if the client hangs up; it must not yield. For answers that take
    long, once the content has been read.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Headers
    body: Body
    host: str
    client: str
    is_secure: bool
    transport: Any
    trust: Callable[[], None] = lambda: None
    is_forwarded: bool = False
    watched: Callable[[Callable[[], None]], AbstractContextManager[Any]] = nullcontext

    @property
    def is_here(self) -> bool:
        """True if who asks is on this machine, and nobody has passed the request on."""
        return ip_address(self.client).is_loopback and not self.is_forwarded

    def read(self, most: int) -> bytes:
        """The whole content. Yields. Raises as `Body.pieces` does."""
        return b"".join(self.body.pieces(most))

    def form(self) -> dict[str, str]:
        """The fields of a form that was sent; of several with one name, the last. Yields. Raises HTTPError."""
        if (self.headers.get("content-type") or "").partition(";")[0].strip().lower() != FORM:
            raise HTTPError(415)
        try:
            text = self.read(FORM_BYTES).decode()
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS, errors="strict"))
        except ValueError:
            raise HTTPError(400) from None

    def cookie(self, name: str) -> str | None:
        """The value of a cookie; of several with one name, the last. None if it was not sent."""
        found = None
        # Other cookies of this host are not ours to judge, however many they are and however they are written.
        for each in ";".join(self.headers.all("cookie")).split(";"):
            key, is_pair, value = each.partition("=")
            if is_pair and key.strip() == name:
                found = value.strip()
        return found


@dataclass
class Response:
    """What a client is answered.

    The content is bytes, or an iterable of bytes whose `length` is said if it is known. An iterable is asked for the
    next piece once the client has taken the last one, and `close` is called on it in the end if it has one; it may
    raise CutShort. Headers replace those that every response has (see `headers.py`); one whose value is "" is not sent.
    """

    status: int = 200
    content: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    cookies: Sequence[str] = ()


@dataclass
class Upgrade:
    """The answer to a request for another protocol (RFC 9110 section 7.8): 101, and then the connection is no longer
    HTTP's. `serve(early)` serves it until its end, in the greenlet of the connection; `early` are bytes that came
    behind the request. The transport is closed after that."""

    headers: dict[str, str]
    serve: Callable[[bytes], None]


Answer = Response | Upgrade


def text(content: str, status: int = 200, type: str = "text/plain", **headers: str) -> Response:
    """A response of text, in UTF-8. Underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, content.encode(), {"Content-Type": f"{type}; charset=utf-8", **named})


def redirect(to: str, status: int = 303) -> Response:
    """A redirection to a path of this server; 303 answers a form that was sent."""
    if not to.startswith("/") or to.startswith("//"):
        raise ValueError(f"{to}: only paths of this server")
    return Response(status, headers={"Location": to})
