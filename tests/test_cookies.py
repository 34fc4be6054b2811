"""The cookies that come with a request (RFC 6265): ours are found among whatever else a browser has for the host."""

from pathlib import Path

import pytest

from tests.harness.browsing import get, web_server
from web.http.messages import Request, Response, text
from web.part import Part
from web.site import Site

part = Part("probe", optional=False)


@part.get("/cookie")
def tell_cookie(site: Site, request: Request) -> Response:
    return text(str(request.cookie("ours")))


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("ours=1", "1"),
        ("theirs=2; ours=1=; more=3", "1="),
        ('{"theirs": 2}; ours=1', "1"),
        ("a name=2;ours=1", "1"),
        ("theirs=a b, c; ours=1; [=]", "1"),
        ("ours=2; ours=1", "1"),
        ("not-ours=1; ours", "None"),
    ],
)
def test_a_cookie_is_found_beside_others_however_they_are_written(tmp_path: Path, sent: str, found: str) -> None:
    with web_server(tmp_path, [part]) as site:
        assert get(site, "/cookie", Cookie=sent).text == found
