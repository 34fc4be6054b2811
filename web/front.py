"""What people find who know no more than our name."""

from typing import TYPE_CHECKING

from web.client.page import PATH
from web.http.messages import HTTPError, Request, Response, redirect
from web.pages.start import start
from web.part import Part

if TYPE_CHECKING:
    from web.site import Site

part = Part("front", optional=False)


@part.get("/")
def front(site: "Site", request: Request) -> Response:
    """The start page, else the client."""
    if site.has("pages"):
        return start(site, request)
    if site.has("web_client"):
        return redirect(PATH)
    raise HTTPError(404)
