"""docs/security.md rows about what can be sent over BOSH, which is read by the same reader as any stream."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gevent import socket

from tests.harness.bosh import CREATION, HTTPBIND, PATH, Answer, BoshClient, written
from tests.harness.browsing import LOOPBACK, browser, web_server
from tests.harness.feeds import EVER_NEW, flood
from tests.harness.streams import JULIET, Stream, local_name
from tests.harness.websockets import standing_alone
from web.bosh.endpoint import Sessions
from web.parts import PARTS
from web.site import Site
from xmpp.data import names
from xmpp.stream.xml import dictionary
from xmpp.stream.xml.bodyfeed import TAG_BYTES


@pytest.fixture(params=["before login", "after login"])
def client(site: Site, request: pytest.FixtureRequest) -> Iterator[BoshClient]:
    """A client, as a stranger and with a session."""
    with BoshClient(site) as client:
        if request.param == "after login":
            client.logs_in()
            client.binds("here")
        else:
            client.begin()
        yield client


@pytest.fixture
def juliet(site: Site) -> Iterator[BoshClient]:
    """A client with a session."""
    with BoshClient(site) as client:
        client.logs_in()
        client.binds("here")
        yield client


def outcome(answer: Answer) -> str | None:
    """The condition of the error of the stream, or else that of the body."""
    if answer.end == ("terminate", "remote-stream-error"):
        return local_name(answer.body[-1][0])
    return answer.end[1]


# -- one reader for all transports

RESTRICTED = [
    "<!DOCTYPE a [<!ENTITY b 'c'>]><message xmlns='jabber:client'><body>&b;</body></message>",
    "<!DOCTYPE message SYSTEM 'file:///etc/passwd'><message xmlns='jabber:client'/>",
    "<message xmlns='jabber:client'><!-- a --></message>",
    "<message xmlns='jabber:client'><?a b?></message>",
    "<!-- a -->",
]


@pytest.mark.parametrize("content", RESTRICTED)
def test_row_04_what_is_restricted_is_refused_in_a_body(client: BoshClient, content: str) -> None:
    assert outcome(client.post(content)) == "restricted-xml"


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE body [<!ENTITY b 'localhost'>]><body xmlns='{0}' rid='7' to='&b;'/>",
        "<!DOCTYPE body SYSTEM 'file:///etc/passwd'><body xmlns='{0}' rid='7' to='localhost'/>",
        "<body xmlns='{0}' rid='7' to='&localhost;'/>",
        "<!-- a --><body xmlns='{0}' rid='7' to='localhost'/>",
        "<body xmlns='{0}' rid='7' to='localhost'>",
        "<body xmlns='{0}' rid='7' to='localhost'></bodyy>",
        "<body xmlns='{0}' rid='7' to='localhost'/>more",
        "<body xmlns='jabber:client' rid='7' to='localhost'/>",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' to='localhost'>",
        "<body xmlns='{0}' rid='7' rid='8' to='localhost'/>",
        "<?xml version='1.0' encoding='UTF-7'?><body xmlns='{0}' rid='7' to='localhost'/>",
        "body",
        "",
    ],
)
def test_row_03_and_04_a_body_that_is_no_body_is_refused(site: Site, body: str) -> None:
    with BoshClient(site) as client:
        answer = client.answer(client.asks_bytes(body.format(HTTPBIND).encode()))
        assert answer.status == 400 or answer.end == ("terminate", "bad-request")
    assert not site.server.state(Sessions).by_sid


def test_row_62_an_entity_that_nobody_has_declared_is_refused_in_a_body(client: BoshClient) -> None:
    assert outcome(client.post("<message xmlns='jabber:client'><body>&b;</body></message>")) == "not-well-formed"


def test_row_05_a_stranger_may_send_little(site: Site) -> None:
    most = site.server.stream_settings.login_stanza_bytes + TAG_BYTES
    with BoshClient(site) as client:
        client.begin()
        assert outcome(client.post("<a xmlns='u'>" + "a" * most + "</a>")) == "policy-violation"
        assert client.post().end == ("terminate", "item-not-found")
        assert outcome(client.begin("<a xmlns='u'>" + "a" * most + "</a>")) == "policy-violation"


def announces_too_much(site: Site, numbers: dict[str, str | None]) -> bytes:
    """What is answered to a request that says it is very long, of which only the beginning comes."""
    begun = written("", numbers).removesuffix(b"/>") + b">"
    with closing(socket.create_connection((LOOPBACK, site.listener.ports["HTTP"]), 30)) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
        connection.sendall(head.encode() + begun)
        answer: bytes = connection.recv(65536)
        return answer


def test_row_05_a_request_is_refused_by_the_length_that_it_announces(site: Site) -> None:
    assert b"policy-violation" in announces_too_much(site, {**CREATION, "rid": "7"})


def test_row_05_a_body_that_is_too_large_ends_the_session(juliet: BoshClient, site: Site) -> None:
    """If it could be resumed, the same would be sent again."""
    juliet.asks("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    assert site.server.online.count(JULIET) == 1
    assert b"policy-violation" in announces_too_much(site, {"rid": str(juliet.rid), "sid": juliet.sid})
    assert juliet.post().end == ("terminate", "item-not-found")
    assert site.server.online.count(JULIET) == 0


def test_row_05_a_tag_that_never_ends_is_refused(site: Site) -> None:
    with BoshClient(site) as client:
        answer = client.answer(client.asks_bytes(b"<body a='" + b"a" * (TAG_BYTES + 1)))
        assert answer.end == ("terminate", "bad-request")


def test_row_05_a_stanza_that_is_too_large_for_a_stream_is_too_large_for_a_body(juliet: BoshClient, site: Site) -> None:
    text = "a" * site.server.stream_settings.stanza_bytes
    assert outcome(juliet.post(standing_alone(f"<message><body>{text}</body></message>"))) == "policy-violation"


@pytest.mark.parametrize(
    "content",
    ["<a/>" * 5_000, "<a>" * 100 + "</a>" * 100, "<a {}/>".format(" ".join(f"a{number}=''" for number in range(100)))],
    ids=["elements", "levels", "attributes"],
)
def test_row_06_elements_levels_and_attributes_are_counted_in_a_body(juliet: BoshClient, content: str) -> None:
    assert outcome(juliet.post(f"<message xmlns='jabber:client'><x xmlns='u'>{content}</x></message>")) == (
        "policy-violation"
    )


def test_row_06_attributes_of_the_body_itself_are_counted(site: Site) -> None:
    with BoshClient(site) as client:
        assert client.begin(**{f"a{number}": "" for number in range(100)}).end == ("terminate", "bad-request")


@pytest.mark.parametrize("case", EVER_NEW)
def test_row_61_ever_new_names_are_counted_in_a_body(juliet: BoshClient, site: Site, case: str) -> None:
    content = flood(EVER_NEW[case], count=site.server.stream_settings.new_names + 100).decode()
    assert outcome(juliet.post(f"<message xmlns='jabber:client'><x xmlns='u'>{content}</x></message>")) == (
        "policy-violation"
    )


def test_row_61_names_of_bodies_are_forgotten_however_many_bring_them(site: Site) -> None:
    before = dictionary.size()
    with browser(site) as connection:
        for start in range(0, 15_000, 15):
            declared = " ".join(f"xmlns:n{number}='u:{number}'" for number in range(start, start + 15))
            body = f"<body xmlns='{HTTPBIND}' rid='7' sid='none' {declared}/>".encode()
            if start % 1_200 == 0:
                connection.close()
                connection.__init__(site.listener.ports["HTTP"])  # type: ignore[misc]  # 100 requests on each
            assert b"item-not-found" in connection.ask("POST", PATH, body).content
    assert dictionary.size() < before + 25_000


# -- what was checked is what is delivered


@pytest.mark.parametrize(
    "contents",
    [
        ["<message xmlns='jabber:client' to='{0}'><body>a</body>", "</message>"],
        ["<message xmlns='jabber:client' to='{0}'><body>a", "</body></message>"],
        ["<message xmlns='jabber:client' to='{0}' id='", "'><body>a</body></message>"],
        ["<message xmlns='jabber:client' to='{0}'><body><![CDATA[a", "]]></body></message>"],
        ["</body><message xmlns='jabber:client' to='{0}'/>", "<body>"],
    ],
    ids=["element", "text", "attribute", "CDATA", "end of the body"],
)
def test_row_47_no_stanza_goes_on_in_the_next_body(site: Site, contents: list[str]) -> None:
    with BoshClient(site) as client, Stream(site.server) as other:
        other.logs_in()
        jid = other.binds("there")
        client.logs_in()
        client.binds("here")
        first, second = (client.ask(content.format(jid)) for content in contents)
        assert outcome(client.answer(first)) in ("bad-format", "not-well-formed")
        client.answer(second)
        pong = other.asks("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert pong.get("id") == "p"


def test_row_47_what_is_not_utf_8_is_refused_in_a_body(juliet: BoshClient) -> None:
    body = written(
        "<message xmlns='jabber:client'><body>?</body></message>", {"rid": str(juliet.rid), "sid": juliet.sid}
    )
    assert outcome(juliet.answer(juliet.asks_bytes(body.replace(b"?", b"\xff")))) == "unsupported-encoding"


def test_row_47_what_a_stanza_inherits_from_its_body_is_delivered_with_it(site: Site) -> None:
    """Its content is passed on as its bytes only if they mean the same in another stream."""
    with BoshClient(site) as client, Stream(site.server) as other:
        other.logs_in()
        jid = other.binds("there")
        client.logs_in()
        client.binds("here")
        client.post(
            f"<message xmlns='jabber:client' to='{jid}'><p:x/><body>a</body></message>", xmlns_p="u:p", pause="60"
        )
        client.post(f"<message xmlns='jabber:client' to='{jid}'><xmpp:y/></message>", pause="60")
        client.post(f"<c:message xmlns:c='jabber:client' xmlns='u:d' to='{jid}'><x/></c:message>", pause="60")
        heard = [next(other._elements) for _ in range(3)]
        assert [[child.tag for child in each] for each in heard] == [
            ["{u:p}x", names.BODY],
            ["{urn:xmpp:xbosh}y"],
            ["{u:d}x"],
        ]


def test_row_47_a_body_of_another_default_namespace_has_no_stanzas_of_clients(juliet: BoshClient) -> None:
    content = "<b:body xmlns:b='{}' xmlns='jabber:server' rid='{}' sid='{}'><message/></b:body>"
    body = content.format(HTTPBIND, juliet.rid, juliet.sid)
    assert outcome(juliet.answer(juliet.asks_bytes(body.encode()))) == "unsupported-stanza-type"


# -- sessions


def test_row_11_nobody_can_guess_a_session(site: Site) -> None:
    with BoshClient(site) as client:
        sids = {client.begin().body.get("sid") for _ in range(20)}
    assert len(sids) == 20
    assert all(sid is not None and len(sid) * 6 >= 128 for sid in sids)


def test_row_07_strangers_have_so_many_sessions(tmp_path: Path) -> None:
    listen = {"strangers_per_address": 5, "trusted_proxies": ()}
    with web_server(tmp_path, PARTS, listen) as site, BoshClient(site) as client:
        granted = [client.begin().end == (None, None) for _ in range(8)]
        assert granted == [True] * 4 + [False] * 4  # the connection has a place, too


def test_row_31_somebody_who_can_be_overheard_has_no_session(site: Site) -> None:
    with browser(site) as connection:
        insecure = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http"}
        got = connection.ask("POST", PATH, written("", {**CREATION, "rid": "7"}), insecure)
    assert got.status == 403
    assert not site.server.state(Sessions).by_sid
