"""What could not be delivered elsewhere, to another server or a component, goes back to who has sent it."""

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NEVER_GIVEN_BACK = frozenset({"error", "result", "unavailable", "probe"})


def goes_back(stanza: Stanza) -> bool:
    """True if its sender is told when it does not arrive."""
    return stanza.type not in NEVER_GIVEN_BACK


def give_back(server: "Server", stanza: Stanza, error: StanzaError) -> None:
    """Tell the sender of a stanza that it did not arrive, unless it is one of which nobody is told."""
    if goes_back(stanza):
        server.router.refuse(stanza, StanzaError(error.condition, error.text, type=error.type))


def give_all_back(server: "Server", stanzas: Sequence[Stanza], error: StanzaError, line: Hashable) -> None:
    """The same for many, in this order and behind what is in that line; in portions, since there may be a hundred
    thousand."""
    server.portions.begin(line, _told(server, stanzas, error), is_of_stored=False, is_waited_for=False)


def _told(server: "Server", stanzas: Sequence[Stanza], error: StanzaError) -> Iterator[None]:
    for stanza in stanzas:
        give_back(server, stanza, error)
        yield
