"""The configuration: frozen dataclasses, filled from a TOML file and checked.

Settings are declared beside their feature, as the fields of a frozen dataclass. Defaults and error messages, and in
texts.py the example file and the documentation, are made from those dataclasses, so they always agree.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar, get_args, get_type_hints

from xmpp.config.guesses import guess
from xmpp.config.values import Rule, Unsuitable, expected, in_toml, suitable

Settings = TypeVar("Settings")

DOMAINS = "domains"  # the section with tables for single domains, and in each of these some of the other sections
REQUIRED: Any = MISSING  # the default of a setting that a table of a list must have


class ConfigError(Exception):
    """One sentence for the administrator: where the configuration is wrong, what was expected there, what was found."""


def setting(
    default: Any,
    comment: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[Any] = (),
    check: Callable[[Any], object] | None = None,
    restart: bool = False,
    secret: bool = False,
    at_most: str | tuple[str, ...] = (),
    by_domain: bool = False,
) -> Any:
    """Declare a field of a settings dataclass.

    Its type is bool, int, float, str, Path, a list, tuple or dict of those, or one of them `| None`, which the file
    writes as `""`; or a tuple of frozen dataclasses whose fields are settings too, which the file writes as tables.
    Such a dataclass may have fields that are REQUIRED. Any dataclass may raise ValueError in `__post_init__` if
    settings do not fit each other.

    Minimum, maximum and choices hold for every item of a list. `check` gets the value and raises ValueError, whose
    text says what was expected. `restart`: it is read only when the server starts. `secret`: no error shows it.
    `at_most` names other settings that this one should not exceed, as `key` of the same section or `section.key`.
    `by_domain`: it may differ from domain to domain, and whoever reads it asks for the settings `at` one.
    """
    bounds = (at_most,) if isinstance(at_most, str) else at_most
    rule = Rule(comment, minimum, maximum, tuple(choices), check, restart, secret, bounds, by_domain)
    if isinstance(default, (list, dict)):
        return field(default_factory=default.copy, repr=not secret, metadata={"rule": rule})
    return field(default=default, repr=not secret, metadata={"rule": rule})


@dataclass(frozen=True)
class Entry:
    """One line of a section: a setting with its name, type and default value."""

    key: str
    type: Any
    default: Any
    rule: Rule

    @property
    def table(self) -> Any:
        """The dataclass of its items if it is a list of tables, else None."""
        inner = get_args(self.type)
        return inner[0] if inner and is_dataclass(inner[0]) else None


def entries_of(settings: type) -> dict[str, Entry]:
    """The settings of a dataclass, by name."""
    types = get_type_hints(settings)
    return {
        f.name: Entry(
            f.name,
            types[f.name],
            f.default if f.default_factory is MISSING else f.default_factory(),
            f.metadata["rule"],
        )
        for f in fields(settings)
    }


@dataclass(frozen=True)
class Section:
    """One section of the file: the settings of a feature or of a part of the engine, its switch, or both."""

    name: str
    settings: type | None = None
    doc: str = ""
    can_be_disabled: bool = False
    enabled_by_default: bool = True

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """The settings of the section, by key."""
        switch = {"enabled": Entry("enabled", bool, self.enabled_by_default, Rule("Whether this is on.", restart=True))}
        declared = entries_of(self.settings) if self.settings else {}
        return (switch if self.can_be_disabled else {}) | declared


Tables = Mapping[str, Mapping[str, Any]]
"""Values, by section and key."""


@dataclass(frozen=True)
class Configuration:
    """All settings of one server. It never changes: to read the file again makes a new one."""

    sections: Mapping[str, Section]
    _settings: Mapping[type, Any]
    _enabled: Mapping[str, bool]
    _given: frozenset[tuple[str, str]] = frozenset()  # what was set explicitly, by section and key
    _differing: Mapping[str, Tables] = field(default_factory=dict)  # what was set for single domains
    _at: Mapping[tuple[str, type], Any] = field(default_factory=dict)  # by domain: settings of which some differ

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

    def at(self, domain: str, settings: type[Settings]) -> Settings:
        """The settings as they are for this domain."""
        found: Settings = self._at.get((domain, settings), self._settings[settings])
        return found

    @property
    def differing(self) -> Mapping[str, Collection[str]]:
        """What was set for single domains: by domain, each setting as `section.key`."""
        return {
            domain: [f"{name}.{key}" for name, table in tables.items() for key in table]
            for domain, tables in self._differing.items()
        }

    def is_enabled(self, name: str) -> bool:
        """True if that feature is on, as is every feature without a section."""
        return self._enabled.get(name, True)

    def is_given(self, section: str, key: str) -> bool:
        """True if that was set explicitly, even to its default value."""
        return (section, key) in self._given

    def with_values(self, values: Tables, *, source: str = "command line", folder: Path = Path()) -> Self:
        """Return a configuration with `values[section][key]` set, checked like a file. Raises ConfigError.

        Error messages name the source. Relative paths are relative to the folder.
        """
        settings, enabled, differing = dict(self._settings), dict(self._enabled), dict(self._differing)
        for name, table in values.items():
            if name == DOMAINS:
                differing |= self._of_domains(table, source, folder.absolute())
                continue
            section = self._section(name, table, source)
            self._refuse_unknown(section, table, f"{source}: [{name}]")
            given = _checked(section.entries, table, f"{source}: [{name}]", folder.absolute())
            if section.can_be_disabled:
                enabled[name] = given.pop("enabled", enabled[name])
            if section.settings:
                settings[section.settings] = _replaced(settings[section.settings], given, f"{source}: [{name}]")
        given_now = self._given | {(name, key) for name, table in values.items() for key in table}
        at = {
            (domain, of): _replaced(settings[of], given, f'{source}: [domains."{domain}".{name}]')
            for domain, tables in differing.items()
            for name, given in tables.items()
            if (of := self.sections[name].settings)
        }
        return replace(self, _settings=settings, _enabled=enabled, _given=given_now, _differing=differing, _at=at)

    def _of_domains(self, domains: object, source: str, folder: Path) -> dict[str, Tables]:
        """What the tables for single domains set, checked. Raises ConfigError."""
        if not isinstance(domains, Mapping):
            raise ConfigError(f'{source}: expected tables such as [domains."example.org"].')
        found = dict[str, Tables]()
        for domain, tables in domains.items():
            where = f'{source}: [domains."{domain}"]'
            if not isinstance(tables, Mapping) or not all(isinstance(each, Mapping) for each in tables.values()):
                raise ConfigError(f'{where}: expected lines such as register.open = true; see docs/configuration.md.')
            given = {name: self._section(name, table, where) for name, table in tables.items()}
            found[domain] = {
                name: _checked(_that_differ(section, tables[name], where), tables[name], f"{where} {name}", folder)
                for name, section in given.items()
            }
        return found

    def _section(self, name: str, table: object, source: str) -> Section:
        if not isinstance(table, Mapping):
            raise ConfigError(f"{source}: {name} stands outside of a section; expected a line like [section] above it.")
        if name not in self.sections:
            guessed = guess(name, {each.name: each.doc for each in self.sections.values()})
            raise ConfigError(f"{source}: there is no section [{name}]{guessed}")
        return self.sections[name]

    def _refuse_unknown(self, section: Section, table: Mapping[str, Any], where: str) -> None:
        for key in table:
            if key not in section.entries:
                elsewhere = [each.name for each in self.sections.values() if key in each.entries]
                raise ConfigError(f"{where} has no setting {key}{guess(key, _meanings(section.entries), elsewhere)}")

    def changes_needing_restart(self, new: Configuration) -> list[str]:
        """The settings that differ in the new configuration but are read only at the start, as `[section] key`."""
        return [
            f"[{section.name}] {entry.key}"
            for section in self.sections.values()
            for entry in section.entries.values()
            if entry.rule.restart and self.value(section, entry) != new.value(section, entry)
        ]

    def value(self, section: Section, entry: Entry, domain: str = "") -> Any:
        """The value of a setting, or of the switch of a section; as it is for a domain, if one is named."""
        if section.can_be_disabled and entry.key == "enabled":
            return self.is_enabled(section.name)
        return getattr(self.at(domain, section.settings), entry.key) if section.settings else None


def _meanings(entries: Mapping[str, Entry]) -> dict[str, str]:
    return {key: entry.rule.comment for key, entry in entries.items()}


def _that_differ(section: Section, table: Mapping[str, Any], where: str) -> Mapping[str, Entry]:
    """The settings of a section that may differ by domain. Raises ConfigError if the table has any others."""
    for key in table:
        if key in section.entries and not section.entries[key].rule.by_domain:
            raise ConfigError(f"{where}: [{section.name}] {key} is the same for all domains, and set there.")
    return {key: entry for key, entry in section.entries.items() if entry.rule.by_domain}


def _replaced(settings: Any, given: Mapping[str, Any], where: str) -> Any:
    try:
        return replace(settings, **given)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8, as TOML has to be.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}.") from error


def _checked(entries: Mapping[str, Entry], table: Mapping[str, Any], where: str, folder: Path) -> dict[str, Any]:
    return {key: _checked_value(entries, key, value, where, folder) for key, value in table.items()}


def _checked_value(entries: Mapping[str, Entry], key: str, value: Any, where: str, folder: Path) -> Any:
    if key not in entries:
        raise ConfigError(f"{where} has no setting {key}{guess(key, _meanings(entries))}")
    entry = entries[key]
    if entry.table:
        return _checked_tables(entry.table, value, f"{where} {key}", folder)
    found = "" if entry.rule.secret else f", found {in_toml(value)}"
    try:
        return suitable(value, entry.type, entry.rule, folder)
    except Unsuitable as error:
        raise ConfigError(f"{where} {key}: expected {expected(entry.type, entry.rule)}{found}.") from error
    except ValueError as error:
        raise ConfigError(f"{where} {key}: {error}{found}.") from error


def _checked_tables(kind: Any, value: Any, where: str, folder: Path) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(table, Mapping) for table in value):
        raise ConfigError(f"{where}: expected a list of tables.")
    return tuple(_checked_table(kind, table, f"{where} #{n}", folder) for n, table in enumerate(value, 1))


def _checked_table(kind: Any, table: Mapping[str, Any], where: str, folder: Path) -> Any:
    entries = entries_of(kind)
    given = _checked(entries, table, where, folder)
    for entry in entries.values():
        if entry.default is REQUIRED and entry.key not in given:
            raise ConfigError(f"{where} has no {entry.key}; expected {expected(entry.type, entry.rule)}.")
    try:
        return kind(**given)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}.") from error
