"""The tables: which steps a stanza goes through, or an event causes, and in which order.

A table is defined by the code that runs its steps: the engine's tables here, a feature's table in that feature. Their
steps are listed in one place, handlers/tables.py. The steps of a feature that is switched off drop out at start-up.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple

from xmpp.data.jid import JID
from xmpp.data.stanza import KINDS, Stanza
from xmpp.routing.delivery import AnyStep, Step, Steps

if TYPE_CHECKING:
    from xmpp.routing.feature import Feature
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session
    from xmpp.routing.streams import Stream


class Listing(NamedTuple):
    """The steps of a table."""

    table: "Table[Any]"
    steps: tuple[Callable[..., Any], ...]


class Table(Generic[AnyStep]):
    """A name for steps that run on the same occasion and take the same arguments."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def runs(self, *steps: AnyStep) -> Listing:
        """Say which steps it has."""
        return Listing(self, steps)

    def __repr__(self) -> str:
        return self.name


# For stanzas: a step returns None to go on or STOP, or raises StanzaError, which the sender is told.
MESSAGE_SENT = Table[Step]("MESSAGE_SENT")  # what a local session sends
PRESENCE_SENT = Table[Step]("PRESENCE_SENT")
IQ_SENT = Table[Step]("IQ_SENT")
MESSAGE_RECEIVED = Table[Step]("MESSAGE_RECEIVED")  # what is addressed to a local account, whoever sent it
PRESENCE_RECEIVED = Table[Step]("PRESENCE_RECEIVED")
IQ_RECEIVED = Table[Step]("IQ_RECEIVED")
REQUEST_RECEIVED = Table[Step]("REQUEST_RECEIVED")  # an iq of type get or set that the server is about to answer

# What other servers send to our domains, before all else: those who are strangers here may be kept out. Seen from the
# bare address that it is sent to.
CAME_FROM_ELSEWHERE = Table[Step]("CAME_FROM_ELSEWHERE")

# For sessions. What STOP does is said beside each table.
SessionStep = Callable[["Session"], None]
StoppingStep = Callable[["Session"], Literal["stop"] | None]
WrittenStep = Callable[["Session", Stanza], Literal["stop"] | None]

HANDLED = Table[SessionStep]("HANDLED")  # after each stanza of a client
WRITTEN = Table[WrittenStep]("WRITTEN")  # before a stanza is written to a client; STOP: it is not written now
MORE_SENT = Table[StoppingStep]("MORE_SENT")  # before each stanza of a bulk; STOP: it waits until send_more is called
CONNECTION_LOST = Table[StoppingStep]("CONNECTION_LOST")  # STOP: the session hibernates, instead of ending
SESSION_ENDED = Table[SessionStep]("SESSION_ENDED")

# For a stream that is about to be told what it is offered in its state: f(stream, features) adds what can only be said
# about all of it, as xmpp.data.wire writes it.
OFFERED = Table[Callable[["Stream", list[bytes]], None]]("OFFERED")

# For the server.
ServerStep = Callable[["Server"], None]
AccountStep = Callable[["Server", JID], None]

SERVER_STARTED = Table[ServerStep]("SERVER_STARTED")  # it listens
STREAMS_CLOSING = Table[ServerStep]("STREAMS_CLOSING")  # it stops, and all streams are about to be closed
SERVER_STOPPING = Table[ServerStep]("SERVER_STOPPING")  # all streams are closed

# For what is sent from here to other servers: f(server, stanza) -> what is sent in place of it, None for itself. It
# raises StanzaError if nothing is to be sent.
StanzaStep = Callable[["Server", Stanza], Stanza | None]

SENT_ELSEWHERE = Table[StanzaStep]("SENT_ELSEWHERE")

# For a connection that we have made to another server, of the domain `theirs`, for our domain: f(server, ours, theirs).
LinkStep = Callable[["Server", str, str], Literal["stop"] | None]

LINK_IDLE = Table[LinkStep]("LINK_IDLE")  # nothing was sent on it for long; STOP: it stays all the same


class OwnerlessStep(Exception):
    """A step that no feature declares: a mistake in the code, found at start-up."""


class Tables:
    """The tables of a server."""

    def __init__(self, *listings: Listing) -> None:
        self._steps: Mapping[Table[Any], tuple[Callable[..., Any], ...]] = dict(listings)
        if len(self._steps) < len(listings):
            raise ValueError("a table is listed twice")
        self._ready: dict[Table[Step], Steps] = {}

    def __getitem__(self, table: Table[AnyStep]) -> tuple[AnyStep, ...]:
        """The steps of a table; empty if it is not listed."""
        steps: Any = self._steps.get(table, ())
        return steps  # type: ignore[no-any-return]

    @property
    def all_steps(self) -> frozenset[Callable[..., Any]]:
        """The steps of all tables."""
        return frozenset(step for steps in self._steps.values() for step in steps)

    def steps(self, table: Table[Step]) -> Steps:
        """The steps of a table for stanzas, ready to be run."""
        ready = self._ready.get(table)
        if ready is None:
            ready = self._ready[table] = Steps(self[table])
        return ready

    @cached_property
    def sent(self) -> Mapping[str, Steps]:
        """The steps for stanzas that a session sends, by kind of stanza."""
        return dict(zip(KINDS, map(self.steps, (MESSAGE_SENT, PRESENCE_SENT, IQ_SENT)), strict=True))

    @cached_property
    def received(self) -> Mapping[str, Steps]:
        """The steps for stanzas that an account receives, by kind of stanza."""
        return dict(zip(KINDS, map(self.steps, (MESSAGE_RECEIVED, PRESENCE_RECEIVED, IQ_RECEIVED)), strict=True))

    def for_states(self, table: Table[AnyStep], states: Collection[type]) -> tuple[AnyStep, ...]:
        """The steps of WRITTEN or HANDLED for a session that keeps these states."""
        return tuple(step for step in self[table] if getattr(step, "state", None) in (None, *states))

    def check_owners(self, features: "Iterable[Feature]") -> None:
        """Raise OwnerlessStep if a step is declared by none of these features, since it would never run."""
        declared = {step for feature in features for step in feature.steps}
        for table, steps in self._steps.items():
            for step in steps:
                if step not in declared:
                    raise OwnerlessStep(
                        f"{step.__module__}.{step.__qualname__} stands in the table {table} and belongs to no feature; "
                        "@feature.step declares it."
                    )

    def of(self, features: "Iterable[Feature]") -> "Tables":
        """These tables with the steps of these features only."""
        theirs = {step for feature in features for step in feature.steps}
        return Tables(*(table.runs(*filter(theirs.__contains__, steps)) for table, steps in self._steps.items()))

    def but(self, *listings: Listing) -> "Tables":
        """These tables, some of them with other steps."""
        return Tables(*(Listing(*each) for each in {**self._steps, **dict(listings)}.items()))
