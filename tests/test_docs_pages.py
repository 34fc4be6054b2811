"""docs/web.md shows the pages as pictures that are there, and small."""

import re

from tests.harness.servers import ROOT

DOCS = ROOT / "docs"
PICTURES = re.compile(r"\((pictures/[\w-]+\.png)\)")


def test_every_picture_of_a_page_is_there_is_named_and_is_small() -> None:
    named = set(PICTURES.findall((DOCS / "web.md").read_text(encoding="utf-8")))
    there = {path.relative_to(DOCS).as_posix() for path in (DOCS / "pictures").glob("page-*.png")}
    assert {each for each in named if each.startswith("pictures/page-")} == there != set()
    assert [each for each in there if (DOCS / each).stat().st_size > 100_000] == []
