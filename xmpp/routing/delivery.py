"""The path of a stanza as steps: tables of functions that run in the order in which they are written.

The tables themselves stand in handlers/__init__.py. A step takes one Delivery and returns None (go on) or STOP (done
with), or raises StanzaError (the sender is told). A step of a feature that is switched off drops out at start-up.

Every stanza pays for every step, so a step can say in advance what it is not for: `concerns` that it looks at certain
children only, `for_sessions_with` that its feature has to be in use in the session. The others never call it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Literal

from xmpp.jid import JID
from xmpp.routing.feature import SERVICES, Addressee, AnyStep, Feature
from xmpp.stanza import KINDS, Stanza

STOP: Final = "stop"


class Delivery:
    """One stanza on its way, seen from one account: the sender's in the SENT tables, the addressee's in RECEIVED."""

    __slots__ = ("server", "account", "stanza", "chosen", "copied", "archive_id")

    def __init__(self, server: Any, account: JID, stanza: Stanza) -> None:
        self.server = server
        self.account = account
        self.stanza = stanza
        self.chosen: Collection[Any] = ()  # the sessions that get it
        self.copied: Collection[Any] = ()  # the sessions that have been sent a copy of it
        self.archive_id: str | None = None  # by which it can be found in the account's archive

    @property
    def origin(self) -> Any:
        """Where the stanza came in: a Session, or None for what the server makes."""
        return self.stanza.origin


Step = Callable[[Delivery], Literal["stop"] | None]
WrittenStep = Callable[[Any, Stanza], Literal["stop"] | None]
SessionStep = Callable[[Any], None]
CapabilitiesStep = Callable[[Any, frozenset[str]], None]
LostStep = Callable[[Any], Literal["stop"] | None]
AccountStep = Callable[[Any, JID], None]
ContactStep = Callable[[Any, JID, JID, Any], None]  # server, account, contact; its roster item before, or None
UnblockedStep = Callable[[Any, JID, JID], None]  # server, account, contact (bare)
NodeStep = Callable[[Any, JID, str], None]  # server, account, node
KeptStep = Callable[[Any, JID, str, bytes], None]  # server, account, tag of the element, its bytes
ItemStep = Callable[[Any, JID, str, str, bytes | None], None]  # server, account, node, id, payload; "" and None if some
# were retracted, which is said once for all of them
ServerStep = Callable[[Any], None]


def concerns(*tags: str) -> Callable[[Step], Step]:
    """Say of a step of the SENT and RECEIVED tables: it is only for stanzas that have one of these as a child."""

    def declare(step: Step) -> Step:
        step.__dict__["concerns"] = frozenset(tags)
        return step

    return declare


def for_sessions_with(state: type) -> Callable[[AnyStep], AnyStep]:
    """Say of a step of the WRITTEN and HANDLED tables: it is only for sessions that keep this state."""

    def declare(step: AnyStep) -> AnyStep:
        step.__dict__["state"] = state
        return step

    return declare


class Path:
    """The steps of one table, with those left out that a stanza does not concern."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = tuple((step, getattr(step, "concerns", None)) for step in steps)
        self._telling = frozenset().union(*(tags for _, tags in self._steps if tags))
        self._namespaces = frozenset(tag[1:].partition("}")[0].encode() for tag in self._telling)
        self._usual = self._those_for(frozenset())

    def run(self, delivery: Delivery) -> bool:
        """Whether the stanza got past all steps; raises the StanzaError of the step that refused it."""
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


class OwnerlessStep(Exception):
    """A step that no feature declares: a mistake in the code, found at start-up."""


