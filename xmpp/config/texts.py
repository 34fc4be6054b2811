"""Texts about the settings, made from their dataclasses: the example file, and the documentation."""

import textwrap
from collections.abc import Iterable

from xmpp.config.configuration import REQUIRED, Entry, Section, entries_of
from xmpp.config.values import expected, in_toml

EXAMPLE_WIDTH = 100
DOCUMENTATION_HEAD = """\
# Configuration

Every setting, made from the code by `make docs`. None of it is needed: without a file everything has its default.
The file is TOML. `xserv run` takes the one that `--config` names, or else `xserv.toml` in the data folder.
`xserv config example` prints one to start from, and `xserv config check FILE` checks one.

Settings that may differ by domain can be set for one of several domains, after the name of their section:

    [domains."example.net"]
    register.open = true
    disco.name = "The other club"

What is not set there is as in the section itself.
"""


def example(sections: Iterable[Section]) -> str:
    """A whole configuration file, in which each setting is explained, and commented out with its default value."""
    head = (
        "# Every setting, with its default value. Remove the # in front of a setting to change it.\n"
        "# Those that may differ by domain can be set for one of several, as in\n"
        '# [domains."example.net"]\n'
        "# register.open = true\n"
    )
    return "\n".join([head, *map(_example_section, sections)])


def _example_section(section: Section) -> str:
    lines = [*_as_comment(section.doc), f"[{section.name}]"]
    for entry in section.entries.values():
        lines += ["", *_as_comment(_explanation(entry)), *_example_tables(section, entry)]
        lines.append(f"#{entry.key} = {in_toml(entry.default)}")
    return "\n".join(lines) + "\n"


def _example_tables(section: Section, entry: Entry) -> list[str]:
    """Comments that explain the tables of a list, and how to write one."""
    if entry.table is None:
        return []
    lines = [f"# [[{section.name}.{entry.key}]]"]
    for inner in entries_of(entry.table).values():
        value = f"{inner.key} = {expected(inner.type, inner.rule)} ({_default(inner)})"
        lines += _as_comment(f"{value}. {_explanation(inner)}")
    return lines


def _as_comment(text: str) -> list[str]:
    wrapped = (textwrap.wrap(line, EXAMPLE_WIDTH, break_on_hyphens=False) for line in text.splitlines())
    return [f"# {part}" for parts in wrapped for part in parts]


def _explanation(entry: Entry) -> str:
    bound = " Not above " + " or ".join(f"`{name}`" for name in bounds) + "." if (bounds := entry.rule.at_most) else ""
    by_domain = " May differ by domain." if entry.rule.by_domain else ""
    return entry.rule.comment + bound + by_domain + (" Read only when the server starts." if entry.rule.restart else "")


def _default(entry: Entry) -> str:
    return "needed" if entry.default is REQUIRED else in_toml(entry.default)


def documentation(sections: Iterable[Section]) -> str:
    """The settings of all sections as Markdown: a table for each section, and for each list of tables."""
    return "\n".join([DOCUMENTATION_HEAD, *map(_documented, sections)])


def _documented(section: Section) -> str:
    lines = [f"## [{section.name}]", "", section.doc, "", *_rows(section.entries.values())]
    for entry in section.entries.values():
        if entry.table is not None:
            lines += ["", f"### [[{section.name}.{entry.key}]]", "", *_rows(entries_of(entry.table).values())]
    return "\n".join(lines) + "\n"


def _rows(entries: Iterable[Entry]) -> list[str]:
    lines = ["| setting | value | default | meaning |", "|---|---|---|---|"]
    for entry in entries:
        default = "needed" if entry.default is REQUIRED else f"`{in_toml(entry.default)}`"
        cells = [f"`{entry.key}`", expected(entry.type, entry.rule), default, _explanation(entry)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return lines
