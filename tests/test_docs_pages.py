"""What stands in docs/: pictures that are there, and everything once."""

import re

import pytest

from tests.harness.servers import ROOT

DOCS = ROOT / "docs"
PICTURES = re.compile(r"\((pictures/[\w-]+\.png)\)")
A_SENTENCE = re.compile(r"(?<=[.:])\s+")
A_FOLDER = re.compile(r"^( {0,4})([\w-]+)/ ", re.MULTILINE)
LONG = 40  # characters; shorter sentences may stand in two places

PAGES = sorted(path.name for path in DOCS.glob("*.md"))


def test_every_picture_of_a_page_is_there_is_named_and_is_small() -> None:
    named = set(PICTURES.findall((DOCS / "web.md").read_text(encoding="utf-8")))
    there = {path.relative_to(DOCS).as_posix() for path in (DOCS / "pictures").glob("page-*.png")}
    assert {each for each in named if each.startswith("pictures/page-")} == there != set()
    assert [each for each in there if (DOCS / each).stat().st_size > 100_000] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_stands_twice_on_a_page(page: str) -> None:
    """As it does where an older paragraph was left beside the one that has taken its place."""
    lines = (line for line in (DOCS / page).read_text(encoding="utf-8").splitlines() if not line.startswith("|"))
    sentences = [each for each in A_SENTENCE.split(" ".join(" ".join(lines).split())) if len(each) >= LONG]
    assert sorted({each for each in sentences if sentences.count(each) > 1}) == []


def test_the_architecture_has_each_folder_once_and_they_are_there() -> None:
    tree = (DOCS / "architecture.md").read_text(encoding="utf-8").split("```")[1]
    path, folders = list[str](), list[str]()
    for indentation, name in A_FOLDER.findall(tree):
        path[len(indentation) // 2 :] = [name]
        folders.append("/".join(path))
    assert {"handlers/login", "xmpp/stream/tls"} <= set(folders)
    assert sorted(set(folders)) == sorted(folders)
    assert [each for each in folders if not (ROOT / each).is_dir()] == []
