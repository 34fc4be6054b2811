"""Elements that come one by one are read as they would be in a stream, and each has to be whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.harness.feeds import LIMITS, canonical, opened_feed
from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import wire
from xmpp.stream.xml.elementfeed import ElementFeed
from xmpp.stream.xml.nameguard import ProcessNames, XMLLimits

DECLARED = b" xmlns='jabber:client'"


def new_feed(limits: XMLLimits = LIMITS) -> ElementFeed:
    return ElementFeed(limits, ProcessNames(), names.STANZA_TAGS)


def read(feed: ElementFeed, *messages: bytes) -> list[tuple[bytes, bytes | None]]:
    """Each element as bytes, with its content."""
    return [(wire(element), feed.content) for element in feed.read_each(messages)]


def read_in_a_stream(*messages: bytes) -> list[tuple[bytes, bytes | None]]:
    feed = opened_feed()
    found = []
    for message in messages:
        for element in feed.read(message):
            assert isinstance(element, etree._Element)
            found.append((wire(element), feed.content))
    return found


SAME_WITHOUT = {
    "the declaration first": b"<iq%b to='a'/>",
    "the declaration last": b"<iq to='a>' id=\"'\"%b/>",
    "before a blank": b"<presence%b />",
    "with content": b"<message%b><body>xmlns='jabber:client'</body></message>",
    "declared again inside": b"<message%b><body xmlns='jabber:client'>a</body></message>",
    "with a prefix": b"<message%b xmlns:p='jabber:client'><p:body>a</p:body></message>",
}


@pytest.mark.parametrize("case", SAME_WITHOUT)
def test_the_usual_declaration_makes_no_difference(case: str) -> None:
    written = SAME_WITHOUT[case]
    with_it = [written % DECLARED, written % DECLARED.replace(b"'", b'"')]
    without = written % b""
    for message in with_it:
        assert read(new_feed(), message) == read(new_feed(), without) == read_in_a_stream(without)


@pytest.mark.parametrize(
    "message",
    [
        b"<message xmlns='jabber:client' xmlns='jabber:client'/>",
        b"<message xmlns='jabber:client' a='1' xmlns='u'/>",
        b"<message xmlns='jabber:client' xmlns ='u'/>",
        b"<message xmlns='u' xmlns='jabber:client'/>",
        b"<message a='<' xmlns='jabber:client'/>",
        b"<message a='1' a='2' xmlns='jabber:client'/>",
        b"<message xmlns='jabber:client'a='1'/>",
        b"<message xmlns='jabber:client'>&foo;</message>",
    ],
)
def test_what_is_not_well_formed_is_refused_whether_it_declares_or_not(message: bytes) -> None:
    with pytest.raises(StreamError) as refused:
        read(new_feed(), message)
    assert refused.value.condition == "not-well-formed"


@pytest.mark.parametrize(
    "message",
    [
        b"<c:message xmlns:c='jabber:client' c:a='1'><c:body>a</c:body></c:message>",
        b"<message\n xmlns = 'jabber:client'\tid='1'><body>a</body></message>",
        b"<message xmlns='jabber:client' xmlns:x='u' x:y='1'><x:body>a</x:body></message>",
        b"<message to='a' xmlns='jabber:client' xml:lang='de'><body>a</body></message>",
    ],
)
def test_other_ways_to_declare_are_understood(message: bytes) -> None:
    [element] = new_feed().read_each([message])
    assert canonical(element) == canonical(etree.fromstring(message))


texts = st.text(
    st.characters(codec="utf-8", exclude_characters="<>&", exclude_categories=["Cc", "Cs", "Cn"]), max_size=20
)
elements = st.one_of(
    st.builds(lambda text: f"<message{DECLARED.decode()}><body>{text}</body></message>".encode(), texts),
    st.builds(lambda size: b"<message><body>%b</body></message>" % (b"a" * size), st.integers(0, 6_000)),
    st.builds(lambda text: f"<iq id='1'><![CDATA[{text}]]><x/></iq>".encode(), texts),
    st.builds(lambda count: b"<iq>%b</iq>" % (b"<a/>" * count), st.integers(0, 1_500)),
    st.just(b"<presence/>"),
)


@settings(deadline=None)
@given(st.lists(elements, max_size=5))
def test_however_many_come_together_each_is_read_as_in_a_stream(messages: list[bytes]) -> None:
    plain = [message.replace(DECLARED, b"") for message in messages]
    assert read(new_feed(), *messages) == read_in_a_stream(*plain)


NOT_ONE = [
    b"",
    b" ",
    b"a",
    b"<iq/> ",
    b" <iq/>",
    b"<iq/><iq/>",
    b"<iq>",
    b"<iq",
    b"<iq/>a",
    b"<iq id='>",
    b"<iq><![CDATA[>",
    b"<iq><![CDATA[a]]></iq><iq id='>",
]


@pytest.mark.parametrize("bad", [*NOT_ONE, *(each + b"<![CDATA[]]>" for each in NOT_ONE)])
@pytest.mark.parametrize("others", [0, 1, 200])
def test_a_message_that_is_not_one_element_is_refused_after_those_before_it(bad: bytes, others: int) -> None:
    feed = new_feed()
    found = []
    with pytest.raises(StreamError) as refused:
        for element in feed.read_each([b"<presence/>"] * others + [bad] + [b"<iq/>"] * others):
            found.append(element.tag)
    assert found[:others] == [names.PRESENCE] * others
    assert len(found) <= others + 1
    assert refused.value.condition in ("bad-format", "not-well-formed")


def test_no_message_completes_another_one() -> None:
    for pair in ((b"<iq>", b"</iq>"), (b"<iq id='", b"'/>"), (b"<", b"iq/>"), (b"<iq><![CDATA[", b"]]></iq>")):
        with pytest.raises(StreamError):
            read(new_feed(), *pair)
        feed = new_feed()
        with pytest.raises(StreamError):
            read(feed, pair[0])


def test_limits_are_those_of_a_stream() -> None:
    limits = XMLLimits(stanza_bytes=1_000_000, depth=5, elements=10, attributes=16, names=10)
    for message in (
        b"<iq>%b</iq>" % (b"<a/>" * 10),
        b"<iq>%b</iq>" % (b"<a/>" * 5_000),
        b"<iq><a><a><a><a><a></a></a></a></a></a></iq>",
        b"<iq %b/>" % b" ".join(b"id%d='1'" % number for number in range(17)),
        b"<iq><a %b/></iq>" % b" ".join(b"never%d='1'" % number for number in range(11)),
    ):
        with pytest.raises(StreamError) as refused:
            read(new_feed(limits), message)
        assert refused.value.condition == "policy-violation"
