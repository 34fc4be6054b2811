"""The HTTP side: how a request finds its part, and what every answer has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import socket

from tests.harness.browsing import Browser, browser, get, web_server
from web.http.messages import Answer, HTTPError, Request, Response, Upgrade, text
from web.part import Part
from web.site import Site

part = Part("greetings", optional=False)
secret = Part("secret", optional=False, guarded=["/secret"], guard=lambda site, request: _refuse())


def _refuse() -> None:
    raise HTTPError(403)


@secret.get("/secret/deep")
def deep(site: Site, request: Request) -> Answer:
    return text("secret")


@part.get("/hello/{name}", cross_origin=True)
def hello(site: Site, request: Request, name: str) -> Answer:
    return text(f"hello {name}, {request.query.get('how', 'you')}")


@part.post("/echo")
def echo(site: Site, request: Request) -> Answer:
    return Response(content=request.read(1000))


@part.get("/pieces/{rest...}")
def pieces(site: Site, request: Request, rest: tuple[str, ...]) -> Answer:
    return Response(content=(f"{each}\n".encode() for each in rest))


@part.get("/broken")
def broken(site: Site, request: Request) -> Answer:
    raise LookupError("a mistake")


@part.get("/shouting")
def shouting(site: Site, request: Request) -> Answer:
    def serve(early: bytes) -> None:
        data = early or request.transport.read()
        request.transport.try_send(data.upper())

    return Upgrade({"Connection": "Upgrade", "Upgrade": "shouting"}, serve)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with web_server(tmp_path, [part, secret]) as site:
        yield site


def test_a_request_is_answered_by_the_route_of_its_path(site: Site) -> None:
    got = get(site, "/hello/juliet?how=dear%20one")
    assert (got.status, got.text) == (200, "hello juliet, dear one")
    assert get(site, "/pieces/one/two").text == "one\ntwo\n"
    assert get(site, "/nothing").status == 404


@pytest.mark.parametrize("kind", ["HTTP", "HTTPS", "TLS", "everything"])
def test_every_port_but_that_of_starttls_speaks_http(site: Site, kind: str) -> None:
    with browser(site, kind) as connection:
        assert connection.ask("GET", "/hello/romeo").text == "hello romeo, you"
        assert connection.ask("POST", "/echo", b"once more").text == "once more"


@pytest.mark.parametrize("kind", ["TLS", "HTTPS", "everything"])
@pytest.mark.parametrize("alpn", [[], ["xmpp-client"]])
def test_ports_with_tls_speak_xmpp_as_well(site: Site, kind: str, alpn: list[str]) -> None:
    connection = Browser(site.listener.ports[kind], alpn)
    connection.sock.sendall(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
                            b" to='localhost' version='1.0'>")  # fmt: skip
    assert connection.sock.recv(4096).startswith(b"<?xml version='1.0'?><stream:stream")
    connection.close()


@pytest.mark.parametrize("kind", ["TLS", "HTTPS", "everything"])
def test_without_a_named_protocol_the_first_byte_over_tls_decides(site: Site, kind: str) -> None:
    with browser(site, kind, alpn=[]) as connection:
        assert connection.ask("GET", "/hello/romeo").status == 200


def test_the_single_port_speaks_xmpp_without_tls_too(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.listener.ports["everything"]), timeout=30) as sock:
        sock.sendall(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
                     b" to='localhost' version='1.0'>")  # fmt: skip
        assert sock.recv(4096).startswith(b"<?xml version='1.0'?><stream:stream")


def test_what_stands_beneath_a_guarded_path_is_guarded_whatever_it_is(site: Site) -> None:
    for target in ("/secret", "/secret/deep", "/secret/nothing", "/hello/../secret/deep", "/%73ecret/deep", "/secret/"):
        assert get(site, target).status == 403
    assert get(site, "/secretly").status == 404


def test_other_names_are_not_answered_for(site: Site) -> None:
    with browser(site, host="attacker.example") as connection:
        assert connection.ask("GET", "/hello/romeo").status == 421
    with browser(site, host="127.0.0.1") as connection:
        assert connection.ask("GET", "/hello/romeo").status == 200


def test_a_mistake_in_a_part_ends_as_an_error_of_ours(site: Site) -> None:
    with browser(site) as connection:
        assert connection.ask("GET", "/broken").status == 500
        assert connection.ask("GET", "/hello/romeo").status == 200


def test_a_connection_can_leave_http(site: Site) -> None:
    with browser(site) as connection:
        request = b"GET /shouting HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: shouting\r\n\r\n"
        connection.sock.sendall(request + b"so early")
        received = b""
        while b"SO EARLY" not in received:
            data = connection.sock.recv(4096)
            assert data, received
            received += data
        assert received.startswith(b"HTTP/1.1 101 ")


def test_all_answers_say_how_they_may_be_used(site: Site) -> None:
    for target in ("/hello/romeo", "/nothing", "/secret", "/broken"):
        headers = get(site, target).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_pages_of_other_sites_may_use_what_says_so(site: Site) -> None:
    assert get(site, "/hello/romeo").headers["access-control-allow-origin"] == "*"
    with browser(site) as connection:
        refused = connection.ask("POST", "/hello/romeo", b"x")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert refused.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
        assert connection.ask("OPTIONS", "/hello/romeo").status == 204
    assert "access-control-allow-origin" not in get(site, "/broken").headers


def test_who_can_be_overheard_is_sent_to_where_there_is_tls(tmp_path: Path) -> None:
    insecure = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http"}
    web = {"address": "https://chat.example.org"}
    with web_server(tmp_path, [part, secret], web=web) as site, browser(site) as one:
        sent = one.ask("GET", "/hello/%C3%A9?how=secret", headers=insecure)
        assert (sent.status, sent.headers["location"]) == (308, "https://chat.example.org/hello/%C3%A9")
        assert one.ask("POST", "/echo", b"password", insecure).status == 403


def test_who_can_be_overheard_is_refused_where_there_is_no_tls(site: Site) -> None:
    with browser(site) as one:
        assert one.ask("GET", "/hello/you", headers={"X-Forwarded-Proto": "http"}).status == 403


def test_before_http_1_1_there_are_no_upgrades(tmp_path: Path) -> None:
    asked = "GET /ws HTTP/{}\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with web_server(tmp_path) as site:
        with browser(site) as one:
            assert "sec-websocket-version" in one.exchange(asked.format("1.1").encode()).headers
        with browser(site) as one:
            assert "sec-websocket-version" not in one.exchange(asked.format("1.0").encode()).headers


def test_who_sends_much_that_is_refused_is_told_why(site: Site) -> None:
    """A browser reads nothing until it has sent all, and would show that the connection broke."""
    with browser(site) as one:
        assert one.ask("POST", "/nothing", b"x" * 4_000_000).status == 404
