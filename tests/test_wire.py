"""Elements to bytes: how they stand inside a stream whose default namespace is jabber:client."""

import pytest
from lxml import etree

from tests.harness.feeds import HEADER, canonical, opened_feed, stanzas
from xmpp.data import names
from xmpp.data.wire import attributes_of, parse, standing_alone, wire

INHERITED = b' xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams"'

READ_AND_WRITTEN = {
    "a stanza": (b"<message to='a'><body>x</body></message>", b'<message to="a"><body>x</body></message>'),
    "one that declares its namespace": (b"<iq xmlns='jabber:client' id='1'/>", b'<iq id="1"/>'),
    "one with a prefix": (
        b"<c:iq xmlns:c='jabber:client'><c:a/><b xmlns='u'>&lt;&#13;</b></c:iq>",
        b'<iq><a/><b xmlns="u">&lt;&#13;</b></iq>',
    ),
    "declarations of its own": (b"<iq xmlns:p='u'><p:a/></iq>", b'<iq><a xmlns="u"/></iq>'),
    "the stream's prefix inside": (
        b"<iq><stream:a/></iq>",
        b'<iq xmlns:stream="http://etherx.jabber.org/streams"><stream:a/></iq>',
    ),
    "text that looks like what is left out": (
        b"<iq xmlns:p='u'><a>" + INHERITED + b"</a></iq>",
        b"<iq><a>" + INHERITED + b"</a></iq>",
    ),
    "an attribute in a namespace": (
        b"<iq xmlns:p='u' p:a='1' xml:lang='de'/>",
        b'<iq xmlns:ns0="u" ns0:a="1" xml:lang="de"/>',
    ),
    "quotes in an attribute": (
        b"""<c:iq xmlns:c='jabber:client' id='" to="x"'/>""",
        b'<iq id="&quot; to=&quot;x&quot;"/>',  # so that no value looks like another attribute
    ),
    "stanzas in something else": (
        b"<iq xmlns:p='u'><p:a><message/><p:b/></p:a></iq>",
        b'<iq><a xmlns="u"><message xmlns="jabber:client"/><b/></a></iq>',
    ),
    "elements with the prefix of XML itself": (
        b"<iq xmlns:p='u' p:a='1'><xml:b><xml:c/><d/></xml:b></iq>",
        b'<iq xmlns:ns0="u" ns0:a="1"><xml:b><xml:c/><d/></xml:b></iq>',
    ),
    "no namespace": (b"<c:iq xmlns:c='jabber:client'><a xmlns=''><b/></a></c:iq>", b'<iq><a xmlns=""><b/></a></iq>'),
}


LONG = b"u" * 5_000
NOT_GROWING = {
    "elements of a long namespace": b"<iq xmlns:p='%b'>" % LONG + b"<p:a/>" * 1_000 + b"</iq>",
    "attributes of a long namespace": b"<iq xmlns:p='%b'>" % LONG + b"<a p:b='c'/>" * 1_000 + b"</iq>",
    "elements of a long namespace in something else": (
        b"<iq xmlns:p='%b'><x xmlns='v'>" % LONG + b"<p:a><b/></p:a>" * 1_000 + b"</x></iq>"
    ),
    "elements of a short namespace": b"<iq xmlns:p='u'>" + b"<p:a><b/></p:a>" * 1_000 + b"</iq>",
}


@pytest.mark.parametrize("case", NOT_GROWING)
def test_what_is_written_is_not_many_times_as_long(case: str) -> None:
    for element in stanzas(opened_feed(), NOT_GROWING[case]):
        written = wire(element)
        assert len(written) < 4 * len(NOT_GROWING[case])
        assert canonical(parse(written)) == canonical(element)


@pytest.mark.parametrize("case", READ_AND_WRITTEN)
def test_what_was_read_is_written(case: str) -> None:
    read, written = READ_AND_WRITTEN[case]
    for element in stanzas(opened_feed(), read):
        assert wire(element) == written
        assert canonical(parse(written)) == canonical(element)
        assert canonical(etree.fromstring(HEADER + written + b"</stream:stream>")[0]) == canonical(element)


@pytest.mark.parametrize("case", READ_AND_WRITTEN)
def test_what_was_read_is_written_so_that_it_stands_alone(case: str) -> None:
    read, _ = READ_AND_WRITTEN[case]
    for element in stanzas(opened_feed(), read):
        assert canonical(etree.fromstring(standing_alone(wire(element)))) == canonical(element)


