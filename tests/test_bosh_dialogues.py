"""The dialogues of spec/ over BOSH: what clients say and hear is the same over any transport."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from handlers.login import accounts
from tests.harness.bosh_player import clients_speak_bosh
from tests.harness.browsing import web_server
from tests.harness.dialogues import SCRIPTS, Stage, settings_of, wanted_server
from tests.harness.servers import ROOT
from tests.harness.streams import JULIET


class Stages:
    """A server for each kind that dialogues ask for, made when the first one does."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self._made: dict[str, Stage] = {}

    def of(self, kind: str) -> Stage:
        if kind not in self._made:
            folder = self._folder / kind
            folder.mkdir()
            site = self._opened.enter_context(web_server(folder, **settings_of(kind)))
            accounts.remove(site.server, JULIET)  # dialogues bring their own
            self._made[kind] = Stage(site.server, "HTTP")
        return self._made[kind]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    with ExitStack() as opened:
        yield Stages(tmp_path_factory.mktemp("bosh"), opened)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(ROOT / "spec")))
def test_dialogue(stages: Stages, script: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = stages.of(wanted_server(script))
    with clients_speak_bosh():
        trouble = stage.play(script)
    assert not trouble, trouble
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
