"""The load generator's frames are those that the server reads and writes."""

import pytest

from bench.websocketload import ELEMENT, contents, masked
from web.websocket import frames
from web.websocket.frames import PING, Frames

WRITTEN = (
    b"<enable xmlns='urn:xmpp:sm:3'/><presence/><iq type='get' id='a' to='b'><ping xmlns='urn:xmpp:ping'/></iq>"
    b"<message to='a'><body>b</body><active xmlns='c'/></message><auth xmlns='d' mechanism='e'>f=</auth>"
)
MESSAGES = [
    b"<enable xmlns='urn:xmpp:sm:3'/>",
    b"<presence xmlns='jabber:client'/>",
    b"<iq xmlns='jabber:client' type='get' id='a' to='b'><ping xmlns='urn:xmpp:ping'/></iq>",
    b"<message xmlns='jabber:client' to='a'><body>b</body><active xmlns='c'/></message>",
    b"<auth xmlns='d' mechanism='e'>f=</auth>",
]


def test_each_element_is_a_message_of_its_own() -> None:
    reader = Frames(1_000_000)
    found = [message for element in ELEMENT.finditer(WRITTEN) for message in reader.take(masked(element[0]))]
    assert found == MESSAGES


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_what_the_server_writes_is_read_in_whatever_pieces(size: int) -> None:
    written = frames.text(b"a" * size) + frames.control(PING) + frames.text(b"b")
    for cut in {0, 1, 2, 3, 9, size // 2, len(written)}:
        content, rest = contents(written[:cut])
        more, rest = contents(rest + written[cut:])
        assert (content + more, rest) == (b"a" * size + b"b", b"")
