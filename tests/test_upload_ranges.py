"""RFC 9110 sections 13 and 14: parts of a file, and files that a client has already."""

from collections.abc import Iterator, Mapping
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.harness.browsing import Browser, browser, web_server
from tests.harness.in_process import Client
from tests.harness.uploads import upload
from web.http.conditions import Verdict, range_of, verdict
from web.http.messages import Headers

TAG, CHANGED = '"hat"', 1_000_000_000
THEN, BEFORE, AFTER = (formatdate(CHANGED + each, usegmt=True) for each in (0, -1, 1))


def headers(**fields: str) -> Headers:
    return Headers([(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 5)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=9-9999999999999999999999999", (9, 10)),
        ("BYTES = 2 - 4", (2, 5)),
        ("bytes=4-2", None),
        ("bytes=0-1,4-5", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("pages=1-2", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_range_is_a_first_byte_and_a_last_one(asked: str, expected: tuple[int, int] | None) -> None:
    assert range_of(headers(range=asked), TAG, CHANGED, 10) == expected


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"])
def test_a_range_behind_the_end_cannot_be_had(asked: str) -> None:
    with pytest.raises(ValueError):
        range_of(headers(range=asked), TAG, CHANGED, 10)


@pytest.mark.parametrize(
    ("if_range", "is_whole"),
    [(TAG, False), (THEN, False), (f"W/{TAG}", True), ('"cap"', True), (BEFORE, True), (AFTER, True), ("?", True)],
)
def test_a_range_is_given_only_of_what_the_client_has_the_rest_of(if_range: str, is_whole: bool) -> None:
    found = range_of(headers(range="bytes=2-4", if_range=if_range), TAG, CHANGED, 10)
    assert (found is None) == is_whole


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Verdict.GO_ON),
        ({"if_none_match": TAG}, Verdict.NOT_MODIFIED),
        ({"if_none_match": f'"cap", W/{TAG}'}, Verdict.NOT_MODIFIED),
        ({"if_none_match": "*"}, Verdict.NOT_MODIFIED),
        ({"if_none_match": '"cap"'}, Verdict.GO_ON),
        ({"if_none_match": '"cap"', "if_modified_since": AFTER}, Verdict.GO_ON),
        ({"if_modified_since": THEN}, Verdict.NOT_MODIFIED),
        ({"if_modified_since": BEFORE}, Verdict.GO_ON),
        ({"if_modified_since": "yesterday"}, Verdict.GO_ON),
        ({"if_match": TAG}, Verdict.GO_ON),
        ({"if_match": f"W/{TAG}"}, Verdict.FAILED),
        ({"if_match": '"cap"'}, Verdict.FAILED),
        ({"if_match": '"cap"', "if_none_match": TAG}, Verdict.FAILED),
        ({"if_unmodified_since": BEFORE}, Verdict.FAILED),
        ({"if_unmodified_since": THEN}, Verdict.GO_ON),
    ],
)  # fmt: skip
def test_conditions_are_checked_in_the_order_of_the_text(fields: Mapping[str, str], expected: Verdict) -> None:
    assert verdict(headers(**fields), TAG, CHANGED) is expected


@pytest.fixture
def path(tmp_path: Path) -> Iterator[tuple[Browser, str]]:
    with web_server(tmp_path) as site, browser(site) as one:
        yield one, upload(one, Client(site.server, "juliet@localhost/balcony"), b"0123456789")


def test_a_player_seeks_in_a_file(path: tuple[Browser, str]) -> None:
    one, file = path
    whole = one.ask("GET", file)
    assert whole.headers["accept-ranges"] == "bytes"
    got = one.ask("GET", file, headers={"Range": "bytes=2-4"})
    assert (got.status, got.content, got.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert got.headers["content-length"] == "3"
    got = one.ask("GET", file, headers={"Range": "bytes=-3", "If-Range": whole.headers["etag"]})
    assert (got.status, got.content) == (206, b"789")
    got = one.ask("GET", file, headers={"Range": "bytes=10-"})
    assert (got.status, got.headers["content-range"]) == (416, "bytes */10")
    assert got.headers["access-control-allow-origin"] == "*"


def test_who_has_a_file_is_not_sent_it_again(path: tuple[Browser, str]) -> None:
    one, file = path
    whole = one.ask("GET", file)
    for fields in ({"If-None-Match": whole.headers["etag"]}, {"If-Modified-Since": whole.headers["last-modified"]}):
        got = one.ask("GET", file, headers=fields)
        assert (got.status, got.content, got.headers["etag"]) == (304, b"", whole.headers["etag"])
        assert got.headers["cache-control"] == whole.headers["cache-control"]
    assert one.ask("GET", file, headers={"If-Match": '"cap"'}).status == 412


def test_head_tells_of_a_file_without_sending_it(path: tuple[Browser, str]) -> None:
    one, file = path
    got = one.ask("HEAD", file, headers={"Range": "bytes=2-4"})
    assert (got.status, got.content, got.headers["content-length"]) == (200, b"", "10")
