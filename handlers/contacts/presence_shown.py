"""RFC 6121 section 4: to whom an account's presence goes. Some have thousands of contacts, so it is sent in steps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from db import blocklists, rosters
from handlers.contacts import missed_presence
from handlers.contacts.access import is_blocked
from xmpp.data.copies import copies
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


def audience(server: "Server", account: JID) -> Sequence[JID]:
    """The contacts who see the presence of an account: subscribers whom it has not blocked."""
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
    """Send presence to those of the contacts for whom `is_shown` is true when it is their turn; in steps. `reaches`: to
    which of their sessions, None for all. (Contacts who are not ours get it in all sessions: theirs have no number
    here.)

    Contacts who are ours get it past the router: of the steps of PRESENCE_RECEIVED, only blocking would keep it away.
    Contacts who are not online must cost nothing: some accounts have thousands.
    """
    assert stanza.sender is not None
    addressed, available = copies(stanza), server.ownership.available
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
    """Send unavailable presence to the sessions with a number below `now`, the next number when it was sent; in steps.

    Later sessions have not seen the presence that ends, and may be of somebody else who has got a contact's name.
    """
    return show(server, stanza, audience, lambda contact: True, lambda session: session.number < now)
