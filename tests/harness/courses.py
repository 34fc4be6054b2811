"""Courses of events that Hypothesis takes devices through: what becomes of their lines and sessions, in each course."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.harness.devices import Device
from tests.harness.town import Town
from xmpp.running.handling import Handled

INACTIVE, ACTIVE = (f"<{state} xmlns='urn:xmpp:csi:0'/>" for state in ("inactive", "active"))
SHARES = st.floats(0, 1)

Rule = TypeVar("Rule", bound=Callable[..., None])


def devices_that(attribute: str) -> st.SearchStrategy[Any]:
    """One of the devices of which that is true."""
    return st.runner().flatmap(lambda course: st.sampled_from(course.those_that(attribute)))


def if_any(attribute: str) -> Callable[[Rule], Rule]:
    """Where that is true of one at least."""
    return precondition(lambda course: bool(course.those_that(attribute)))


class Lines(RuleBasedStateMachine):
    """A course in which lines are slow and are cut, and sessions are resumed and end. It sets its `town`.

    `tally` counts what happens, `complaints` are for the end.
    """

    town: Town

    def __init__(self, tally: Counter[str]) -> None:
        super().__init__()
        self.tally = tally
        self.complaints = Complaints()

    def those_that(self, attribute: str) -> list[Device]:
        return [device for device in self.town.devices if getattr(device, attribute)]

    # -- lines

    @rule(device=devices_that("is_connected"))
    @if_any("is_connected")
    def slow_down(self, device: Device) -> None:
        device.slow_down()

    @rule(device=devices_that("is_slow"), up=SHARES, down=SHARES)
    @if_any("is_slow")
    def carry(self, device: Device, up: float, down: float) -> None:
        self.town.carry(device, up, down)

    @rule(device=devices_that("is_connected"), is_noticed=st.booleans())
    @if_any("is_connected")
    def cut(self, device: Device, is_noticed: bool) -> None:
        self.town.cut(device, is_noticed=is_noticed)
        self.tally["cuts"] += 1

    @rule(device=devices_that("can_resume"), is_slow=st.booleans())
    @if_any("can_resume")
    def resume(self, device: Device, is_slow: bool) -> None:
        self.town.resume(device)
        if is_slow:
            device.slow_down()
        self.town.settle()
        self.tally["resumes"] += 1

    # -- sessions

    @rule(device=devices_that("is_here"))
    @if_any("is_here")
    def log_out(self, device: Device) -> None:
        device.end()
        self.town.settle()

    @rule(device=devices_that("is_waited_for"))
    @if_any("is_waited_for")
    def expire(self, device: Device) -> None:
        """The time to resume a session is over."""
        with Handled():
            device.session.end()
        self.town.settle()
        self.tally["expired"] += 1

    @rule(device=devices_that("is_here"), state=st.sampled_from((INACTIVE, INACTIVE, ACTIVE)))
    @if_any("is_here")
    def change_client_state(self, device: Device, state: str) -> None:
        device.write(state)
        self.town.settle()

    @rule(device=devices_that("is_here"))
    @if_any("is_here")
    def change_manners(self, device: Device) -> None:
        """Acknowledge from now on what comes, or do so no more."""
        device.answers = not device.answers

    def bring_back(self, device: Device) -> None:
        """Have it be here, on a good line, by its old session or a new one."""
        if device.is_slow:
            self.town.speed_up(device)
        if device.can_resume:
            self.town.resume(device)
            self.town.settle()
        if not device.is_here:
            self.town.log_in(device, "resumable")
            self.town.settle()


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


def courses_of(
    course: Callable[[Counter[str]], RuleBasedStateMachine], count: int, steps: int, **other: Any
) -> Counter[str]:
    """Take so many courses of so many steps, at random; returns how much happened in them. `other`: as in Hypothesis's
    settings."""
    tally: Counter[str] = Counter()
    run_state_machine_as_test(
        lambda: course(tally),  # type: ignore[arg-type] # a factory will do
        settings=settings(
            max_examples=count, stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), **other,
        ),
    )  # fmt: skip
    return tally
