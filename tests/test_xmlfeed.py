"""The stream reader: bytes in whatever pieces, the same events out."""

from collections.abc import Callable
from contextlib import suppress
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.harness.feeds import HEADER, canonical, new_feed, opened_feed, stanzas, told
from xmpp.data import names
from xmpp.data.jid import MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse, wire
from xmpp.stream.xml.xmlfeed import StreamEnd, StreamHeader, XMLFeed

Reader = Callable[[XMLFeed, bytes], list[object]]








def told_bytewise(feed: XMLFeed, data: bytes) -> list[object]:
    events: list[object] = []
    for at in range(len(data)):
        events += told(feed, data[at : at + 1])
        if events and isinstance(events[-1], str):
            break
    return events


# -- what is read

READ = {
    "a message": (
        b"<message to='a@b' id=\"1\"><body>hi</body></message>",
        [b'<message to="a@b" id="1"><body>hi</body></message>'],
    ),
    "several at once": (b"<iq/><presence></presence>\n<iq/>", [b"<iq/>", b"<presence/>", b"<iq/>"]),
    "a > and quotes inside of values": (
        b"<message to='x>y' from=\"it's\" id='>\">'/>",
        [b'<message to="x&gt;y" from="it\'s" id="&gt;&quot;&gt;"/>'],
    ),
    "blanks wherever they may be": (
        b"<message\n to = 'a'\t id\n=\n'1' ><body >x</body\n></message >",
        [b'<message to="a" id="1"><body>x</body></message>'],
    ),
    "the five entities and characters by number": (
        b"<message><body>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</body></message>",
        [b"<message><body>&lt;&gt;&amp;\"'AB</body></message>"],
    ),
    "CDATA with tags in it": (
        b"<message><body>a<![CDATA[<b>&amp;]] ]>]]>c</body></message>",
        [b"<message><body>a&lt;b&gt;&amp;amp;]] ]&gt;c</body></message>"],
    ),
    "several CDATA sections": (
        b"<message><body><![CDATA[]]><![CDATA[<]]>]]&gt;<![CDATA[</body>]]></body></message>",
        [b"<message><body>&lt;]]&gt;&lt;/body&gt;</body></message>"],
    ),
    "text in many scripts": (
        "<message><body>Ærøskøbing 𝄞 日本語 ‮</body></message>".encode(),
        ["<message><body>Ærøskøbing 𝄞 日本語 ‮</body></message>".encode()],
    ),
    "a namespace address that is not absolute, which lxml warns about": (
        b"<iq><vCard xmlns='vcard-temp'/></iq>",
        [b'<iq><vCard xmlns="vcard-temp"/></iq>'],
    ),
    "a message inside of a message": (
        b"<message><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded></message>",
        [b'<message><forwarded xmlns="urn:xmpp:forward:0"><message xmlns="jabber:client"/></forwarded></message>'],
    ),
    "a message directly inside of a message": (
        b"<message><message/></message>",
        [b"<message><message/></message>"],
    ),
    "blank text inside of a stanza": (
        b"<iq>\n                    <query xmlns='a:b'> </query>\r\n</iq>\n",
        [b'<iq>\n                    <query xmlns="a:b"> </query>\n</iq>'],
    ),
    "the end of the stream": (b"<iq/></stream:stream >", [b"<iq/>", StreamEnd()]),
    "nothing after the end of the stream": (b"</stream:stream><iq/><?more?>", [StreamEnd()]),
}

# -- what is refused, after what came before it

