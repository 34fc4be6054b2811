"""The HTTP side of a server at work: connections are served, and their requests answered by the parts that are on."""

import logging
from functools import partial
from time import monotonic
from typing import Any
from urllib.parse import quote

from web.clients import Clients
from web.http.connection import HTTPConnection, Limits
from web.http.messages import Answer, HTTPError, Request, Response
from web.pages.errors import error_page, wants_page
from web.routing import Routes
from web.site import Site
from xmpp.running.handling import Handled
from xmpp.stream.admission import Admission
from xmpp.stream.sides import Arrival
from xmpp.stream.turns import Turns

log = logging.getLogger(__name__)


class Serving:
    """What serves the connections of one site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._routes = Routes(site.parts)
        self._clients = Clients(site.listener)
        self._connections: set[HTTPConnection] = set()

    def start(self) -> None:
        """Do what parts do once the server listens."""
        for part in self.site.parts:
            for act in part.started:
                act(self.site)

    def serve(self, arrival: Arrival) -> None:
        """Serve a connection until its end. Yields."""
        settings = self.site.settings
        limits = Limits(settings.head_seconds, settings.idle_seconds, settings.slowest_bytes_per_second)
        turns, admission = self.site.server.state(Turns), self.site.server.state(Admission)
        connection = HTTPConnection(arrival, limits, self, partial(self._clients.behind, arrival), turns, admission)
        self._connections.add(connection)
        try:
            serve_next_protocol = connection.serve()
        finally:
            self._connections.discard(connection)
        if serve_next_protocol is not None:
            del connection  # all that HTTP has in memory, for as long as the other protocol lasts
            serve_next_protocol()

    def close(self) -> None:
        """Close all connections: those that wait for a request at once, the others when they have been answered."""
        for connection in tuple(self._connections):
            connection.close()

    @property
    def is_told(self) -> bool:
        """True if all requests have been answered."""
        return all(connection.is_idle for connection in self._connections)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    # -- for a connection

    def __call__(self, request: Request) -> Answer:
        """The answer to a request, once what it stores is on the disk. Yields. Raises HTTPError."""
        if not self.site.answers_for(request.host):
            raise HTTPError(421)
        if not request.is_secure:
            return self._only_over_tls(request)
        began = monotonic()
        db: Any = self.site.server.db
        try:
            with Handled():
                answer = self._routes.answer(self.site, request)
                db.wait_for_own()
        except self.site.server.storage_errors as error:
            log.error("%s could not be stored: %s", _of(request), error)
            raise HTTPError(503) from error
        except HTTPError as error:
            if not wants_page(self.site, request):
                raise
            answer = error_page(self.site, request, error)
        if (to := answer.headers.get("Location", "")).startswith("/"):
            answer.headers["Location"] = self.site.root(request.host) + to
        log.debug("%s %s: %.1f ms", request.method, _of(request), (monotonic() - began) * 1000)
        return answer

    def _only_over_tls(self, request: Request) -> Answer:
        """What is answered to somebody who can be overheard. Raises HTTPError 403."""
        base = self.site.base(self.site.domain_for(request.host))
        if request.method not in ("GET", "HEAD") or not base.startswith("https:"):
            raise HTTPError(403, "This is only to be had over TLS (https).")
        return Response(308, headers={"Location": base + quote(request.path)})

    def cross_origin_methods(self, request: Request | None) -> str:
        """The methods that pages of other sites may use on what the request is for; "" for none."""
        return self._routes.cross_origin_methods(request.segments) if request else ""


def _of(request: Request) -> str:
    """What is told of a path in the log: whoever knows the whole of it can read a file, or log in to a demo."""
    return "/" + "/".join([*request.segments[:1], *["..."] * (len(request.segments) > 1)])
