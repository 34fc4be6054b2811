"""docs/security.md rows about strangers that ask over HTTP, in crowds: they leave the loop to those who are known."""

import gc
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from handlers.login.sasl.passwords import HashingThreads
from tests.harness.administrators import Administrator, administered
from tests.harness.browsing import LOOPBACK, Browser, browser, get, web_server
from tests.harness.streams import Stream
from web import static
from web.client.page import PATH, Client
from web.http.connection import HEAD_FIELDS, PIECE_BYTES
from web.http.messages import Answer, Request, Response, text
from web.http.targets import PATH_SEGMENTS
from web.pages import rendering
from web.part import Part
from web.parts import PARTS
from web.site import Site
from xmpp.stream import admission
from xmpp.stream.turns import Turns

MANY, FEW = 60, 12
LARGE = bytes(64 * PIECE_BYTES)
PAGE = b"GET /files/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
PING = "<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
part = Part("probe", optional=False)


class Answered:
    """How many requests for files were answered."""

    def __init__(self) -> None:
        self.count = 0


@part.get("/files/{path...}")
def files(site: Site, request: Request, path: tuple[str, ...]) -> Answer:
    site.server.state(Answered).count += 1
    return text("/".join(path))


@part.post("/unread")
def unread(site: Site, request: Request) -> Answer:
    site.server.state(Answered).count += 1
    return text("not read")


@part.get("/known")
def known(site: Site, request: Request) -> Answer:
    request.trust()
    return text(str(site.server.state(Answered).count))


@part.get("/large")
def large(site: Site, request: Request) -> Answer:
    return Response(content=LARGE)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """One in which no stranger has time left: each round of the loop is for one of them."""
    monkeypatch.setattr(admission, "ROUND_SECONDS", 0.0)
    with web_server(tmp_path, [part], sasl={"iterations": 4096}) as site:
        yield site


def ask(client: Browser, sent: bytes, number: int) -> None:
    """Send all at once, and read so many answers."""
    client.sock.sendall(sent)
    for _ in range(number):
        client.response()


