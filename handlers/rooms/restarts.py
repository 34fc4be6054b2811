"""XEP-0045 section "Service removes user because of service shut down": what a restart is to rooms.

No session outlives it, so nobody is in a room any more, and all are told who can be. What is kept of a room is there
again. A room that does not stay without occupants waits a while, so that they find it as they have left it.
"""

import logging
from typing import TYPE_CHECKING

import gevent

from db import rooms, rooms_passing
from handlers.rooms import presence
from handlers.rooms.presence import Change, Ended
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import Rooms, find, let_go, remove
from handlers.rooms.settings import RoomSettings
from handlers.rooms.telling import forget_directed, send
from xmpp.running.handling import Handled
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

SHUTDOWN = Change(own_codes=["332"])
AT_ONCE = 20
"""So many rooms are removed in one go."""
PAUSE_SECONDS = 0.01


class Clearing:
    """What removes the rooms that a server before this one has left."""

    def __init__(self) -> None:
        self.greenlet: gevent.Greenlet[..., None] | None = None


def tell_shutdown(server: "Server") -> None:
    """STREAMS_CLOSING: all who are in a room are out, and each is told of itself alone: as many stanzas as there are
    occupants, where to tell the others, too, would take the square of that."""
    clearing = server.state(Clearing).greenlet
    if clearing is not None:
        clearing.kill(block=False)
    for room in server.state(Rooms):
        try:
            with Handled():
                _close(room)
        except server.storage_errors as error:
            log_refusal(log, error, "cannot remove %s", room.address)


def _close(room: Room) -> None:
    for occupant in list(room.occupants.values()):
        ended = Ended(occupant, room.take_out_all(occupant), SHUTDOWN)
        forget_directed(room, occupant.nick, ended.gone)
        for session, stanza in presence.told_themselves(room, ended):
            send(room.server, stanza.addressed(session))
    if room.is_locked:
        remove(room)  # whoever comes back makes it anew, and is asked again how it is to be
    else:
        let_go(room)


def warn_of_unreachable_rooms(server: "Server") -> None:
    """SERVER_STARTED: tell the administrator of rooms whose addresses are not served (any more): nobody gets into them,
    which to their people looks as if they were gone."""
    for service, count in rooms.count_by_service(server.db).items():
        if not server.runs(service):
            log.warning("%d rooms are at %s, which is not served: nobody can enter them; see [rooms] label and "
                        "[server] domains", count, service)  # fmt: skip


def begin(server: "Server") -> None:
    """SERVER_STARTED: remove what is left of rooms that do not stay; first those that nobody has configured."""
    server.state(Clearing).greenlet = gevent.spawn(_remove_abandoned, server)


def _remove_abandoned(server: "Server") -> None:
    remove_passing(server, is_locked=True)
    gevent.sleep(server.settings(RoomSettings).return_seconds)
    remove_passing(server, is_locked=False)


def remove_passing(server: "Server", *, is_locked: bool) -> None:
    """Remove the rooms that nobody is in and that are not to stay; or those that nobody has configured. Yields."""
    last, here = 0, server.state(Rooms).here
    try:
        while page := rooms_passing.page(server.db, last, AT_ONCE):
            with Handled():
                for each in page:
                    room = find(server, each.address) if each.is_locked == is_locked else None
                    if room is not None and room.address not in here:
                        remove(room)
            last = page[-1].number
            gevent.sleep(PAUSE_SECONDS)
    except server.storage_errors as error:  # the next server finds what is left
        log_refusal(log, error, "cannot remove the rooms that nobody is in")
