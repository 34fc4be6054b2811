"""What whoever runs the server has written for its pages: about it, its terms and the like, out of files.

A file is plain text in UTF-8. Empty lines part its paragraphs; lines that begin with "# " are headings, and a paragraph
whose lines all begin with "- " is a list. Anything else is shown as it is: there is no markup.
"""

import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xmpp.config.configuration import Configuration, setting

if TYPE_CHECKING:
    from xmpp.server import Server

MAX_BYTES = 262_144
PAGES = ("terms", "privacy", "imprint")  # those of the texts that are pages of their own

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PagesSettings:
    """Pages for people with a browser: what this server is, how to connect, whom to contact, and what the rules are."""

    about: Path | None = setting(None, "A file with a text about this server, for its start page. Files of texts are "
                                 "in UTF-8, and are read anew with the configuration.", by_domain=True)  # fmt: skip
    terms: Path | None = setting(None, "A file with the terms of use. Whoever registers is pointed to them.",
                                 by_domain=True)  # fmt: skip
    privacy: Path | None = setting(None, "A file that says what becomes of people's data.", by_domain=True)
    imprint: Path | None = setting(None, "A file that says who is responsible for the server.", by_domain=True)
    language: str = setting("en", "The language of these texts, as in `de` or `pt-BR`.", by_domain=True)


class Block(NamedTuple):
    """A heading, a paragraph (of one line), or a list."""

    kind: str
    lines: tuple[str, ...]


class OwnTexts:
    """The texts of one configuration, by domain, and by the names of their settings. A server has one."""

    def __init__(self) -> None:
        self.configuration: Configuration | None = None
        self.texts: dict[str, dict[str, list[Block]]] = {}


def own_texts(server: "Server", domain: str) -> dict[str, list[Block]]:
    """The texts that there are for a domain. They are read when they are first needed, and again for another
    configuration."""
    kept = server.state(OwnTexts)
    if kept.configuration is not server.configuration:
        kept.configuration, kept.texts = server.configuration, {}
    if domain not in kept.texts:
        settings = server.settings_at(domain, PagesSettings)
        paths = {each.name: getattr(settings, each.name) for each in fields(settings)}
        read = {name: _read(path) for name, path in paths.items() if isinstance(path, Path)}
        kept.texts[domain] = {name: text for name, text in read.items() if text}
    return kept.texts[domain]


def blocks(text: str) -> list[Block]:
    """What a text consists of."""
    found = list[Block]()
    for paragraph in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        while lines and lines[0].startswith("# "):
            found.append(Block("heading", (lines.pop(0).removeprefix("# "),)))
        if lines and all(line.startswith("- ") for line in lines):
            found.append(Block("list", tuple(line.removeprefix("- ") for line in lines)))
        elif lines:
            found.append(Block("paragraph", (" ".join(lines),)))
    return found


def _read(path: Path) -> list[Block]:
    """The text in this file; nothing, and a line in the log, if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        return blocks(content.decode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        log.warning("the pages go without %s, which cannot be read: %s", path, reason)
        return []
