"""The style of all pages, under a name that changes with it, so that browsers keep it for good."""

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from web.http.messages import HTTPError, Request, Response
from web.part import Part
from web.static import StaticFiles

if TYPE_CHECKING:
    from web.site import Site

FILE = "pages.css"

part = Part("stylesheet", optional=False)


class Stylesheet:
    """The stylesheet. A server has one."""

    def __init__(self) -> None:
        here = resources.files("web").joinpath("pages")
        digest = hashlib.sha256(here.joinpath(FILE).read_bytes()).hexdigest()
        self.name = f"pages-{digest[:16]}.css"
        self.files = StaticFiles(here, {FILE: digest})


def path(site: "Site") -> str:
    """Where the stylesheet is."""
    return f"/style/{site.server.state(Stylesheet).name}"


@part.get("/style/{name}")
def stylesheet(site: "Site", request: Request, name: str) -> Response:
    """The stylesheet, as it is now."""
    sheet = site.server.state(Stylesheet)
    if name != sheet.name:
        raise HTTPError(404)
    return sheet.files.response(request, FILE)
