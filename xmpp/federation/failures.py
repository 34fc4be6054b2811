"""Why another server could not be reached, as the sender of a stanza is told. The texts do not name the domain: in a
semi-anonymous room that would be half of somebody's address."""

import re

from xmpp.data.errors import StanzaError

MOST_WORDS = 300  # characters


def not_found(text: str) -> StanzaError:
    """There is no such server."""
    return StanzaError("remote-server-not-found", text)


def timeout(text: str) -> StanzaError:
    """The server cannot be talked to now; that may change."""
    return StanzaError("remote-server-timeout", text)


def not_us(text: str) -> StanzaError:
    """The server does not believe that we are who we are (XEP-0220 section 2.1.1)."""
    return StanzaError("internal-server-error", text, type="wait")


def not_talked_to() -> StanzaError:
    """That server is not to be talked to, as the settings say."""
    return StanzaError("forbidden", "this server does not talk to that one")


def unnamed(words: str, domain: str) -> str:
    """What another server says, for people here: on one line, not too long, and without the name of its domain."""
    shown = one_line(words[: 2 * MOST_WORDS])
    return re.sub(re.escape(domain), "that domain", shown, flags=re.IGNORECASE)[:MOST_WORDS]


def one_line(words: str) -> str:
    """The words of somebody else in which nothing begins another line, or turns the direction of writing."""
    return "".join(each if each.isprintable() else " " for each in words)
