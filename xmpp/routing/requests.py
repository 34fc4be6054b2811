"""Requests that the server sends, limited in number and time; only who was asked can answer them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import gevent

from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.router import Router

MAX_WAITING = 10_000

OnReply = Callable[[Stanza | None], None]


class _Waiting(NamedTuple):
    asked: JID
    on_reply: OnReply
    deadline: "gevent.Greenlet[[str], None]"


class Requests:
    """The requests that wait for an answer."""

    def __init__(self, router: "Router") -> None:
        self._router = router
        self._waiting: dict[str, _Waiting] = {}

    def ask(self, type: str, payload: bytes, *, to: JID, sender: JID, seconds: float, on_reply: OnReply) -> None:
        """Send an iq; `on_reply` is called with the answer (a result or an error), or with None after `seconds`.

        Does not yield. If MAX_WAITING requests wait already, nothing is sent and `on_reply` gets None at once.
        """
        if len(self._waiting) >= MAX_WAITING:
            on_reply(None)
            return
        id = random_id()
        self._waiting[id] = _Waiting(to, on_reply, gevent.spawn_later(seconds, self._time_out, id))
        self._router.route(Stanza.build("iq", payload, type=type, id=id, to=to, sender=sender))

    @property
    def are_many(self) -> bool:
        """True if so many wait that who has a lot to ask should leave the rest of the room to others."""
        return 2 * len(self._waiting) >= MAX_WAITING

    def answered(self, iq: Stanza) -> bool:
        """Take an answer. It is ignored, and False returned, if nobody waits for it, or if it comes from somebody who
        was not asked."""
        waiting = self._waiting.get(iq.id or "")
        if waiting is None or waiting.asked != iq.sender:
            return False
        del self._waiting[iq.id or ""]
        waiting.deadline.kill(block=False)
        waiting.on_reply(iq)
        return True

    def _time_out(self, id: str) -> None:
        waiting = self._waiting.pop(id, None)
        if waiting is not None:
            waiting.on_reply(None)
