"""Streams over WebSocket (RFC 7395): the handshake, messages, and how a stream and its connection end."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from lxml import etree

from tests.harness.browsing import get, web_server
from tests.harness.frames import CLOSE, PING, PONG, TEXT, masked
from tests.harness.streams import Stream, local_name
from tests.harness.websockets import ACCEPTED, FRAMING, HEADERS, Refused, WebSocketClient, parsed
from web.http.messages import Headers, HTTPError, Request
from web.parts import PARTS
from web.site import Site
from web.websocket.handshake import open_websocket
from web.websocket.stream import WebSocketStream
from xmpp.data import names
from xmpp.data.jid import JID
from xmpp.routing.session import Session

FINAL = 0x80
SM = "urn:xmpp:sm:3"
BALCONY = JID.parse("juliet@localhost/balcony")
TO_HERSELF = "<message type='chat' to='juliet@localhost/balcony'><body>{}</body></message>"


@pytest.fixture
def client(site: Site) -> Iterator[WebSocketClient]:
    """A client after the handshake."""
    with WebSocketClient(site) as client:
        yield client


@pytest.fixture
def juliet(client: WebSocketClient) -> WebSocketClient:
    """A client with a session."""
    client.logs_in()
    assert client.binds("balcony") == BALCONY
    return client


def session_at(site: Site, address: JID = BALCONY) -> Session | None:
    return site.server.online.session(address)


def until_gone(site: Site, address: JID = BALCONY) -> None:
    """Wait until the session has ended, however long the server takes."""
    with gevent.Timeout(30):
        while session_at(site, address) is not None:
            gevent.sleep(0.001)


def until_away(site: Site) -> None:
    """Wait until the session has no connection."""
    with gevent.Timeout(30):
        while (session := session_at(site)) is not None and session.connection is not None:
            gevent.sleep(0.001)


def pings(client: Stream) -> None:
    """The server has handled all that was sent before."""
    answer = client.asks("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert (answer.get("id"), answer.get("type")) == ("ping", "result")


# -- the handshake


@pytest.mark.parametrize("path", ["/xmpp-websocket", "/ws"])
@pytest.mark.parametrize("offered", ["xmpp", "chat, xmpp", "xmpp,soap"])
def test_the_handshake_is_answered(site: Site, path: str, offered: str) -> None:
    headers = {
        "Sec-WebSocket-Protocol": offered,
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    }
    with WebSocketClient(site, path, headers) as client:
        status, *lines = client.head.split("\r\n")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert status == "HTTP/1.1 101 Switching Protocols"
        assert fields == {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-accept": ACCEPTED,
            "sec-websocket-protocol": "xmpp",
        }
        assert client.open() is not None


@pytest.mark.parametrize(
    ("headers", "status", "hint"),
    [
        ({"Sec-WebSocket-Protocol": None}, 400, "xmpp"),
        ({"Sec-WebSocket-Protocol": "XMPP"}, 400, "xmpp"),
        ({"Sec-WebSocket-Protocol": "xmpp-framing"}, 400, "xmpp"),
        ({"Sec-WebSocket-Version": "8"}, 426, "Sec-WebSocket-Version: 13"),
        ({"Sec-WebSocket-Version": None}, 426, "Sec-WebSocket-Version: 13"),
        ({"Sec-WebSocket-Key": None}, 400, "Key"),
        ({"Sec-WebSocket-Key": "YWJj"}, 400, "Key"),
        ({"Sec-WebSocket-Key": "?" * 24}, 400, "Key"),
        ({"Upgrade": "h2c"}, 426, "Upgrade: websocket"),
        ({"Upgrade": None, "Connection": None}, 426, "Upgrade: websocket"),
        ({"Connection": "keep-alive"}, 426, "Upgrade: websocket"),
    ],
)
def test_a_handshake_for_something_else_is_refused(
    site: Site, headers: dict[str, str | None], status: int, hint: str
) -> None:
    with pytest.raises(Refused) as refused:
        WebSocketClient(site, headers=headers)
    assert refused.value.status == status
    if status == 426:
        assert hint in refused.value.head


def test_the_head_of_an_answer_can_be_asked_for_without_a_change_of_protocol(site: Site) -> None:
    with pytest.raises(Refused) as refused:
        WebSocketClient(site, method="HEAD")
    assert refused.value.status == 426


def test_somebody_who_looks_at_the_address_is_told_what_it_is_for(site: Site) -> None:
    assert get(site, "/xmpp-websocket").status == 426


def test_a_page_of_any_site_may_connect_unless_a_list_is_set(tmp_path: Path) -> None:
    with web_server(tmp_path) as site, WebSocketClient(site, headers={"Origin": "https://evil.example"}) as client:
        client.open()
    (tmp_path / "listed").mkdir()
    with web_server(tmp_path / "listed", websocket={"origins": ["https://chat.example"]}) as site:
        for origin in ("https://evil.example", "https://chat.example.evil.example", "http://chat.example", "null"):
            with pytest.raises(Refused) as refused:
                WebSocketClient(site, headers={"Origin": origin})
            assert refused.value.status == 403
        for welcome in ("https://chat.example", "HTTPS://chat.example", None):
            with WebSocketClient(site, headers={"Origin": welcome}) as client:
                client.open()


def test_a_connection_that_others_can_listen_to_is_refused_where_clients_must_be_secure(site: Site) -> None:
    terms = site.streams.terms._replace(must_be_secure=True)
    site.streams.terms = terms
    with WebSocketClient(site) as client:  # from this machine
        client.logs_in()
    request = captured_request(site)
    with pytest.raises(HTTPError) as refused:
        open_websocket(site, request)
    assert refused.value.status == 403


def captured_request(site: Site) -> Request:
    """One whose client is elsewhere and has no TLS."""
    headers = Headers((name.encode(), value.encode()) for name, value in HEADERS.items())
    nothing: object = None
    return Request("GET", "/ws", ("ws",), {}, headers, nothing, "localhost", "192.0.2.1", False, nothing, nothing)  # type: ignore[arg-type]


def test_a_handshake_over_tls_offers_channel_binding_and_one_without_does_not(site: Site) -> None:
    with WebSocketClient(site, kind="HTTPS") as client:
        over_tls = mechanisms(client.open())
        assert client.tries_password("juliet", "secret") == "success"
    with WebSocketClient(site) as client:
        without = mechanisms(client.open())
    assert any(name.endswith("-PLUS") for name in over_tls)
    assert without == [name for name in over_tls if not name.endswith("-PLUS")]


def test_a_client_behind_a_proxy_cannot_bind_to_a_channel_that_is_the_proxys(site: Site) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    with WebSocketClient(site, headers=forwarded, kind="HTTPS") as client:
        assert [name for name in mechanisms(client.open()) if name.endswith("-PLUS")] == []
        assert client.tries_scram("SCRAM-SHA-256", "juliet", "secret") == "success"


def mechanisms(features: etree._Element) -> list[str]:
    return [each.text or "" for each in features.iter(f"{{{names.SASL}}}mechanism")]


def test_what_comes_right_behind_the_handshake_is_read(site: Site) -> None:
    early = masked(f"<open xmlns='{FRAMING}' to='localhost' version='1.0'/>")
    for sent, rest in ((early, b""), (early[:9], early[9:])):
        with WebSocketClient(site, early=sent) as client:
            client.send_bytes(rest)
            assert local_name(next(client._read())) == "features"


# -- streams


def test_a_stream_is_opened_by_an_element(client: WebSocketClient) -> None:
    features = client.open(**{"xml:lang": "de"})
    assert features.tag == f"{{{names.STREAM}}}features"
    assert features.prefix == "stream"
    assert set(client.opened) == {"id", "from", "version", names.XML_LANG}
    assert (client.opened["from"], client.opened["version"]) == ("localhost", "1.0")


def test_starttls_is_neither_offered_nor_taken(client: WebSocketClient) -> None:
    features = client.open()
    assert f"{{{names.TLS}}}starttls" not in [feature.tag for feature in features]
    client.send(f"<starttls xmlns='{names.TLS}'/>")
    assert client.ending() == (["unsupported-stanza-type"], True, 1000)


def test_a_stream_begins_anew_after_logging_in(client: WebSocketClient) -> None:
    client.open()
    before = client.opened["id"]
    assert client.tries_scram("SCRAM-SHA-256", "juliet", "secret") == "success"
    assert client.open().find(f"{{{names.BIND}}}bind") is not None
    assert client.opened["id"] != before


def test_a_stream_cannot_be_opened_twice(juliet: WebSocketClient) -> None:
    juliet.send_open()
    assert juliet.ending() == (["unsupported-stanza-type"], True, 1000)


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        (f"<open xmlns='{FRAMING}' to='elsewhere.example' version='1.0'/>", "host-unknown"),
        (f"<open xmlns='{FRAMING}' version='1.0'/>", "improper-addressing"),
        (f"<open xmlns='{FRAMING}' to='localhost'/>", "unsupported-version"),
        ("<open to='localhost' version='1.0'/>", "unsupported-stanza-type"),
        ("<presence xmlns='jabber:client'/>", "bad-format"),
        (f"<stream:stream xmlns='jabber:client' xmlns:stream='{names.STREAM}' to='localhost'>", "bad-format"),
        (f"<?xml version='1.0'?><open xmlns='{FRAMING}' to='localhost' version='1.0'/>", "restricted-xml"),
        (f" <open xmlns='{FRAMING}' to='localhost' version='1.0'/>", "bad-format"),
        ("", "bad-format"),
    ],
)
def test_a_stream_that_cannot_be_opened_is_opened_from_here_and_closed(
    client: WebSocketClient, message: str, condition: str
) -> None:
    client.send(message)
    assert client.ending() == ([condition], True, 1000)
    assert client.opened["from"] == "localhost"


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        ("<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>", "bad-format"),
        ("<presence xmlns='jabber:client'/> ", "bad-format"),
        (" <presence xmlns='jabber:client'/>", "bad-format"),
        ("\ufeff<presence xmlns='jabber:client'/>", "bad-format"),
        ("<presence xmlns='jabber:client'>", "bad-format"),
        ("<presence xmlns='jabber:client", "bad-format"),
        ("<presence xmlns='jabber:client'>><", "bad-format"),
        ("<presence xmlns='jabber:client'/>text", "bad-format"),
        ("<message xmlns='jabber:client'><body><![CDATA[a]]></body></message><iq/>", "bad-format"),
        ("<message xmlns='jabber:client'><body><![CDATA[a</body></message>", "bad-format"),
        ("</presence>", "not-well-formed"),
        ("<message xmlns='jabber:client'><body></message></body>", "not-well-formed"),
        ("<message xmlns='jabber:client' xmlns='jabber:client'/>", "not-well-formed"),
        ("<!-- a --><presence xmlns='jabber:client'/>", "restricted-xml"),
        ("<presence xmlns='jabber:server'/>", "unsupported-stanza-type"),
        (" ", "bad-format"),
        ("hello", "bad-format"),
    ],
)
def test_a_message_that_is_not_one_whole_element_ends_the_stream(
    site: Site, juliet: WebSocketClient, message: str, condition: str
) -> None:
    juliet.send_bytes(masked(TO_HERSELF.format("before")) + masked(message) + masked(TO_HERSELF.format("after")))
    assert juliet.ending() == (["body", condition], True, 1000)
    until_gone(site)


def test_halves_of_an_element_do_not_become_one(juliet: WebSocketClient) -> None:
    juliet.send_bytes(masked("<presence>") + masked("</presence>"))
    assert juliet.ending() == (["bad-format"], True, 1000)


@pytest.mark.parametrize(
    "declared", ["", " xmlns='jabber:client'", ' xmlns="jabber:client"', "\nxmlns = 'jabber:client'"]
)
def test_a_stanza_declares_its_namespace_or_is_taken_as_if_it_did(juliet: WebSocketClient, declared: str) -> None:
    juliet.send_bytes(masked(f"<message{declared} type='chat' to='{BALCONY}'><body>a &gt; b</body></message>"))
    message = next(juliet._elements)
    assert (message.tag, message.findtext(names.BODY)) == (names.MESSAGE, "a > b")


def test_stanzas_keep_their_order_however_many_and_large_they_are(juliet: WebSocketClient) -> None:
    texts = ["a", "b" * 3_000, "<![CDATA[<c/>]]>", "d", "<![CDATA[e]]>", "f" * 100_000, "g" * 4_000, "é", *"hijklmnop"]
    juliet.send_bytes(b"".join(masked(TO_HERSELF.format(text)) for text in texts))
    expected = [text.removeprefix("<![CDATA[").removesuffix("]]>") for text in texts]
    assert [next(juliet._elements).findtext(names.BODY) for _ in texts] == expected


def test_a_message_may_come_byte_by_byte_and_in_fragments(juliet: WebSocketClient) -> None:
    written = TO_HERSELF.format("é").encode()
    fragments = masked(written[:20], TEXT) + masked("x", FINAL | PING) + masked(written[20:], FINAL)
    for at in range(len(fragments)):
        juliet.send_bytes(fragments[at : at + 1])
    came = [juliet.frame() for _ in range(2)]
    [pong] = [frame for frame in came if frame is not None and frame.opcode == PONG]
    [message] = [parsed(frame.content) for frame in came if frame is not None and frame.opcode == TEXT]
    assert (pong.content, message.findtext(names.BODY)) == (b"x", "é")


def test_a_client_over_tcp_reads_what_one_over_websocket_has_written(site: Site, juliet: WebSocketClient) -> None:
    with Stream(site.server) as other:
        other.logs_in()
        other.binds("tomb")
        juliet.send("<message to='juliet@localhost/tomb' id='1'><body xml:lang='en'>O</body><x xmlns='u:v'/></message>")
        message = next(other._elements)
        assert message.find("{u:v}x") is not None
        other.send("<message to='juliet@localhost/balcony' id='2'><body>Romeo</body></message>")
        assert next(juliet._elements).findtext(names.BODY) == "Romeo"


# -- the connection


def test_a_ping_is_answered_and_of_many_at_once_the_last(juliet: WebSocketClient) -> None:
    juliet.send_bytes(b"".join(masked(str(number), FINAL | PING) for number in range(100)))
    pong = juliet.frame()
    assert pong is not None
    assert (pong.first, pong.content) == (FINAL | PONG, b"99")
    pings(juliet)


def stream_of(site: Site) -> WebSocketStream:
    session = session_at(site)
    assert session is not None
    assert isinstance(session.connection, WebSocketStream)
    return session.connection


def test_the_server_pings_and_drops_a_client_that_says_nothing_for_long(site: Site, juliet: WebSocketClient) -> None:
    stream = stream_of(site)
    for _ in range(3):  # 180 seconds for a peer, and a ping every 50
        stream.ping()
        ping = juliet.frame()
        assert ping is not None
        assert (ping.first, ping.content) == (FINAL | PING, b"")
    juliet.send_bytes(masked("", FINAL | PONG))
    pings(juliet)
    for _ in range(3):
        stream.ping()
        assert juliet.frame() is not None
    stream.ping()
    assert juliet.frame() is None
    assert session_at(site) is None


def test_the_pings_end_with_the_stream(site: Site, juliet: WebSocketClient) -> None:
    stream = stream_of(site)
    stream.close()
    stream.ping()  # as it would if the last one was due
    frames = [juliet.frame() for _ in range(3)]
    assert [frame and frame.opcode for frame in frames] == [TEXT, CLOSE, None]


def test_a_client_closes_the_stream_and_the_session_ends(site: Site, juliet: WebSocketClient) -> None:
    juliet.send(f"<enable xmlns='{SM}' resume='true'/>")
    next(juliet._elements)
    juliet.send(f"<close xmlns='{FRAMING}'/>")
    assert juliet.ending() == ([], True, 1000)
    until_gone(site)


@pytest.mark.parametrize(("said", "answered"), [(b"\x03\xe9", b"\x03\xe9"), (b"\x0f\xa0bye", b"\x0f\xa0"), (b"", b"")])
def test_a_client_that_closes_only_the_connection_is_answered_and_may_resume(
    site: Site, juliet: WebSocketClient, said: bytes, answered: bytes
) -> None:
    juliet.send(f"<enable xmlns='{SM}' resume='true'/>")
    next(juliet._elements)
    juliet.send_bytes(masked(said, FINAL | CLOSE) + masked(TO_HERSELF.format("too late")))
    frame = juliet.frame()
    assert frame is not None
    assert (frame.first, frame.content) == (FINAL | CLOSE, answered)
    assert juliet.frame() is None
    session = session_at(site)
    assert session is not None
    assert session.connection is None


def test_a_client_that_closes_the_connection_without_stream_management_is_gone(
    site: Site, juliet: WebSocketClient
) -> None:
    juliet.send_bytes(masked(b"\x03\xe9", FINAL | CLOSE))
    assert juliet.frame() is not None
    until_gone(site)


def test_the_server_says_good_bye_when_it_stops(tmp_path: Path) -> None:
    with web_server(tmp_path) as site:
        juliet, stranger = WebSocketClient(site), WebSocketClient(site)
        juliet.logs_in()
        juliet.binds("balcony")
        stopping = gevent.spawn(site.server.stop)
        for client in (juliet, stranger):
            assert client.ending() == (["system-shutdown"], True, 1001)
            client.close()
        stopping.get(timeout=30)


def test_a_session_that_is_taken_over_closes_the_older_stream(site: Site, juliet: WebSocketClient) -> None:
    with WebSocketClient(site) as newer:
        newer.logs_in()
        assert newer.binds("balcony") == BALCONY
        assert juliet.ending() == (["conflict"], True, 1000)
        pings(newer)


# -- sessions that go on


def test_what_was_sent_is_acknowledged_in_a_message(juliet: WebSocketClient) -> None:
    juliet.asks(f"<enable xmlns='{SM}' resume='true'/>")
    juliet.send("<presence to='juliet@localhost/tomb'/>")
    answer = juliet.asks(f"<r xmlns='{SM}'/>")
    assert (answer.tag, answer.get("h")) == (f"{{{SM}}}a", "1")


def opened(site: Site, transport: str) -> Stream:
    client = WebSocketClient(site) if transport == "WebSocket" else Stream(site.server)
    client.logs_in()
    return client


@pytest.mark.parametrize("hangs_up", [True, False])
@pytest.mark.parametrize(("first", "second"), [("WebSocket", "TCP"), ("TCP", "WebSocket"), ("WebSocket", "WebSocket")])
def test_a_session_is_resumed_over_another_transport(site: Site, first: str, second: str, hangs_up: bool) -> None:
    with opened(site, first) as before, opened(site, second) as after, opened(site, "TCP") as other:
        assert before.binds("balcony") == BALCONY
        id = before.asks(f"<enable xmlns='{SM}' resume='true'/>").get("id")
        other.binds("tomb")
        if hangs_up:
            before.close()
            until_away(site)
        for text in ("one", "two"):
            other.send(TO_HERSELF.format(text))
        pings(other)
        resumed = after.asks(f"<resume xmlns='{SM}' h='0' previd='{id}'/>")
        assert resumed.tag == f"{{{SM}}}resumed"
        missed = [next(after._elements) for _ in range(2)]
        assert [message.findtext(names.BODY) for message in missed] == ["one", "two"]
        assert all(message.find(f"{{{names.DELAY}}}delay") is not None for message in missed)
        assert next(after._elements).tag == f"{{{SM}}}r"
        if not hangs_up:
            assert before.last_words()[-1] == "conflict"
        other.send(TO_HERSELF.format("three"))
        assert next(after._elements).findtext(names.BODY) == "three"


def test_a_stanza_that_is_too_large_ends_the_session_and_not_only_the_connection(
    site: Site, juliet: WebSocketClient
) -> None:
    """Else its client would resume, and send it again, for ever."""
    juliet.send(f"<enable xmlns='{SM}' resume='true'/>")
    next(juliet._elements)
    juliet.send(TO_HERSELF.format("a" * site.server.stream_settings.stanza_bytes))
    assert juliet.ending() == (["policy-violation"], True, 1009)
    assert session_at(site) is None


# -- places


def test_a_client_has_a_place_at_its_own_address_until_it_has_a_session(tmp_path: Path) -> None:
    with web_server(tmp_path, PARTS, {"strangers_per_address": 1}) as site:
        with from_elsewhere(site, "203.0.113.9") as first, from_elsewhere(site, "198.51.100.7") as other:
            other.open()
            with from_elsewhere(site, "203.0.113.9") as refused:
                assert refused.frame() is None
            first.logs_in()
            first.binds("balcony")
            with from_elsewhere(site, "203.0.113.9") as second:
                second.open()
        until_gone(site)
        with gevent.Timeout(30):  # until all have left
            while site.listener._places.taken:
                gevent.sleep(0.001)


def from_elsewhere(site: Site, address: str) -> WebSocketClient:
    """A client of this address, behind a proxy that is trusted."""
    return WebSocketClient(site, headers={"X-Forwarded-For": address, "X-Forwarded-Proto": "https"})
