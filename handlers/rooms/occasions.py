"""Tables of what happens in rooms, for features that keep or tell something of it."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from handlers.rooms.room import Occupant, Room


class Saying(NamedTuple):
    """What is about to be told to all in a room, and is worth keeping.

    `sender`: the address of the session that says it, or of the room. `stanza`: as all get it, without an addressee and
    its `id` here. `text`: what it may be found by. `at`: in milliseconds since 1970.
    """

    room: "Room"
    sender: JID
    stanza: Stanza
    text: str
    id: str
    at: int


# f(saying): may still refuse it.
ROOM_SAID = Table[Callable[[Saying], None]]("ROOM_SAID")
# f(saying): its occupants are told, and it can be read in the room by those who are not there. Raises nothing.
ROOM_TOLD = Table[Callable[[Saying], None]]("ROOM_TOLD")
# f(room, occupant, session): a session is in the room now, or out of it. Raises nothing. `room.accounts` tells whether
# the account has others there.
ROOM_ENTERED = Table[Callable[["Room", "Occupant", JID], None]]("ROOM_ENTERED")
ROOM_LEFT = Table[Callable[["Room", "Occupant", JID], None]]("ROOM_LEFT")
# f(room, addresses): what these are in the room, or the nick that is reserved for them, has changed.
ROOM_PEOPLE_CHANGED = Table[Callable[["Room", Collection[JID]], None]]("ROOM_PEOPLE_CHANGED")
