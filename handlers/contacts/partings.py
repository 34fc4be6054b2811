"""RFC 6121 sections 3 and 4.5: when an account is removed, its subscriptions end in both directions, and contacts are
told.

All of that is stored at once, with the removal: whoever gets the name later finds nothing that was granted to the old
account. Then contacts are told, in portions. The name is not given away before that is done (`wait_until_told`), so
that no contact takes what it is told for something that the newcomer has said.
"""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from db import accounts, rosters, subscription_requests
from db.rosters import Item
from handlers.contacts import presence, roster_items, subscription_states, subscriptions
from handlers.contacts.access import is_blocked
from handlers.contacts.subscription_states import State
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


class _Parting(NamedTuple):
    """What one contact is told: presence of these types. `state` and `item`: how the contact stood to the account, and
    the item in the contact's roster (None if there was none), before the removal."""

    contact: JID
    types: tuple[str, ...]
    state: State
    item: Item | None


@subscriptions.feature.step
def part(server: "Server", account: JID) -> None:
    """ACCOUNT_REMOVED: end all subscriptions and requests from and to the account, and begin to tell contacts.

    Stored directly, and not by stanzas, which would not always get through: either may have blocked the other, or have
    granted what was never asked for.
    """
    db = server.db
    roster, senders = rosters.roster(db, account), subscription_requests.senders(db, account)
    asked = subscription_requests.drop_all_of(db, account)
    released = rosters.release(db, account, lambda contact: server.online.count(contact) > 0)
    partings = [
        _Parting(
            contact,
            _types(roster.items.get(contact, Item(contact)), has_asked=contact in senders),
            subscriptions.state_of(released.items.get(contact, Item(account)), has_asked=contact in asked),
            released.items.get(contact),
        )
        for contact in dict.fromkeys(chain(senders, roster.items, released.items))
        if server.ownership.may_be_online(contact)
    ]
    identity = accounts.identity(db, account)
    server.portions.begin(account, presence.end_all(server, account), is_of_stored=False)
    server.portions.begin(
        account,
        _tell(server, account, partings, released.version, server.online.next_number()),
        if_lost=lambda: accounts.identity(db, account) != identity,
    )


def wait_until_told(server: "Server", accounts: Collection[JID]) -> None:
    """Wait until the contacts of removed accounts of these names have been told. Yields."""
    while any(server.portions.length(account) for account in accounts):
        for account in accounts:
            server.portions.wait(account)


def _types(item: Item, *, has_asked: bool) -> tuple[str, ...]:
    """The types of presence by which an account ends its subscriptions from and to a contact (section 2.5.2)."""
    wanted, granted = item.is_subscribed_to or item.ask, item.is_subscriber or has_asked
    return ("unsubscribe",) * wanted + ("unsubscribed",) * granted


def _tell(server: "Server", account: JID, partings: list[_Parting], version: str, now: int) -> Iterator[None]:
    """Tell the contacts, in steps. `now`: the number that the next session had at the removal. A contact whose sessions
    have all come since is not told: they have seen nothing of the account, and may be of somebody else who has got the
    contact's name."""
    for parting in partings:
        if server.ownership.is_ours(parting.contact):
            if all(session.number > now for session in server.online.sessions(parting.contact)):
                yield
                continue
            _tell_one(server, account, parting)
        else:
            for type in parting.types:
                server.router.route(_stanza(account, parting.contact, type))
        if parting.item is not None:
            roster_items.push_released(server, parting.contact, parting.item, version)
        yield


def _tell_one(server: "Server", account: JID, parting: _Parting) -> None:
    state = parting.state
    for type in parting.types:
        change = subscription_states.received(state, type)
        state = change.state
        if change.is_passed_on and not is_blocked(server, parting.contact, account):
            subscriptions.show(server, parting.contact, _stanza(account, parting.contact, type))


def _stanza(account: JID, contact: JID, type: str) -> Stanza:
    return Stanza.build("presence", type=type, to=contact.bare, sender=account)
