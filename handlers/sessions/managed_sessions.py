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
    """What is kept of one session. `id` is None where it cannot be resumed."""

    __slots__ = ("id", "seconds", "most_stanzas", "most_bytes", "most_account_bytes", "most_total_bytes", "sent",
                 "received", "stored", "awaited", "is_asked", "is_due", "asked_at", "is_catching_up", "is_overfull",
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
    def crowds_its_account(self) -> bool:
        """Whether more waits for its account than may."""
        return self.sent.tally.size > self.most_account_bytes

    @property
    def crowds_others(self) -> bool:
        """Whether more waits for its account, or for all, than may."""
        tally = self.sent.tally
        if tally.size > self.most_account_bytes:
            return True
        return tally.larger is not None and tally.larger.size > self.most_total_bytes

    @property
    def is_half_full(self) -> bool:
        """Whether half of what may wait to be acknowledged does. Half of what may wait for the account: only while this
        client has something to acknowledge, as nothing else lets it go on."""
        if 2 * len(self.sent) > self.most_stanzas or 2 * self.sent.size > self.most_bytes:
            return True
        return len(self.sent) > 0 and 2 * self.sent.tally.size > self.most_account_bytes


class Waiting:
    """How many bytes wait to be acknowledged: in all, and by each account for as long as it has a managed session."""

    def __init__(self) -> None:
        self.total = Tally()
        self.accounts: WeakValueDictionary[JID, Tally] = WeakValueDictionary()
        self.is_looked_at = False  # at the end of the turn

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
