"""docs/finding-your-way.md is true: its files exist and have in them what it says; no answer takes more than three."""

import re

import pytest

from tests.harness.servers import ROOT

TEXT = (ROOT / "docs" / "finding-your-way.md").read_text(encoding="utf-8")
ANSWERS = dict(re.findall(r"^### ([^\n]*\?)\n\n(.*?)(?=\n\n)", TEXT, re.MULTILINE | re.DOTALL))
PATH = re.compile(r"`([\w-]+(?:/[\w.-]+)+/?|\w+\.py)`")
# A step of an answer: a file, and names that are in it.
STEP = re.compile(r"\d\. `([^`]+)`:(.*?)(?=\n\d\.|\Z)", re.DOTALL)


def test_there_are_answers_to_seven_questions() -> None:
    assert len(ANSWERS) == 7


@pytest.mark.parametrize("question", ANSWERS)
def test_an_answer_takes_three_files_at_most(question: str) -> None:
    assert 1 <= len(STEP.findall(ANSWERS[question])) <= 3


@pytest.mark.parametrize("question", ANSWERS)
def test_the_files_have_in_them_what_is_said(question: str) -> None:
    for file, said in STEP.findall(ANSWERS[question]):
        text = (ROOT / file).read_text(encoding="utf-8")
        names = re.findall(r"`@?([\w.]+)`", said) + re.findall(r"\b[A-Z]+_[A-Z_]+\b", said)
        assert names or file.startswith("docs/")
        assert [name for name in names if name not in text] == []


def test_all_files_that_it_names_exist() -> None:
    paths = PATH.findall(TEXT)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_all_tables_that_it_names_are_listed() -> None:
    tables = (ROOT / "handlers" / "tables.py").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:SESSION|MESSAGE|ACCOUNT)_[A-Z]+\b", TEXT))
    assert named
    assert [name for name in sorted(named) if f"{name}.runs(" not in tables] == []


def test_each_file_of_rooms_is_in_its_table_once() -> None:
    named = re.findall(r"`(\w+)`", TEXT.partition("## The files of rooms")[2])
    assert sorted(named) == sorted(path.stem for path in (ROOT / "handlers" / "rooms").glob("*.py"))