@pytest.mark.parametrize(
    ("inside", "alone"),
    [
        (b"<iq/>", b'<iq xmlns="jabber:client"/>'),
        (b"<iq />", b'<iq xmlns="jabber:client" />'),
        (b"<presence><show>a b</show></presence>", b'<presence xmlns="jabber:client"><show>a b</show></presence>'),
        (b"<presence>a b</presence>", b'<presence xmlns="jabber:client">a b</presence>'),
        (b'<message to="a"/>', b'<message xmlns="jabber:client" to="a"/>'),
        (b'<iq xmlns:ns0="u" ns0:a="1"/>', b'<iq xmlns="jabber:client" xmlns:ns0="u" ns0:a="1"/>'),
        (b'<iq xmlnsx="u"/>', b'<iq xmlns="jabber:client" xmlnsx="u"/>'),
        (b'<r xmlns="urn:xmpp:sm:3"/>', b'<r xmlns="urn:xmpp:sm:3"/>'),
        (b"<proceed xmlns='u'/>", b"<proceed xmlns='u'/>"),
    ],
)
def test_an_element_that_stands_alone_declares_its_namespace(inside: bytes, alone: bytes) -> None:
    assert standing_alone(inside) == alone


def test_a_part_of_what_was_read_is_written_so_that_it_can_be_read_again() -> None:
    for namespace in ("u", "u" * 100):
        inner = f"<p:a xmlns:p='{namespace}' xmlns:q='v' q:b='1'><p:c/><d xmlns='w'><p:e q:f='2'/></d></p:a>"
        for element in stanzas(opened_feed(), f"<iq>{inner}</iq>".encode()):
            assert canonical(parse(wire(element[0]))) == canonical(element[0])


def test_a_part_with_the_prefix_of_xml_itself_is_written_so_that_it_can_be_read_again() -> None:
    for element in stanzas(opened_feed(), b"<iq><xml:a xml:lang='de'><b xmlns='u'/></xml:a></iq>"):
        assert canonical(parse(wire(element[0]))) == canonical(element[0])


def test_what_we_build_is_written_without_its_default_namespace() -> None:
    message = etree.Element(names.MESSAGE, id="1", nsmap={None: names.CLIENT})
    etree.SubElement(message, names.BODY).text = "é"
    assert wire(message) == '<message id="1"><body>é</body></message>'.encode()


def test_what_we_build_in_another_namespace_keeps_it() -> None:
    assert wire(etree.Element(f"{{{names.TLS}}}proceed", nsmap={None: names.TLS})) == (
        f'<proceed xmlns="{names.TLS}"/>'.encode()
    )
    form = etree.Element("{u:1}a", nsmap={None: "u:1"})
    etree.SubElement(form, "{u:1}b", {names.XML_LANG: "de"}).text = "xmlns"
    etree.SubElement(form, "{u:2}c", nsmap={None: "u:2"})
    assert wire(form) == b'<a xmlns="u:1"><b xml:lang="de">xmlns</b><c xmlns="u:2"/></a>'
    etree.SubElement(form, "{u:3}d")  # which gets a prefix, so that nothing is left as libxml2 writes it
    assert wire(form).endswith(b'<c xmlns="u:2"/><d xmlns="u:3"/></a>')


def test_an_element_out_of_its_tree_gets_no_prefix() -> None:
    events = stanzas(opened_feed(), b"<message to='a'><body>x</body></message><iq/>")
    message = next(events)
    next(events)
    assert wire(message) == b'<message to="a"><body>x</body></message>'
    assert wire(etree.Element(names.IQ)) == b"<iq/>"


def test_a_tail_is_not_written() -> None:
    parent = parse(b"<message><body>x</body>tail</message>")
    assert wire(parent[0]) == b"<body>x</body>"


@pytest.mark.parametrize(
    "data", [b"<iq/>", b"<iq />", b'<iq id="1"/>', b'<a xmlns="u"><b/></a>', b"<a xmlns='u'/>", b"<iq/>"]
)
def test_bytes_that_were_written_are_read_again(data: bytes) -> None:
    element = parse(data)
    assert etree.QName(element).namespace == ("u" if b"u" in data else names.CLIENT)


@pytest.mark.parametrize(
    ("written", "attributes"),
    [
        (b"<iq/>", {}),
        (b'<iq type="get" id="1"/>', {b"type": b"get", b"id": b"1"}),
        (b'<iq id="1"><a type="b"/></iq>', {b"id": b"1"}),
        (b'<iq id=" from=" to=" a=&quot;b&quot;&gt;">c="d"</iq>', {b"id": b" from=", b"to": b" a=&quot;b&quot;&gt;"}),
        (b'<iq xmlns:ns0="u" ns0:a="" xml:lang="de"/>', {b"xmlns:ns0": b"u", b"ns0:a": b"", b"xml:lang": b"de"}),
    ],
)  # fmt: skip
def test_the_attributes_of_an_element_are_read_off_its_bytes(written: bytes, attributes: dict[bytes, bytes]) -> None:
    assert attributes_of(written) == attributes
    element = parse(written)
    assert len(element.attrib) == len([name for name in attributes if not name.startswith(b"xmlns")])