REFUSED = {
    "a comment": (b"<iq/><!-- x -->", "restricted-xml"),
    "a comment inside of a stanza": (b"<iq/><message><!-- x --></message>", "restricted-xml"),
    "a processing instruction": (b"<iq/><?php x?>", "restricted-xml"),
    "an XML declaration": (b"<iq/><?xml version='1.0'?>", "restricted-xml"),
    "a document type": (b"<iq/><!DOCTYPE a [<!ENTITY b 'c'>]>", "restricted-xml"),
    "an entity": (b"<iq/><message><body>&foo;</body></message>", "not-well-formed"),
    "an entity, and then a good stanza": (b"<iq/><message>&foo;</message><message/>", "not-well-formed"),
    "an entity in a value": (b"<iq/><message to='&foo;'/>", "not-well-formed"),
    "a lone ampersand": (b"<iq/><message>a & b</message>", "not-well-formed"),
    "a value without quotes": (b"<iq/><message to=a/>", "not-well-formed"),
    "no space between attributes": (b"<iq/><message to='a'id='b'/>", "not-well-formed"),
    "a < in a value": (b"<iq/><message to='<a/>'/>", "not-well-formed"),
    "a CDATA section in a value": (b"<iq/><message to='<![CDATA[a]]>'/>", "not-well-formed"),
    "an attribute without a value": (b"<iq/><message to/>", "not-well-formed"),
    "an attribute in an end tag": (b"<iq/><message></message to=''>", "not-well-formed"),
    "an end tag for another": (b"<iq/>" + b" " * 4090 + b"<message></presence>", "not-well-formed"),
    "an end tag for nothing": (b"<iq/></iq>", "not-well-formed"),
    "an end tag that nobody opened": (b"<iq/><message></nobody>", "not-well-formed"),
    "text between stanzas": (b"<iq/>hello<message/>", "bad-format"),
    "CDATA between stanzas": (b"<iq/><![CDATA[x]]><message/>", "bad-format"),
    "no UTF-8": (b"<iq/><message><body>\xff</body></message>", "unsupported-encoding"),
    "an overlong NUL": (b"<iq/><message><body>\xc0\x80</body></message>", "unsupported-encoding"),
    "a surrogate": (b"<iq/><message><body>\xed\xa0\x80</body></message>", "unsupported-encoding"),
}

# These libxml2 finds, so what came before in the same slice goes with it.
REFUSED_BY_LIBXML2 = {
    "NUL": (b"<message><body>\0</body></message>", "not-well-formed"),
    "a control character": (b"<message to='\x07'/>", "not-well-formed"),
    "an attribute twice": (b"<message to='a' to='b'/>", "not-well-formed"),
    "a prefix that is not declared": (b"<message><a:b/></message>", "not-well-formed"),
    "an attribute's prefix that is not declared": (b"<message><b a:c='d'/></message>", "not-well-formed"),
    "an undeclared prefix among many warnings": (
        b"<message><a:b/>" + b"<c xmlns='d'/>" * 200 + b"</message>",
        "not-well-formed",
    ),
    "an element that may not stand here": (b"<nobody/>", "unsupported-stanza-type"),
    "an element that may not stand here, and never ends": (b"<nobody>", "unsupported-stanza-type"),
    "a second header": (HEADER, "unsupported-stanza-type"),
    "a stanza in another namespace": (b"<message xmlns='jabber:server'/>", "unsupported-stanza-type"),
    "a stanza inside of an unknown element": (b"<nobody><message/></nobody>", "unsupported-stanza-type"),
}


@pytest.mark.parametrize("read", [told, told_bytewise])
@pytest.mark.parametrize("case", READ)
def test_reads(case: str, read: Reader) -> None:
    data, events = READ[case]
    assert read(opened_feed(), data) == events


@pytest.mark.parametrize("read", [told, told_bytewise])
@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str, read: Reader) -> None:
    data, condition = REFUSED[case]
    assert read(opened_feed(), data) == [b"<iq/>", condition]


@pytest.mark.parametrize("read", [told, told_bytewise])
@pytest.mark.parametrize("case", REFUSED_BY_LIBXML2)
def test_refuses_what_only_libxml2_finds(case: str, read: Reader) -> None:
    data, condition = REFUSED_BY_LIBXML2[case]
    assert read(opened_feed(), data) == [condition]


def test_text_that_looks_like_cdata_is_text_at_the_start_of_a_read_too() -> None:
    feed = opened_feed()
    assert told(feed, b"<message><body>") == []
    assert told(feed, b"![CDATA[a</body></message>") == [b"<message><body>![CDATA[a</body></message>"]
    assert told(feed, b"![CDATA[") == ["bad-format"]


def test_after_an_error_nothing_is_read_any_more() -> None:
    feed = opened_feed()
    assert told(feed, b"<iq><!") == []
    assert told(feed, b"-") == ["restricted-xml"]
    assert told(feed, b"<iq/>") == ["restricted-xml"]


def test_an_unknown_element_leaves_the_stanzas_before_it_be() -> None:
    assert told(opened_feed(), b"<iq/><nobody/><iq/>") == [b"<iq/>", "unsupported-stanza-type"]


def test_an_element_stands_in_a_tree_as_it_does_in_its_stream() -> None:
    for event in stanzas(opened_feed(), b"<message><body>1</body></message><message/>"):
        root = event.getparent()
        assert root is not None
        assert root.tag == f"{{{names.STREAM}}}stream"


def test_what_comes_before_a_mistake_is_read() -> None:
    assert told(opened_feed(), b"<iq id='1'/><iq id='2'/><iq><a:b/></iq><iq/>") == [
        b'<iq id="1"/>',
        b'<iq id="2"/>',
        "not-well-formed",
    ]


