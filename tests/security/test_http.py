"""docs/security.md rows about HTTP as it is on the wire: what could be read in two ways, what never ends, and what
comes in pieces or breaks off."""

import gc
import logging
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket, ssl

from db.files import FileStoreError
from db.files.disk import DiskStore
from db.sqlite.errors import StorageError
from tests.harness.browsing import LOOPBACK, Browser, Got, browser, get, web_server
from web.http.connection import HEAD_BYTES, HEAD_FIELDS, REQUESTS, HTTPConnection
from web.http.messages import Answer, Request, Response, text
from web.part import Part
from web.site import Site
from xmpp.stream.admission import Admission
from xmpp.stream.turns import Turns

HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
MOST_BYTES = 1000
STREAM = (
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost'"
    b" version='1.0'>"
)
KINDS = pytest.mark.parametrize("kind", ["HTTP", "HTTPS"])
part = Part("probe", optional=False)


class Asked:
    """The paths that the parts of a server were asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []


@part.post("/echo")
def echo(site: Site, request: Request) -> Answer:
    return Response(content=request.read(MOST_BYTES))


@part.post("/unread", cross_origin=True)
def unread(site: Site, request: Request) -> Answer:
    return text("not read")


@part.get("/smuggled")
def smuggled(site: Site, request: Request) -> Answer:
    site.server.state(Asked).paths.append(request.path)
    return text("smuggled")


@part.get("/large")
def large(site: Site, request: Request) -> Answer:
    return Response(content=bytes(4_000_000))


@part.get("/files/{path...}")
def files(site: Site, request: Request, path: tuple[str, ...]) -> Answer:
    return text("/".join(path))


@part.get("/broken/{path...}")
def broken(site: Site, request: Request, path: tuple[str, ...]) -> Answer:
    raise StorageError("the disk is lost")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with web_server(tmp_path, [part]) as site:
        yield site


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Site]:
    """Waits a second for a head, and for the next request."""
    with web_server(tmp_path, [part], web={"head_seconds": 1, "idle_seconds": 1}) as site:
        yield site


def answers(site: Site, sent: bytes, kind: str = "HTTP") -> list[Got]:
    """All that is answered to these bytes, after which nothing comes."""
    with browser(site, kind) as connection:
        sock = connection.sock
        sock.sendall(sent)
        if kind == "HTTP":
            sock.shutdown(socket.SHUT_WR)
        return responses(received(sock))


def received(sock: Any) -> bytes:
    """What comes until the server hangs up."""
    pieces = []
    with suppress(ConnectionResetError):
        while data := sock.recv(65536):
            pieces.append(data)
    return b"".join(pieces)


def responses(data: bytes) -> list[Got]:
    """The responses in these bytes, each of which says its length."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        found.append(Got(int(first.split(" ")[1]), headers, data[:length]))
        data = data[length:]
    return found


def statuses(site: Site, sent: bytes) -> list[int]:
    return [each.status for each in answers(site, sent)]


# -- row 160: what two programs could read differently


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
        b"Content-Length: 0, 50\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: -0\r\n\r\n",
        b"Content-Length: 0x0\r\n\r\n",
        b"Content-Length: 0 0\r\n\r\n",
        b"Content-Length: 0_0\r\n\r\n",
        b"Content-Length: \xb2\r\n\r\n",
        b"Content-Length:\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length : 0\r\n\r\n",
        b" Content-Length: 0\r\n\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"X: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"X: 1\nContent-Length: 0\r\n\r\n",
        b"Content-Length: 0\r\n\n",
        b"X: 1\rContent-Length: 0\r\n\r\n",
        b"X: \x00\r\nContent-Length: 0\r\n\r\n",
        b"X\x00: 1\r\nContent-Length: 0\r\n\r\n",
        b"X(: 1\r\nContent-Length: 0\r\n\r\n",
        b": 1\r\nContent-Length: 0\r\n\r\n",
        b"no colon\r\nContent-Length: 0\r\n\r\n",
        b"Host: localhost\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_row_160_what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_read(site: Site, head: bytes) -> None:
    [refused] = answers(site, HEAD + head + SMUGGLED)
    assert refused.status in (400, 501)
    assert refused.headers["connection"] == "close"
    assert not site.server.state(Asked).paths


