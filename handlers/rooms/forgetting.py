"""Accounts that are removed: whoever has such a name later is nothing in any room."""

from typing import TYPE_CHECKING

from db import room_changes, room_hats, room_visits, rooms
from handlers.rooms.room import NOBODY
from handlers.rooms.rooms_here import Rooms, forget_lately
from handlers.rooms.versions import Chain
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def forget_account(server: "Server", account: JID) -> None:
    """ACCOUNT_REMOVED. Rooms that somebody is in are told; of all others, which may be very many, none is read."""
    here = server.state(Rooms).here
    for address in {*rooms.rooms_of(server.db, account), *room_hats.rooms_where_worn(server.db, account)}:
        room = here.get(address)
        if room is None:
            forget_lately(server, address)
            continue
        if account in room.affiliations:
            Chain(room, room.set_affiliations({account: NOBODY})).tell_the_rest()
        room.hats.take_all(account)
    room_changes.note_nobody(server.db, account)
    room_visits.forget_all_of(server.db, account)
    room_hats.forget(server.db, account)
    rooms.forget(server.db, account)
