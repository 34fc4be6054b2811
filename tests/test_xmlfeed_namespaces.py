"""What servers and components send: their content namespace becomes that of clients where it enters (RFC 6120 8.4)."""

import pytest
from lxml import etree

from tests.harness.feeds import canonical, new_feed
from xmpp.data import names
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.stream.xml.xmlfeed import XMLFeed

STREAMS = "xmlns:stream='http://etherx.jabber.org/streams'"
USUAL = f"<stream:stream xmlns='{{0}}' {STREAMS} to='a.example'>"
WITH_DIALBACK = f"<stream:stream xmlns='{{0}}' {STREAMS} xmlns:db='jabber:server:dialback' to='a.example'>"
WRITTEN_OUT = f"<stream:stream xmlns:s='{{0}}' {STREAMS} to='a.example'>"
STREAM_BY_DEFAULT = "<stream xmlns='http://etherx.jabber.org/streams' xmlns:s='{0}' to='a.example'>"

FORWARDED = (
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>a</body></message></forwarded>"
    "<x xmlns='u:x'><y xmlns='jabber:server'/></x>"
)


def feed_of(namespace: str, header: str) -> XMLFeed:
    feed = new_feed(namespace=namespace)
    list(feed.read(header.format(namespace).encode()))
    return feed


def read_one(feed: XMLFeed, data: str) -> etree._Element:
    (element,) = feed.read(data.encode())
    assert isinstance(element, etree._Element)
    return element


@pytest.mark.parametrize("namespace", [names.SERVER, names.COMPONENT, names.CLIENT])
@pytest.mark.parametrize("header", [USUAL, WITH_DIALBACK])
def test_what_is_in_the_content_namespace_is_a_clients_stanza(namespace: str, header: str) -> None:
    message = f"<message to='b@a.example' type='chat'><body>hi</body><thread>t</thread>{FORWARDED}</message>"
    element = read_one(feed_of(namespace, header), message)
    assert canonical(element) == canonical(etree.fromstring(f"<s xmlns='jabber:client'>{message}</s>")[0])


@pytest.mark.parametrize("header", [WRITTEN_OUT, STREAM_BY_DEFAULT])
def test_it_may_be_written_with_a_prefix(header: str) -> None:
    element = read_one(
        feed_of(names.SERVER, header),
        f"<s:message to='b@a.example'><s:body>hi</s:body><x xmlns='u:x'><s:body/></x>{FORWARDED}</s:message>",
    )
    assert element.tag == names.MESSAGE
    assert [child.tag for child in element] == [names.BODY, "{u:x}x", "{urn:xmpp:forward:0}forwarded", "{u:x}x"]
    assert element[1][0].tag == "{jabber:server}body", "content of others keeps its namespaces"
    assert element[2][0].tag == names.MESSAGE


def test_it_may_be_declared_on_each_stanza() -> None:
    element = read_one(
        feed_of(names.SERVER, STREAM_BY_DEFAULT), "<iq xmlns='jabber:server'><q xmlns='u:q'/><error/></iq>"
    )
    assert [element.tag, *(child.tag for child in element)] == [names.IQ, "{u:q}q", names.ERROR]


def test_only_what_uses_a_prefix_of_the_header_is_written_anew() -> None:
    feed = feed_of(names.SERVER, WITH_DIALBACK)
    usual = read_one(feed, "<message><body>one</body></message>")
    assert feed.content == b"<body>one</body>"
    assert Stanza.read(usual, content=feed.content).wire() == b"<message><body>one</body></message>"
    prefixed = read_one(feed, "<message><db:x/></message>")
    assert feed.content is None
    assert canonical(parse(Stanza.read(prefixed).wire())) == canonical(prefixed)
