"""Who is mentioned in a message: by a reference (XEP-0372), or by a nick in its text. Data in, data out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rooms import mentions
from handlers.rooms.mentions import Nicks, mentioned
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import quoted

ROOM = JID.parse("verona@rooms.localhost")
JULIET = JID.parse("juliet@localhost")


def nicks(*of_juliet: str) -> Nicks:
    known = Nicks()
    known.put(JULIET, of_juliet)
    return known


@pytest.mark.parametrize(
    ("nick", "text", "is_named"),
    [
        ("Juliet", "Juliet", True),
        ("Juliet", "what light? it is JULIET.", True),
        ("Juliet", "@juliet: hi", True),
        ("Juliet", "Juliet's", True),
        ("Juliet", "Juliette", False),
        ("Juliet", "MyJuliet", False),
        ("Juliet", "Juliet_2", False),
        ("Juliet Capulet", "ask juliet capulet, not me", True),
        ("Juliet Capulet", "juliet alone", False),
        ("Juliet Capulet", "juliet capulets", False),
        ("Juliet (phone)", "hi Juliet (phone)!", True),
        ("Juliet (phone)", "hi Juliet (phone)x", True),  # the bracket ends the word
        ("☀", "arise, fair ☀!", True),
        ("@sun", "hi @sun", True),
        ("@sun", "hi sun", False),
        ("Straße", "STRASSE", True),
        ("J", "J J J", True),
        ("  ", "  ", False),
        ("", "", False),
    ],
)
def test_a_nick_is_found_as_a_whole_word(nick: str, text: str, is_named: bool) -> None:
    assert nicks(nick).named_in(text) == ({JULIET} if is_named else set())


def test_who_has_taken_another_nick_is_not_found_by_the_one_before() -> None:
    known = nicks("Juliet", "The sun")
    known.put(JID.parse("nurse@localhost"), ["Juliet"])
    known.put(JULIET, ["Sun"])
    assert known.named_in("Juliet") == {"nurse@localhost"}
    assert known.named_in("the Sun") == known.called("sun") == {JULIET}
    known.put(JULIET, ())
    assert known.named_in("the Sun") == set()


@pytest.mark.parametrize(
    ("uri", "is_mentioned"),
    [
        ("xmpp:juliet@localhost", True),
        ("xmpp:juliet@localhost/balcony", True),
        ("xmpp:juliet@localhost?message", True),
        ("xmpp:verona@rooms.localhost/The%20sun", True),
        ("xmpp:verona@rooms.localhost/the%20sun", True),
        ("xmpp:verona@rooms.localhost/Moon", False),
        ("xmpp:verona@rooms.localhost", False),
        ("xmpp:mantua@rooms.localhost/The%20sun", False),
        ("juliet@localhost", False),
        ("xmpp:", False),
        ("xmpp:%ff@localhost", False),
        ("xmpp:@", False),
        ("", False),
    ],
)
def test_a_reference_mentions_an_account_or_a_nick(uri: str, is_mentioned: bool) -> None:
    found = mentioned(message(f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri={quoted(uri)}/>"), "", ROOM,
                      nicks("The Sun"))  # fmt: skip
    assert (JULIET in found) == is_mentioned


def message(content: str) -> Stanza:
    return Stanza.build("message", content.encode(), type="groupchat", sender=ROOM)


@given(st.text(), st.text())
def test_whoever_is_called_anything_is_found_by_that_alone(nick: str, text: str) -> None:
    known = nicks(nick)
    assert (known.named_in(nick) == {JULIET}) == bool(nick.strip())
    known.named_in(text)
    known.put(JULIET, ())
    assert known.named_in(nick) == set()


def test_nicks_made_up_for_it_do_not_make_a_text_expensive() -> None:
    """Many that begin with the same word, of all lengths, in a text of that word alone."""
    known = Nicks()
    for number in range(2_000):
        known.put(JID.parse(f"n{number}@localhost"), ["a " * (number % 50) + f"a{number}"])
    looked_up = 0

    class Counting(dict[str, set[JID]]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            nonlocal looked_up
            looked_up += 1
            return super().get(key)

    known._people = Counting(known._people)
    known.named_in("a " * 100_000)
    assert 0 < looked_up <= mentions.MOST_CHARACTERS / 2 * 100
