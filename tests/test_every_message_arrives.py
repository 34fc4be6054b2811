"""Whatever happens to lines, sessions and the server: every message that was accepted reaches every device that should
have it, in order, once in each way, and a repeat has the stanza-id of the first.

Hypothesis takes some devices through sends, cuts, resumes and restarts, and makes what fails as short as it can.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from handlers.messages import carbons, offline
from handlers.sessions import stream_management
from handlers.sessions.redelivery import MESSAGE_REDELIVERED
from handlers.tables import TABLES
from tests.harness.devices import Device, Management
from tests.harness.soak import IS_SOAKING, rounds
from tests.harness.town import Town
from tests.harness.witness import Judge, Witness
from xmpp.routing.feature import Feature
from xmpp.routing.tables import Tables
from xmpp.running.handling import Handled

COURSES = rounds(20, 1500)
STEPS = rounds(30, 50)

JULIET, ROMEO = "juliet@localhost", "romeo@localhost"
DEVICES = (f"{JULIET}/balcony", f"{JULIET}/chamber", f"{JULIET}/tomb", f"{ROMEO}/orchard", f"{ROMEO}/cell")
ADDRESSES = (JULIET, JULIET, ROMEO, ROMEO, *DEVICES)  # mostly to people
TYPES = ("chat", "chat", "normal")
CONTENTS = {"m": "<body>{}</body>", "s": "<composing xmlns='http://jabber.org/protocol/chatstates'/>"}
PRESENCES = ("<presence/>", "<presence><priority>-1</priority></presence>", "<presence type='unavailable'/>")
WITH_CARBONS, WITHOUT = (
    f"<iq type='set' id='carbons'><{wish} xmlns='urn:xmpp:carbons:2'/></iq>" for wish in ("enable", "disable")
)
INACTIVE, ACTIVE = (f"<{state} xmlns='urn:xmpp:csi:0'/>" for state in ("inactive", "active"))
MANAGEMENTS = ("resumable", "resumable", "counted")
SHARES = st.floats(0, 1)

Rule = TypeVar("Rule", bound=Callable[..., None])


def devices_that(attribute: str) -> st.SearchStrategy[Device]:
    """One of the devices of which that is true."""
    return st.runner().flatmap(lambda course: st.sampled_from(course.those_that(attribute)))


def if_any(attribute: str) -> Callable[[Rule], Rule]:
    """Where that is true of one at least."""
    return precondition(lambda course: bool(course.those_that(attribute)))


class Course(RuleBasedStateMachine):
    """One course of events. `tally` counts them."""

    def __init__(self, tables: Tables, tally: Counter[str], *, has_archive: bool) -> None:
        super().__init__()
        self._tally = tally
        self._has_archive = has_archive
        self._asks_early = False  # for the archive, before its presence
        self._numbers = itertools.count(1)
        self._is_new = True  # the server has not passed on a message yet
        self._complaints = Complaints()
        self._folder = TemporaryDirectory()
        self._witness = Witness()
        watched = self._witness.watching(tables)
        self._town = Town(Path(self._folder.name), DEVICES, watched, {"archive": {"enabled": has_archive}})

    def those_that(self, attribute: str) -> list[Device]:
        return [device for device in self._town.devices if getattr(device, attribute)]

    @initialize(there=st.sets(st.sampled_from(DEVICES), min_size=2), has_carbons=st.booleans(),
                asks_early=st.booleans())  # fmt: skip
    def begin(self, there: set[str], has_carbons: bool, asks_early: bool) -> None:
        """Some are there already: a course that has to bring them first seldom gets to anything else."""
        for device in self._town.devices:
            if device.jid in there:
                self.log_in(device, "resumable", "<presence/>", has_carbons)
        self._asks_early = asks_early and self._has_archive

    # -- messages

    @rule(messages=st.lists(st.tuples(devices_that("is_here"), st.sampled_from(ADDRESSES), st.sampled_from(TYPES),
                                      st.sampled_from("mms")), min_size=2, max_size=8))  # fmt: skip
    @if_any("is_here")
    def talk(self, messages: list[tuple[Device, str, str, str]]) -> None:
        for device, to, type, kind in messages:
            id = f"{kind}{next(self._numbers)}"
            device.send(f"<message id='{id}' to='{to}' type='{type}'>{CONTENTS[kind].format(id)}</message>")
            self._town.settle()
        self._tally["messages"] += len(messages)
        self._is_new = False

    # -- lines

    @rule(device=devices_that("is_connected"))
    @if_any("is_connected")
    def slow_down(self, device: Device) -> None:
        device.slow_down()

    @rule(device=devices_that("is_slow"), up=SHARES, down=SHARES)
    @if_any("is_slow")
    def carry(self, device: Device, up: float, down: float) -> None:
        self._town.carry(device, up, down)

    @rule(device=devices_that("is_connected"), is_noticed=st.booleans())
    @if_any("is_connected")
    def cut(self, device: Device, is_noticed: bool) -> None:
        self._town.cut(device, is_noticed=is_noticed)
        self._tally["cuts"] += 1

    @rule(device=devices_that("can_resume"), is_slow=st.booleans())
    @if_any("can_resume")
    def resume(self, device: Device, is_slow: bool) -> None:
        self._town.resume(device)
        if is_slow:
            device.slow_down()
        self._town.settle()
        self._tally["resumes"] += 1

    # -- sessions

    @rule(device=devices_that("jid"), management=st.sampled_from(MANAGEMENTS), presence=st.sampled_from(PRESENCES),
          has_carbons=st.booleans())  # fmt: skip
    def log_in(self, device: Device, management: Management, presence: str, has_carbons: bool) -> None:
        self._town.log_in(device, management)
        if has_carbons:
            device.send(WITH_CARBONS)
        if self._asks_early:
            device.synchronise()
            device.has_asked_early = True
            self._town.settle()
        device.send(presence)
        self._town.settle()
        self._tally["sessions"] += 1

    @rule(device=devices_that("is_here"))
    @if_any("is_here")
    def log_out(self, device: Device) -> None:
        device.end()
        self._town.settle()

    @rule(device=devices_that("is_waited_for"))
    @if_any("is_waited_for")
    def expire(self, device: Device) -> None:
        """The time to resume a session is over."""
        with Handled():
            device.session.end()
        self._town.settle()
        self._tally["expired"] += 1

    @rule()
    @precondition(lambda course: not course._is_new)
    def restart(self) -> None:
        self._town.restart()
        self._is_new = True
        self._tally["restarts"] += 1

    # -- what a session can change

    @rule(device=devices_that("is_here"), stanza=st.sampled_from((*PRESENCES, WITH_CARBONS, WITHOUT)))
    @if_any("is_here")
    def change(self, device: Device, stanza: str) -> None:
        device.send(stanza)
        self._town.settle()

    @rule(device=devices_that("is_here"), state=st.sampled_from((INACTIVE, INACTIVE, ACTIVE)))
    @if_any("is_here")
    def change_client_state(self, device: Device, state: str) -> None:
        device.write(state)
        self._town.settle()

    @rule(device=devices_that("is_here"))
    @if_any("is_here")
    def change_manners(self, device: Device) -> None:
        """Acknowledge from now on what comes, or do so no more."""
        device.answers = not device.answers

    # -- the end

    def teardown(self) -> None:
        try:
            self._catch_up()
            self._complaints.raise_any()
            Judge(self._witness, self._town.devices, has_archive=self._has_archive).compare()
        finally:
            self._complaints.close()
            self._town.stop()
            self._folder.cleanup()
        self._tally["courses"] += 1

    def _catch_up(self) -> None:
        """Everybody comes back, on a good line, and gets all there is."""
        for device in self._town.devices:
            self._bring_back(device)
        for device in self._town.devices:
            device.answers = True
            device.write(ACTIVE)
            device.send("<presence/>")
            device.request()
        self._town.settle()
        if self._has_archive:
            for device in self._town.devices:
                device.synchronise()
            self._town.settle()
            assert all(device.is_synchronised for device in self._town.devices)

    def _bring_back(self, device: Device) -> None:
        if device.is_slow:
            self._town.speed_up(device)
        if device.can_resume:
            self._town.resume(device)
            self._town.settle()
        if not device.is_here:
            self._town.log_in(device, "resumable")
            self._town.settle()


class Complaints(logging.Handler):
    """What the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._records: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(self.format(record))

    def raise_any(self) -> None:
        assert not self._records, "\n".join(self._records)

    def close(self) -> None:
        logging.getLogger().removeHandler(self)
        super().close()