def test_row_160_what_can_be_read_in_one_way_only_is_answered(site: Site) -> None:
    one = HEAD + b"Content-Length: 3\r\n\r\nabc"
    other = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;why=not\r\nde\r\n1\r\nf\r\n0\r\nTrailer: 1\r\n\r\n"
    assert [each.content for each in answers(site, one + other + SMUGGLED)] == [b"abc", b"def", b"smuggled"]


@pytest.mark.parametrize(
    "chunks",
    [
        b"-1\r\n", b"0x1\r\na\r\n", b"1 1\r\na\r\n", b"fffffffffffffffffffff\r\n", b"\r\n", b"g\r\n", b"1\r\nab\r\n",
        b"1\r\nabc0\r\n\r\n", b"1\r\na0\r\n\r\n", b"1;" + b"x" * 2 * HEAD_BYTES, b"1" * 2 * HEAD_BYTES,
        b"0\r\n" + b"X: " + b"x" * 2 * HEAD_BYTES,
    ],
)  # fmt: skip
def test_row_160_chunks_that_are_malformed_end_the_connection(site: Site, chunks: bytes) -> None:
    [refused] = answers(site, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + SMUGGLED)
    assert refused.status in (400, 431)
    assert not site.server.state(Asked).paths


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /smuggled HTTP/1.1", b"GET /smuggled  HTTP/1.1", b" GET /smuggled HTTP/1.1", b"GET\t/smuggled HTTP/1.1",
        b"GET /smuggled HTTP/1.1 ", b"GET /smuggled", b"GET /smuggled HTTP/2.0", b"GET /smuggled http/1.1",
        b"GET /smuggled HTTP/11", b"GET /smug gled HTTP/1.1", b"G(T /smuggled HTTP/1.1", b"",
        b"PRI * HTTP/2.0", b"\x00",
    ],
)  # fmt: skip
def test_row_160_a_malformed_first_line_is_refused(site: Site, line: bytes) -> None:
    assert statuses(site, line + b"\r\nHost: localhost\r\n\r\n" + SMUGGLED) in ([400], [505])


def test_row_160_content_that_a_part_does_not_read_is_no_request(site: Site) -> None:
    length = str(len(SMUGGLED)).encode()
    sent = b"POST /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n" + SMUGGLED
    assert [each.content for each in answers(site, sent)] == [b"not read"]
    assert not site.server.state(Asked).paths


# -- row 161: what never ends


def test_row_161_a_head_has_so_many_bytes_and_fields(site: Site) -> None:
    many = b"".join(b"X: 1\r\n" for _ in range(HEAD_FIELDS))
    assert statuses(site, b"GET /files/a HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n") == [431]
    assert statuses(site, b"GET /files/a HTTP/1.1\r\nHost: localhost\r\n" + many[6:] + b"\r\n") == [200]
    for endless in (b"GET /" + b"a" * 2 * HEAD_BYTES, b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * HEAD_BYTES):
        assert statuses(site, endless) == [431]


