"""Which part of the HTTP side answers a request: hosts, guards, paths and methods, in this order."""

from collections.abc import Iterable, Sequence
from typing import Any

from web.http.messages import Answer, HTTPError, Request, Response
from web.part import Part, Route

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")


class Routes:
    """The routes of all parts that are on."""

    def __init__(self, parts: Iterable[Part]) -> None:
        parts = tuple(parts)
        self._exact: dict[tuple[str, ...], list[Route]] = {}
        self._patterns: list[Route] = []
        self._guarded = [(_segments(path), part.guard) for part in parts for path in part.guarded if part.guard]
        for route in (route for part in parts for route in part.routes):
            if "{" in route.path:
                self._patterns.append(route)
            else:
                self._exact.setdefault(route.segments, []).append(route)

    def answer(self, site: Any, request: Request) -> Answer:
        """The answer of the guard, else of the route. Yields. Raises HTTPError."""
        for path, guard in self._guarded:
            if request.segments[: len(path)] == path and (refused := guard(site, request)) is not None:
                return refused
        found = self._found(request.segments)
        if request.method not in METHODS:
            raise HTTPError(501)
        if not found:
            raise HTTPError(404)
        allowed = _allowed([route for route, _ in found])
        if request.method == "OPTIONS":
            return Response(204, headers={"Allow": allowed})
        method = "GET" if request.method == "HEAD" else request.method
        for route, captured in found:
            if route.method == method:
                return route.respond(site, request, **captured)
        raise HTTPError(405, headers={"Allow": allowed})

    def cross_origin_methods(self, segments: Sequence[str]) -> str:
        """The methods that pages of other sites may use on this path, "" for none."""
        routes = [route for route, _ in self._found(tuple(segments)) if route.cross_origin]
        return _allowed(routes) if routes else ""

    def _found(self, segments: tuple[str, ...]) -> list[tuple[Route, dict[str, Any]]]:
        """The routes for a path, with what their patterns capture. Paths without a pattern come first."""
        if exact := self._exact.get(segments):
            return [(route, {}) for route in exact]
        matched = ((route, _captured(route.segments, segments)) for route in self._patterns)
        return [(route, captured) for route, captured in matched if captured is not None]


def _segments(path: str) -> tuple[str, ...]:
    return tuple(each for each in path.split("/") if each)


def _allowed(routes: Iterable[Route]) -> str:
    methods = {route.method for route in routes} | {"OPTIONS"}
    return ", ".join(method for method in METHODS if method in methods or (method == "HEAD" and "GET" in methods))


def _captured(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, Any] | None:
    """What the names in a pattern stand for in these segments; None if it does not fit."""
    found: dict[str, Any] = {}
    for place, each in enumerate(pattern):
        if each.endswith("...}"):
            found[each[1:-4]] = segments[place:]
            return found if len(segments) > place else None
        if place >= len(segments):
            return None
        if each.startswith("{"):
            found[each[1:-1]] = segments[place]
        elif each != segments[place]:
            return None
    return found if len(pattern) == len(segments) else None
