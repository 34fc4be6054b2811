"""docs/security.md rows that the stream reader answers for, without a server around it."""

import resource
from pathlib import Path

import pytest

from tests.harness.feeds import HEADER, LIMITS, new_feed, opened_feed, told
from xmpp.stream.xml.nameguard import ProcessNames, XMLLimits

SMALL = XMLLimits(stanza_bytes=10_000, depth=8, elements=32, attributes=16, names=20)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def message_of(size: int) -> bytes:
    return b"<message><body>" + b"x" * (size - 32) + b"</body></message>"


def nested(levels: int) -> bytes:
    return b"<message>" + b"<x>" * (levels - 1) + b"</x>" * (levels - 1) + b"</message>"


WITHIN = {
    "bytes": message_of(10_000),
    "bytes in an attribute": b"<message to='" + b"x" * 9_980 + b"'/>",
    "depth": nested(8),
    "elements": b"<message>" + b"<x/>" * 31 + b"</message>",
    "attributes": b"<message " + b" ".join(b"a%d=''" % n for n in range(16)) + b"/>",
}
BEYOND = {
    "bytes": message_of(10_001),
    "bytes in an attribute": b"<message to='" + b"x" * 9_985 + b"'/>",
    "bytes in CDATA": b"<message><![CDATA[" + b"<" * 3_000 + b"]]></message>",
    "depth": nested(9),
    "elements": b"<message>" + b"<x/>" * 32 + b"</message>",
    "attributes": b"<message " + b" ".join(b"a%d=''" % n for n in range(17)) + b"/>",
}


@pytest.mark.parametrize("chunk", [1, 100, 100_000])
@pytest.mark.parametrize("what", WITHIN)
def test_row_05_and_06_up_to_a_limit_everything_is_read(what: str, chunk: int) -> None:
    feed = opened_feed(SMALL)
    for _ in range(2):
        data = WITHIN[what]
        events = [event for at in range(0, len(data), chunk) for event in told(feed, data[at : at + chunk])]
        assert [type(event) for event in events] == [bytes]


@pytest.mark.parametrize("chunk", [1, 100, 100_000])
@pytest.mark.parametrize("what", BEYOND)
def test_row_05_and_06_beyond_a_limit_a_stanza_is_refused_before_it_is_whole(what: str, chunk: int) -> None:
    feed = opened_feed(SMALL)
    data = BEYOND[what]
    events = [event for at in range(0, len(data), chunk) for event in told(feed, data[at : at + chunk])]
    assert set(events) == {"policy-violation"}


@pytest.mark.parametrize(
    "start", [b"", b"<?xml ", b"<stream:stream ", HEADER + b"<message to='", HEADER + b"<message>"]
)
def test_row_05_what_never_ends_is_not_kept(start: bytes) -> None:
    feed = new_feed(SMALL)
    told(feed, start)
    events = [event for _ in range(20) for event in told(feed, b"x" * 1_000)]
    assert events[-1] == ("not-well-formed" if not start else "policy-violation")


def test_row_47_a_stanza_that_mistakes_a_prefix_is_never_passed_on() -> None:
    known = ProcessNames()
    for _ in range(2):  # the second time all tags are known
        assert told(opened_feed(LIMITS, known), b"<message/><message><a:b/></message>") == [
            b"<message/>",
            "not-well-formed",
        ]


def test_row_48_what_is_only_inside_of_something_else_is_no_stanza() -> None:
    inside = b"<message><forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client'/></forwarded></message>"
    assert len(told(opened_feed(), inside)) == 1
    assert told(opened_feed(), b"<x>" + inside + b"</x>") == ["unsupported-stanza-type"]


def test_row_60_what_is_remembered_of_attackers_is_bounded() -> None:
    known = ProcessNames(most=1_000)
    before = len(known)
    for connection in range(300):
        names = b"".join(b"<x%d-%d/>" % (connection, number) for number in range(19))
        told(opened_feed(SMALL, known), b"<message>" + names + b"</message>")
    assert len(known) - before <= 1_000


LONG = "n" * 8_000
FLOODS = {
    "element names": "<n{}/>",
    "attribute names": "<x n{}=''/>",
    "prefixes": "<n{}:x xmlns:n{}='u:u'/>",
    "namespaces": "<x xmlns:p = 'u:{}'/>",
    "entities": f"&{LONG}{{}};",
}


def blanks(number: int, size: int) -> str:
    """A blank text of that size for each number."""
    return "".join(" \t\n"[number // 3**digit % 3] for digit in range(12)).rjust(size)


BLANKS = {
    "blank text": lambda number: blanks(number, 16),
    "long blank text": lambda number: blanks(number, 59),
    "blank text after a line's end": lambda number: "\r\n" + blanks(number, 58),
}


@pytest.mark.parametrize("kind", [*FLOODS, *BLANKS])
def test_row_61_ever_new_names_from_many_connections_leave_the_memory_flat(kind: str) -> None:
    known = ProcessNames(most=2_000)

    def connect(connection: int) -> None:
        """One connection that brings up to 200 new names, as many as it can."""
        feed = opened_feed(SMALL, known)
        for number in range(connection * 200, connection * 200 + 200):
            name = f"{number}-{'n' * 60}"
            text = BLANKS[kind](number) + "<x/>" if kind in BLANKS else FLOODS[kind].replace("{}", name)
            if not isinstance(told(feed, f"<message>{text}</message>".encode())[-1], bytes):
                return

    for connection in range(100):
        connect(connection)
    before = resident_bytes()
    for connection in range(100, 500):
        connect(connection)
    assert resident_bytes() - before < 1_000_000


def test_row_61_ever_new_ids_on_one_connection_leave_the_memory_flat() -> None:
    """libxml2 would keep the value of each `xml:id` with the tree of the stream."""
    feed = opened_feed()

    def send(start: int, count: int) -> None:
        for number in range(start, start + count, 100):
            told(feed, b"".join(b"<iq xml:id='n%d'/>" % each for each in range(number, number + 100)))

    send(0, 5_000)
    before = resident_bytes()
    send(5_000, 50_000)
    assert resident_bytes() - before < 1_000_000


@pytest.mark.parametrize("follows", [b"", b"</body></message><message/>", b" and more"])
def test_row_62_an_undeclared_entity_is_refused_as_soon_as_it_is_whole(follows: bytes) -> None:
    assert told(opened_feed(), b"<message><body>&foo;" + follows) == ["not-well-formed"]