@pytest.mark.parametrize("begun", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
@KINDS
def test_row_161_a_head_that_does_not_end_has_its_time(impatient: Site, begun: bytes, kind: str) -> None:
    with browser(impatient, kind) as connection:
        connection.sock.sendall(begun)
        assert [each.status for each in responses(received(connection.sock))] == [408]


@KINDS
def test_row_161_who_asks_nothing_is_hung_up_on(impatient: Site, kind: str) -> None:
    with browser(impatient, kind) as connection:
        assert received(connection.sock) == b""
    with browser(impatient, kind) as connection:
        assert connection.ask("GET", "/files/a").status == 200
        assert received(connection.sock) == b""


def test_row_161_content_has_a_limit_whether_its_length_is_said_or_not(site: Site) -> None:
    assert statuses(site, HEAD + b"Content-Length: 1001\r\n\r\n" + b"a" * 1001 + SMUGGLED)[0] == 413
    chunk = b"3e9\r\n" + b"a" * 1001 + b"\r\n"
    assert statuses(site, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")[0] == 413
    assert statuses(site, HEAD + b"Content-Length: 99999999999999999999\r\n\r\n")[0] == 413
    assert statuses(site, HEAD + b"\r\n" + SMUGGLED) == [200, 200]  # no length, no content


def test_row_161_content_without_an_end_is_not_read_for_ever(site: Site) -> None:
    with browser(site) as connection:
        connection.sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while True:  # until the server hangs up
                connection.sock.sendall(b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n")


def test_row_161_content_that_nobody_reads_has_its_time_however_slowly_it_comes(impatient: Site) -> None:
    with browser(impatient) as connection:
        connection.sock.sendall(b"POST /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n")
        assert connection.response().text == "not read"
        with suppress(ConnectionError), gevent.Timeout(20):
            while True:  # until the server hangs up
                connection.sock.sendall(b"a")
                gevent.sleep(0.05)


CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 900 + b"0\r\n\r\n"
MANY = {
    "requests": b"GET /files/a HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50,
    "chunks that are read": HEAD + CHUNKS,
    "chunks that are not": b"POST /unread HTTP/1.1\r\nHost: localhost\r\n" + CHUNKS,
}


@pytest.mark.parametrize("sent", MANY.values(), ids=MANY)
def test_row_161_others_have_their_turns_while_much_that_came_at_once_is_read(site: Site, sent: bytes) -> None:
    queue, turns = site.server.state(Admission), site.server.state(Turns)
    given = list[None]()
    wait = queue.wait

    def counted(*, has_begun: bool) -> None:
        given.append(None)
        wait(has_begun=has_begun)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "wait", counted)
        patch.setattr("xmpp.stream.turns.TURN_SECONDS", 0)
        patch.setattr("xmpp.stream.turns.LEAST_SECONDS", 1e-9)  # or it would depend on how fast this machine is
        turns.seconds = 0
        assert {each.status for each in answers(site, sent)} == {200}
    assert len(given) >= 40


def test_row_161_a_connection_of_a_stranger_has_so_many_requests(site: Site) -> None:
    every = answers(site, b"GET /files/a HTTP/1.1\r\nHost: localhost\r\n\r\n" * (REQUESTS + 1))
    assert [each.status for each in every] == [200] * REQUESTS
    assert every[-1].headers["connection"] == "close"


# -- row 162: hosts and paths


def test_row_162_a_request_names_its_host(site: Site) -> None:
    assert statuses(site, b"GET /files/a HTTP/1.0\r\n\r\n") == [400]
    assert statuses(site, b"GET /files/a HTTP/1.1\r\n\r\n") == [400]
    assert statuses(site, b"GET /files/a HTTP/1.0\r\nHost: localhost\r\n\r\n") == [200]


@pytest.mark.parametrize(
    "host", [b"", b"a b", b"localhost, localhost", b"u@localhost", b"localhost/", b"localhost:x", b"[::1", b"\xff"]
)
def test_row_162_a_malformed_host_is_refused(site: Site, host: bytes) -> None:
    assert statuses(site, b"GET /files/a HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") in ([400], [421])


@KINDS
def test_row_162_an_unknown_host_gets_nothing_from_us(site: Site, kind: str) -> None:
    """Or pages of another site, whose name leads here, would read what is ours (DNS rebinding)."""
    for target in ("/files/a", "/nothing"):
        with browser(site, kind, host="rebound.example") as connection:
            got = connection.ask("GET", target)
            assert (got.status, got.content.isascii()) == (421, True)
    with browser(site, kind) as connection:  # the target counts where it names a host (RFC 9112 section 3.2.2)
        assert connection.ask("GET", "http://rebound.example/files/a").status == 421
        assert connection.ask("GET", "http://localhost/files/a", headers={"Host": "rebound.example"}).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/..", "/../a", "/files/../../a", "/files/%2e%2e/%2e%2e/a", "/files/a%2fb", "/files/a%2Fb", "/files/a%5cb",
        "/files/a\\b", "/files/%00", "/files/a%0d%0aX:1", "/files/%7f", "/files/%ff", "/files/%c0%af", "/files/%",
        "/files/%zz", "/files/a#b", "files/a", "*", "localhost:80", "ftp://localhost/files/a", "//localhost/files/a",
        "/files//a", "/files/a?%ff",
    ],
)  # fmt: skip
def test_row_162_a_path_that_could_mean_another_is_refused(site: Site, target: str) -> None:
    assert get(site, target).status in (400, 404)


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("/files/b/../a", "a"), ("/files/./a", "a"), ("/files/a/", "a"), ("/%66iles/a", "a"), ("/files/a/.", "a"),
        ("/files/%2e%2e/files/a", "a"), ("/files/%C3%A9%20b", "é b"), ("/files/a?b=/../c", "a"), ("/files/...", "..."),
    ],
)  # fmt: skip
def test_row_162_what_is_checked_of_a_path_is_what_is_served(site: Site, target: str, meant: str) -> None:
    assert get(site, target).text == meant


