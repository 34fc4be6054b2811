"""Streams that take turns with the trees in which their stanzas grow: none may find anything of another."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_xmlfeed import HEADER, opened_feed, told
from xmpp import names
from xmpp.stream.trees import SPARE_TREES, Trees
from xmpp.stream.xmlfeed import XMLFeed
from xmpp.wire import ROOT

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


def feeds(count: int, trees: Trees) -> list[XMLFeed]:
    return [opened_feed(trees=trees) for _ in range(count)]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(STREAMS) - 1), st.integers(1, 30)), max_size=60))
def test_however_streams_are_mixed_each_reads_what_it_was_sent(cuts: list[tuple[int, int]]) -> None:
    shared = feeds(len(STREAMS), Trees(names.STANZA_TAGS))
    events: list[list[object]] = [[] for _ in STREAMS]
    rest = list(STREAMS)
    for number, size in [*cuts, *((number, 1000) for number in range(len(STREAMS)))]:
        events[number] += told(shared[number], rest[number][:size])
        rest[number] = rest[number][size:]
    assert events == [told(opened_feed(), data) for data in STREAMS]


@pytest.mark.parametrize("case", BREAKING)
def test_what_breaks_one_stream_breaks_no_other(case: str) -> None:
    data, condition = BREAKING[case]
    trees = Trees(names.STANZA_TAGS)
    broken, other = feeds(2, trees)
    assert [*told(broken, b"<iq/>"), *told(broken, data)] == [b"<iq/>", condition]
    assert told(other, b"<message><body>x</body></message>") == [b"<message><body>x</body></message>"]


def test_what_one_stream_declares_in_its_header_no_other_can_use() -> None:
    trees = Trees(names.STANZA_TAGS)
    declaring = opened_feed(trees=trees, header=HEADER.replace(b" to=", b" xmlns:p='u' to="))
    assert told(declaring, b"<iq><p:a/></iq>") == [b'<iq xmlns:p="u"><p:a/></iq>']
    assert told(opened_feed(trees=trees), b"<iq><p:a/></iq>") == ["not-well-formed"]
    assert told(declaring, b"<iq><p:a/></iq>") == [b'<iq xmlns:p="u"><p:a/></iq>']


def test_a_stream_that_is_not_read_to_its_end_keeps_its_tree_from_others() -> None:
    trees = Trees(names.STANZA_TAGS)
    left, other = feeds(2, trees)
    events = left.read(b"<iq id='1'/><iq id='2'/>")
    next(events)
    assert told(other, b"<iq id='3'/>") == [b'<iq id="3"/>']
    events.close()  # type: ignore[attr-defined]
    assert told(other, b"<iq id='4'/>") == [b'<iq id="4"/>']


def test_streams_between_stanzas_have_no_tree_of_their_own() -> None:
    trees = Trees(names.STANZA_TAGS)
    first = trees.take(ROOT)
    trees.give_back(first)
    for feed in feeds(3, trees):
        told(feed, b"<iq/>")
        assert trees.take(ROOT) is first
        trees.give_back(first)
        assert told(feed, b"<message><bo") == []
        assert trees.take(ROOT) is not first
        told(feed, b"dy/></message>")


def test_a_limited_number_of_trees_is_kept() -> None:
    trees = Trees(names.STANZA_TAGS)
    many = [trees.take(ROOT) for _ in range(SPARE_TREES + 10)]
    for tree in many:
        trees.give_back(tree)
    again = [trees.take(ROOT) for _ in many]
    assert sum(tree in many for tree in again) == SPARE_TREES
