"""The handshake of WebSocket (RFC 6455 section 4.2) for XMPP (RFC 7395 section 3.1)."""

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass

from web.http.messages import Answer, HTTPError, Request, Upgrade
from web.part import Part
from web.site import Site
from web.websocket.framing import FRAMING_TAGS
from web.websocket.stream import WebSocketStream
from xmpp.config.configuration import setting
from xmpp.data.networks import network
from xmpp.stream.client import STARTTLS, Terms

SUBPROTOCOL = "xmpp"
VERSION = "13"
KEY_BYTES = 16
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455 section 1.3


def _check_origins(origins: tuple[str, ...]) -> None:
    if not all(each.startswith(("https://", "http://")) and not each.endswith("/") for each in origins):
        raise ValueError("expected origins, such as https://chat.example.org")


@dataclass(frozen=True)
class WebSocketSettings:
    """XMPP over WebSocket (RFC 7395), for clients in browsers: at /xmpp-websocket."""

    origins: tuple[str, ...] = setting((), "The sites whose pages may connect, such as `https://chat.example.org`. "
                                       "Empty: all, since no page can log in without a password.",
                                       check=_check_origins)  # fmt: skip
    ping_seconds: int = setting(50, "How often each client is asked whether it is there. Many proxies cut a connection "
                                "on which nothing passes for 60 seconds.", minimum=5, maximum=3_600)  # fmt: skip


part = Part("websocket", rfc="7395", settings=WebSocketSettings)


@part.get("/xmpp-websocket")
@part.get("/ws")
def open_websocket(site: Site, request: Request) -> Answer:
    """Change the protocol, if it is XMPP over WebSocket that is asked for. No cookie is looked at. Raises HTTPError."""
    key = _key(request)
    _check_subprotocol(request)
    settings = site.server.settings(WebSocketSettings)
    _check_origin(request, settings)
    if site.streams.terms.must_be_secure and not request.is_secure:
        raise HTTPError(403, "Clients have to use TLS here: wss in place of ws.")
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accepted(key),
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }
    return Upgrade(headers, _serving(site, request, settings.ping_seconds))


def accepted(key: str) -> str:
    """What shows a client that its key was understood (RFC 6455 section 4.2.2)."""
    return b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


def _key(request: Request) -> str:
    """The client's key. Raises HTTPError if it does not ask for WebSocket, or not as it should."""
    is_asked = "websocket" in request.headers.tokens("upgrade") and "upgrade" in request.headers.tokens("connection")
    if request.method != "GET" or not is_asked:
        raise HTTPError(426, "This address is for WebSocket.", {"Upgrade": "websocket", "Connection": "Upgrade"})
    if request.headers.get("sec-websocket-version") != VERSION:
        raise HTTPError(426, headers={"Sec-WebSocket-Version": VERSION})
    key = (request.headers.get("sec-websocket-key") or "").strip()
    try:
        if len(b64decode(key, validate=True)) == KEY_BYTES:
            return key
    except binascii.Error:
        pass
    raise HTTPError(400, "Sec-WebSocket-Key has to be 16 bytes, in Base64.")


def _check_subprotocol(request: Request) -> None:
    """Raise HTTPError unless the client knows what it will speak: another one could be led to say something else."""
    offered = ",".join(request.headers.all("sec-websocket-protocol")).split(",")
    if SUBPROTOCOL not in (each.strip() for each in offered):
        raise HTTPError(400, f"Sec-WebSocket-Protocol has to offer {SUBPROTOCOL} (RFC 7395).")


def _check_origin(request: Request, settings: WebSocketSettings) -> None:
    """Raise HTTPError for a page of a site that may not connect. Clients that are no browsers have no origin."""
    origin = request.headers.get("origin")
    if settings.origins and origin is not None and origin.lower() not in settings.origins:
        raise HTTPError(403, "Pages of this site may not connect.")


def _serving(site: Site, request: Request, ping_seconds: int) -> Callable[[bytes], None]:
    """What serves the stream. It does not keep the request, which would last as long."""
    server, streams, listener = site.server, site.streams, site.listener
    transport, peer, is_secure = request.transport, request.client, request.is_secure
    ends_here = transport.tls is not None and not request.is_forwarded
    terms = server.state(WebSocketTerms).of(streams.terms, can_bind=ends_here)

    def serve(early: bytes) -> None:
        place = listener.place(network(peer))
        if place is None:
            return
        stream = WebSocketStream(
            server,
            terms,
            transport,
            streams.flusher,
            peer,
            place,
            is_secure=is_secure,
            early=early,
            ping_seconds=ping_seconds,
        )
        try:
            streams.serve(stream)
        finally:
            place.leave()

    return serve


class WebSocketTerms:
    """The terms of a server's streams over WebSocket. There is no STARTTLS (RFC 7395 section 3.9). A channel can be
    bound to if the client's own TLS ends here, and not at a proxy."""

    def __init__(self) -> None:
        self._made: dict[bool, Terms] = {}

    def of(self, terms: Terms, *, can_bind: bool) -> Terms:
        """Those made of the terms of all streams, once."""
        if can_bind not in self._made:
            tags = (frozenset(terms.tags) | FRAMING_TAGS) - {STARTTLS}
            self._made[can_bind] = terms._replace(tags=tags, tls=terms.tls if can_bind else None)
        return self._made[can_bind]
