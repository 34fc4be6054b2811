"""XEP-0045 section 7.5: a private message to an occupant comes once for each of its sessions, and is archived once."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from handlers.messages.payloads import MUC_USER
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

MOST_REMEMBERED = 200
MOST_BYTES = 10_000
"""Of a message: what is longer is archived each time."""


class Archived(OrderedDict[tuple[JID, bytes], tuple[str, set[JID]]]):
    """The last private messages, by the account and all that is the same in each copy: the ids under which they are
    archived, and for which sessions they have come."""


def id_of_copy(server: "Server", account: JID, stanza: Stanza) -> str | None:
    """The id under which a message that an account receives is archived because it came for another session; None where
    it is the first, or the same once more for the same session."""
    known = server.state(Archived).get(_key(account, stanza)) if _is_private(stanza) else None
    if known is None or stanza.to is None or stanza.to in known[1]:
        return None
    known[1].add(stanza.to)
    return known[0]


def remember(server: "Server", account: JID, stanza: Stanza, id: str) -> None:
    """A message that an account has received is archived under this id."""
    if _is_private(stanza) and stanza.to is not None:
        archived = server.state(Archived)
        archived[_key(account, stanza)] = id, {stanza.to}
        if len(archived) > MOST_REMEMBERED:
            archived.popitem(last=False)


def _is_private(stanza: Stanza) -> bool:
    if MUC_USER not in stanza.child_tags or stanza.to is None or not stanza.to.is_full:
        return False
    return len(stanza.wire()) <= MOST_BYTES


def _key(account: JID, stanza: Stanza) -> tuple[JID, bytes]:
    return account, stanza.addressed(account).wire()
