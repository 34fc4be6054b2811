"""Dialogues that are played once more, over what carries streams in HTTP: a server for each kind that they ask for."""

from contextlib import ExitStack
from pathlib import Path

from handlers.login import accounts
from tests.harness.browsing import web_server
from tests.harness.dialogues import Stage, settings_of
from tests.harness.streams import JULIET


class Stages:
    """A server for each kind that dialogues ask for, made when the first one does."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self._made: dict[str, Stage] = {}

    def of(self, kind: str) -> Stage:
        """The server of this kind, with its port for HTTP."""
        if kind not in self._made:
            folder = self._folder / kind
            folder.mkdir()
            site = self._opened.enter_context(web_server(folder, **settings_of(kind)))
            accounts.remove(site.server, JULIET)  # dialogues bring their own
            self._made[kind] = Stage(site.server, "HTTP")
        return self._made[kind]
