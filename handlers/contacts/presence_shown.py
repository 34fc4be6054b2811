"""RFC 6121 section 4: to whom an account's presence goes. Some have thousands of contacts, so all is done in steps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from db import blocklists, rosters
from handlers.contacts import missed_presence
from handlers.contacts.access import is_blocked
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


def audience(server: "Server", account: JID) -> Sequence[JID]:
    """The contacts who see the presence of an account."""
    subscribers = rosters.subscribers(server.db, account)
    if not blocklists.patterns(server.db, account):
        return subscribers
    return [to for to in subscribers if not is_blocked(server, account, to)]


def show(
    server: "Server",
    stanza: Stanza,
    contacts: Iterable[JID],
    is_shown: Callable[[JID], bool],
    reaches: "Callable[[Session], bool] | None" = None,
) -> Iterator[None]:
    """Send presence to those of the contacts who are here and are to be shown it when it is their turn, in those of
    their sessions that it reaches, or all; in steps. (Of others' accounts it reaches all: their owner knows no number.)

    Contacts who are ours are shown it without the way through the router: of all that is done with what an account
    receives, only blocking keeps such presence from it. Who is not online must cost nothing: some have thousands.
    """
    assert stanza.sender is not None
    addressed, available = stanza.copies(), server.ownership.available
    for contact in contacts:
        theirs = available(contact)
        if theirs is None:
            if is_shown(contact):
                server.router.route(addressed(contact))
            yield
            continue
        if not theirs or not is_shown(contact):
            continue
        if is_blocked(server, contact, stanza.sender):
            missed_presence.note(server, contact, stanza.sender, is_end=stanza.type == "unavailable")
            yield
        else:
            copy = addressed(contact)
            for each in filter(reaches, theirs) if reaches is not None else theirs:
                each.send(copy)
                yield


def show_end(server: "Server", stanza: Stanza, audience: Iterable[JID], now: int) -> Iterator[None]:
    """Send unavailable presence to those of the sessions that were there when `now` was the next number; in steps.

    Who has come since has not seen that to which it is the end, and may be somebody else who has got a contact's name.
    """
    return show(server, stanza, audience, lambda contact: True, lambda session: session.number < now)