@pytest.mark.parametrize("stray", [b"&", b"&foo;", b"a", b"&amp;"])
@pytest.mark.parametrize("read", [told, told_bytewise])
def test_what_stands_before_text_between_stanzas_is_read(read: Reader, stray: bytes) -> None:
    assert read(opened_feed(), b"<iq/><presence>&lt;</presence>" + stray + b"<iq/>") == [
        b"<iq/>",
        b"<presence>&lt;</presence>",
        "bad-format",
    ]


@pytest.mark.parametrize("read", [told, told_bytewise])
@pytest.mark.parametrize("end", [b"</iq>", b"</message>"])
def test_an_end_tag_for_another_is_refused_before_its_stanza_ends(read: Reader, end: bytes) -> None:
    assert read(opened_feed(), b"<iq/><message><a><b x='>'/></a><a  y='1'>t") == [b"<iq/>"]
    feed = opened_feed()
    read(feed, b"<iq/><message><a><b x='>'/></a><a  y='1'>t")
    assert read(feed, end) == ["not-well-formed"]
    feed = opened_feed()
    read(feed, b"<iq/><message><a><b x='>'/></a><a  y='1'>t")
    assert read(feed, b"</a ></message>") == [b'<message><a><b x="&gt;"/></a><a y="1">t</a></message>']


def test_ten_thousand_warnings_are_no_error() -> None:
    feed = opened_feed()
    vcard = b"<iq><vCard xmlns='vcard-temp'/></iq>"
    assert sum(len(told(feed, vcard * 10)) for _ in range(1_000)) == 10_000


def test_thirteen_megabytes_of_blanks_between_stanzas_are_fine() -> None:
    feed = opened_feed()
    for _ in range(200):
        assert told(feed, b" \n" * 32_768) == []
    assert told(feed, b"<iq/>") == [b"<iq/>"]


# -- the header

HEADERS = {
    "plain": HEADER,
    "with a declaration": b"<?xml version='1.0'?>" + HEADER,
    "with an encoding": b'<?xml version="1.0" encoding="utf-8" standalone=\'yes\' ?>\n' + HEADER,
    "after a blank": b" \n" + HEADER,
}


@pytest.mark.parametrize("read", [told, told_bytewise])
@pytest.mark.parametrize("case", HEADERS)
def test_reads_a_header(case: str, read: Reader) -> None:
    expected = StreamHeader({"to": "a.example"}, {None: names.CLIENT, "stream": names.STREAM})
    assert read(new_feed(), HEADERS[case] + b"<iq/>") == [expected, b"<iq/>"]


def test_a_header_tells_its_attributes_and_namespaces() -> None:
    data = b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' xml:lang='de' id='&lt;'>"
    (header,) = new_feed().read(data)
    assert isinstance(header, StreamHeader)
    assert header.attributes == {"xml:lang": "de", "id": "<"}
    assert header.namespaces == {None: names.CLIENT, "s": names.STREAM}
    assert header.default_namespace == names.CLIENT


