"""What tests share: one demo server for all dialogues as it is shipped, and one without an archive."""

from collections.abc import Iterator

import pytest

from tests.configured import demo_server
from tests.servers import RunningServer


@pytest.fixture(scope="session")
def demo() -> Iterator[RunningServer]:
    """A running `xserv demo`; at the end of the run it must stop cleanly."""
    with RunningServer.demo() as server:
        yield server
        assert server.terminate() == 0


@pytest.fixture(scope="session")
def demo_without_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same, but for the archive: messages come as they were sent, without a stanza-id."""
    with demo_server(tmp_path_factory.mktemp("without-archive"), archive={"enabled": False}) as server:
        yield server
        assert server.terminate() == 0
