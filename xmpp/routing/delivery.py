"""The path of a stanza as steps: tables of functions that run in the order in which they are written.

The tables themselves stand in handlers/__init__.py. A step takes one Delivery and returns None (go on) or STOP (done
with), or raises StanzaError (the sender is told). A step of a feature that is switched off drops out at start-up.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from xmpp.jid import JID
from xmpp.routing.feature import Feature
from xmpp.stanza import Stanza

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
LostStep = Callable[[Any], Literal["stop"] | None]
AccountStep = Callable[[Any, JID], None]
ServerStep = Callable[[Any], None]


@dataclass(frozen=True)
class Tables:
    """The delivery tables of a server. SENT runs for what a local session sends, RECEIVED for what is addressed to a
    local account; the others take a session, or a server and an account."""

    message_sent: tuple[Step, ...] = ()
    message_received: tuple[Step, ...] = ()
    presence_sent: tuple[Step, ...] = ()
    presence_received: tuple[Step, ...] = ()
    iq_sent: tuple[Step, ...] = ()
    iq_received: tuple[Step, ...] = ()
    message_redelivered: tuple[Step, ...] = ()  # what a session that is over had been sent and never acknowledged
    written: tuple[WrittenStep, ...] = ()  # f(session, stanza), for all that is written to a client; STOP: not now
    handled: tuple[SessionStep, ...] = ()  # after each stanza of a client
    session_lost: tuple[LostStep, ...] = ()  # its connection broke; STOP: the session goes on without one
    session_available: tuple[SessionStep, ...] = ()  # its first available presence
    session_ended: tuple[SessionStep, ...] = ()
    account_removed: tuple[AccountStep, ...] = ()
    server_started: tuple[ServerStep, ...] = ()  # it listens
    server_stopping: tuple[ServerStep, ...] = ()  # after the last stream has ended

    def sent(self, kind: str) -> tuple[Step, ...]:
        """The steps for what a session sends of this kind."""
        steps: tuple[Step, ...] = getattr(self, kind + "_sent")
        return steps

    def received(self, kind: str) -> tuple[Step, ...]:
        """The steps for what an account receives of this kind."""
        steps: tuple[Step, ...] = getattr(self, kind + "_received")
        return steps

    def without(self, features: Iterable[Feature]) -> "Tables":
        """The tables without the steps that stand in the files of these features."""
        modules = {_module_of(feature) for feature in features}
        return Tables(
            **{
                table.name: tuple(step for step in getattr(self, table.name) if step.__module__ not in modules)
                for table in fields(self)
            }
        )


def run(steps: tuple[Step, ...], delivery: Delivery) -> bool:
    """Whether the stanza got past all steps; raises the StanzaError of the step that refused it."""
    for step in steps:  # noqa: SIM110 - the message path: all(...) costs twice as much
        if step(delivery) is STOP:
            return False
    return True


def _module_of(feature: Feature) -> str:
    return f"handlers.{feature.name}"