BAD_HEADERS = {
    "another encoding": (b"<?xml version='1.0' encoding='ISO-8859-1'?>" + HEADER, "unsupported-encoding"),
    "UTF-16": (HEADER.decode().encode("utf-16"), "unsupported-encoding"),
    "no UTF-8": (HEADER.replace(b"a.example", b"\xe9"), "unsupported-encoding"),
    "no UTF-8 at all": (b"\x16\x03\x01\xff\xff", "unsupported-encoding"),
    "a byte order mark": (b"\xef\xbb\xbf" + HEADER, "not-well-formed"),
    "another protocol": (b"GET / HTTP/1.1\r\n", "not-well-formed"),
    "a bad declaration": (b"<?xml vers?>" + HEADER, "not-well-formed"),
    "a processing instruction": (b"<?php?>" + HEADER, "restricted-xml"),
    "a comment": (b"<!---->" + HEADER, "restricted-xml"),
    "a document type": (b"<!DOCTYPE stream [<!ENTITY a 'b'>]>" + HEADER, "restricted-xml"),
    "an entity": (HEADER.replace(b"a.example", b"&foo;"), "not-well-formed"),
    "an attribute twice": (HEADER.replace(b">", b" to='b'>"), "not-well-formed"),
    "a stanza": (b"<message/>", "invalid-namespace"),
    "another namespace": (HEADER.replace(b"etherx", b"example"), "invalid-namespace"),
    "a prefix that is not declared": (b"<stream:stream xmlns='jabber:client'>", "bad-namespace-prefix"),
    "another root": (HEADER.replace(b"<stream:stream", b"<stream:flood"), "bad-format"),
    "too long": (HEADER.replace(b"a.example", b"a" * 10_000), "policy-violation"),
    "too long, unfinished": (HEADER.replace(b"a.example'>", b"a" * 10_000), "policy-violation"),
    "an end tag": (b"</stream:stream>", "not-well-formed"),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_refuses_a_header(case: str) -> None:
    data, condition = BAD_HEADERS[case]
    assert told(new_feed(), data) == [condition]


@pytest.mark.parametrize("case", sorted(set(BAD_HEADERS) - {"no UTF-8 at all"}))
def test_refuses_a_header_that_comes_bytewise(case: str) -> None:
    data, condition = BAD_HEADERS[case]
    assert told_bytewise(new_feed(), data) == [condition]


def test_a_stream_may_be_closed_as_it_is_opened() -> None:
    header, end = new_feed().read(HEADER[:-1] + b"/>")
    assert isinstance(header, StreamHeader)
    assert end == StreamEnd()


UNUSUAL_ROOTS = {
    "another prefix for the stream": (
        b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>",
        b"<message><body>x</body></message>",
        b"</s:stream>",
    ),
    "a prefix for the stanzas": (
        b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:c='jabber:client'>",
        b"<c:message><c:body>x</c:body></c:message>",
        b"</s:stream>",
    ),
    "a prefix for the stanzas that need none": (
        HEADER[:-1] + b" xmlns:c='jabber:client'>",
        b"<c:message><c:body>x</c:body></c:message>",
        b"</stream:stream>",
    ),
    "no prefix for the stream": (
        b"<stream xmlns='http://etherx.jabber.org/streams'>",
        b"<message xmlns='jabber:client'><body>x</body></message>",
        b"</stream>",
    ),
    "the usual prefix for something else": (
        b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:stream='a:b' xmlns='jabber:client'>",
        b"<message><body>x</body></message>",
        b"</s:stream>",
    ),
}


@pytest.mark.parametrize("case", UNUSUAL_ROOTS)
def test_a_stanza_is_the_same_under_any_root(case: str) -> None:
    header, stanza, end = UNUSUAL_ROOTS[case]
    (_, event, _) = told(new_feed(), header + stanza + end)
    assert isinstance(event, bytes)
    assert event.startswith(b"<message")
    assert canonical(parse(event)) == canonical(parse(b"<message><body>x</body></message>"))


def test_a_prefix_that_the_root_declares_is_declared_again_in_a_stanza_that_needs_it() -> None:
    header = HEADER.replace(b"xmlns:stream", b"xmlns:x='urn:x' xmlns:stream")
    (_, event) = told(new_feed(), header + b"<message><x:y/></message>")
    assert isinstance(event, bytes)
    assert parse(event)[0].tag == "{urn:x}y"


# -- what stands between the tags of a stanza

AS_IT_CAME = {
    "any quotes": (b"<message to='a@b'><body c=\"d\" e='f'>g</body></message>", b"<body c=\"d\" e='f'>g</body>"),
    "text between children": (
        b"<message><a xmlns='u'/> \n<body>b</body> </message>",
        b"<a xmlns='u'/> \n<body>b</body> ",
    ),
    "a prefix of its own": (b"<message><p:a xmlns:p='u'/></message>", b"<p:a xmlns:p='u'/>"),
    "a message in a message": (
        b"<message><f xmlns='u'><message xmlns='jabber:client'><body/></message></f></message>",
        b"<f xmlns='u'><message xmlns='jabber:client'><body/></message></f>",
    ),
    "CDATA": (b"<message><body><![CDATA[<&>]]></body></message>", b"<body>&lt;&amp;&gt;</body>"),
}


@pytest.mark.parametrize("case", AS_IT_CAME)
def test_the_content_of_a_stanza_is_told_as_it_came(case: str) -> None:
    sent, content = AS_IT_CAME[case]
    feed = opened_feed()
    assert [feed.content for _ in feed.read(sent * 2)] == [content] * 2


NOT_AS_IT_CAME = {
    "nothing in it": b"<message/>",
    "nothing between its tags": b"<message></message>",
    "text before its children": b"<message>a><body>b</body></message>",
    "a namespace declared on its tag": b"<message xmlns:p='u'><p:a/></message>",
    "a prefix of the stream": b"<message><stream:a/></message>",
    "a prefix of the stream on its tag": b"<message stream:a='b'><body>c</body></message>",
    "a tag that ends in an attribute, to who looks for >": b"<message to='a>b'><body>c</body></message>",
}


@pytest.mark.parametrize("case", NOT_AS_IT_CAME)
def test_content_that_depends_on_its_tag_or_its_stream_is_not_told(case: str) -> None:
    feed = opened_feed()
    assert [feed.content for _ in feed.read(NOT_AS_IT_CAME[case])] == [None]


def test_the_content_of_a_stanza_that_comes_in_parts_is_told_too() -> None:
    stanza = b"<message><body>a &lt;<![CDATA[ < ]]> b</body> <x xmlns='u'/></message>"
    for at in range(len(stanza)):
        feed = opened_feed()
        assert list(feed.read(stanza[:at])) == []
        content = b"<body>a &lt; &lt;  b</body> <x xmlns='u'/>"
        assert [feed.content for _ in feed.read(stanza[at:] + stanza)] == [content, content]


@pytest.mark.parametrize("case", UNUSUAL_ROOTS)
def test_under_an_unusual_root_no_content_is_told(case: str) -> None:
    feed = new_feed()
    header, stanza, _ = UNUSUAL_ROOTS[case]
    list(feed.read(header))
    assert [feed.content for _ in feed.read(stanza)] == [None]


# -- properties

CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
TEXTS = st.text(CHARACTERS, max_size=40)
NAMESPACES = st.sampled_from(["urn:a", names.CLIENT, "vcard-temp", names.STREAM])


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    """An element as somebody might write it."""
    name = draw(st.sampled_from(["a", "body", "message", "é"] if depth else ["iq", "message", "presence"]))
    namespace = draw(NAMESPACES) if depth else names.CLIENT
    prefix = draw(st.sampled_from(["", "p", "stream"]))
    tag = f"{prefix}:{name}" if prefix else name
    head = f"{tag} xmlns{':' + prefix if prefix else ''}={quoteattr(namespace)}"
    if not depth and not prefix and draw(st.booleans()):
        head = tag
    head += draw(st.sampled_from(["", " xmlns:q='urn:q' q:b='1'", ' xmlns:q = "vcard-temp"  q:b="\'>"']))
    for key in draw(st.sets(st.sampled_from(["to", "id", "xml:lang", "stream:a"]))):
        head += f" {key}={quoteattr(draw(TEXTS))}"
    content = escape(draw(TEXTS))
    for child in draw(st.lists(elements(depth + 1), max_size=3)) if depth < 3 else []:
        content += child + draw(st.sampled_from([escape, "<![CDATA[{}]]>".format]))(draw(TEXTS).replace("]]>", ""))
    return f"<{head}>{content}</{tag}>"




@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(elements(), max_size=4), st.data())
def test_however_a_conversation_is_cut_it_is_the_same(sent_stanzas: list[str], data: st.DataObject) -> None:
    sent = HEADER + "\n".join(sent_stanzas).encode() + b"</stream:stream>"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=20)))
    feed, whole = new_feed(), told(new_feed(), sent)
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert [event for piece in pieces for event in told(feed, piece)] == whole
    assert [type(event) for event in whole] == [StreamHeader, *[bytes] * len(sent_stanzas), StreamEnd]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(elements())