def counted_waits(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Gets an item, whether it had begun, each time that a stranger queues up; turns have no end."""
    site.server.state(Turns).seconds = 1e9
    queue, waits = site.server.state(admission.Admission), list[bool]()
    wait = queue.wait

    def counted(*, has_begun: bool) -> None:
        waits.append(has_begun)
        wait(has_begun=has_begun)

    monkeypatch.setattr(queue, "wait", counted)
    return waits


CROWDS = {
    "one request each": ("HTTP", PAGE, 1),
    "many requests at once": ("HTTP", PAGE * 20, 20),
    "over TLS": ("HTTPS", PAGE * 20, 20),
    "content that nobody reads": (
        "HTTP",
        (b"POST /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n" + b"a" * 9) * 20,
        20,
    ),
}


@pytest.mark.parametrize(("kind", "sent", "number"), CROWDS.values(), ids=CROWDS)
def test_row_234_many_who_ask_at_once_keep_nobody_waiting_who_is_in(
    site: Site, kind: str, sent: bytes, number: int
) -> None:
    answered = site.server.state(Answered)
    with ExitStack() as open:
        inside = open.enter_context(Stream(site.server))
        inside.logs_in()
        inside.binds("balcony")
        crowd = [open.enter_context(browser(site, kind)) for _ in range(MANY)]
        asking = [gevent.spawn(ask, each, sent, number) for each in crowd]
        while answered.count < FEW:
            gevent.sleep(0)
        before = answered.count
        inside.send(PING)
        assert inside.receives().get("id") == "p"
        assert answered.count - before < FEW
        gevent.joinall(asking, raise_error=True)
    assert answered.count == MANY * number


def test_row_234_who_asks_for_much_at_once_goes_behind_those_who_ask_for_little(site: Site) -> None:
    """Each request is a turn of its own, whoever sends them."""
    answered = site.server.state(Answered)
    with browser(site) as greedy, browser(site) as modest:
        asking = gevent.spawn(ask, greedy, PAGE * MANY, MANY)
        while answered.count < 1:
            gevent.sleep(0)
        ask(modest, PAGE, 1)
        assert answered.count < FEW
        gevent.joinall([asking], raise_error=True)


def test_row_235_who_is_known_need_not_wait_behind_a_crowd(site: Site) -> None:
    answered = site.server.state(Answered)
    with ExitStack() as open:
        somebody = open.enter_context(browser(site))
        assert somebody.ask("GET", "/known").status == 200
        crowd = [open.enter_context(browser(site)) for _ in range(MANY)]
        asking = [gevent.spawn(ask, each, PAGE * 20, 20) for each in crowd]
        while answered.count < FEW:
            gevent.sleep(0)
        before = answered.count
        assert int(somebody.ask("GET", "/known").text) - before < FEW
        gevent.killall(asking)


def test_row_235_who_asks_for_what_anybody_may_has_that_in_a_strangers_turn(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = counted_waits(site, monkeypatch)
    with browser(site) as somebody:
        somebody.ask("GET", "/known")
        assert len(waits) == 1
        somebody.ask("GET", "/known")
        somebody.ask("GET", "/files/a")
        assert len(waits) == 1
        somebody.ask("GET", "/files/a")
        assert len(waits) == 2


def test_row_235_an_administrator_who_is_logged_in_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with administered(tmp_path) as site, browser(site) as connection:
        juliet = Administrator(site)
        juliet.logs_in()
        waits = counted_waits(site, monkeypatch)
        cookies = "; ".join(f"{name}={value}" for name, value in juliet.cookies.items())
        for _ in range(FEW):
            assert connection.ask("GET", "/admin", headers={"Cookie": cookies}).status == 200
        assert len(waits) == 1
        assert connection.ask("GET", "/admin").status == 303
        assert connection.ask("GET", "/admin").status == 303
        assert len(waits) == 2


def test_row_236_what_takes_long_is_done_once_however_many_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = list[Any]()

    def counting(act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            done.append(arguments)
            return act(*arguments)

        return counted

    monkeypatch.setattr(rendering._Folder, "compile", counting(rendering._Folder.compile))
    monkeypatch.setattr(static, "_in_a_thread", counting(static._in_a_thread))
    with web_server(tmp_path, PARTS) as site:
        script = f"{PATH}/{site.server.state(Client).folder}/converse.min.js"
        compressed = {"Accept_Encoding": "gzip"}
        for path, headers, made in (
            ("/", {}, "pages/start.html"), (script, {}, "converse.min.js"), (script, compressed, "converse.min.js"),
        ):  # fmt: skip
            done.clear()
            asking = [gevent.spawn(get, site, path, **headers) for _ in range(FEW)]
            gevent.joinall(asking, raise_error=True)
            assert {each.get().status for each in asking} == {200}
            assert [each[-1] for each in done].count(made) == 1


def test_row_237_hashing_what_somebody_guesses_leaves_the_processor_to_the_loop() -> None:
    threads = HashingThreads()
    niceness = threads.apply(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert niceness > os.getpriority(os.PRIO_PROCESS, 0) or niceness == 19
    threads.kill()


def test_row_238_who_does_not_read_keeps_no_copy_of_the_answer_in_memory(site: Site) -> None:
    with ExitStack() as open:
        tracemalloc.start()
        open.callback(tracemalloc.stop)
        for _ in range(FEW):
            deaf = open.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect((LOOPBACK, site.listener.ports["HTTP"]))
            deaf.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert deaf.recv(1)
            with browser(site) as other:  # by then as much as the socket takes is written
                assert other.ask("GET", "/known").status == 200
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < len(LARGE)


def test_row_239_a_head_of_too_many_fields_is_refused_before_it_is_read(site: Site) -> None:
    with browser(site) as client:
        client.sock.sendall(b"GET /files/a HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * HEAD_FIELDS)
        assert client.response().status == 431  # though it has no end yet
    with browser(site) as client, suppress(ConnectionError):
        client.sock.sendall((b"GET /files/a HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * 90 + b"\r\n") * 3)
        assert [client.response().status for _ in range(3)] == [200] * 3  # of each head its own are counted


def test_row_239_a_path_has_so_many_segments(site: Site) -> None:
    longest = "/files" + "/a" * (PATH_SEGMENTS - 1)
    assert get(site, longest).status == 200
    assert get(site, f"{longest}/a").status == 404
    assert get(site, longest + "/a/.." * PATH_SEGMENTS).status == 404
