"""The HTTP side of one server, as its parts see it: the server, the streams of its clients, and its own address."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.part import Part
from xmpp.config.configuration import setting
from xmpp.server import Server

if TYPE_CHECKING:
    from xmpp.stream.client_streams import ClientStreams

    from xmpp.stream.listener import ClientListener


@dataclass(frozen=True)
class WebSettings:
    """What browsers, apps and proxies reach over HTTP: on the ports that [listen] names."""

    address: str = setting("", "The address at which all of this is reached from outside, such as "
                           "`https://chat.example.org`, or `https://{domain}` for each domain's own; "
                           "empty: the domain, and the port of [listen].")  # fmt: skip
    names: tuple[str, ...] = setting((), "Host names to answer for, beside the domains, their services, and the one in "
                                     "`address`.")  # fmt: skip
    head_seconds: int = setting(10, "How long the head of a request may take.", minimum=1, maximum=600)
    idle_seconds: int = setting(60, "How long a connection may wait for its next request.", minimum=1, maximum=3_600)
    slowest_bytes_per_second: int = setting(1_000, "How fast a client has to send, and to read what it has asked for; "
                                            "30 seconds are granted on top.", minimum=1, maximum=1_000_000)  # fmt: skip


class Site:
    """The HTTP side of one server."""

    def __init__(self, server: Server, listener: "ClientListener", parts: Iterable[Part]) -> None:
        self.server = server
        self.streams: ClientStreams = listener.streams
        self.parts = tuple(parts)
        self._listener = listener

    def base(self, domain: str) -> str:
        """The address from which clients at this domain reach all of this, without a slash at its end."""
        raise NotImplementedError
