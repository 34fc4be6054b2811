"""Streams share a parser, and the names that it keeps: none may find anything of another."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.feeds import HEADER, opened_feed, told
from xmpp.stream.xml import dictionary
from xmpp.stream.xml.xmlfeed import XMLFeed

STREAMS = (
    b"<message to='a'><body>&lt;x</body></message>\n<iq type='get' id='1'><q xmlns='u'/></iq><presence/>",
    "<presence><status>ä</status></presence>  <message id='2'><![CDATA[<]]></message><iq/>".encode(),
    b"<message><forwarded xmlns='f'><message xmlns='jabber:client'/></forwarded></message> <iq><p:a xmlns:p='v'/></iq>",
)
BREAKING = {
    "not well-formed": (b"<iq></b>", "not-well-formed"),
    "a prefix that is not declared": (b"<iq><p:a/></iq>", "not-well-formed"),
    "an unknown element": (b"<nobody><a/></nobody>", "unsupported-stanza-type"),
    "a comment behind a stanza's beginning": (b"<iq><a><!-- --></a></iq>", "restricted-xml"),
    "too deep": (b"<iq>" + b"<a>" * 64, "policy-violation"),
}


def feeds(count: int) -> list[XMLFeed]:
    return [opened_feed() for _ in range(count)]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(STREAMS) - 1), st.integers(1, 30)), max_size=60), st.booleans())
def test_however_streams_are_mixed_each_reads_what_it_was_sent(cuts: list[tuple[int, int]], forgets: bool) -> None:
    shared = feeds(len(STREAMS))
    events: list[list[object]] = [[] for _ in STREAMS]
    rest = list(STREAMS)
    for number, size in [*cuts, *((number, 1000) for number in range(len(STREAMS)))]:
        events[number] += told(shared[number], rest[number][:size])
        rest[number] = rest[number][size:]
        if forgets:
            dictionary.renew()
    assert events == [told(opened_feed(), data) for data in STREAMS]


@pytest.mark.parametrize("case", BREAKING)
def test_what_breaks_one_stream_breaks_no_other(case: str) -> None:
    data, condition = BREAKING[case]
    broken, other = feeds(2)
    assert [*told(broken, b"<iq/>"), *told(broken, data)] == [b"<iq/>", condition]
    assert told(other, b"<message><body>x</body></message>") == [b"<message><body>x</body></message>"]


def test_what_one_stream_declares_in_its_header_no_other_can_use() -> None:
    declaring = opened_feed(header=HEADER.replace(b" to=", b" xmlns:p='u' to="))
    assert told(declaring, b"<iq><p:a/></iq>") == [b'<iq xmlns:p="u"><p:a/></iq>']
    assert told(opened_feed(), b"<iq><p:a/></iq>") == ["not-well-formed"]
    assert told(declaring, b"<iq><p:a/></iq>") == [b'<iq xmlns:p="u"><p:a/></iq>']


def test_a_stream_that_is_not_read_to_its_end_is_no_trouble_for_others() -> None:
    left, other = feeds(2)
    events = left.read(b"<iq id='1'/><iq id='2'/>")
    next(events)
    assert told(other, b"<iq id='3'/>") == [b'<iq id="3"/>']
    events.close()  # type: ignore[attr-defined]
    assert told(other, b"<iq id='4'/>") == [b'<iq id="4"/>']