def test_what_was_read_is_written_as_it_was(element: str) -> None:
    sent = canonical(etree.fromstring(HEADER + element.encode() + b"</stream:stream>")[0])
    for event in stanzas(opened_feed(), element.encode()):
        assert canonical(event) == sent
        assert canonical(parse(wire(event))) == sent
        assert canonical(etree.fromstring(HEADER + wire(event) + b"</stream:stream>")[0]) == sent


@settings(suppress_health_check=[HealthCheck.too_slow])  # of making elements: how slow is the machine's
@given(elements())
def test_what_was_read_is_passed_on_as_it_was_around_its_content_too(element: str) -> None:
    feed = opened_feed()
    for event in stanzas(feed, element.encode()):
        with suppress(MalformedJID):
            written = Stanza.read(event, content=feed.content).wire()
            assert canonical(etree.fromstring(HEADER + written + b"</stream:stream>")[0]) == canonical(event)


WORDS = [
    "message",
    "iq",
    "body",
    "to",
    "a:b",
    "xmlns",
    "xmlns:a",
    "<![CDATA[",
    "]]>",
    "<!--",
    "</",
    "/>",
    "&#x",
    "&lt;",
]
SCRAPS = st.sampled_from([*"<>/'\"=&;!?-[] \0", *WORDS])


@given(st.lists(SCRAPS, max_size=30).map(lambda scraps: "".join(scraps).encode()) | st.binary(max_size=200))
def test_whatever_comes_only_stream_errors_are_raised(data: bytes) -> None:
    told(new_feed(), data)
    for start in (b"", b"<message>", b"<message to='"):
        told(opened_feed(), start + data)
        told_bytewise(opened_feed(), start + data)
