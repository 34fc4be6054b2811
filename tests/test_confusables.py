"""UTS #39: which names look like which."""

from pathlib import Path

import pytest

from xmpp.data import confusables
from xmpp.data.confusables import looks

ALIKE = [
    ("Romeo", "Rоmeo"),  # a Cyrillic o
    ("Romeo", "R0meo"),
    ("Romeo", "rOMEO"),
    ("Romeo", "Rorneo"),
    ("Paul", "PauI"),
    ("Paul", "Pau1"),
    ("Ivan", "IVAN"),
    ("ivan", "IVAN"),
    ("Ruby", "ℜ𝘂ᖯʏ"),
    ("admin", "аdmіn"),
    ("Zoe", "Ζοе"),  # Greek and Cyrillic
    ("Иван", "ИВАН"),
    ("O'Neil", "0’neil"),
    ("Straße", "STRASSE"),
    ("Romeo", "Ｒｏｍｅｏ"),
    ("11", "⑪"),
    ("Romeo", " Romeo  "),
    ("Romeo Montague", "Romeo\u00a0 Montague"),
    ("José", "Jose\u0301"),
    ("☂\ufe0f", "☂"),
]
DIFFERENT = [
    ("Romeo", "Romea"),
    ("Romeo", "Romeo2"),
    ("Romeo", "Ro meo"),
    ("Zoe", "Zoé"),
    ("Jürgen", "Jurgen"),
    ("Anna", "Hannah"),
    ("ivan", "lvan"),
    ("Иван", "Ivan"),
    ("☂", "☁"),
]


@pytest.mark.parametrize(("name", "other"), ALIKE)
def test_names_that_people_take_for_each_other_look_alike(name: str, other: str) -> None:
    assert looks(name) & looks(other)


@pytest.mark.parametrize(("name", "other"), DIFFERENT)
def test_others_do_not(name: str, other: str) -> None:
    assert not looks(name) & looks(other)


def test_the_table_is_whole_and_closed() -> None:
    text = Path(confusables.__file__).with_name("confusables.txt").read_text(encoding="utf-8")
    rows = [line.split(";") for line in text.splitlines() if line and not line.startswith("#")]
    assert len(rows) == 6_565  # so many Unicode 17.0.0 has
    table = {chr(int(source, 16)): "".join(chr(int(each, 16)) for each in target.split()) for source, target in rows}
    assert not set("".join(table.values())) & set(table)
    assert "Copyright" in text and "Unicode, Inc." in text