# -- what every answer has


@pytest.mark.parametrize("target", ["/echo", "/unread", "/files/a", "/nothing"])
def test_row_162_methods_are_answered_as_they_should_be(site: Site, target: str) -> None:
    with browser(site) as connection:
        assert connection.ask("BREW", target).status == 501
        allowed = connection.ask("OPTIONS", target)
        assert allowed.status == (404 if target == "/nothing" else 204)
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE"):
            got = connection.ask(method, target)
            if got.status == 405:
                assert got.headers["allow"] == allowed.headers["allow"]
                assert method not in got.headers["allow"].split(", ")
            assert not (method == "HEAD" and got.content)
            assert "Host: " not in got.text  # TRACE sends nothing back


@KINDS
@pytest.mark.parametrize(
    "sent",
    [
        b"GET /files/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"PUT /files/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2 * HEAD_BYTES,
        HEAD + b"Content-Length: 1001\r\nConnection: close\r\n\r\n" + b"a" * 1001,
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_row_163_every_answer_says_how_it_may_be_used(site: Site, kind: str, sent: bytes) -> None:
    [got] = answers(site, sent, kind)
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("default-src 'none'")
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["date"].endswith(" GMT")
    assert "server" not in got.headers
    assert int(got.headers["content-length"]) == len(got.content)


def test_row_163_other_sites_see_errors_of_what_is_for_them_alone(site: Site) -> None:
    assert get(site, "/unread").headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in get(site, "/unread").headers
    for target in ("/files/a", "/nothing", "/echo"):
        assert "access-control-allow-origin" not in get(site, target, Origin="https://a.example").headers


def test_row_161_a_client_that_waits_to_be_told_is_told_to_go_on_or_why_not(site: Site) -> None:
    expecting = HEAD + b"Expect: 100-continue\r\n"
    with browser(site) as connection:
        connection.sock.sendall(expecting + b"Content-Length: 3\r\n\r\n")
        assert connection.sock.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sock.sendall(b"abc")
        assert connection.response("POST").content == b"abc"
    assert statuses(site, expecting + b"Content-Length: 1001\r\n\r\n") == [413]


# -- row 7: connections that break off


def requests() -> Iterator[bytes]:
    """A request with content, cut off after each of its bytes."""
    whole = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    yield from (whole[:end] for end in range(len(whole) + 1))


def cut(site: Site, sent: bytes, *, reset: bool) -> None:
    sock = socket.create_connection((LOOPBACK, site.listener.ports["HTTP"]))
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.sendall(sent)
    sock.close()


def until_none_is_left(site: Site) -> None:
    side = site.listener.http_side
    while side is not None and side.connections:
        gevent.sleep(0)


def test_row_07_connections_that_break_off_leave_nothing(site: Site) -> None:
    for reset in (True, False):
        for sent in requests():
            cut(site, sent, reset=reset)
    until_none_is_left(site)
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is HTTPConnection]


def test_row_07_who_sends_no_more_is_answered_all_the_same(site: Site) -> None:
    whole = list(requests())
    assert [each.content for each in answers(site, whole[-1])] == [b"abc"]
    for sent in (b"", *whole[1:-1:7]):  # half-closed in the middle of something: no answer, or a refusal
        assert {each.status for each in answers(site, sent)} <= {400}


def test_row_07_who_goes_in_the_middle_of_an_answer_leaves_nothing(site: Site) -> None:
    for _ in range(20):
        with browser(site) as connection:
            connection.sock.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.sock.recv(100)
    until_none_is_left(site)


# -- row 101: places


def test_row_101_connections_that_wait_for_a_next_request_keep_nobody_out(tmp_path: Path) -> None:
    """Browsers keep them for a while; a few people behind one address would take its places from all others there."""
    with web_server(tmp_path, [part], {"strangers_per_address": 3, "trusted_proxies": ()}) as site, ExitStack() as held:
        idle = [held.enter_context(browser(site)) for _ in range(3)]
        for each in idle:
            assert each.ask("GET", "/files/a").status == 200
        with socket.create_connection((LOOPBACK, site.listener.ports["STARTTLS"]), timeout=30) as xmpp:
            xmpp.sendall(STREAM)
            assert xmpp.recv(4096).startswith(b"<?xml version='1.0'?><stream:stream")
            assert received(idle[0].sock) == b""  # the one that has waited longest made room
            assert idle[1].ask("GET", "/files/a").status == 200


def test_row_101_connections_that_are_asking_make_no_room(tmp_path: Path) -> None:
    with web_server(tmp_path, [part], {"strangers_per_address": 2, "trusted_proxies": ()}) as site, ExitStack() as held:
        asking = [held.enter_context(browser(site)) for _ in range(2)]
        for each in asking:
            assert each.ask("GET", "/files/a").status == 200
            each.sock.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            assert each.sock.recv(4096).startswith(b"HTTP/1.1 100 ")
        with socket.create_connection((LOOPBACK, site.listener.ports["STARTTLS"]), timeout=30) as xmpp:
            assert received(xmpp) == b""
        for each in asking:
            each.sock.sendall(b"abc")
            assert each.response("POST").content == b"abc"


# -- row 164: one port, several protocols


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], None)]
)
@pytest.mark.parametrize("kind", ["HTTPS", "TLS"])
def test_row_164_only_what_is_spoken_here_is_chosen(
    site: Site, kind: str, offered: list[str], chosen: str | None
) -> None:
    with browser(site, kind, alpn=offered) as connection:
        assert connection.sock.selected_alpn_protocol() == chosen
        assert connection.ask("GET", "/files/a").text == "a"


