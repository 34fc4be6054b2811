"""The configuration: what a file may hold, what its errors say, and what is made from the settings classes."""

from __future__ import annotations

import re
import tomllib
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest

from xmpp.config.configuration import REQUIRED, ConfigError, Configuration, Section, setting
from xmpp.config.texts import documentation, example


def _only_tidy_names(names: tuple[str, ...]) -> None:
    if any(name != name.strip() for name in names):
        raise ValueError("expected names without spaces around them")


def _no_spaces(code: str) -> None:
    if " " in code:
        raise ValueError("expected a code without spaces")


@dataclass(frozen=True)
class PortSettings:
    number: int = setting(5222, "Where clients connect.", minimum=0, maximum=65535, restart=True)
    patience: float = setting(2.5, "Seconds to wait.", minimum=1)
    language: str = setting("en", "What errors are written in.", choices=("en", "de"))
    is_open: bool = setting(False, "Whether anybody may come in.")
    names: tuple[str, ...] = setting(("localhost",), "Who we are.", check=_only_tidy_names)
    widths: list[int] = setting([1, 2], "A list of numbers.", minimum=1)
    colours: dict[str, str] = setting({}, 'Colours by name, as {"sky" = "blue"}.')
    folder: Path | None = setting(None, "Where things are kept.")


@dataclass(frozen=True)
class QuietSettings:
    title: str = setting('a "quoted" title\nof two lines', "The title.")


@dataclass(frozen=True)
class Window:
    width: int = setting(REQUIRED, "How wide it is.", minimum=1)
    glass: str = setting("clear", "What it is made of.", choices=("clear", "frosted"))
    code: str = setting("", "What opens it.", secret=True, check=_no_spaces)

    def __post_init__(self) -> None:
        if self.code and self.glass == "clear":
            raise ValueError("expected frosted glass where there is a code")


@dataclass(frozen=True)
class HouseSettings:
    windows: tuple[Window, ...] = setting((), "What to look through.")


HOUSE = Section("house", HouseSettings, "A house.")

SECTIONS = (
    Section("port", PortSettings, "Where the server listens."),
    Section("quiet", QuietSettings, "A feature with settings.", can_be_disabled=True),
    Section("loud", None, "A feature without settings.", can_be_disabled=True, enabled_by_default=False),
)


