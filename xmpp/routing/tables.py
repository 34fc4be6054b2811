"""The tables: what is done with a stanza, or when something happens, step by step, in the order that is written down.

A table belongs to whoever runs its steps: those of the engine stand here, those of a feature beside it. Which steps are
in them is said in one place, handlers/tables.py. A step of a feature that is switched off drops out at start-up.
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


class Listing(NamedTuple):
    """The steps of a table."""

    table: "Table[Any]"
    steps: tuple[Callable[..., Any], ...]


class Table(Generic[AnyStep]):
    """A name for steps that run at the same occasion, and take the same."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def runs(self, *steps: AnyStep) -> Listing:
        """Say which steps it has."""
        return Listing(self, steps)

    def __repr__(self) -> str:
        return self.name


# Of stanzas: they return None to go on or STOP, or raise StanzaError, which the sender is told.
MESSAGE_SENT = Table[Step]("MESSAGE_SENT")  # what a local session sends
PRESENCE_SENT = Table[Step]("PRESENCE_SENT")
IQ_SENT = Table[Step]("IQ_SENT")
MESSAGE_RECEIVED = Table[Step]("MESSAGE_RECEIVED")  # what is addressed to a local account, whoever sent it
PRESENCE_RECEIVED = Table[Step]("PRESENCE_RECEIVED")
IQ_RECEIVED = Table[Step]("IQ_RECEIVED")

# Of a session. STOP holds things up.
SessionStep = Callable[["Session"], None]
HoldingStep = Callable[["Session"], Literal["stop"] | None]
WrittenStep = Callable[["Session", Stanza], Literal["stop"] | None]

HANDLED = Table[SessionStep]("HANDLED")  # after each stanza of a client
WRITTEN = Table[WrittenStep]("WRITTEN")  # before anything is written to a client; STOP: not now
MORE_SENT = Table[HoldingStep]("MORE_SENT")  # before each stanza of a bulk; STOP: not before send_more is called
SESSION_LOST = Table[HoldingStep]("SESSION_LOST")  # its connection broke; STOP: the session goes on without one
SESSION_ENDED = Table[SessionStep]("SESSION_ENDED")

# Of the server.
ServerStep = Callable[["Server"], None]
AccountStep = Callable[["Server", JID], None]

SERVER_STARTED = Table[ServerStep]("SERVER_STARTED")  # it listens
SERVER_STOPPING = Table[ServerStep]("SERVER_STOPPING")  # after the last stream has ended


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
        """The steps of a table: none where none are listed."""
        steps: Any = self._steps.get(table, ())
        return steps  # type: ignore[no-any-return]

    @property
    def all_steps(self) -> frozenset[Callable[..., Any]]:
        """All that stand in any of them."""
        return frozenset(step for steps in self._steps.values() for step in steps)

    def steps(self, table: Table[Step]) -> Steps:
        """The same of one that is about stanzas, ready to be run."""
        ready = self._ready.get(table)
        if ready is None:
            ready = self._ready[table] = Steps(self[table])
        return ready

    @cached_property
    def sent(self) -> Mapping[str, Steps]:
        """By kind of stanza: what is done with those that a session sends."""
        return dict(zip(KINDS, map(self.steps, (MESSAGE_SENT, PRESENCE_SENT, IQ_SENT)), strict=True))

    @cached_property
    def received(self) -> Mapping[str, Steps]:
        """By kind of stanza: what is done with those that an account receives."""
        return dict(zip(KINDS, map(self.steps, (MESSAGE_RECEIVED, PRESENCE_RECEIVED, IQ_RECEIVED)), strict=True))

    def for_states(self, table: Table[AnyStep], states: Collection[type]) -> tuple[AnyStep, ...]:
        """The steps of WRITTEN or HANDLED for a session that keeps these states."""
        return tuple(step for step in self[table] if getattr(step, "state", None) in (None, *states))

    def check_owners(self, features: "Iterable[Feature]") -> None:
        """Raises OwnerlessStep for one that none of these features declares: it would never run."""
        declared = {step for feature in features for step in feature.steps}
        for table, steps in self._steps.items():
            for step in steps:
                if step not in declared:
                    raise OwnerlessStep(
                        f"{step.__module__}.{step.__qualname__} stands in the table {table} and belongs to no feature; "
                        "@feature.step declares it."
                    )

    def of(self, features: "Iterable[Feature]") -> "Tables":
        """The tables with the steps of these features only."""
        theirs = {step for feature in features for step in feature.steps}
        return Tables(*(table.runs(*filter(theirs.__contains__, steps)) for table, steps in self._steps.items()))

    def but(self, *listings: Listing) -> "Tables":
        """The same with other steps in some tables."""
        return Tables(*(Listing(*each) for each in {**self._steps, **dict(listings)}.items()))
