"""Tables of what happens in rooms, for features that keep something of it."""

from collections.abc import Callable
from typing import NamedTuple

from handlers.rooms.room import Room
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.tables import Table


class Saying(NamedTuple):
    """What is about to be told to all in a room, and is worth keeping.

    `sender`: the address of the session that says it, or of the room. `stanza`: as all get it, without an addressee and
    its `id` here. `text`: what it may be found by. `at`: in milliseconds since 1970.
    """

    room: Room
    sender: JID
    stanza: Stanza
    text: str
    id: str
    at: int


# f(saying): may still refuse it.
ROOM_SAID = Table[Callable[[Saying], None]]("ROOM_SAID")