def load(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "xserv.toml"
    path.write_text(text)
    return Configuration.load(path, (*SECTIONS, HOUSE))


def error(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_without_a_file_everything_has_its_default() -> None:
    config = Configuration.load(None, SECTIONS)
    assert config[PortSettings] == PortSettings()
    assert config.is_enabled("quiet")
    assert not config.is_enabled("loud")


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    config = load(tmp_path, '[port]\nnumber = 5333\nnames = ["a.example", "b.example"]\n[loud]\nenabled = true')
    assert config[PortSettings] == PortSettings(number=5333, names=("a.example", "b.example"))
    assert config[QuietSettings] == QuietSettings()
    assert config.is_enabled("loud")


@pytest.mark.parametrize(
    "line, key, value",
    [
        ("number = 0", "number", 0),
        ("patience = 3", "patience", 3.0),
        ("is_open = true", "is_open", True),
        ('language = "de"', "language", "de"),
        ("names = []", "names", ()),
        ("widths = [4]", "widths", [4]),
        ('colours = {sky = "blue"}', "colours", {"sky": "blue"}),
        ('folder = ""', "folder", None),
        ('folder = "/var/lib"', "folder", Path("/var/lib")),
    ],
)
def test_values_become_what_their_setting_says(tmp_path: Path, line: str, key: str, value: object) -> None:
    found = getattr(load(tmp_path, f"[port]\n{line}")[PortSettings], key)
    assert (found, type(found)) == (value, type(value) if not isinstance(value, Path) else type(Path()))


def test_a_relative_path_is_taken_from_where_the_file_is(tmp_path: Path) -> None:
    assert load(tmp_path, '[port]\nfolder = "data"')[PortSettings].folder == tmp_path / "data"


@pytest.mark.parametrize(
    "text, message",
    [
        ("[prot]", "xserv.toml: there is no section [prot], did you mean port?"),
        ("[xyz]", "xserv.toml: there is no section [xyz]; expected one of port, quiet, loud, house."),
        ("[port]\nnumbr = 1", "xserv.toml: [port] has no setting numbr, did you mean number?"),
        ("[port]\nenabled = true", "xserv.toml: [port] has no setting enabled; expected one of number, patience, "),
        ("[loud]\nvolume = 1", "xserv.toml: [loud] has no setting volume; expected one of enabled."),
        ("number = 1", "xserv.toml: number stands outside of a section; expected a line like [section] above it."),
        ('[port]\nnumber = "x"', 'xserv.toml: [port] number: expected a whole number from 0 to 65535, found "x".'),
        ("[port]\nnumber = true", "xserv.toml: [port] number: expected a whole number from 0 to 65535, found true."),
        ("[port]\nnumber = -1", "xserv.toml: [port] number: expected a whole number from 0 to 65535, found -1."),
        ("[port]\nnumber = 65536", "xserv.toml: [port] number: expected a whole number from 0 to 65535, found 65536."),
        ("[port]\nnumber = 1.0", "xserv.toml: [port] number: expected a whole number from 0 to 65535, found 1.0."),
        ("[port]\npatience = nan", "xserv.toml: [port] patience: expected a number of at least 1, found nan."),
        ("[port]\nis_open = 1", "xserv.toml: [port] is_open: expected true or false, found 1."),
        ("[port]\nis_open = 1979-05-27", "xserv.toml: [port] is_open: expected true or false, found 1979-05-27."),
        ('[port]\nlanguage = "fr"', 'xserv.toml: [port] language: expected one of "en", "de", found "fr".'),
        ('[port]\nnames = "a"', 'xserv.toml: [port] names: expected a list, each item a text, found "a".'),
        ("[port]\nnames = [1]", "xserv.toml: [port] names: expected a list, each item a text, found [1]."),
        (
            '[port]\nnames = [" a"]',
            'xserv.toml: [port] names: expected names without spaces around them, found [" a"].',
        ),
        (
            "[port]\nwidths = [1, 0]",
            "xserv.toml: [port] widths: expected a list, each item a whole number of at least 1, found [1, 0].",
        ),
        (
            "[port]\ncolours = {sky = 1}",
            'xserv.toml: [port] colours: expected a table, each value a text, found {"sky" = 1}.',
        ),
        ("[port]\nfolder = 1", 'xserv.toml: [port] folder: expected a path, or "", found 1.'),
        ('[loud]\nenabled = "yes"', 'xserv.toml: [loud] enabled: expected true or false, found "yes".'),
        ("[port]\nnumber =", "xserv.toml: is not TOML: Invalid value (at end of document)."),
        ("[port\n", "xserv.toml: is not TOML: Expected ']' at the end of a table declaration (at line 1, column 6)."),
    ],
)
def test_an_error_names_file_section_key_and_what_was_expected(tmp_path: Path, text: str, message: str) -> None:
    found = error(tmp_path, text)
    assert found.startswith(message)
    assert "\n" not in found


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read: No such file or directory\."):
        Configuration.load(tmp_path / "missing.toml", SECTIONS)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "xserv.toml"
    path.write_bytes(b"[port]\nlanguage = '\xe4'")
    with pytest.raises(ConfigError, match=r"xserv\.toml: is not UTF-8"):
        Configuration.load(path, SECTIONS)


def test_values_given_by_code_go_over_those_of_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, '[port]\nnumber = 1\nlanguage = "de"')
    changed = config.with_values({"port": {"number": 2}, "quiet": {"enabled": False}})
    assert changed[PortSettings] == PortSettings(number=2, language="de")
    assert not changed.is_enabled("quiet")
    assert config[PortSettings].number == 1


def test_values_given_by_code_are_checked_and_their_source_is_named() -> None:
    config = Configuration.load(None, SECTIONS)
    with pytest.raises(ConfigError, match=r"^command line: \[port\] number: expected a whole number"):
        config.with_values({"port": {"number": 70000}})


def test_settings_cannot_be_changed() -> None:
    config = Configuration.load(None, SECTIONS)
    with pytest.raises(FrozenInstanceError):
        config[PortSettings].number = 1  # type: ignore[misc]


def test_a_feature_without_a_section_is_always_on() -> None:
    assert Configuration.load(None, SECTIONS).is_enabled("ping")


def test_changes_that_wait_for_a_restart_are_listed(tmp_path: Path) -> None:
    old = load(tmp_path, "")
    new = load(tmp_path, '[port]\nnumber = 1\nlanguage = "de"\n[loud]\nenabled = true')
    assert old.changes_needing_restart(new) == ["[port] number", "[loud] enabled"]
    assert new.changes_needing_restart(new) == []


def test_the_example_is_valid_as_it_is(tmp_path: Path) -> None:
    text = example(SECTIONS)
    assert set(tomllib.loads(text)) == {"port", "quiet", "loud"}
    assert load(tmp_path, text)[PortSettings] == PortSettings()


def test_the_example_without_its_comment_marks_gives_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#(?! )", "", example(SECTIONS))
    given = tomllib.loads(text)
    assert {name: list(table) for name, table in given.items()} == {
        section.name: list(section.entries) for section in SECTIONS
    }
    config = load(tmp_path, text)
    assert config[PortSettings] == PortSettings()
    assert config[QuietSettings] == QuietSettings()
    assert config.is_enabled("quiet")
    assert not config.is_enabled("loud")


def test_the_example_explains_sections_and_settings() -> None:
    text = example(SECTIONS)
    assert "# Where the server listens.\n[port]\n" in text
    assert "# Where clients connect. Read only when the server starts.\n#number = 5222\n" in text


def test_the_documentation_has_a_row_for_every_setting() -> None:
    text = documentation(SECTIONS)
    assert "## [port]\n\nWhere the server listens.\n" in text
    assert '| `language` | one of "en", "de" | `"en"` | What errors are written in. |' in text
    rows = re.findall(r"(?m)^\| `(\w+)`", text)
    assert rows == [key for section in SECTIONS for key in section.entries]


# -- lists of tables


def test_a_list_of_tables_becomes_dataclasses(tmp_path: Path) -> None:
    text = '[[house.windows]]\nwidth = 3\n[[house.windows]]\nwidth = 2\nglass = "frosted"\ncode = "x"'
    assert load(tmp_path, text)[HouseSettings].windows == (Window(3), Window(2, "frosted", "x"))


@pytest.mark.parametrize(
    "text, message",
    [
        ("[house]\nwindows = 3", "xserv.toml: [house] windows: expected a list of tables."),
        ("[house]\nwindows = [3]", "xserv.toml: [house] windows: expected a list of tables."),
        ("[[house.windows]]", "xserv.toml: [house] windows #1 has no width; expected a whole number of at least 1."),
        (
            "[[house.windows]]\nwidth = 1\n[[house.windows]]\nwidht = 1",
            "xserv.toml: [house] windows #2 has no setting widht, did you mean width?",
        ),
        (
            "[[house.windows]]\nwidth = 0",
            "xserv.toml: [house] windows #1 width: expected a whole number of at least 1, found 0.",
        ),
        (
            '[[house.windows]]\nwidth = 1\ncode = "x"',
            "xserv.toml: [house] windows #1: expected frosted glass where there is a code.",
        ),
    ],
)
def test_an_error_names_the_table_by_its_number(tmp_path: Path, text: str, message: str) -> None:
    assert error(tmp_path, text) == message


@pytest.mark.parametrize("code", ["[1]", '" x"'])
def test_a_secret_is_not_shown(tmp_path: Path, code: str) -> None:
    found = error(tmp_path, f"[[house.windows]]\nwidth = 1\ncode = {code}")
    assert found.startswith("xserv.toml: [house] windows #1 code: expected ")
    assert "found" not in found
    assert "hidden" not in repr(Window(1, "frosted", "hidden"))


def test_the_example_explains_what_stands_in_a_table(tmp_path: Path) -> None:
    text = example([HOUSE])
    assert "# What to look through.\n# [[house.windows]]\n# width = a whole number of at least 1 (needed). How " in text
    assert "#windows = []\n" in text
    assert load(tmp_path, text)[HouseSettings] == HouseSettings()


def test_the_documentation_has_a_table_for_the_tables_of_a_list() -> None:
    text = documentation([HOUSE])
    assert "| `windows` | a list, each item a table | `[]` | What to look through. |\n\n### [[house.windows]]\n" in text
    assert "| `width` | a whole number of at least 1 | needed | How wide it is. |" in text
