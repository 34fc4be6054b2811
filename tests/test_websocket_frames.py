"""Frames of WebSocket: what is read, whatever pieces it comes in, and what is refused with which code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.frames import BINARY, CLOSE, PING, PONG, TEXT, masked, taken
from web.websocket import frames
from web.websocket.frames import FRAGMENTS, Frames

FINAL = 0x80
LIMIT = 100_000

READ = {
    "a message": ([masked("<a/>")], [b"<a/>"]),
    "none": ([masked("")], [b""]),
    "several": ([masked("<a/>"), masked("<b/>")], [b"<a/>", b"<b/>"]),
    "just under the first length": ([masked("a" * 125)], [b"a" * 125]),
    "just over the first length": ([masked("a" * 126)], [b"a" * 126]),
    "just under the second length": ([masked("a" * 65535)], [b"a" * 65535]),
    "just over the second length": ([masked("a" * 65536)], [b"a" * 65536]),
    "other scripts": ([masked("<é>\U0001f600</é>")], ["<é>\U0001f600</é>".encode()]),
    "fragments": ([masked("<a", TEXT), masked("", 0), masked("/>", FINAL)], [b"<a/>"]),
    "a character in two fragments": ([masked(b"\xc3", TEXT), masked(b"\xa9", FINAL)], ["é".encode()]),
    "a ping between fragments": ([masked("<a", TEXT), masked("x", FINAL | PING), masked("/>", FINAL)], [b"<a/>"]),
    "pongs that nobody asked for": ([masked("x", FINAL | PONG), masked("<a/>")], [b"<a/>"]),
    "fragments, as many as may be": (
        [masked("a", TEXT), *[masked("a", 0)] * (FRAGMENTS - 2), masked("a", FINAL)],
        [b"a" * FRAGMENTS],
    ),
}

REFUSED = {
    "binary": (masked("<a/>", FINAL | BINARY), 1003),
    "a reserved bit": (masked("<a/>", FINAL | 0x40 | TEXT), 1002),
    "a reserved bit of a ping": (masked("", FINAL | 0x10 | PING), 1002),
    "not masked": (frames.text(b"<a/>"), 1002),
    "a ping that is not masked": (frames.control(PING), 1002),
    "an unknown kind": (masked("<a/>", FINAL | 3), 1002),
    "an unknown kind of control frame": (masked("", FINAL | 0xB), 1002),
    "a long ping": (masked("a" * 126, FINAL | PING), 1002),
    "a ping in fragments": (masked("", PING), 1002),
    "a fragment without a beginning": (masked("<a/>", FINAL), 1002),
    "a beginning after a beginning": (masked("<a", TEXT) + masked("<b/>"), 1002),
    "not UTF-8": (masked(b"<a>\xff</a>"), 1007),
    "half a character": (masked(b"<a>\xc3"), 1007),
    "half a surrogate": (masked(b"\xed\xa0\x80"), 1007),
    "not UTF-8 in fragments": (masked(b"\xc3", TEXT) + masked(b"a", FINAL), 1007),
    "too large": (masked("a" * (LIMIT + 1))[:14], 1009),
    "larger than any": (b"\x81\xff" + b"\xff" * 8 + b"mask", 1009),
    "too large in fragments": (masked("a" * LIMIT, TEXT) + masked("a", FINAL)[:6], 1009),
    "too many fragments": (masked("a", TEXT) + masked("a", 0) * FRAGMENTS, 1009),
    "a length that is longer than it has to be": (b"\x81\xfe\x00\x01mask", 1002),
    "a length that is much longer than it has to be": (b"\x81\xff" + (65535).to_bytes(8, "big") + b"mask", 1002),
    "half a code": (masked(b"\x03", FINAL | CLOSE), 1002),
    "no such code": (masked((1005).to_bytes(2, "big"), FINAL | CLOSE), 1002),
    "a reason that is not UTF-8": (masked(b"\x03\xe8\xff", FINAL | CLOSE), 1007),
}


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 1_000_000])
@pytest.mark.parametrize("case", READ)
def test_messages_are_read_in_whatever_pieces_they_come(case: str, pieces: int) -> None:
    sent, expected = READ[case]
    data, reader, found = b"".join(sent), Frames(LIMIT), list[bytes]()
    if len(data) / pieces > 10_000:
        pieces *= 1_000
    for at in range(0, len(data), pieces):
        found += reader.take(data[at : at + pieces])
    assert found == expected
    assert reader.refusal is None


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_the_rules_is_refused_with_its_code(case: str) -> None:
    data, code = REFUSED[case]
    reader = Frames(LIMIT)
    assert reader.take(masked("<before/>") + data) == [b"<before/>"]
    assert reader.refusal is not None
    assert reader.refusal.code == code
    assert reader.take(masked("<after/>")) == []


def test_what_is_too_large_is_refused_before_it_has_come() -> None:
    reader = Frames(LIMIT)
    assert reader.take(b"\x81\xff" + (LIMIT + 1).to_bytes(8, "big") + b"mask") == []
    assert reader.refusal is not None


def test_of_several_pings_the_last_one_is_known() -> None:
    reader = Frames(LIMIT)
    reader.take(masked("one", FINAL | PING) + masked("two", FINAL | PING))
    assert reader.ping == b"two"


@pytest.mark.parametrize(
    ("content", "code"), [(b"", 1005), (b"\x03\xe8", 1000), (b"\x03\xe9bye", 1001), (b"\x0f\xa0", 4000)]
)
def test_nothing_is_read_once_the_client_has_closed(content: bytes, code: int) -> None:
    reader = Frames(LIMIT)
    assert reader.take(masked("<a/>") + masked(content, FINAL | CLOSE) + masked("<b/>")) == [b"<a/>"]
    assert reader.closing == code
    assert reader.take(masked("<c/>")) == []


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_what_is_written_is_whole_and_not_masked(size: int) -> None:
    frame, rest = taken(frames.text(b"a" * size) + b"more")
    assert frame is not None
    assert (frame.first, frame.content, rest) == (FINAL | TEXT, b"a" * size, b"more")


def test_a_close_without_a_code_has_no_content() -> None:
    assert frames.close(1005) == b"\x88\x00"
    assert frames.close(1000) == b"\x88\x02\x03\xe8"


kinds = st.sampled_from([FINAL | TEXT, TEXT, 0, FINAL, FINAL | PING, FINAL | PONG])


@settings(deadline=None)
@given(st.lists(st.tuples(kinds, st.binary(max_size=200))), st.data())
def test_pieces_make_no_difference(sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """Whatever comes, right or wrong: the same messages, the same ping, the same refusal."""
    written = b"".join(masked(content, first) for first, content in sent)
    whole, cut = Frames(300), Frames(300)
    found, at = list[bytes](), 0
    while at < len(written):
        step = data.draw(st.integers(1, 100))
        found += cut.take(written[at : at + step])
        at += step
    assert (whole.take(written), whole.ping) == (found, cut.ping)
    assert str(whole.refusal) == str(cut.refusal)


@given(st.binary())
def test_nothing_that_comes_raises(data: bytes) -> None:
    Frames(300).take(data)
