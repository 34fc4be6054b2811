"""Whatever happens to lines, sessions and the server: every message that was accepted reaches every device that should
have it, in order, once in each way, and a repeat has the stanza-id of the first.

Hypothesis takes some devices through sends, cuts, resumes and restarts, and makes what fails as short as it can.
"""

import itertools
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from handlers.messages import carbons, offline
from handlers.sessions import stream_management
from handlers.sessions.redelivery import MESSAGE_REDELIVERED
from handlers.tables import TABLES
from tests.harness.courses import ACTIVE, Lines, courses_of, devices_that, if_any
from tests.harness.devices import Device, Management
from tests.harness.soak import IS_SOAKING, rounds
from tests.harness.town import Town
from tests.harness.witness import Judge, Witness
from xmpp.routing.feature import Feature
from xmpp.routing.tables import Tables

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
MANAGEMENTS = ("resumable", "resumable", "counted")


class Course(Lines):
    """One course of events. `tally` counts them."""

    def __init__(self, tables: Tables, tally: Counter[str], *, has_archive: bool) -> None:
        super().__init__(tally)
        self._has_archive = has_archive
        self._asks_early = False  # for the archive, before its presence
        self._numbers = itertools.count(1)
        self._is_new = True  # the server has not passed on a message yet
        self._folder = TemporaryDirectory()
        self._witness = Witness()
        watched = self._witness.watching(tables)
        self.town = Town(Path(self._folder.name), DEVICES, watched, {"archive": {"enabled": has_archive}})

    @initialize(there=st.sets(st.sampled_from(DEVICES), min_size=2), has_carbons=st.booleans(),
                asks_early=st.booleans())  # fmt: skip
    def begin(self, there: set[str], has_carbons: bool, asks_early: bool) -> None:
        """Some are there already: a course that has to bring them first seldom gets to anything else."""
        for device in self.town.devices:
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
            self.town.settle()
        self.tally["messages"] += len(messages)
        self._is_new = False

    # -- sessions

    @rule(device=devices_that("jid"), management=st.sampled_from(MANAGEMENTS), presence=st.sampled_from(PRESENCES),
          has_carbons=st.booleans())  # fmt: skip
    def log_in(self, device: Device, management: Management, presence: str, has_carbons: bool) -> None:
        self.town.log_in(device, management)
        if has_carbons:
            device.send(WITH_CARBONS)
        if self._asks_early:
            device.synchronise()
            device.has_asked_early = True
            self.town.settle()
        device.send(presence)
        self.town.settle()
        self.tally["sessions"] += 1

    @rule()
    @precondition(lambda course: not course._is_new)
    def restart(self) -> None:
        self.town.restart()
        self._is_new = True
        self.tally["restarts"] += 1

    # -- what a session can change

    @rule(device=devices_that("is_here"), stanza=st.sampled_from((*PRESENCES, WITH_CARBONS, WITHOUT)))
    @if_any("is_here")
    def change(self, device: Device, stanza: str) -> None:
        device.send(stanza)
        self.town.settle()

    # -- the end

    def teardown(self) -> None:
        try:
            self._catch_up()
            self.complaints.raise_any()
            Judge(self._witness, self.town.devices, has_archive=self._has_archive).compare()
        finally:
            self.complaints.close()
            self.town.stop()
            self._folder.cleanup()
        self.tally["courses"] += 1

    def _catch_up(self) -> None:
        """Everybody comes back, on a good line, and gets all there is."""
        for device in self.town.devices:
            self.bring_back(device)
        for device in self.town.devices:
            device.answers = True
            device.write(ACTIVE)
            device.send("<presence/>")
            device.request()
        self.town.settle()
        if self._has_archive:
            for device in self.town.devices:
                device.synchronise()
            self.town.settle()
            assert all(device.is_synchronised for device in self.town.devices)


def take(tables: Tables, courses: int, *, has_archive: bool, **other: Any) -> Counter[str]:
    """Take so many courses, at random; returns how much happened in them."""
    return courses_of(lambda tally: Course(tables, tally, has_archive=has_archive), courses, STEPS, **other)


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
