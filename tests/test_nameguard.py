"""Names are counted before lxml sees them, and tags are recognised only where that changes nothing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.harness.feeds import EVER_NEW, LIMITS, flood, opened_feed, stanzas, told
from xmpp.data.errors import StreamError
from xmpp.stream.xml.nameguard import TAGS_REMEMBERED, NameGuard, ProcessNames, XMLLimits

FEW_NAMES = XMLLimits(stanza_bytes=262_144, depth=64, elements=10_000, attributes=64, names=100)





@pytest.mark.parametrize("kind", EVER_NEW)
def test_ever_new_names_are_over_the_budget(kind: str) -> None:
    known = ProcessNames()
    before = len(known)
    feed = opened_feed(FEW_NAMES, known)
    assert told(feed, b"<message>" + flood(EVER_NEW[kind])) == ["policy-violation"]
    assert len(known) - before <= FEW_NAMES.names


@pytest.mark.parametrize("kind", EVER_NEW)
def test_names_that_come_slowly_are_counted_too(kind: str) -> None:
    feed = opened_feed(FEW_NAMES)
    pieces = (b"<message>", *(flood(EVER_NEW[kind], at, 1) for at in range(200)))
    events = [event for piece in pieces for event in told(feed, piece)]
    assert set(events) == {"policy-violation"}


@pytest.mark.parametrize("kind", EVER_NEW)
def test_each_stanza_may_bring_new_names(kind: str) -> None:
    feed = opened_feed(FEW_NAMES)
    for number in range(30):
        (event,) = told(feed, b"<message>" + flood(EVER_NEW[kind], number * 40, 40) + b"</message>")
        assert isinstance(event, bytes)


def test_what_only_looks_like_names_costs_nothing() -> None:
    before = len(known := ProcessNames())
    body = b"".join(b" a%d='b' xmlns:p%d='c'" % (number, number) for number in range(2_000))
    feed = opened_feed(FEW_NAMES, known)
    assert len(told(feed, b"<message to='" + body.replace(b"'", b'"') + b"'><body>" + body + b"</body></message>")) == 1
    assert len(told(feed, b"<message><body><![CDATA[" + flood("<n{}/>") + b"]]></body></message>")) == 1
    assert len(known) == before


def test_names_that_the_process_knows_are_free() -> None:
    known = ProcessNames()
    stanza = b"<message>" + flood("<n{}/>", count=90) + b"</message>"
    for _ in range(10):
        assert len(told(opened_feed(FEW_NAMES, known), stanza)) == 1


def test_a_long_name_costs_as_much_as_several() -> None:
    for units, events in ((99, 1), (200, 0)):
        stanza = b"<message><" + b"n" * (units * 64) + b"/></message>"
        read = told(opened_feed(FEW_NAMES), stanza)
        assert len([event for event in read if isinstance(event, bytes)]) == events


def test_the_names_of_a_refused_tag_are_not_learned() -> None:
    known = ProcessNames()
    assert told(opened_feed(FEW_NAMES, known), b"<message " + b" ".join(b"n%d=''" % n for n in range(64)) + b"/>")
    before = len(known)
    with pytest.raises(StreamError):
        known.learn([b"x1", b"x2", b"x3"], allowance=2)
    assert len(known) == before


def test_remembered_tags_are_bounded() -> None:
    known = ProcessNames(most=10**6)
    known.learn([b"x%d" % number for number in range(TAGS_REMEMBERED + 1)], allowance=10**6)
    guard = NameGuard(known, LIMITS)
    for number in range(TAGS_REMEMBERED + 10):
        guard.read_tag(b"x%d>" % (number % (TAGS_REMEMBERED + 1)))
        guard.read_tag(b"x%d a='1'>" % (number % (TAGS_REMEMBERED + 1)))
    assert len(known.tags) <= TAGS_REMEMBERED
    assert len(known.outlines) <= TAGS_REMEMBERED
    before = len(known.outlines)
    guard.read_tag(b"x1" + b" " * 1_000 + b"b='1'>")
    assert len(known.outlines) == before


SCRAPS = st.sampled_from([*"ab=='\"> /:&", "xmlns", "xmlns:p", "''", "'u'", "a='1'", ' b="2"', "/a"])
PIECES = st.lists(SCRAPS, max_size=14).map(lambda scraps: "a" + "".join(scraps) + ">")


def verdict(guard: NameGuard, piece: str) -> object:
    try:
        return guard.read_tag(piece.encode())
    except StreamError as error:
        return error.condition


@given(st.lists(PIECES, min_size=1, max_size=12))
def test_a_tag_is_judged_the_same_whatever_was_seen_before(pieces: list[str]) -> None:
    known = ProcessNames()
    guard = NameGuard(known, LIMITS)
    for piece in pieces:
        verdict(guard, piece)
    for variant in itertools.chain.from_iterable(map(variants, pieces)):
        fresh = NameGuard(ProcessNames(), LIMITS)
        fresh.charge([b"a", b"b"])
        assert verdict(guard, variant) == verdict(fresh, variant)


def variants(piece: str) -> list[str]:
    changes = [("", ""), ("'", '"'), ('"', "'"), ("'u'", "'v'"), ("1", "x>"), ("'u'", "''")]
    return [piece.replace(old, new) for old, new in changes]


TAGS = st.lists(PIECES, max_size=8).map(lambda pieces: "".join("<" + piece + "x" for piece in pieces))


@given(st.lists(TAGS, min_size=1, max_size=6))
def test_lxml_sees_no_name_that_is_not_known(contents: list[str]) -> None:
    known = ProcessNames()
    for content in contents:
        feed = opened_feed(LIMITS, known)
        try:
            for event in stanzas(feed, f"<message>{content}</message>".encode()):
                assert all(name.encode() in known for name in names_of(event))
        except StreamError:
            pass


def names_of(element: etree._Element) -> set[str]:
    """What libxml2 has kept of a tree."""
    found = set()
    for each in element.iter():
        local = etree.QName(each).localname
        found |= {f"{each.prefix}:{local}" if each.prefix else local, *each.nsmap.values()}
    return found
