"""Clients behind a proxy: they are known by their own address, wherever that is said, and by nobody else."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from gevent import socket

from handlers.login.throttle import LoginThrottle
from tests.harness.browsing import Browser, browser, web_server
from tests.harness.proxies import mirror
from tests.harness.streams import Stream
from web.http.messages import Answer, HTTPError, Request, Upgrade
from web.part import Part
from web.site import Site
from xmpp.data.networks import network

CLIENT, ANOTHER = "203.0.113.9", "198.51.100.7"
SECURE = {"X-Forwarded-Proto": "https"}

part = Part("silence", optional=False)


@part.get("/switch")
def switch(site: Site, request: Request) -> Answer:
    """Leave HTTP, with a place for the client, until it hangs up."""
    place = site.listener.place(network(request.client))
    if place is None:
        raise HTTPError(503)

    def serve(early: bytes) -> None:
        while request.transport.read():
            pass
        place.leave()

    return Upgrade({"Connection": "Upgrade", "Upgrade": "silence"}, serve)


@contextmanager
def behind(folder: Path, **listen: Any) -> Iterator[Site]:
    with web_server(folder, [mirror, part], listen) as site:
        yield site


def line(client: str = CLIENT) -> str:
    return f"PROXY TCP{6 if ':' in client else 4} {client} {client} 4711 5222\r\n"


def seen(site: Site, kind: str, header: str = "", **fields: str) -> str:
    """What the server knows of a client on the port of this kind, whose connection begins with this header."""
    with socket.create_connection(("127.0.0.1", site.listener.ports[kind]), timeout=30) as sock:
        sock.sendall(header.encode())
        connection = Browser.over(sock, None if kind == "HTTP" else [])
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        return connection.ask("GET", "/who", headers=headers).text


# -- the PROXY protocol


@pytest.mark.parametrize(("key", "kind"), [("https_port", "HTTPS"), ("tls_port", "TLS"), ("single_port", "everything")])
@pytest.mark.parametrize("client", [CLIENT, "2001:db8::17"])
def test_a_request_is_from_whom_the_header_names(tmp_path: Path, key: str, kind: str, client: str) -> None:
    with behind(tmp_path, proxied=(key,)) as site:
        assert seen(site, kind, line(client)) == f"{client} True False"


def test_only_the_ports_that_are_named_expect_the_header(tmp_path: Path) -> None:
    with behind(tmp_path, proxied=("https_port",)) as site:
        assert seen(site, "HTTP") == "127.0.0.1 True False"
        with pytest.raises(OSError):
            seen(site, "HTTPS")


def test_a_login_by_xmpp_is_from_whom_the_header_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with behind(tmp_path, proxied=("port",)) as site, Stream(site.server) as stream:
        stream.send(line())
        stream.open()
        assert stream.tries_password("juliet", "wrong") == "not-authorized"
        assert stream.tries_password("juliet", "secret") == "success"
    assert f"failed login from {CLIENT} as juliet@localhost: wrong password" in caplog.messages
    assert f"login of juliet@localhost from {CLIENT} by PLAIN" in caplog.messages


def test_row_150_a_wrong_password_slows_down_its_own_network_and_not_all_behind_the_proxy(tmp_path: Path) -> None:
    with behind(tmp_path, proxied=("port",)) as site, Stream(site.server) as stream:
        stream.send(line())
        stream.open()
        assert stream.tries_password("juliet", "wrong") == "not-authorized"
        throttle, now = site.server.state(LoginThrottle), monotonic()
        delays = [throttle.delay(peer, "nobody@localhost", now) for peer in (CLIENT, ANOTHER, "127.0.0.1")]
        assert delays[0] > 0.0
        assert delays[1:] == [0.0, 0.0]


def test_row_150_a_stranger_cannot_claim_an_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with behind(tmp_path, proxied=("port", "http_port"), trusted_proxies=("192.0.2.1",)) as site:
        for kind in ("STARTTLS", "HTTP", "STARTTLS"):
            with socket.create_connection(("127.0.0.1", site.listener.ports[kind]), timeout=30) as sock:
                assert read_to_end(sock) == b""
    assert caplog.messages == [
        "a connection from 127.0.0.1 was refused: this port is for proxies ([listen] proxied), and none is trusted "
        "there (trusted_proxies)"
    ]


def test_what_comes_without_a_header_is_refused_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with behind(tmp_path, proxied=("port",)) as site:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", site.listener.ports["STARTTLS"]), timeout=30) as sock:
                sock.sendall(b"<?xml version='1.0'?><stream:stream ")
                assert read_to_end(sock) == b""
    assert caplog.messages == [
        "a connection from 127.0.0.1 was refused: it does not begin with a header of the PROXY protocol "
        "([listen] proxied)"
    ]


def test_a_proxy_that_looks_whether_somebody_listens_is_not_worth_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with behind(tmp_path, proxied=("port", "http_port")) as site:
        with socket.create_connection(("127.0.0.1", site.listener.ports["STARTTLS"]), timeout=30) as sock:
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
        local = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
        assert seen(site, "HTTP", local) == "127.0.0.1 True False"
    assert caplog.messages == []


def test_whom_a_proxy_has_decrypted_for_is_secure_and_can_bind_to_no_channel(tmp_path: Path) -> None:
    client, tls = "100.64.0.9", "\x20\0\x05\x01\0\0\0\0"
    header = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14" + 2 * socket.inet_aton(client).decode() + 4 * "\0" + tls
    with behind(tmp_path, proxied=("port", "http_port")) as site:
        with Stream(site.server) as stream:
            stream.send(header)
            offered = {str(each.tag) for each in stream.open()}
        assert "{urn:ietf:params:xml:ns:xmpp-tls}starttls" not in offered
        assert "{urn:xmpp:sasl-cb:0}sasl-channel-binding" not in offered
        assert seen(site, "HTTP", header) == f"{client} True False"


# -- headers


def test_a_request_is_from_whom_a_trusted_proxy_names(tmp_path: Path) -> None:
    with behind(tmp_path) as site:
        assert seen(site, "HTTP", X_Forwarded_For=CLIENT, **SECURE) == f"{CLIENT} True True"
        assert seen(site, "HTTP", Forwarded=f"for={CLIENT};proto=https") == f"{CLIENT} True True"
        assert seen(site, "HTTP") == "127.0.0.1 True False"


def test_who_comes_to_the_proxy_without_tls_can_be_overheard_even_if_the_proxy_uses_it(tmp_path: Path) -> None:
    with behind(tmp_path) as site:
        for kind in ("HTTP", "HTTPS"):
            told = seen(site, kind, X_Forwarded_For=CLIENT, X_Forwarded_Proto="http")
            assert told == "This is only to be had over TLS (https).\n"


def test_where_it_does_not_say_whether_the_client_uses_tls_nothing_is_answered_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with behind(tmp_path) as site:
        for _ in range(2):
            told = seen(site, "HTTP", X_Forwarded_For=CLIENT)
            assert told == "The proxy has to tell by X-Forwarded-Proto whether this has come over TLS.\n"
    assert [each for each in caplog.messages if "X-Forwarded-Proto" in each] == [
        "the proxy at 127.0.0.1 passes on requests without X-Forwarded-Proto, so none is answered (docs/proxies.md)"
    ]


def test_row_150_nobody_else_is_believed_and_a_proxy_that_was_forgotten_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with behind(tmp_path, trusted_proxies=("192.0.2.1",)) as site:
        for _ in range(2):
            assert seen(site, "HTTP", X_Forwarded_For=CLIENT, **SECURE) == "127.0.0.1 True True"
    [said] = caplog.messages
    assert said.startswith("127.0.0.1 passes on requests for others, but is not in trusted_proxies of [listen]")


def test_row_150_headers_that_do_not_agree_are_refused(tmp_path: Path) -> None:
    with behind(tmp_path) as site, browser(site) as connection:
        fields = {"X-Forwarded-For": CLIENT, "Forwarded": f"for={ANOTHER}"}
        assert connection.ask("GET", "/who", headers=fields).status == 400


# -- places


def test_many_behind_one_proxy_do_not_take_each_others_places(tmp_path: Path) -> None:
    with behind(tmp_path, strangers_per_address=2) as site, ExitStack() as opened:
        for _ in range(5):
            assert opened.enter_context(browser(site)).ask("GET", "/who", headers=SECURE).status == 200
        for client in (CLIENT, CLIENT, ANOTHER, ANOTHER):
            assert switches(opened.enter_context(browser(site)), client)
        assert not switches(opened.enter_context(browser(site)), CLIENT)


def test_who_has_left_http_has_one_place_and_not_two(tmp_path: Path) -> None:
    with behind(tmp_path, connections=2) as site, browser(site) as first:
        assert switches(first, CLIENT)
        with browser(site) as second:
            assert second.ask("GET", "/who").status == 200


def switches(connection: Browser, client: str) -> bool:
    """Whether a client finds a place for what comes after HTTP."""
    forwarded = f"X-Forwarded-For: {client}\r\nX-Forwarded-Proto: https\r\n"
    request = f"GET /switch HTTP/1.1\r\nHost: localhost\r\n{forwarded}Connection: Upgrade\r\nUpgrade: silence\r\n\r\n"
    connection.sock.sendall(request.encode())
    answer = connection.sock.recv(4096)
    return bool(answer.startswith(b"HTTP/1.1 101 "))


def read_to_end(sock: Any) -> bytes:
    """What comes until the other side hangs up, in whatever way it does."""
    received = b""
    try:
        while data := sock.recv(4096):
            received += data
    except ConnectionResetError:
        pass
    return received
