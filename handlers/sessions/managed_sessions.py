"""What is kept of the sessions that have enabled stream management (XEP-0198)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import gevent

from handlers.sessions.acknowledgements import Received, Sent, Tally
from xmpp.config.configuration import setting
from xmpp.data.jid import JID
from xmpp.running.tickets import Ticket

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
    max_bytes: int = setting(8 << 20, "How many bytes they may have together.",
                             minimum=100_000, maximum=1 << 30, at_most="max_account_bytes")  # fmt: skip
    # Two devices that are away for long have room; beyond, the session ends that has most, and offline storage and the
    # archive have what it was not told.
    max_account_bytes: int = setting(16 << 20, "How many bytes wait for all devices of one account.",
                                     minimum=100_000, maximum=1 << 32, at_most="max_total_bytes")  # fmt: skip
    max_total_bytes: int = setting(256 << 20, "How many bytes wait for everybody.",
                                   minimum=100_000, maximum=1 << 40)  # fmt: skip


class Management:
    """The state of one managed session. `id` is what its client resumes it by; None if it cannot be resumed."""

    __slots__ = ("id", "seconds", "most_stanzas", "most_bytes", "most_account_bytes", "most_total_bytes", "sent",
                 "received", "awaited", "is_asked", "is_due", "asked_at", "is_catching_up", "is_overfull",
                 "expiry")  # fmt: skip

    def __init__(
        self, id: str | None, seconds: int, settings: StreamManagementSettings, tally: Tally | None = None
    ) -> None:
        self.id = id
        self.seconds = seconds
        self.most_stanzas = settings.max_stanzas
        self.most_bytes = settings.max_bytes
        self.most_account_bytes = settings.max_account_bytes
        self.most_total_bytes = settings.max_total_bytes
        self.sent = Sent(tally=tally)
        self.received = Received()
        self.awaited: Ticket | None = None  # once it closes, another <a/> is due: the last one did not cover everything
        self.is_asked = False  # an <r/> was written, or soon will be, and no <a/> has come since
        self.is_due = False  # the <r/> is to be written at the end of this turn of the loop
        self.asked_at = 0  # how many stanzas had been sent when the <r/> was written, as the wire counts
        self.is_catching_up = False  # what the client has missed is being sent again
        self.is_overfull = False  # the session is about to be ended for what waits
        self.expiry: gevent.Greenlet[..., Any] | None = None  # ends the session unless it is resumed before

    @property
    def has_too_much(self) -> bool:
        """True if more waits for this client to acknowledge than one session may have."""
        return len(self.sent) > self.most_stanzas or self.sent.size > self.most_bytes

    @property
    def crowds_its_account(self) -> bool:
        """True if more waits for all sessions of the account than it may have."""
        return self.sent.tally.size > self.most_account_bytes

    @property
    def crowds_others(self) -> bool:
        """True if more waits than the account, or the whole server, may have."""
        tally = self.sent.tally
        if tally.size > self.most_account_bytes:
            return True
        return tally.larger is not None and tally.larger.size > self.most_total_bytes

    @property
    def is_half_full(self) -> bool:
        """True if half of the session's room, or of the account's, is taken.

        The account's counts only while this client has something to acknowledge: else nothing would let it go on.
        """
        if 2 * len(self.sent) > self.most_stanzas or 2 * self.sent.size > self.most_bytes:
            return True
        return len(self.sent) > 0 and 2 * self.sent.tally.size > self.most_account_bytes


class Tallies:
    """How many bytes wait to be acknowledged: on the whole server, and by each account that has a managed session."""

    def __init__(self) -> None:
        self.total = Tally()
        self.accounts: WeakValueDictionary[JID, Tally] = WeakValueDictionary()
        self.is_check_due = False  # at the end of this turn of the loop

    def of(self, account: JID) -> Tally:
        """The tally of an account."""
        tally = self.accounts.get(account)
        if tally is None:
            tally = self.accounts[account] = Tally(self.total)
        return tally


class Resumable:
    """The sessions that can be resumed, by id."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
