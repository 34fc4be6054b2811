"""docs/security.md rows about what a client's XML can do, on the wire of a running demo."""

import ast
from collections.abc import Iterator

import pytest
from lxml import etree

from tests.harness.rawclient import RawClient, StreamEnded, logged_in, new_account, somebody
from tests.harness.servers import ROOT, RunningServer
from xmpp.data import names

BODY = f"{{{names.CLIENT}}}body"


@pytest.fixture(params=["before login", "after login"])
def client(demo: RunningServer, request: pytest.FixtureRequest) -> Iterator[RawClient]:
    """A client, as a stranger and with a session."""
    if request.param == "after login":
        client = somebody(demo.port)
    else:
        client = RawClient(demo.port)
        client.open()
    with client:
        yield client


@pytest.fixture
def romeo(demo: RunningServer) -> Iterator[RawClient]:
    """A client that is available, and so gets the messages to its bare address."""
    with somebody(demo.port) as client:
        client.send("<presence/>")
        client.comes_before_pong()
        yield client


def bare(client: RawClient) -> str:
    return client.jid.partition("/")[0]


def outcome(client: RawClient) -> str | None:
    """The condition that the stream ends with."""
    ending = client.ending()
    assert ending.has_closing_tag
    return ending.condition


LAUGHS = "<!DOCTYPE lolz [<!ENTITY a 'lol'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(9)
)


def test_row_03_entities_are_refused_before_any_is_declared(client: RawClient) -> None:
    client.send(LAUGHS + "]><message><body>&j;</body></message>")
    assert outcome(client) == "restricted-xml"


@pytest.mark.parametrize("outside", ["SYSTEM 'file:///etc/passwd'", "PUBLIC 'a' 'http://127.0.0.1:1/'"])
def test_row_03_nothing_is_loaded_from_outside(client: RawClient, outside: str) -> None:
    client.send(f"<!DOCTYPE message {outside}><message/>")
    assert outcome(client) == "restricted-xml"


def test_row_03_entities_are_refused_in_front_of_the_header(demo: RunningServer) -> None:
    with RawClient(demo.port) as client:
        client.send("<?xml version='1.0'?>" + LAUGHS + "]>")
        assert outcome(client) == "restricted-xml"


PARSERS = {"XMLParser", "XMLPullParser", "HTMLParser", "HTMLPullParser"}
PARSING = {"XML", "HTML", "fromstring", "fromstringlist", "parse", "iterparse", "XMLID", "parseid"}
SOURCES = [ROOT / "xserv.py", ROOT / "assembly.py"] + [
    file for folder in ("cli", "xmpp", "handlers", "db", "web") for file in sorted((ROOT / folder).rglob("*.py"))
]


def test_row_04_there_is_one_way_to_parse() -> None:
    assert [f"{file}: {problem}" for file in SOURCES for problem in unhardened(file.read_text())] == []


@pytest.mark.parametrize(
    "code", ["etree.XMLParser()", "etree.fromstring(data)", "import xml.sax", "from xml.etree import ElementTree"]
)
def test_row_04_another_way_to_parse_would_be_found(code: str) -> None:
    assert list(unhardened(code))


