"""Errors as pages, for people with a browser; programs are answered in plain text."""

from typing import TYPE_CHECKING

from web.http.messages import HTTPError, Request, Response
from web.pages.public import show

if TYPE_CHECKING:
    from web.site import Site

TEMPLATE = "pages/error.html"


def wants_page(site: "Site", request: Request) -> bool:
    """Whether a browser shows what this is answered, and there are pages."""
    types = [each.partition(";")[0].strip() for each in request.headers.tokens("accept")]
    return "text/html" in types and site.has("pages")


def error_page(site: "Site", request: Request, error: HTTPError) -> Response:
    """The page. Yields when it is the first one of all."""
    return show(
        site, request, TEMPLATE, status=error.status, headers=error.headers, number=error.status, problem=error.text
    )
