"""Who is mentioned in a message of a room: by a reference (XEP-0372), or by a nick in its text. Works on data alone."""

import re
from collections.abc import Iterable

from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza

REFERENCE = "{urn:xmpp:reference:0}reference"
MOST_REFERENCES = 50
"""So many of one message are looked at."""
MOST_CHARACTERS = 4_000
"""So much of a text is looked at."""
_WORD = re.compile(r"\w+|[^\w\s]")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_OF_WORD = re.compile(r"\w")


class Nicks:
    """The nicks of people, to be found in texts: as whole words, in capitals or not."""

    def __init__(self) -> None:
        self._of: dict[JID, set[str]] = {}
        self._people: dict[str, set[JID]] = {}
        self._lengths: dict[str, dict[int, int]] = {}  # how many nicks have which, by the word that they begin with

    def put(self, account: JID, nicks: Iterable[str]) -> None:
        """Have somebody be known by these nicks, and no others."""
        wanted = {folded for nick in nicks if (folded := _folded(nick))}
        had = self._of.pop(account, set[str]())
        for nick in had - wanted:
            self._remove(account, nick)
        for nick in wanted - had:
            self._people.setdefault(nick, set()).add(account)
            lengths = self._lengths.setdefault(_first_word(nick), {})
            lengths[len(nick)] = lengths.get(len(nick), 0) + 1
        if wanted:
            self._of[account] = wanted

    def __contains__(self, account: JID) -> bool:
        return account in self._of

    def called(self, nick: str) -> set[JID]:
        """Those who have this nick."""
        return set(self._people.get(_folded(nick), ()))

    def named_in(self, text: str) -> set[JID]:
        """Those whose nick stands at the beginning of a text, or not far behind."""
        if not self._of:
            return set()
        text, found = text[:MOST_CHARACTERS].casefold(), set[JID]()
        for match in _WORD.finditer(text):
            start = match.start()
            for length in self._lengths.get(match.group(), ()):
                people = self._people.get(text[start : start + length])
                if people and not _is_within_word(text, start + length):
                    found |= people
        return found

    def _remove(self, account: JID, nick: str) -> None:
        people, word = self._people[nick], _first_word(nick)
        people.discard(account)
        if not people:
            del self._people[nick]
        lengths = self._lengths[word]
        lengths[len(nick)] -= 1
        if not lengths[len(nick)]:
            del lengths[len(nick)]
        if not lengths:
            del self._lengths[word]


def mentioned(stanza: Stanza, text: str, room: JID, nicks: Nicks) -> set[JID]:
    """The accounts that a message to a room mentions; of those whose nick is meant the ones that `nicks` knows."""
    found = nicks.named_in(text)
    for reference in [*stanza.children(REFERENCE)][:MOST_REFERENCES] if REFERENCE in stanza.child_tags else ():
        address = _address(reference.get("uri", "")) if reference.get("type") == "mention" else None
        if address is not None and address.bare == room:
            found |= nicks.called(address.resource)
        elif address is not None:
            found.add(address.bare)
    return found


def _address(uri: str) -> JID | None:
    """The address in a URI (RFC 5122)."""
    if not uri.startswith("xmpp:"):
        return None
    try:
        return JID.parse(_decoded(uri.removeprefix("xmpp:").partition("?")[0]))
    except (MalformedJID, UnicodeDecodeError):
        return None


def _decoded(text: str) -> str:
    """A part of a URI, in which some characters are written as %XX. Raises UnicodeDecodeError."""
    return _PERCENT.sub(lambda match: bytes.fromhex(match.group(1).decode()), text.encode()).decode()


def _folded(nick: str) -> str:
    """How a nick is looked for; empty for one that has nothing to be found by."""
    return nick.strip().casefold()


def _first_word(nick: str) -> str:
    """The word, or the sign, that a nick begins with; it has no space there."""
    found = _WORD.match(nick)
    return found.group() if found is not None else ""


def _is_within_word(text: str, position: int) -> bool:
    """Whether a word goes on at a position, so that what comes before it is only a part of the word."""
    around = text[position - 1 : position + 1]
    return len(around) == 2 and all(map(_OF_WORD.match, around))
