"""What many are sent: each copy is like any other stanza, and what they have in common is in memory once."""

import pytest

from xmpp.data.copies import copies
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse

ROMEO, JULIET = JID.parse("romeo@localhost/orchard"), JID.parse("juliet@localhost/balcony")
ODD = JID.parse("nurse@localhost/<&'\">")
EVERYBODY = (ROMEO, JULIET, ODD)
TEXT = "x" * 500
MESSAGE = f"<message from='room@rooms.localhost/nick' id='m' type='groupchat'><body>{TEXT}</body></message>"


def stanza(text: str) -> Stanza:
    return Stanza.read(parse(text.encode()))


@pytest.mark.parametrize("text", [
    MESSAGE,
    "<presence from='a@b' to='x@y'><show>away</show></presence>",
    "<presence to='x@y'/>",
    "<presence/>",
    "<message xml:lang='it' to='x@y'><x xmlns='a:b'>&lt;&amp;</x></message>",
])  # fmt: skip
def test_a_copy_says_what_a_stanza_of_its_own_to_the_same_addressee_says(text: str) -> None:
    original = stanza(text)
    addressed = copies(original)
    for to in EVERYBODY:
        copy, alone = addressed(to), original.addressed(to)
        assert copy.wire() == bytes(copy.lasting()) == alone.wire()
        assert (copy.kind, copy.type, copy.id, copy.to, copy.sender, copy.origin, copy.child_tags) == (
            alone.kind, alone.type, alone.id, alone.to, alone.sender, alone.origin, alone.child_tags
        )  # fmt: skip


def test_each_copy_has_an_addressee_and_devices_of_its_own() -> None:
    addressed = copies(stanza(MESSAGE))
    to_romeo, to_juliet = addressed(ROMEO), addressed(JULIET)
    to_romeo.devices = [1, 2]
    assert (to_juliet.to, to_juliet.devices) == (JULIET, ())
    assert to_romeo.element.get("to") == ROMEO and to_juliet.element.get("to") == JULIET


def test_what_is_made_of_a_copy_is_a_stanza_like_any_other() -> None:
    copy = copies(stanza(MESSAGE))(ROMEO)
    assert copy.kept().wire() == copy.wire()
    assert copy.addressed(JULIET).wire() == copies(stanza(MESSAGE))(JULIET).wire()
    assert copy.with_last(b"<a/>").wire() == stanza(MESSAGE).addressed(ROMEO).with_last(b"<a/>").wire()
    assert copy.without(lambda child: True).to == ROMEO


def test_a_copy_that_does_not_arrive_is_answered() -> None:
    copy, original = copies(stanza(MESSAGE))(ROMEO), stanza(MESSAGE).addressed(ROMEO)
    error = StanzaError("remote-server-timeout", "gone")
    assert copy.error_reply(error).wire() == original.error_reply(error).wire()
    assert copy.result().wire() == original.result().wire()


def test_a_copy_that_is_kept_twice_is_kept_as_the_same_bytes() -> None:
    copy = copies(stanza(MESSAGE))(ROMEO)
    assert copy.lasting() is copy.lasting()


def test_a_copy_keeps_no_element_of_the_stream_it_came_in() -> None:
    original = stanza(MESSAGE)
    assert original.element is not copies(original)(ROMEO).element
    copy = copies(original)(ROMEO)
    assert next(copy.children("{jabber:client}body")) is not next(original.children("{jabber:client}body"))
