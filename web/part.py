"""How a part of the HTTP side says what it serves.

A file of web/ makes one Part and registers its functions with it; parts.py lists the parts.

    part = Part("host_meta", xep="0156")

    @part.get("/.well-known/host-meta", cross_origin=True)
    def host_meta(site, request):
        return text(...)

A `{name}` in a path stands for one segment, which the function gets as an argument; `{name...}`, at the end, for all
that are left, as a tuple. The function returns a Response or an Upgrade, or raises HTTPError. It runs in the greenlet
of its connection, and may yield.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from web.http.messages import Answer, Request

if TYPE_CHECKING:
    from web.site import Site

Respond = Callable[..., Answer]


@dataclass(frozen=True)
class Route:
    """What answers one method of one path. `cross_origin`: pages of other sites may use it (CORS), errors too."""

    method: str
    path: str
    respond: Respond
    cross_origin: bool = False

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments of the path."""
        return tuple(each for each in self.path.split("/") if each)


@dataclass(frozen=True)
class Part:
    """One part of the HTTP side: its name in the configuration, its settings, and its routes.

    It is off if it is switched off, or if a feature or part that it `needs` is off. `guard(site, request)` is called
    before everything at or beneath the paths in `guarded`, whether it is there or not; it raises HTTPError, or returns
    what is answered in place of the route's answer, or None to go on.
    """

    name: str
    xep: str = ""
    rfc: str = ""
    settings: type | None = None
    by_default: bool = True
    optional: bool = True
    needs: Iterable[str] = ()
    guarded: Iterable[str] = ()
    guard: Callable[["Site", Request], Answer | None] | None = None
    routes: list[Route] = field(default_factory=list)
    started: list[Callable[["Site"], None]] = field(default_factory=list)

    def get(self, path: str, *, cross_origin: bool = False) -> Callable[[Respond], Respond]:
        """Declare what answers GET, and HEAD, for which the content is left out."""
        return self._route("GET", path, cross_origin)

    def post(self, path: str, *, cross_origin: bool = False) -> Callable[[Respond], Respond]:
        """Declare what answers POST."""
        return self._route("POST", path, cross_origin)

    def put(self, path: str, *, cross_origin: bool = False) -> Callable[[Respond], Respond]:
        """Declare what answers PUT."""
        return self._route("PUT", path, cross_origin)

    def at_start(self, act: Callable[["Site"], None]) -> Callable[["Site"], None]:
        """Declare what is called once the server listens."""
        self.started.append(act)
        return act

    def _route(self, method: str, path: str, cross_origin: bool) -> Callable[[Respond], Respond]:
        def declare(respond: Respond) -> Respond:
            self.routes.append(Route(method, path, respond, cross_origin))
            return respond

        return declare