@dataclass(frozen=True)
class Tables:
    """The delivery tables of a server. SENT runs for what a local session sends, RECEIVED for what is addressed to a
    local account or a service; the others take a session, or a server and an account."""

    message_sent: tuple[Step, ...] = ()
    message_received: tuple[Step, ...] = ()
    presence_sent: tuple[Step, ...] = ()
    presence_received: tuple[Step, ...] = ()
    iq_sent: tuple[Step, ...] = ()
    iq_received: tuple[Step, ...] = ()
    message_redelivered: tuple[Step, ...] = ()
    pubsub_received: tuple[Step, ...] = ()  # messages and presence to the publish-subscribe service
    written: tuple[WrittenStep, ...] = ()  # f(session, stanza), for all that is written to a client; STOP: not now
    more_sent: tuple[LostStep, ...] = ()  # before each stanza of a bulk; STOP: not before session.send_more is called
    handled: tuple[SessionStep, ...] = ()  # after each stanza of a client
    session_lost: tuple[LostStep, ...] = ()  # its connection broke; STOP: the session goes on without one
    session_resumed: tuple[SessionStep, ...] = ()  # after what is sent again
    session_bound: tuple[SessionStep, ...] = ()  # before its client can ask for anything
    session_available: tuple[SessionStep, ...] = ()  # its first available presence
    caps_known: tuple[CapabilitiesStep, ...] = ()  # f(session, features): what its client supports is known, or changed
    session_ended: tuple[SessionStep, ...] = ()
    contact_changed: tuple[ContactStep, ...] = ()  # an account's roster item is another one, or gone
    contact_unblocked: tuple[UnblockedStep, ...] = ()  # after both are shown each other's presence again
    account_removed: tuple[AccountStep, ...] = ()
    node_changed: tuple[NodeStep, ...] = ()  # of an account, maybe, by a request: once for each; may still refuse it
    private_xml_kept: tuple[KeptStep, ...] = ()  # by a request; may still refuse it
    item_published: tuple[ItemStep, ...] = ()  # at a node of an account, or retracted; by whomever
    server_started: tuple[ServerStep, ...] = ()  # it listens
    server_stopping: tuple[ServerStep, ...] = ()  # after the last stream has ended

    @cached_property
    def sent(self) -> Mapping[str, Path]:
        """By kind of stanza: what is done with those that a session sends."""
        return {kind: Path(getattr(self, kind + "_sent")) for kind in KINDS}

    @cached_property
    def received(self) -> Mapping[str, Path]:
        """By kind of stanza: what is done with those that an account receives."""
        return {kind: Path(getattr(self, kind + "_received")) for kind in KINDS}

    @cached_property
    def redelivered(self) -> Path:
        """What is done with messages that a session that is over had been sent and never acknowledged."""
        return Path(self.message_redelivered)

    def at_service(self, addressee: Addressee) -> Path:
        """What is done with messages and presence to a service."""
        return self._at_services[addressee]

    @cached_property
    def _at_services(self) -> Mapping[Addressee, Path]:
        return {addressee: Path(getattr(self, name + "_received")) for addressee, name in SERVICES.items()}

    def written_with(self, states: Collection[type]) -> tuple[WrittenStep, ...]:
        """The WRITTEN steps of a session that keeps these states."""
        return tuple(step for step in self.written if getattr(step, "state", None) in (None, *states))

    def handled_with(self, states: Collection[type]) -> tuple[SessionStep, ...]:
        """The HANDLED steps of a session that keeps these states."""
        return tuple(step for step in self.handled if getattr(step, "state", None) in (None, *states))

    def hold_owners(self, features: Iterable[Feature]) -> None:
        """Raises OwnerlessStep for one that none of these features declares: it would never run."""
        declared = {step for feature in features for step in feature.steps}
        for table in fields(self):
            for step in getattr(self, table.name):
                if step not in declared:
                    raise OwnerlessStep(
                        f"{step.__module__}.{step.__qualname__} stands in the table {table.name} and belongs to no "
                        "feature; @feature.step declares it."
                    )

    def of(self, features: Iterable[Feature]) -> "Tables":
        """The tables with the steps of these features only."""
        theirs = {step for feature in features for step in feature.steps}
        return Tables(
            **{
                table.name: tuple(step for step in getattr(self, table.name) if step in theirs)
                for table in fields(self)
            }
        )
