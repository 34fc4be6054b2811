"""The dialogues between people at two domains of one server: all is as among those of one domain, but for what belongs
to a domain; and nothing of it goes over a link, though the server talks to others."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.harness.dialogues import assert_same, label, name_of, settings_of, wanted_server
from tests.harness.federated import Directory, federated, server_port
from tests.harness.federated_dialogues import AWAY, BESIDE, CASES, DOMAINS, Land
from tests.harness.servers import ROOT

IS_NOT_THE_SAME = {
    BESIDE: {
        "search/by_name.scs": "a search finds the people of one domain",
    },
    AWAY: dict[str, str](),
}
"""What is not the same, and why. A dialogue that is played to its end does not belong here."""


class Town:
    """A server for both domains for each kind that dialogues ask for; made when the first one does."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self.dialled: list[str] = []
        self._folder, self._opened = folder, opened
        self._made: dict[str, Land] = {}

    def of(self, kind: str, way: str) -> Land:
        name = f"{kind}, {way}"
        if name not in self._made:
            directory, settings = Directory(), {"server": {"domains": DOMAINS}, **settings_of(kind)}
            directory.dialled = self.dialled
            for service in ("rooms", "pubsub"):  # else they are for the people of their domain
                settings[service] = {"creators": "everybody", **settings.get(service, {})}
            (self._folder / name).mkdir()
            server = self._opened.enter_context(federated(self._folder / name, directory, DOMAINS[0], **settings))
            directory.ports[DOMAINS[1]] = server_port(server)  # who looks for it finds it
            self._made[name] = Land((server, server))
        return self._made[name]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with ExitStack() as opened:
        yield Town(tmp_path_factory.mktemp("town"), opened)


@pytest.mark.parametrize(("script", "way"), CASES, ids=label)
def test_dialogue(town: Town, script: Path, way: str, caplog: pytest.LogCaptureFixture) -> None:
    play = partial(town.of(wanted_server(script), way).play, script, first_beside_services=way == BESIDE)
    assert_same(play, IS_NOT_THE_SAME[way].get(name_of(script)))
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert not set(town.dialled) & {*DOMAINS, *(f"{each}.{DOMAINS[0]}" for each in ("rooms", "pubsub", "upload"))}


def test_the_dialogues_are_those_between_several_people() -> None:
    assert len(CASES) > 100 and (ROOT / "spec").is_dir()
