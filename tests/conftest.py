"""What tests share: one demo server for all dialogues."""

from collections.abc import Iterator

import pytest

from tests.servers import RunningServer


@pytest.fixture(scope="session")
def demo() -> Iterator[RunningServer]:
    """A running `xserv demo`; at the end of the run it must stop cleanly."""
    with RunningServer.demo() as server:
        yield server
        assert server.terminate() == 0
