"""docs/security.md rows about what can be sent over WebSocket, which is read by the same reader as any stream."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent import select

from tests.harness.browsing import web_server
from tests.harness.feeds import EVER_NEW, flood
from tests.harness.frames import PING, TEXT, masked
from tests.harness.streams import Stream
from tests.harness.websockets import Refused, WebSocketClient
from web.site import Site
from xmpp.data import names
from xmpp.stream.xml import dictionary

FINAL = 0x80


@pytest.fixture(params=["before login", "after login"])
def client(site: Site, request: pytest.FixtureRequest) -> Iterator[WebSocketClient]:
    """A client, as a stranger and with a session."""
    with WebSocketClient(site) as client:
        if request.param == "after login":
            client.logs_in()
            client.binds("here")
        else:
            client.open()
        yield client


def outcome(client: WebSocketClient) -> tuple[str, int | None]:
    """The condition that the stream ends with, and the code of the connection."""
    *_, condition = client.ending()[0]
    assert client.has_close
    return condition, client.code


# -- one reader for all transports


@pytest.mark.parametrize(
    "message",
    [
        "<!DOCTYPE a [<!ENTITY b 'c'>]><message xmlns='jabber:client'><body>&b;</body></message>",
        "<!DOCTYPE message SYSTEM 'file:///etc/passwd'><message xmlns='jabber:client'/>",
        "<message xmlns='jabber:client'><!-- a --></message>",
        "<message xmlns='jabber:client'><?a b?></message>",
        "<?xml version='1.0' encoding='UTF-7'?><message xmlns='jabber:client'/>",
    ],
)
def test_row_04_what_is_restricted_is_refused(client: WebSocketClient, message: str) -> None:
    client.send_bytes(masked(message))
    assert outcome(client) == ("restricted-xml", 1000)


def test_row_04_it_is_refused_in_the_first_message_too(site: Site) -> None:
    with WebSocketClient(site) as client:
        client.send_bytes(masked("<!DOCTYPE a [<!ENTITY b 'c'>]><open xmlns='&b;'/>"))
        assert outcome(client) == ("restricted-xml", 1000)


def test_row_62_an_entity_that_nobody_has_declared_is_refused(client: WebSocketClient) -> None:
    client.send_bytes(masked("<message xmlns='jabber:client'><body>&b;</body></message>"))
    assert outcome(client) == ("not-well-formed", 1000)


def test_row_05_a_message_is_refused_by_the_length_that_it_announces(site: Site) -> None:
    size = site.server.stream_settings.login_stanza_bytes
    for opened in (False, True):
        with WebSocketClient(site) as client:
            if opened:
                client.open()
            client.send_bytes(masked("a" * (size + 1))[:8])  # and nothing of it
            assert outcome(client) == ("policy-violation", 1009)


def test_row_05_a_message_that_never_ends_is_refused(client: WebSocketClient) -> None:
    client.send_bytes(masked("<message xmlns='jabber:client'><body>", TEXT))
    piece = masked("a" * 8_000, 0)
    with gevent.Timeout(30):
        while True:
            try:
                client.send_bytes(piece)
            except OSError:
                break  # the server has hung up
            if select.select([client._socket], [], [], 0)[0]:
                break
    assert outcome(client) == ("policy-violation", 1009)


def test_row_05_fragments_are_limited_in_number(client: WebSocketClient) -> None:
    client.send_bytes(masked("<", TEXT) + masked("", 0) * 1_000)
    assert outcome(client) == ("policy-violation", 1009)


@pytest.mark.parametrize(
    "content",
    ["<a/>" * 5_000, "<a>" * 100 + "</a>" * 100, "<a {}/>".format(" ".join(f"a{number}=''" for number in range(100)))],
)
def test_row_06_elements_levels_and_attributes_are_counted(site: Site, content: str) -> None:
    with WebSocketClient(site) as client:
        client.logs_in()
        client.binds("here")
        client.send(f"<message><x xmlns='u'>{content}</x></message>")
        assert outcome(client) == ("policy-violation", 1000)


# -- frames


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked("<presence/>", FINAL | 0x40 | TEXT), 1002),
        (masked("<presence/>", FINAL | 0x2), 1003),
        (masked("<presence/>", FINAL | 0x3), 1002),
        (masked("<presence/>", FINAL), 1002),
        (masked("a" * 126, FINAL | PING), 1002),
        (b"\x81\x0b<presence/>", 1002),
        (masked(b"<presence>\xff</presence>"), 1007),
    ],
    ids=["reserved bit", "binary", "reserved code", "continuation of nothing", "long ping", "not masked", "not UTF-8"],
)
def test_row_46_frames_that_break_the_rules_end_the_connection(client: WebSocketClient, sent: bytes, code: int) -> None:
    client.send_bytes(sent)
    assert outcome(client)[1] == code


def test_row_46_pages_of_other_sites_can_be_kept_out(tmp_path: Path) -> None:
    with web_server(tmp_path, websocket={"origins": ["https://chat.example"]}) as site:
        with pytest.raises(Refused) as refused:
            WebSocketClient(site, headers={"Origin": "https://evil.example"})
        assert refused.value.status == 403


def test_row_46_a_cookie_logs_nobody_in(site: Site) -> None:
    with WebSocketClient(site, headers={"Cookie": "session=a; login=juliet"}) as client:
        assert client.open().find(f"{{{names.SASL}}}mechanisms") is not None


def test_row_46_whoever_does_not_know_what_is_spoken_is_refused(site: Site) -> None:
    with pytest.raises(Refused) as refused:
        WebSocketClient(site, headers={"Sec-WebSocket-Protocol": None})
    assert refused.value.status == 400


def test_row_08_no_compression_is_agreed_on(site: Site) -> None:
    with WebSocketClient(site, headers={"Sec-WebSocket-Extensions": "permessage-deflate"}) as client:
        assert "extensions" not in client.head.lower()
        client.open()
        client.send_bytes(masked(b"\xaa\x56\x4a", FINAL | 0x40 | TEXT))
        assert outcome(client) == ("bad-format", 1002)


# -- what was checked is what is delivered


@pytest.mark.parametrize(
    "messages",
    [
        ["<message xmlns='jabber:client' to='{0}'><body>a</body>", "</message>"],
        ["<message xmlns='jabber:client' to='{0}'><body>a", "</body></message>"],
        ["<message xmlns='jabber:client' to='{0}' id='", "'><body>a</body></message>"],
        ["<message xmlns='jabber:client' to='{0}'><body><![CDATA[a", "]]></body></message>"],
    ],
)
def test_row_47_no_message_goes_on_in_the_next_one(site: Site, messages: list[str]) -> None:
    with WebSocketClient(site) as client, Stream(site.server) as other:
        other.logs_in()
        jid = other.binds("there")
        client.logs_in()
        client.binds("here")
        client.send_bytes(b"".join(masked(message.format(jid)) for message in messages))
        assert outcome(client)[0] in ("bad-format", "not-well-formed")
        pong = other.asks("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert pong.get("id") == "p"


def test_row_47_no_stanza_hides_in_a_message_with_another_one(site: Site) -> None:
    with WebSocketClient(site) as client:
        client.logs_in()
        jid = client.binds("here")
        two = f"<message xmlns='jabber:client'/><message xmlns='jabber:client' from='mallory@localhost' to='{jid}'/>"
        client.send_bytes(masked(two))
        assert outcome(client) == ("bad-format", 1000)


def test_row_47_what_a_stanza_inherits_is_delivered_with_it(site: Site) -> None:
    """Its content is passed on as its bytes only if they mean the same in another stream."""
    with WebSocketClient(site) as client, Stream(site.server) as other:
        other.logs_in()
        jid = other.binds("there")
        client.logs_in()
        client.binds("here")
        client.send_bytes(
            masked(f"<message xmlns='jabber:client' xmlns:p='u:p' to='{jid}'><p:x/><body>a</body></message>")
        )
        client.send_bytes(masked(f"<c:message xmlns:c='jabber:client' xmlns='u:d' to='{jid}'><x/></c:message>"))
        first, second = next(other._elements), next(other._elements)
        assert [child.tag for child in first] == ["{u:p}x", names.BODY]
        assert [child.tag for child in second] == ["{u:d}x"]


@pytest.mark.parametrize("case", EVER_NEW)
def test_row_61_ever_new_names_are_counted(site: Site, case: str) -> None:
    with WebSocketClient(site) as client:
        client.logs_in()
        client.binds("here")
        content = flood(EVER_NEW[case], count=site.server.stream_settings.new_names + 100).decode()
        client.send(f"<message><x xmlns='u'>{content}</x></message>")
        assert outcome(client) == ("policy-violation", 1000)


def test_row_61_names_are_forgotten_however_many_messages_bring_them(site: Site) -> None:
    before = dictionary.size()
    with WebSocketClient(site) as client:
        client.logs_in()
        client.binds("here")
        for start in range(0, 60_000, 200):
            content = flood("<n{}/>", start, 200).decode()
            client.send(f"<iq type='result' id='1' to='localhost'><x xmlns='u'>{content}</x></iq>")
        pong = client.asks("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert pong.get("id") == "p"
    assert dictionary.size() < before + 40_000
