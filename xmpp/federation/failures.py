"""Why another server could not be reached, as the sender of a stanza is told. The texts do not name the domain: in a
semi-anonymous room that would be half of somebody's address."""

from xmpp.data.errors import StanzaError


def not_found(text: str) -> StanzaError:
    """There is no such server."""
    return StanzaError("remote-server-not-found", text)


def timeout(text: str) -> StanzaError:
    """The server cannot be talked to now; that may change."""
    return StanzaError("remote-server-timeout", text)


def not_us(text: str) -> StanzaError:
    """The server does not believe that we are who we are (XEP-0220 section 2.1.1)."""
    return StanzaError("internal-server-error", text, type="wait")
