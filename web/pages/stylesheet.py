"""The style of all pages, under a name that changes with it, so that browsers keep it for good."""

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from web.http.messages import HTTPError, Request, Response
from web.part import Part

if TYPE_CHECKING:
    from web.site import Site

part = Part("stylesheet", optional=False)


class Stylesheet:
    """The stylesheet. A server has one."""

    def __init__(self) -> None:
        self.content = resources.files("web").joinpath("pages", "pages.css").read_bytes()
        self.name = f"pages-{hashlib.sha256(self.content).hexdigest()[:16]}.css"


def path(site: "Site") -> str:
    """Where the stylesheet is."""
    return f"/style/{site.server.state(Stylesheet).name}"


@part.get("/style/{name}")
def stylesheet(site: "Site", request: Request, name: str) -> Response:
    """The stylesheet, as it is now."""
    sheet = site.server.state(Stylesheet)
    if name != sheet.name:
        raise HTTPError(404)
    headers = {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(200, sheet.content, headers)
