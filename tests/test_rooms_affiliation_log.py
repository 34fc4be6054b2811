"""What a room knows of how its affiliations have changed: versions, for those who may list all and for those who may
not, and what has changed since one."""

from handlers.rooms.affiliation_log import AffiliationLog, Step
from xmpp.data.jid import JID

ALL, GROUP = "oamx", "oam"


def jid(name: str) -> JID:
    return JID.parse(f"{name}@localhost")


def happens(log: AffiliationLog, *changes: str) -> Step:
    """Changes that are made at once, each as "name was became"."""
    parts = [each.split() for each in changes]
    step = log.next((jid(name), was, became) for name, was, became in parts)
    log.add(step)
    return step


def since(log: AffiliationLog, version: int, seen: str = ALL) -> dict[str, str] | None:
    found = log.since(version, seen)
    return None if found is None else {name.local: was for name, was in found.items()}


def test_each_change_is_a_version() -> None:
    log = AffiliationLog([])
    assert (log.last, log.latest(ALL)) == (0, 0)
    step = happens(log, "a none member", "b none member")
    assert [each.version for each in step.changes] == [1, 2]
    assert (log.last, log.latest(ALL), len(log)) == (2, 2, 2)


def test_what_has_changed_is_told_once_with_what_it_was_then() -> None:
    log = AffiliationLog([])
    happens(log, "a none member")
    happens(log, "b none member", "a member admin")
    happens(log, "a admin none")
    assert since(log, 0) == {"a": "none", "b": "none"}
    assert since(log, 1) == {"a": "member", "b": "none"}
    assert since(log, 3) == {"a": "admin"}
    assert since(log, 4) == {}
    assert since(log, 5) is None and since(log, -1) is None


def test_who_may_not_list_the_banned_sees_no_version_of_that() -> None:
    log = AffiliationLog([])
    happens(log, "a none member")
    happens(log, "b none outcast")
    assert (log.latest(GROUP), log.latest(ALL)) == (1, 2)
    happens(log, "a member outcast")
    assert (log.latest(GROUP), log.latest(ALL)) == (3, 3)
    happens(log, "b outcast none")
    assert (log.latest(GROUP), log.latest(ALL)) == (3, 4)
    assert since(log, 1, GROUP) == {"a": "member"}


def test_the_version_before_some_changes_is_the_one_that_was_told() -> None:
    log = AffiliationLog([])
    happens(log, "a none member")
    happens(log, "b none outcast")
    assert log.latest(GROUP) == 1
    step = happens(log, "c none outcast", "d none member")
    happens(log, "e none member")
    assert log.latest_before(step, GROUP) == 1
    assert log.latest_before(step, ALL) == 2
    assert log.latest_before(step, "x") == 2


def test_of_what_is_forgotten_nothing_is_told_and_versions_that_were_told_stay() -> None:
    log = AffiliationLog([])
    happens(log, "a none member")
    assert log.latest(GROUP) == 1
    for name in "bcdef":
        happens(log, f"{name} none outcast")
    assert log.shorten(3) == 3
    assert len(log) == 3 and log.last == 6
    assert since(log, 2) is None
    assert since(log, 3) == {"d": "none", "e": "none", "f": "none"}
    assert log.latest(GROUP) == 1
    assert log.latest("m") == 3  # nobody was told an earlier one


def test_it_goes_on_from_what_was_kept() -> None:
    log = AffiliationLog([])
    kept = happens(log, "a none member", "b none member").changes
    again = AffiliationLog(kept[1:])
    assert (again.last, again.latest(ALL)) == (2, 2)
    assert since(again, 1) == {"b": "none"} and since(again, 0) is None
    assert happens(again, "c none member").changes[0].version == 3