def take(tables: Tables, courses: int, *, has_archive: bool, **other: Any) -> Counter[str]:
    """Take so many courses, at random; returns how much happened in them."""
    tally: Counter[str] = Counter()
    run_state_machine_as_test(
        lambda: Course(tables, tally, has_archive=has_archive),  # type: ignore[arg-type] # a factory will do
        settings=settings(
            max_examples=courses, stateful_step_count=STEPS, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), **other,
        ),
    )  # fmt: skip
    return tally


@pytest.mark.timeout(rounds(600, 6 * 3600))  # most of it to make short what fails
@pytest.mark.parametrize("has_archive", [True, False], ids=["with an archive", "without"])
def test_every_message_arrives(has_archive: bool) -> None:
    """The same courses each time in the short form; the one that fails is printed."""
    phases = [Phase.generate, Phase.shrink]
    print(take(TABLES, COURSES, has_archive=has_archive, derandomize=not IS_SOAKING, phases=phases))


def without(*dropped: Any) -> Tables:
    """The tables without some steps."""
    return TABLES.of([Feature("all the others", steps=[step for step in TABLES.all_steps if step not in dropped])])


@pytest.mark.parametrize(
    "tables",
    [
        without(stream_management.remember_until_acked),
        without(stream_management.count_handled),
        without(stream_management.let_go),
        TABLES.but(MESSAGE_REDELIVERED.runs()),
        without(offline.keep),
        without(carbons.copy_sent, carbons.copy_received),
    ],
    ids=[
        "that does not remember what is not acknowledged",
        "that does not count",
        "that forgets what sessions leave behind",
        "that does not deliver it again",
        "that keeps nothing for who is away",
        "that sends no copies",
    ],
)
def test_a_server_is_found_out(tables: Tables) -> None:
    with pytest.raises(AssertionError):
        take(tables, 300, has_archive=False, derandomize=True, phases=[Phase.generate])
