"""The path of a stanza as steps: functions that run in the order in which the tables list them (tables.py).

A step takes one Delivery. It returns None to go on, or STOP if nothing more is to be done with the stanza, or raises
StanzaError, which the sender is told.

Every stanza pays for every step that it runs through, so a step can declare what it is for: `concerns`, stanzas with
certain children; `for_sessions_with`, sessions that use its feature. It is not called for others.
"""

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from xmpp.data.jid import JID
from xmpp.data.stanza import Origin, Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

STOP: Final = "stop"


class Delivery:
    """One stanza on its way, seen from one account: the sender's in the SENT tables, the addressee's in RECEIVED."""

    __slots__ = ("server", "account", "stanza", "chosen", "copied", "archive_id")

    def __init__(self, server: "Server", account: JID, stanza: Stanza) -> None:
        self.server = server
        self.account = account
        self.stanza = stanza
        self.chosen: Collection[Session] = ()  # the sessions that get it
        self.copied: Collection[Session] = ()  # the sessions that have been sent a copy of it
        self.archive_id: str | None = None  # by which it can be found in the account's archive

    @property
    def origin(self) -> Origin | None:
        """Where the stanza came in, as a rule the session that sent it. It is something else, or None, where messages
        and requests are sent in an account's name (XEP-0356)."""
        return self.stanza.origin

    @property
    def session(self) -> "Session":
        """The session that sent the stanza. For steps of PRESENCE_SENT, where there is always one."""
        session: Any = self.stanza.origin
        return session  # type: ignore[no-any-return]


Step = Callable[[Delivery], Literal["stop"] | None]
AnyStep = TypeVar("AnyStep", bound=Callable[..., Any])


def concerns(*tags: str) -> Callable[[Step], Step]:
    """Declare that a step of the SENT or RECEIVED tables is only for stanzas with a child of one of these tags."""

    def declare(step: Step) -> Step:
        step.__dict__["concerns"] = frozenset(tags)
        return step

    return declare


def for_sessions_with(state: type) -> Callable[[AnyStep], AnyStep]:
    """Declare that a step of WRITTEN or HANDLED is only for sessions that keep this state."""

    def declare(step: AnyStep) -> AnyStep:
        step.__dict__["state"] = state
        return step

    return declare


class Steps:
    """The steps of one table; each stanza runs only through those that concern it. `runs` counts the stanzas."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.runs = 0
        self._steps = tuple((step, getattr(step, "concerns", None)) for step in steps)
        self._telling = frozenset().union(*(tags for _, tags in self._steps if tags))
        self._namespaces = frozenset(tag[1:].partition("}")[0].encode() for tag in self._telling)
        self._usual = self._those_for(frozenset())

    def run(self, delivery: Delivery) -> bool:
        """True if the stanza got past all steps. Raises the StanzaError of the step that refused it."""
        self.runs += 1
        steps = self._usual
        if self._namespaces and delivery.stanza.may_use(self._namespaces):
            found = self._telling & delivery.stanza.child_tags
            if found:
                steps = self._those_for(found)
        for step in steps:  # noqa: SIM110 - the message path: all(...) costs twice as much
            if step(delivery) is STOP:
                return False
        return True

    def _those_for(self, found: frozenset[str]) -> tuple[Step, ...]:
        return tuple(step for step, tags in self._steps if tags is None or not tags.isdisjoint(found))
