"""Which tests `make quick` takes for a change."""

from pathlib import PurePath

import pytest

from tests.harness.quick import ALWAYS, words


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ("handlers/messages/carbons.py", {"carbons"}),
        ("handlers/pubsub/nodes.py", {"pubsub"}),
        ("db/rosters.py", {"rosters"}),
        ("spec/blocking/blocked_twice.scs", {"blocking"}),
        ("tests/security/test_newcomer.py", {"newcomer"}),
        ("docs/architecture.md", set()),
    ],
)
def test_a_change_is_tested_by_what_has_its_name(changed: str, found: set[str]) -> None:
    assert set(words([PurePath(changed)])) == found.union(ALWAYS)
