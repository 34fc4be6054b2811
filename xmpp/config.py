"""The configuration: frozen dataclasses, filled from a TOML file and checked.

Settings stand beside their feature, as the fields of a frozen dataclass. The defaults, the example file, the
documentation and the error messages are all made from those dataclasses, so they cannot disagree.
"""

from __future__ import annotations

import difflib
import textwrap
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar, get_type_hints

from xmpp.config_values import Rule, Unsuitable, expected, in_toml, suitable

Settings = TypeVar("Settings")

EXAMPLE_WIDTH = 100
DOCUMENTATION_HEAD = """\
# Configuration

Every setting, made from the code by `make docs`. None of it is needed: without a file everything has its default.
The file is TOML. `xserv run` takes the one that `--config` names, or else `xserv.toml` in the data folder.
`xserv config example` prints one to start from, and `xserv config check FILE` checks one.
"""


class ConfigError(Exception):
    """One sentence for whoever wrote the configuration: where it is wrong, what was expected there, what was found."""


def setting(
    default: Any,
    comment: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[Any] = (),
    check: Callable[[Any], object] | None = None,
    restart: bool = False,
) -> Any:
    """Declare a field of a settings dataclass.

    Its type is bool, int, float, str, Path, a list, tuple or dict of those, or one of them `| None`, which the file
    writes as `""`. Minimum, maximum and choices hold for every item of a list. `check` gets the value and raises
    ValueError, whose text says what was expected. `restart`: it is read only when the server starts.
    """
    rule = Rule(comment, minimum, maximum, tuple(choices), check, restart)
    if isinstance(default, (list, dict)):
        return field(default_factory=default.copy, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True)
class Entry:
    """One line of a section: a setting with its name, type and default value."""

    key: str
    type: Any
    default: Any
    rule: Rule


@dataclass(frozen=True)
class Section:
    """One section of the file: the settings of a feature or a part, its switch, or both."""

    name: str
    settings: type | None = None
    doc: str = ""
    can_be_disabled: bool = False
    enabled_by_default: bool = True

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """What may stand in the section, by key."""
        switch = {"enabled": Entry("enabled", bool, self.enabled_by_default, Rule("Whether this is on.", restart=True))}
        return (switch if self.can_be_disabled else {}) | self._declared()

    def _declared(self) -> dict[str, Entry]:
        if self.settings is None:
            return {}
        types = get_type_hints(self.settings)
        return {
            f.name: Entry(
                f.name,
                types[f.name],
                f.default if f.default_factory is MISSING else f.default_factory(),
                f.metadata["rule"],
            )
            for f in fields(self.settings)
        }


Tables = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Configuration:
    """All settings of one server. It never changes: reading the file again makes another one."""

    sections: Mapping[str, Section]
    _settings: Mapping[type, Any]
    _enabled: Mapping[str, bool]

    @classmethod
    def load(cls, path: Path | None, sections: Iterable[Section]) -> Self:
        """Return the defaults of the sections, changed as the file says. Raises ConfigError."""
        by_name = {section.name: section for section in sections}
        settings = {section.settings: section.settings() for section in by_name.values() if section.settings}
        enabled = {section.name: section.enabled_by_default for section in by_name.values()}
        defaults = cls(by_name, settings, enabled)
        return defaults if path is None else defaults.with_values(_read(path), source=str(path), folder=path.parent)

    def __getitem__(self, settings: type[Settings]) -> Settings:
        found: Settings = self._settings[settings]
        return found

    def is_enabled(self, name: str) -> bool:
        """Whether that feature is on. One that has no section cannot be switched off."""
        return self._enabled.get(name, True)

    def with_values(self, values: Tables, *, source: str = "command line", folder: Path = Path()) -> Self:
        """Return a configuration with `values[section][key]` in place, checked like a file. Raises ConfigError.

        Error messages name the source. Relative paths are taken from the folder.
        """
        settings, enabled = dict(self._settings), dict(self._enabled)
        for name, table in values.items():
            section = self._section(name, table, source)
            given = {key: _checked(section, key, value, source, folder.absolute()) for key, value in table.items()}
            if section.can_be_disabled:
                enabled[name] = given.pop("enabled", enabled[name])
            if section.settings:
                settings[section.settings] = replace(settings[section.settings], **given)
        return replace(self, _settings=settings, _enabled=enabled)

    def _section(self, name: str, table: object, source: str) -> Section:
        if not isinstance(table, Mapping):
            raise ConfigError(f"{source}: {name} stands outside of a section; expected a line like [section] above it.")
        if name not in self.sections:
            raise ConfigError(f"{source}: there is no section [{name}]{_guess(name, self.sections)}")
        return self.sections[name]

    def changes_needing_restart(self, new: Configuration) -> list[str]:
        """Return what is different in the new configuration but only read at the start, as `[section] key`."""
        return [
            f"[{section.name}] {entry.key}"
            for section in self.sections.values()
            for entry in section.entries.values()
            if entry.rule.restart and self._value(section, entry) != new._value(section, entry)
        ]

    def _value(self, section: Section, entry: Entry) -> Any:
        if section.can_be_disabled and entry.key == "enabled":
            return self.is_enabled(section.name)
        return getattr(self._settings[section.settings], entry.key) if section.settings else None


def example(sections: Iterable[Section]) -> str:
    """Return a whole configuration file: each setting explained, and commented out with its default value."""
    head = "# Every setting, with its default value. Remove the # in front of a setting to change it.\n"
    return "\n".join([head, *map(_example_section, sections)])


def _example_section(section: Section) -> str:
    lines = [*_as_comment(section.doc), f"[{section.name}]"]
    for entry in section.entries.values():
        lines += ["", *_as_comment(_explanation(entry)), f"#{entry.key} = {in_toml(entry.default)}"]
    return "\n".join(lines) + "\n"


def _as_comment(text: str) -> list[str]:
    return [f"# {part}" for line in text.splitlines() for part in textwrap.wrap(line, EXAMPLE_WIDTH)]


def _explanation(entry: Entry) -> str:
    return entry.rule.comment + (" Read only when the server starts." if entry.rule.restart else "")


def documentation(sections: Iterable[Section]) -> str:
    """Return the settings of all sections as Markdown, a table for each."""
    return "\n".join([DOCUMENTATION_HEAD, *map(_documented, sections)])


def _documented(section: Section) -> str:
    lines = [f"## [{section.name}]", "", section.doc, ""]
    lines += ["| setting | value | default | meaning |", "|---|---|---|---|"]
    for entry in section.entries.values():
        default = f"`{in_toml(entry.default)}`"
        cells = [f"`{entry.key}`", expected(entry.type, entry.rule), default, _explanation(entry)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8, as TOML has to be.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}.") from error


def _checked(section: Section, key: str, value: Any, source: str, folder: Path) -> Any:
    if key not in section.entries:
        raise ConfigError(f"{source}: [{section.name}] has no setting {key}{_guess(key, section.entries)}")
    entry = section.entries[key]
    where = f"{source}: [{section.name}] {key}"
    try:
        return suitable(value, entry.type, entry.rule, folder)
    except Unsuitable as error:
        raise ConfigError(f"{where}: expected {expected(entry.type, entry.rule)}, found {in_toml(value)}.") from error
    except ValueError as error:
        raise ConfigError(f"{where}: {error}, found {in_toml(value)}.") from error


def _guess(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f", did you mean {close[0]}?"
    return f"; expected one of {', '.join(known)}." if known else "."
