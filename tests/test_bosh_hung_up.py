"""A client over BOSH whose connection is lost while its request is held is noticed at once, and loses nothing."""

import socket
import struct
from collections.abc import Iterator
from typing import cast

import gevent
import pytest

from tests.harness.bosh import PATH, BoshClient, written
from tests.harness.browsing import Browser, browser
from tests.harness.streams import Stream
from tests.harness.websockets import standing_alone
from web.bosh.connection_manager import ConnectionManager
from web.bosh.endpoint import Sessions
from web.http.reading import AHEAD_BYTES
from web.serving import Serving
from web.site import Site
from xmpp.data.jid import JID

KINDS = ["HTTP", "HTTPS", "everything"]
PING = standing_alone("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
GET = b"GET /.well-known/host-meta HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def juliet(site: Site) -> Iterator[BoshClient]:
    with BoshClient(site) as client:
        client.logs_in()
        client.binds("balcony")
        yield client


def manager_at(site: Site) -> ConnectionManager:
    [manager] = site.server.state(Sessions).by_sid.values()
    return manager


def until(site: Site, *, held: int) -> None:
    """Wait until so many requests are held."""
    with gevent.Timeout(30):
        while len(manager_at(site).window) != held:
            gevent.sleep(0.001)


def asks(juliet: BoshClient, connection: Browser, behind: bytes = b"", content: str = "") -> bytes:
    """Send a request, and bytes behind it, and return the body that was sent."""
    request = written(content, {"rid": str(juliet.rid), "sid": juliet.sid})
    juliet.rid += 1
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(request)}\r\n\r\n".encode()
    connection.sock.sendall(head + request + behind)
    return request


def tells_her(site: Site, text: str) -> None:
    with Stream(site.server) as other:
        other.logs_in()
        other.binds("here")
        other.send(f"<message type='chat' to='juliet@localhost/balcony'><body>{text}</body></message>")
        other.asks("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")


@pytest.mark.parametrize("kind", KINDS)
def test_silence_begins_when_the_connection_of_the_held_request_is_lost(
    site: Site, juliet: BoshClient, kind: str
) -> None:
    with browser(site, kind) as connection:
        asks(juliet, connection)
        until(site, held=1)
        manager_at(site).inactivity.seconds = 1
    with gevent.Timeout(20):  # and not after the 30 seconds for which it would have been held
        while site.server.state(Sessions).by_sid:
            gevent.sleep(0.01)
    assert site.server.online.session(JID.parse("juliet@localhost/balcony")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_came_in_between_goes_with_the_next_request(site: Site, juliet: BoshClient, kind: str) -> None:
    with browser(site, kind) as connection:
        asks(juliet, connection)
        until(site, held=1)
    until(site, held=0)
    tells_her(site, "later")
    assert [each.findtext("{jabber:client}body") for each in juliet.post().body] == ["later"]


def test_a_request_that_comes_again_is_answered_first(site: Site, juliet: BoshClient) -> None:
    with browser(site) as connection:
        request = asks(juliet, connection)
        until(site, held=1)
    until(site, held=0)
    tells_her(site, "later")
    assert juliet.answer(juliet.asks_bytes(request)).is_empty
    assert [each.findtext("{jabber:client}body") for each in juliet.post().body] == ["later"]


def test_a_connection_that_is_reset_is_lost_too(site: Site, juliet: BoshClient) -> None:
    with browser(site) as connection:
        asks(juliet, connection)
        until(site, held=1)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(site, held=0)
    assert juliet.post(PING).names == ["iq"]


@pytest.mark.parametrize("kind", KINDS)
def test_requests_behind_the_held_one_are_answered_after_it(site: Site, juliet: BoshClient, kind: str) -> None:
    with browser(site, kind) as connection:
        asks(juliet, connection, behind=GET + GET)
        until(site, held=1)
        connection.sock.sendall(GET)
        tells_her(site, "now")
        assert "now" in connection.response("POST").text
        assert [connection.response().status for _ in range(3)] == [200, 200, 200]
        asks(juliet, connection, content=PING)
        assert 'id="ping"' in connection.response("POST").text
        asks(juliet, connection)
        until(site, held=1)
    until(site, held=0)


def test_the_end_shows_behind_other_requests(site: Site, juliet: BoshClient) -> None:
    with browser(site) as connection:
        asks(juliet, connection, behind=GET * 20)
        until(site, held=1)
    until(site, held=0)


def test_of_requests_behind_the_held_one_so_many_bytes_are_read_and_no_more(site: Site, juliet: BoshClient) -> None:
    with browser(site) as connection:
        asks(juliet, connection)
        until(site, held=1)
        serving = cast(Serving, site.listener.http_side)
        [watching] = [each for each in serving._connections if not each.is_idle]
        connection.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                connection.sock.sendall(GET * 1000)
        assert len(watching._reader._ahead) < 2 * AHEAD_BYTES


def test_page_after_page_leaves_no_ghosts(site: Site, juliet: BoshClient) -> None:
    """Each page begins a session of its own, and is closed while a request of it is held."""
    for _ in range(12):
        with BoshClient(site) as page, browser(site) as connection:
            page.logs_in()
            page.binds()
            asks(page, connection)
            manager = site.server.state(Sessions).by_sid[page.sid or ""]
            with gevent.Timeout(30):
                while not manager.has_requests:
                    gevent.sleep(0.001)
        with gevent.Timeout(30):
            while manager.has_requests:
                gevent.sleep(0.001)
        manager._is_inactive()
    with gevent.Timeout(30):
        while len(site.server.state(Sessions).by_sid) > 1:
            gevent.sleep(0.001)
