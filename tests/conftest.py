"""What tests share: a demo server for all dialogues, as it is shipped, and two that are configured; and clients of the
`server` that a test may have in its own process."""

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from gevent.hub import Hub

from tests.harness.browsing import web_server
from tests.harness.commandline import succeeds
from tests.harness.configured import demo_server
from tests.harness.dialogues import ADMINISTRATOR, ADMINISTRATORS_PASSWORD
from tests.harness.federated import Directory
from tests.harness.in_process import Client, add_accounts, befriend, server_in
from tests.harness.pushing import APP
from tests.harness.servers import RunningServer
from web.site import Site
from xmpp.routing import portions
from xmpp.running import logs
from xmpp.running.handling import Handled
from xmpp.running.recent_log import RecentLog
from xmpp.server import Server

# No test depends on how fast the machine is.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests in a browser are run by `make browser` alone."""
    is_for_browsers = collection_path.name == "browser" and collection_path.parent.name == "tests"
    return True if is_for_browsers and not any("browser" in each for each in config.invocation_params.args) else None


@pytest.fixture(scope="session")
def demo() -> Iterator[RunningServer]:
    """A running `xserv demo`; at the end of the run it must stop cleanly."""
    with RunningServer.demo() as server:
        yield server
        assert server.terminate() == 0


@pytest.fixture(scope="session")
def demo_with_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same, and it knows of a STUN and a TURN server, lets people search for others, and nobody make rooms."""
    stun = {"type": "stun", "host": "stun.localhost", "port": 3478}
    turn = {"type": "turn", "host": "turn.localhost", "port": 3478, "secret": "wherefore"}
    with demo_server(
        tmp_path_factory.mktemp("with-services"),
        external_services={"services": [stun, turn]},
        search={"enabled": True},
        rooms={"creators": "nobody"},
    ) as server:
        yield server
        assert server.terminate() == 0


@pytest.fixture(scope="session")
def demo_without_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same as `demo`, but for the archive."""
    with demo_server(tmp_path_factory.mktemp("without-archive"), archive={"enabled": False}) as server:
        yield server
        assert server.terminate() == 0


@pytest.fixture
def demo_with_administrator(tmp_path: Path) -> Iterator[RunningServer]:
    """The same as `demo`, but for an administrator, whose account no client can make. For one test."""
    data, typed = tmp_path / "data", f"{ADMINISTRATOR} {ADMINISTRATORS_PASSWORD}\n"
    succeeds("user", "import", "--data", data, "-", typed=typed)
    with demo_server(tmp_path, "--data", str(data), server={"administrators": [ADMINISTRATOR]}) as server:
        yield server
        assert server.terminate() == 0


@pytest.fixture
def recent_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecentLog]:
    """The log as a process starts it, at the level info; afterwards it is as the tests had it."""
    root = logging.getLogger()
    hooks = [(Hub, "print_exception"), (threading, "excepthook"), (sys, "unraisablehook"), (sys, "excepthook")]
    for owner, name in hooks:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    before, level = root.handlers[:], root.level
    logs.start_logging("text", "info")
    found = logs.recent()
    assert found is not None
    try:
        yield found
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.captureWarnings(False)


@pytest.fixture(autouse=True)
def _one_thing() -> Iterator[None]:
    """What one test stores is nothing to others."""
    with Handled():
        yield


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet", "mercutio")
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    """His one device."""
    return Client(server, "romeo@localhost/orchard")


@pytest.fixture
def mercutio(server: Server) -> Client:
    """Nobody's contact."""
    return Client(server, "mercutio@localhost/street")


@pytest.fixture
def juliet(server: Server, romeo: Client) -> Client:
    """A contact of Romeo's."""
    juliet = Client(server, "juliet@localhost/balcony")
    befriend(server, romeo.account, juliet.account)
    return juliet


@pytest.fixture
def app(server: Server) -> Client:
    """The app server, which wakes devices."""
    return Client(server, APP)


@pytest.fixture
def directory() -> Directory:
    """Where the servers of domains are, for those in a test that federate."""
    return Directory()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server with its HTTP side, and with the account juliet."""
    with web_server(tmp_path) as site:
        yield site


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done for many is done three at a time."""
    monkeypatch.setattr(portions, "STEPS", 3)
    monkeypatch.setattr(portions, "PAUSE_SECONDS", 0.0001)
