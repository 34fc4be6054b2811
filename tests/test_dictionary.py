"""lxml forgets names: what one stream, or a thousand, have made it learn is nobody's trouble afterwards."""

import gc
import itertools

from lxml import etree

from tests.harness.feeds import EVER_NEW, LIMITS, flood, opened_feed, told
from xmpp.stream.xml import dictionary
from xmpp.stream.xml.nameguard import NAMES_KEPT, ProcessNames

UNKNOWN = b"<message><honest-element honest-attribute='' xmlns='urn:honest'/></message>"


def test_names_of_a_thousand_connections_leave_room_for_others() -> None:
    known = ProcessNames()
    for connection in range(1_000):
        stanza = b"<message>" + flood("<n{}/>", connection * 295, 295) + b"</message>"
        assert len(told(opened_feed(LIMITS, known), stanza)) == 1
        assert len(known) <= NAMES_KEPT + 2_000  # those known from the start
    other = opened_feed(LIMITS, known)
    for number in range(50):
        (read,) = told(other, UNKNOWN.replace(b"honest", b"honest%d" % number))
        assert isinstance(read, bytes)


def test_what_lxml_keeps_is_bounded_whatever_comes() -> None:
    known = ProcessNames()
    kinds = itertools.cycle(EVER_NEW.values())
    dictionary.renew()
    before = dictionary.size()
    gc.disable()  # nothing may be left to it, for when it comes nobody knows
    try:
        for connection in range(1_500):
            feed = opened_feed(LIMITS, known)
            told(feed, b"<message>" + flood(next(kinds), connection * 100, 100) + b"</message>")
            told(feed, b"<message><unfinished>")
            assert dictionary.size() - before < NAMES_KEPT + 2_000
    finally:
        gc.enable()


def test_elements_outlive_the_names_they_are_made_of() -> None:
    stanza = b"<message><old:a xmlns:old='urn:old'><b c='d'/>x</old:a></message>"
    feed = opened_feed()
    (kept,) = feed.read(stanza)
    assert isinstance(kept, etree._Element)
    for _ in range(3):
        assert dictionary.renew()
        told(opened_feed(), b"<message><another xmlns='urn:another'/></message>")
    moved = etree.Element("{urn:new}answer")
    moved.append(kept[0])
    del kept, feed
    gc.collect()
    assert [each.tag for each in moved.iter()] == ["{urn:new}answer", "{urn:old}a", "{jabber:client}b"]
    assert moved[0][0].get("c") == "d"
    assert b"x</old:a>" in etree.tostring(moved)


def test_a_stanza_goes_on_over_a_renewal() -> None:
    known = ProcessNames(most=100)
    slow = opened_feed(LIMITS, known)
    assert told(slow, b"<message><some-name some-attribute='1'>") == []
    for number in range(10):
        told(opened_feed(LIMITS, known), b"<message>" + flood("<n{}/>", number * 90, 90) + b"</message>")
    (read,) = told(slow, b"</some-name></message>")
    assert read == b'<message><some-name some-attribute="1"/></message>'
