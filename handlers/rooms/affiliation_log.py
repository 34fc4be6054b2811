"""What a room knows of how its affiliations have changed (XEP-0463), on data alone.

Each change has a number, the version that it has led to. What somebody may list is said by a text (lists.seen_by); for
those who may not list all of them the version is that of the last change that they could see.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from db.room_changes import AffiliationChange
from handlers.rooms.ranks import LETTERS
from xmpp.data.jid import JID


class Step(NamedTuple):
    """Changes that were made at once; `before`: the versions that were the last ones then, by what is seen, as far as
    anybody was told them."""

    changes: Sequence[AffiliationChange]
    before: dict[str, int]


class AffiliationLog:
    """The last changes of a room, the oldest first. `last`: the version of all of it."""

    def __init__(self, known: Iterable[AffiliationChange]) -> None:
        self._changes = deque(known)
        self._latest: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._changes)

    @property
    def last(self) -> int:
        """The version after all changes."""
        return self._changes[-1].version if self._changes else 0

    @property
    def _begins(self) -> int:
        """The version before the first change that is known."""
        return self._changes[0].version - 1 if self._changes else 0

    def latest(self, seen: str) -> int:
        """The version for those who may list this much."""
        if seen not in self._latest:
            self._latest[seen] = self._latest_up_to(self.last, seen)
        return self._latest[seen]

    def latest_before(self, step: Step, seen: str) -> int:
        """The same before some changes."""
        if seen in step.before:
            return step.before[seen]
        return self._latest_up_to(step.changes[0].version - 1, seen)

    def next(self, changed: Iterable[tuple[JID, str, str]]) -> Step:
        """The changes of these people, who were one thing and are another; they are not in the log yet."""
        return Step(
            [AffiliationChange(version, *each) for version, each in enumerate(changed, self.last + 1)],
            dict(self._latest),
        )

    def add(self, step: Step) -> None:
        """They have happened."""
        self._changes.extend(step.changes)
        for each in step.changes:
            for seen in self._latest:
                if is_seen(each.was, each.became, seen):
                    self._latest[seen] = each.version

    def shorten(self, most: int) -> int:
        """Forget all but so many changes; returns the version up to which none is known any more."""
        while len(self._changes) > most:
            self._changes.popleft()
        return self._begins

    def since(self, version: int, seen: str) -> dict[JID, str] | None:
        """All who have changed since a version in a way that is seen, with what they were then; None if that is not
        known any more."""
        if not self._begins <= version <= self.last:
            return None
        were, visible = dict[JID, str](), set[JID]()
        for each in reversed(self._changes):
            if each.version <= version:
                break
            were[each.jid] = each.was
            if is_seen(each.was, each.became, seen):
                visible.add(each.jid)
        return {jid: was for jid, was in were.items() if jid in visible}

    def _latest_up_to(self, version: int, seen: str) -> int:
        for each in reversed(self._changes):
            if each.version <= version and is_seen(each.was, each.became, seen):
                return each.version
        return min(version, self._begins)


def is_seen(was: str, became: str, seen: str) -> bool:
    """Whether somebody who may list this much could see a change."""
    return LETTERS[was] in seen or LETTERS[became] in seen
