"""The dialogues of spec/ over BOSH: what clients say and hear is the same over any transport."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.bosh_player import clients_speak_bosh
from tests.harness.carried import Stages
from tests.harness.dialogues import SCRIPTS, wanted_server
from tests.harness.servers import ROOT


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
