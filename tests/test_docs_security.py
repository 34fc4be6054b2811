"""docs/security.md is true: what is cited stands in it, and what it names exists."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness.servers import ROOT

TESTS = ROOT / "tests"
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TABLES, _, NOT_YET = TEXT.partition("\n## Not yet\n")
NUMBERS = r"(\d+(?:(?:_and_|, | and )\d+)*)"
CITED = re.compile(rf"\brows? {NUMBERS}|row_{NUMBERS}_", re.IGNORECASE)
SOURCES = [path for part in ("cli", "xmpp", "handlers", "db", "tests") for path in sorted((ROOT / part).rglob("*.py"))]


class Row(NamedTuple):
    number: int
    defence: str
    tests: list[str]


def rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        if re.match(r"\| \d", line):
            number, _, defence, tests = line.strip("| ").split(" | ")
            yield Row(int(number), defence, re.findall(r"`([^`]+)`", tests))


ROWS = list(rows(TABLES))
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
NOT_YET_NUMBERS = [int(number) for number in re.findall(r"[:;] (\d+), ", NOT_YET.replace("\n ", ""))]


@cache
def functions_in(file: Path) -> list[str]:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def is_named(file: Path, test: str, entries: list[str]) -> bool:
    """Whether one of these entries of the table stands for the test."""
    path = file.relative_to(TESTS).as_posix()
    return any(entry == path or fnmatch(f"{path}::{test}", entry) for entry in entries)


def cited(text: str) -> set[int]:
    return {int(number) for found in CITED.finditer(text) for number in re.findall(r"\d+", found[0])}


def exists(entry: str) -> bool:
    if entry.startswith("spec/"):
        return (ROOT / entry).is_file()
    file = TESTS / entry.partition("::")[0]
    return file.is_file() and any(is_named(file, test, [entry]) for test in functions_in(file))


def test_every_row_has_a_number_of_its_own() -> None:
    numbers = [row.number for row in ROWS] + NOT_YET_NUMBERS
    assert len(numbers) == len(set(numbers))
    assert set(range(1, 63)) <= set(numbers)


def test_every_row_that_is_cited_has_its_tests() -> None:
    known = {row.number for row in ROWS}
    missing = {str(path): cited(path.read_text(encoding="utf-8")) - known for path in SOURCES}
    assert {path: numbers for path, numbers in missing.items() if numbers} == {}


@EACH_ROW
def test_what_a_row_names_exists(row: Row) -> None:
    assert row.tests
    assert [entry for entry in row.tests if not exists(entry)] == []
    files = [name for name in re.findall(r"`([^`]+)`", row.defence) if name.endswith(".py")]
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_a_test_that_is_called_after_a_row_stands_in_it() -> None:
    entries = {row.number: row.tests for row in ROWS}
    assert [
        f"{file.name}::{test} in {number}"
        for file in sorted(TESTS.rglob("test_*.py"))
        for test in functions_in(file)
        for number in cited(test)
        if not is_named(file, test, entries.get(number, []))
    ] == []


def test_every_test_of_attacks_stands_somewhere() -> None:
    entries = [entry for row in ROWS for entry in row.tests]
    assert [
        f"{file.name}::{test}"
        for file in sorted((TESTS / "security").glob("test_*.py"))
        for test in functions_in(file)
        if not is_named(file, test, entries)
    ] == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("def test_row_05_and_06_x", {5, 6}),
        ("def test_security_row_49_x", {49}),
        ("docs/security.md row 23: who", {23}),
        ("# -- rows 10 and 11: timing", {10, 11}),
        ("Row 24 of the attacks", {24}),
        ("a row of the table, browse 5", set()),
    ],
)
def test_citations_are_found(text: str, numbers: set[int]) -> None:
    assert cited(text) == numbers


@pytest.mark.parametrize("entry", ["spec/none.scs", "test_none.py", "test_jid.py::test_none", "test_jid.py::test_x_*"])
def test_what_is_missing_would_be_noticed(entry: str) -> None:
    assert not exists(entry)
