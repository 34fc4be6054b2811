"""What is kept of the sessions that have enabled stream management (XEP-0198)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent

from handlers.acknowledgements import Received, Sent, Ticket
from xmpp.config import setting

if TYPE_CHECKING:
    from xmpp.routing.session import Session


@dataclass(frozen=True)
class StreamManagementSettings:
    """Stream management: how long a session waits to be resumed, and how much waits to be acknowledged."""

    resume_seconds: int = setting(600, "How long a session whose connection broke waits to be resumed, if its client"
                                  " asks for no other time.",
                                  minimum=1, maximum=604_800, at_most="max_resume_seconds")  # fmt: skip
    max_resume_seconds: int = setting(3600, "The longest time that a client can ask for.", minimum=1, maximum=604_800)
    max_stanzas: int = setting(5_000, "How many stanzas wait for a client to acknowledge them; beyond, its session"
                               " ends, and they take another way.", minimum=10, maximum=1_000_000)  # fmt: skip
    max_bytes: int = setting(8 << 20, "How many bytes they may have together.", minimum=100_000, maximum=1 << 30)


class Management:
    """What is kept of one session. `id` is None where it cannot be resumed."""

    __slots__ = ("id", "seconds", "most_stanzas", "most_bytes", "sent", "received", "stored", "awaited", "is_asked",
                 "is_due", "asked_at", "is_catching_up", "is_overfull", "expiry")  # fmt: skip

    def __init__(self, id: str | None, seconds: int, settings: StreamManagementSettings) -> None:
        self.id = id
        self.seconds = seconds
        self.most_stanzas = settings.max_stanzas
        self.most_bytes = settings.max_bytes
        self.sent = Sent()
        self.received = Received()
        self.stored: Ticket | None = None  # what was written to the session last waits for this one
        self.awaited: Ticket | None = None  # an <a/> follows this one: the client has asked, and was not told all
        self.is_asked = False  # an <r/> is on its way, and no <a/> has come since
        self.is_due = False  # that <r/> is to be written at the end of the turn
        self.asked_at = 0  # the count of what had been sent by then
        self.is_catching_up = False  # what its client has missed is being sent again
        self.is_overfull = False
        self.expiry: gevent.Greenlet[..., Any] | None = None  # ends the session, unless it is resumed before

    @property
    def has_too_much(self) -> bool:
        """Whether more waits to be acknowledged than may."""
        return len(self.sent) > self.most_stanzas or self.sent.size > self.most_bytes

    @property
    def is_half_full(self) -> bool:
        """Whether half of what may wait to be acknowledged does."""
        return 2 * len(self.sent) > self.most_stanzas or 2 * self.sent.size > self.most_bytes


class Resumable:
    """The sessions that can be resumed, by id."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