@pytest.mark.parametrize("kind", ["HTTPS", "TLS"])
def test_row_164_who_speaks_none_of_it_is_told_so(site: Site, kind: str) -> None:
    """ALPACA: what is meant for another protocol must not be answered in this one."""
    for offered in (["h2"], ["ftp", "smtp"]):
        with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
            Browser(site.listener.ports[kind], offered)


@pytest.mark.parametrize(("alpn", "sent"), [(["xmpp-client"], b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                                            (["http/1.1"], STREAM)])  # fmt: skip
@pytest.mark.parametrize("kind", ["HTTPS", "TLS"])
def test_row_164_what_was_named_is_what_is_spoken(site: Site, kind: str, alpn: list[str], sent: bytes) -> None:
    with browser(site, kind, alpn=alpn) as connection:
        connection.sock.sendall(sent + b"\r\n\r\n")
        first = connection.sock.recv(4096)
        assert first.startswith(b"HTTP/1.1 400 " if alpn == ["http/1.1"] else b"<?xml")


def test_row_164_each_protocol_refuses_the_other_in_its_own_words(site: Site) -> None:
    ports = site.listener.ports
    with socket.create_connection((LOOPBACK, ports["STARTTLS"]), timeout=30) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"<stream:error" in received(sock)
    with socket.create_connection((LOOPBACK, ports["HTTP"]), timeout=30) as sock:
        sock.sendall(STREAM + b"\r\n\r\n")
        assert responses(received(sock))[0].status == 400
    for kind in ("TLS", "HTTPS"):
        with socket.create_connection((LOOPBACK, ports[kind]), timeout=30) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP/1.1 2" not in received(sock)


def test_row_55_the_log_does_not_tell_addresses_that_are_secrets(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert get(site, "/files/secret/cat.jpg").status == 200
    assert get(site, "/broken/secret/cat.jpg").status == 503
    assert "/files/" in caplog.text and "/broken/" in caplog.text
    assert "secret" not in caplog.text and "cat.jpg" not in caplog.text


def test_row_55_errors_of_the_disk_do_not_tell_the_names_of_files(tmp_path: Path) -> None:
    key = "ab" * 16
    with closing(DiskStore(tmp_path)) as store:
        with pytest.raises(FileStoreError) as missing:
            store.read(key, 0, 1)
        (tmp_path / "ab").write_bytes(b"no folder")
        with pytest.raises(FileStoreError) as broken:
            store.keep(key, [b"a"])
    assert key not in f"{missing.value} {broken.value}"


@pytest.mark.parametrize("content", [b"Content-Length: 1\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nz\r\n"])
def test_row_160_a_request_for_another_protocol_has_no_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    asked = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    with web_server(tmp_path) as site:
        assert statuses(site, asked + content) == [400]
    assert "Traceback" not in caplog.text