def unhardened(code: str) -> Iterator[str]:
    """Parsers that `xmpp.data.wire.hardened` has not made, parsing without one except of literals, other libraries."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("xml."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xml."):
            yield from () if node.module == "xml.sax.saxutils" else (str(node.module),)  # escaping, no parser
        elif isinstance(node, ast.Call) and parses_unhardened(node):
            yield f"line {node.lineno}"


def parses_unhardened(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or ast.unparse(function.value) != "etree":
        return False
    has_parser = len(call.args) > 1 or any(keyword.arg == "parser" for keyword in call.keywords)
    is_literal = bool(call.args) and isinstance(call.args[0], ast.Constant)
    return function.attr in PARSERS or (function.attr in PARSING and not has_parser and not is_literal)


def test_row_05_what_a_stranger_may_send_is_counted_while_it_comes(demo: RunningServer) -> None:
    with RawClient(demo.port) as client:
        client.open()
        client.send("<iq type='set' id='a'><query xmlns='jabber:iq:register'><username>" + "x" * 12_000)
        assert outcome(client) == "policy-violation"


def test_row_05_what_an_account_may_send_is_counted_while_it_comes(demo: RunningServer) -> None:
    with somebody(demo.port) as client:
        client.send("<message><body>" + "x" * 270_000)
        assert outcome(client) == "policy-violation"


@pytest.mark.parametrize(
    "start",
    ["<message to='", "<message xmlns='", "<" + "m", "<message ", "<message><body>&amp", "<message><body><![CDATA["],
    ids=lambda start: start[-8:],
)
def test_row_05_nothing_that_never_ends_is_kept_for_long(client: RawClient, start: str) -> None:
    client.send(start + "x" * 300_000)
    assert outcome(client) in {"policy-violation", "not-well-formed"}


@pytest.mark.parametrize(
    "flood",
    [
        "<message>" + "<a/>" * 12_000,
        "<message>" + "<body>" * 100,
        "<message " + " ".join(f"id{i}='{i}'" for i in range(100)) + "/>",
        "<message " + " ".join(f"xmlns:p{i}='u:{i}'" for i in range(100)) + "/>",
    ],
    ids=["elements", "depth", "attributes", "namespaces"],
)
def test_row_06_many_small_things_are_too_many(client: RawClient, flood: str) -> None:
    client.send(flood)
    assert outcome(client) == "policy-violation"


def test_row_06_a_stranger_may_send_few_elements(demo: RunningServer) -> None:
    with RawClient(demo.port) as client:
        client.open()
        client.send("<iq type='get' id='a'>" + "<query xmlns='jabber:iq:register'/>" * 40)
        assert outcome(client) == "policy-violation"


@pytest.mark.parametrize(
    ("data", "conditions"),
    [
        (b"<message><body>\xff</body></message>", {"unsupported-encoding"}),
        (b"<message><body>\xc0\xbc</body></message>", {"unsupported-encoding"}),  # an overlong "<"
        (b"<message><body>\xed\xa0\x80</body></message>", {"unsupported-encoding"}),  # half of a surrogate pair
        (b"<message><body>\xf4\x90\x80\x80</body></message>", {"unsupported-encoding"}),  # beyond Unicode
        (b"<message><body>\0</body></message>", {"not-well-formed"}),
        (b"<message><body>&#0;</body></message>", {"not-well-formed"}),
        (b"<message><body>\xef\xbf\xbe</body></message>", {"not-well-formed"}),  # U+FFFE is no character of XML
        (b"<a:message/>", {"not-well-formed", "bad-namespace-prefix"}),
        (b"<message a:b='c'/>", {"not-well-formed", "bad-namespace-prefix"}),
        (b"<message xmlns:a=''/>", {"not-well-formed", "bad-namespace-prefix"}),
        (b"<message><body>]]></body></message>", {"not-well-formed"}),
        (b"<message id='<'/>", {"not-well-formed"}),
    ],
    ids=lambda value: repr(value) if isinstance(value, bytes) else "",
)
def test_row_47_what_parsers_may_read_differently_is_refused(
    client: RawClient, data: bytes, conditions: set[str]
) -> None:
    client.send(data)
    assert outcome(client) in conditions


@pytest.mark.parametrize(
    "content",
    [
        "<body><![CDATA[</body></message><message from='nurse@localhost'><body>]]></body>",
        "<body>&lt;/body>&#60;/message&#62;</body>",
        "<body>a</body><x xmlns='urn:example' a=\"'/&gt;&lt;message>\" b='\"'/>",
        "<body>\u2028 \u0085 \ufeff</body>",
        "<body xml:lang='de'>a&#13;&#10;b</body>",
        "<a:x xmlns:a='urn:example'><a:y a:z='1'/></a:x><body>a</body>",
    ],
)
def test_row_47_what_was_checked_is_what_is_sent(romeo: RawClient, content: str) -> None:
    romeo.send(f"<message to='{bare(romeo)}' id='m' type='headline'>{content}</message>")  # no archive adds to that
    received = romeo.comes_before_pong()
    assert [element.tag for element in received] == [names.MESSAGE]
    expected = etree.fromstring(f"<message xmlns='{names.CLIENT}'>{content}</message>")
    assert [canonical(child) for child in received[0]] == [canonical(child) for child in expected]
    assert received[0].get("from") == romeo.jid


def canonical(element: etree._Element) -> str:
    return str(etree.canonicalize(etree.tostring(element, encoding=str, with_tail=False), rewrite_prefixes=True))


@pytest.mark.parametrize(
    "stanza",
    [
        "<message xmlns='jabber:server' to='{to}'><body>a</body></message>",
        "<message xmlns='' to='{to}'><body>a</body></message>",
        "<stream:message to='{to}'><body>a</body></stream:message>",
        "<s:message xmlns:s='jabber:server' to='{to}'><s:body>a</s:body></s:message>",
    ],
)
def test_row_48_what_only_looks_like_a_stanza_is_none(romeo: RawClient, stanza: str) -> None:
    romeo.send(stanza.format(to=bare(romeo)))
    assert outcome(romeo) == "unsupported-stanza-type"


def test_row_48_a_stanza_may_have_a_prefix_of_its_own(romeo: RawClient) -> None:
    romeo.send(f"<c:message xmlns:c='{names.CLIENT}' to='{bare(romeo)}'><c:body>a</c:body></c:message>")
    assert [element.findtext(BODY) for element in romeo.comes_before_pong()] == ["a"]


def test_row_48_what_belongs_to_streams_is_only_content_inside_of_a_stanza(romeo: RawClient) -> None:
    inner = "<stream:error/><stream:stream/><message><body>inner</body></message>"
    romeo.send(f"<message to='{bare(romeo)}'><x xmlns='urn:example'>{inner}</x><body>outer</body></message>")
    assert [element.findtext(BODY) for element in romeo.comes_before_pong()] == ["outer"]


@pytest.mark.parametrize("follows", ["", "</body></message>", "</body></message><presence/>"])
def test_row_62_an_undeclared_entity_ends_the_stream_at_once(client: RawClient, follows: str) -> None:
    client.send("<message><body>&foo;" + follows)
    assert outcome(client) == "not-well-formed"


def test_row_02_a_login_stays_at_its_domain() -> None:
    with (
        RunningServer.demo("--domain", "one.example", "--domain", "two.example") as server,
        RawClient(server.port, domain="one.example") as client,
    ):
        client.open()
        client.register("paris", "secret")
        client.domain = "two.example"  # from the next header on
        with pytest.raises(StreamEnded) as ended:
            client.authenticate("paris", "secret")
        assert ended.value.condition == "host-unknown"


def test_row_15_nobody_speaks_for_another(demo: RunningServer) -> None:
    name, password = new_account(demo.port)
    for sender in ("romeo@localhost", f"{name}@localhost/another", "localhost", "@@", f"{name}@localhost.example"):
        with logged_in(demo.port, name, password, "own") as client:
            client.send(f"<message from='{sender}' to='{name}@localhost'><body>hi</body></message>")
            assert outcome(client) == "invalid-from"


@pytest.mark.parametrize("sender", ["", " from='{bare}'", " from='{full}'"])
@pytest.mark.parametrize("stanza", ["message", "presence", "iq"])
def test_row_15_who_speaks_for_itself_is_named_in_full(romeo: RawClient, stanza: str, sender: str) -> None:
    written = sender.format(bare=bare(romeo), full=romeo.jid)
    romeo.send(f"<{stanza}{written} to='{romeo.jid}' id='a' type='error'><error type='cancel'/></{stanza}>")
    received = [element for element in romeo.comes_before_pong() if element.get("id") == "a"]
    assert [element.get("from") for element in received] == [romeo.jid]
