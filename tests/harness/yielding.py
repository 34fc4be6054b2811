"""Where control is given away while something is handled; and a storage whose every query does so."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import gevent
import greenlet

from db.sqlite.database import Database, Row
from db.sqlite.queries import Prepared
from tests.harness.servers import ROOT
from xmpp.running import handling
from xmpp.running.handling import Handled
from xmpp.server import Server

OURS = tuple(f"{ROOT / part}/" for part in ("xmpp", "handlers", "db"))

AS_ONE = {"client.ClientStream._start_tls", "administration.carry_out"}
"""What waits at several places, some of which depend on how fast the machine is, and stands for all of them."""

NOT_HANDLING = {
    "connection.Connection._linger",
    "connection.Connection._end_in_turn",
    "upkeep._again_and_again",
    "admission.Admission._go_on",
}
"""What runs on when nothing is handled any more, or for nobody; and what the loop itself runs, which lets those go on
that have waited."""


def name_of(code: CodeType) -> str:
    """A function, as `module.function` or `module.Class.function`; a package stands for its `__init__`."""
    path = code.co_filename.removesuffix(".py").removesuffix("/__init__")
    return f"{path.rpartition('/')[2]}.{code.co_qualname}"


@contextmanager
def places() -> Iterator[set[str]]:
    """The innermost functions of ours in which a greenlet gives control away while it handles something; for the caller
    itself nobody looks."""
    seen, caller = set[str](), greenlet.getcurrent()

    def look(event: str, between: tuple[Any, Any]) -> None:
        origin, _ = between
        context = origin.gr_context  # None once it is over
        if origin is not caller and context is not None and context.get(handling._current) is not None:
            names = [name_of(code) for code in _ours(origin.gr_frame)]
            if names and NOT_HANDLING.isdisjoint(names):
                seen.add(next((name for name in names if name in AS_ONE), names[0]))

    before = greenlet.settrace(look)
    try:
        yield seen
    finally:
        greenlet.settrace(before)


@contextmanager
def left_to_the_loop() -> Iterator[Handled]:
    """What the callbacks of the loop would be handling, where they begin nothing themselves."""
    left = Handled()
    _in_the_loop(left.__enter__)
    try:
        yield left
    finally:
        _in_the_loop(lambda: left.__exit__(None, None, None))


def _in_the_loop(act: Callable[[], object]) -> None:
    gevent.get_hub().loop.run_callback(act)
    gevent.sleep(0)


def _ours(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS):
            yield frame.f_code
        frame = frame.f_back


class YieldingDatabase(Database):
    """Lets all others go first before each query, as a storage would that is asked over a network. Not inside of a
    change, nor in callbacks of the loop, which cannot wait."""

    _changes = 0

    def rows(self, query: Prepared, *values: object) -> list[Row]:
        self._give_way()
        return super().rows(query, *values)

    def write(self, query: Prepared, *values: object) -> int:
        self._give_way()
        return super().write(query, *values)

    def take(self, query: Prepared, *values: object) -> list[Row]:
        self._give_way()
        return super().take(query, *values)

    def append(self, query: Prepared, row: Sequence[object]) -> None:
        self._give_way()
        super().append(query, row)

    @contextmanager
    def change(self) -> Iterator[None]:
        self._give_way()
        with super().change():
            self._changes += 1
            try:
                yield
            finally:
                self._changes -= 1

    def _give_way(self) -> None:
        if not self._changes and gevent.getcurrent() is not gevent.get_hub():
            gevent.sleep(0)


def side_by_side(server: Server, *acts: Callable[[], object], forgets: bool = True) -> list[Any]:
    """Do all of this, each in a greenlet of its own; returns what they return.

    `forgets`: the storage remembers nothing when they begin, nor once they have ended, so that all is asked for.
    """
    if forgets:
        server.db.memory.clear()
    greenlets = [gevent.spawn(act) for act in acts]
    gevent.joinall(greenlets, raise_error=True)
    if forgets:
        server.db.memory.clear()
    return [each.value for each in greenlets]
