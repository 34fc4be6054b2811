"""Attacks by files that are uploaded, and on them."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from gevent import socket

from db import accounts, uploads
from tests.harness.browsing import Browser, browser
from tests.harness.in_process import Client
from tests.harness.uploads import SERVICE, UPLOAD, slot, upload
from web.site import Site

SCRIPT = b"<script>alert(document.domain)</script>"
HARMFUL = ("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/xml", "application/pdf",
           "text/javascript", "application/javascript", "text/css", "multipart/x-mixed-replace", "", "image/",
           "image/png\tx", "IMAGE/SVG+XML", "video/svg+xml", "application/octet-stream")  # fmt: skip


@pytest.fixture
def juliet(site: Site) -> Client:
    return Client(site.server, "juliet@localhost/balcony")


@pytest.fixture
def one(site: Site) -> Iterator[Browser]:
    with browser(site) as one:
        yield one


@pytest.mark.parametrize("type", HARMFUL)
def test_row_39_what_could_hold_a_script_is_saved_and_not_shown(juliet: Client, one: Browser, type: str) -> None:
    headers = one.ask("GET", upload(one, juliet, SCRIPT, "hat.png", type.replace("\t", "&#9;"))).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment"


@pytest.mark.parametrize("type", ["image/png", "video/mp4", "audio/ogg; codecs=opus", "text/plain"])
def test_row_39_what_is_shown_is_taken_for_nothing_else_and_can_do_nothing(
    juliet: Client, one: Browser, type: str
) -> None:
    path = upload(one, juliet, SCRIPT, "page.html", type)
    for headers in (one.ask("GET", path).headers, one.ask("HEAD", path).headers):
        assert headers["content-type"].split(";")[0] == type.split(";")[0]
        assert "content-disposition" not in headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert headers["referrer-policy"] == "no-referrer"


def test_row_39_the_type_is_not_what_is_said_when_the_file_is_put(juliet: Client, one: Browser) -> None:
    path = slot(juliet, "hat.png", len(SCRIPT))
    assert one.ask("PUT", path, SCRIPT, {"Content-Type": "text/html"}).status == 201
    assert one.ask("GET", path).headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..", ".", "/", "a/../../b", "..\\..\\b", "%2e%2e%2fb", "a&#10;Set-Cookie: b",
             "x" * 10_000, "é" * 5_000 + ".png", "\u202egnp.exe", "&#x7f;", " ", ".htaccess"],
)  # fmt: skip
def test_row_39_a_name_is_nothing_but_a_name(juliet: Client, one: Browser, tmp_path: Path, name: str) -> None:
    path = upload(one, juliet, name=name)
    assert path.count("/") == 3 and len(path) < 600 and path.isascii()
    assert one.ask("GET", path).content == b"a hat"
    key = path.split("/")[2]
    assert [each for each in (tmp_path / "uploads").rglob("*") if each.is_file()] == [
        tmp_path / "uploads" / key[:2] / key
    ]


def test_row_39_a_slot_is_for_one_file(juliet: Client, one: Browser) -> None:
    path = upload(one, juliet)
    assert one.ask("PUT", path, b"a cap").status == 409
    assert one.ask("GET", path).content == b"a hat"


def test_row_39_a_slot_is_for_so_many_bytes(site: Site, juliet: Client, one: Browser, tmp_path: Path) -> None:
    path = slot(juliet, size=5)
    assert one.ask("PUT", path, b"a hat and more").status == 413
    smuggled = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 14\r\n\r\n"
    with browser(site) as other:
        assert other.exchange(smuggled.encode() + b"a hat and more", "PUT").status == 400
    assert not [each for each in (tmp_path / "uploads").rglob("*") if each.is_file()]


def test_row_39_a_file_in_chunks_is_not_shorter_than_was_said(
    site: Site, juliet: Client, one: Browser, tmp_path: Path
) -> None:
    path = slot(juliet, size=5)
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    with browser(site) as other:
        assert other.exchange(f"{head}3\r\na h\r\n0\r\n\r\n".encode(), "PUT").status == 400
    assert not [each for each in (tmp_path / "uploads").rglob("*") if each.is_file()]
    assert one.ask("PUT", path, b"a hat").status == 201


@contextmanager
def files_hold_at_most(most: int) -> Iterator[None]:
    """While this lasts, no file of this process grows beyond so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_row_39_a_disk_that_is_full_keeps_no_half_of_a_file_and_who_sends_it_is_told(
    site: Site, juliet: Client, one: Browser, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = b"x" * 40_000_000
    path = slot(juliet, size=len(content))
    with files_hold_at_most(30_000_000):
        assert one.ask("PUT", path, content).status == 507
    assert "Traceback" not in capfd.readouterr().err
    assert not [each for each in (tmp_path / "uploads").rglob("*") if each.is_file()]
    assert one.ask("PUT", path, content).status == 201


@pytest.mark.parametrize("change", [("hat", "cap"), ("/hat.png", ""), ("/upload/", "/upload/../upload/./x/"),
                                    ("hat.png", "hat.png/x"), ("hat.png", "hat.html")])  # fmt: skip
def test_row_39_another_address_is_not_that_of_a_file(juliet: Client, one: Browser, change: tuple[str, str]) -> None:
    path = upload(one, juliet)
    assert one.ask("GET", path.replace(*change)).status == 404


def test_row_39_an_error_can_be_read_by_pages_of_other_sites_without_a_login(juliet: Client, one: Browser) -> None:
    path = slot(juliet, size=5)
    for got in (one.ask("PUT", path, b"too large"), one.ask("GET", path), one.ask("OPTIONS", path)):
        assert got.status in (413, 404, 204)
        assert got.headers["access-control-allow-origin"] == "*"
        assert "PUT" in got.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in got.headers


def test_row_152_of_two_who_fill_a_slot_at_once_one_does(site: Site, juliet: Client) -> None:
    """Whoever is second is told so before any of its bytes are read."""
    path, answers = slot(juliet, size=200_000), list[int]()

    def put(letter: bytes) -> None:
        with browser(site) as one:
            answers.append(one.ask("PUT", path, letter * 200_000).status)

    gevent.joinall([gevent.spawn(put, letter) for letter in (b"a", b"b", b"c")])
    assert sorted(answers) == [201, 409, 409]
    with browser(site) as one:
        assert len(set(one.ask("GET", path).content)) == 1


def test_row_11_nobody_guesses_the_address_of_a_file(juliet: Client) -> None:
    keys = {slot(juliet).split("/")[2] for _ in range(20)}
    assert len(keys) == 20
    assert all(len(bytes.fromhex(key)) * 8 >= 128 for key in keys)


def test_row_43_the_server_fetches_nothing_that_somebody_names(
    site: Site, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file comes in by PUT alone, from whoever has the slot."""
    dialled = list[object]()
    with browser(site) as one:
        monkeypatch.setattr(socket.socket, "connect", lambda self, to: dialled.append(to))
        asked = f"<request xmlns='{UPLOAD}' filename='http://127.0.0.1/hat.png' size='5' url='http://127.0.0.1/'/>"
        assert juliet.asks(asked, to=SERVICE).startswith("<slot")
        path = slot(juliet)
        assert one.ask("PUT", path, b"a hat", {"Location": "http://127.0.0.1/"}).status == 201
        assert one.ask("GET", f"{path}?url=http://127.0.0.1/").content == b"a hat"
    assert dialled == []


def test_row_39_nobody_sees_or_deletes_files_of_others_by_command(
    site: Site, juliet: Client, one: Browser
) -> None:
    accounts.create(site.server.db, "romeo@localhost", {}, 0.0)
    romeo, path = Client(site.server, "romeo@localhost/orchard"), upload(one, juliet)
    command, key = "http://jabber.org/protocol/commands", path.split("/")[2]
    listed = romeo.asks(f"<command xmlns='{command}' node='xserv:files:list'/>", type="set", to=SERVICE)
    assert key not in listed
    form = f"<x xmlns='jabber:x:data' type='submit'><field var='files'><value>{key}</value></field></x>"
    asked = f"<command xmlns='{command}' node='xserv:files:delete'>{form}</command>"
    assert romeo.asks(asked, type="set", to=SERVICE) == "bad-request"
    assert one.ask("GET", path).status == 200


def test_row_39_who_is_not_of_this_server_gets_no_slot(site: Site, juliet: Client) -> None:
    accounts.remove(site.server.db, "juliet@localhost")
    asked = f"<request xmlns='{UPLOAD}' filename='hat.png' size='5'/>"
    assert juliet.asks(asked, to=SERVICE) == "forbidden"
    assert uploads.total(site.server.db) == 0
