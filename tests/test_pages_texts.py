"""The texts of pages: all that templates say stands in texts.toml, and all that stands there is said."""

import re

import pytest

from tests.harness.servers import ROOT
from web.pages.rendering import COMMON, texts_in

FOLDERS = sorted(path.parent.name for path in (ROOT / "web").glob("*/texts.toml"))
QUOTED = re.compile(r"""["'](\w+\.\w+)["']""")
WORDS = re.compile(r"[A-Za-z]{2,}")


def sources(folder: str) -> dict[str, str]:
    """The templates of a folder of web/, and its code, which names texts as well."""
    paths = [*(ROOT / "web" / folder).rglob("*.html"), *(ROOT / "web" / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def templates(folder: str) -> dict[str, str]:
    return {path: source for path, source in sources(folder).items() if path.endswith(".html")}


def named(folder: str) -> set[str]:
    """The keys that are written there: what stands in quotes and begins like the keys of texts do."""
    sections = {key.partition(".")[0] for each in FOLDERS for key in texts_in(each)}
    quoted = {key for source in sources(folder).values() for key in QUOTED.findall(source)}
    return {key for key in quoted if key.partition(".")[0] in sections}


def without_markup(template: str) -> str:
    return re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|&\w+;", " ", template)


def test_there_are_texts() -> None:
    assert COMMON in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_that_is_named_exists(folder: str) -> None:
    known = {**texts_in(COMMON), **texts_in(folder)}
    assert named(folder)
    assert sorted(key for key in named(folder) if key not in known) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_that_exists_is_used(folder: str) -> None:
    used = set().union(*map(named, FOLDERS)) if folder == COMMON else named(folder)
    assert sorted(key for key in texts_in(folder) if key not in used) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_templates_say_nothing_that_is_not_in_the_file_of_texts(folder: str) -> None:
    assert templates(folder)
    assert {
        path: found for path, text in templates(folder).items() if (found := WORDS.findall(without_markup(text)))
    } == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_templates_have_no_script_no_style_of_their_own_and_leave_nothing_unescaped(folder: str) -> None:
    own = re.compile(r"<script|<style|\sstyle=|\son\w+=|\|\s*safe|javascript:|autoescape", re.IGNORECASE)
    assert {path: found for path, text in templates(folder).items() if (found := own.findall(text))} == {}
