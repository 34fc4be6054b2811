"""Libraries that clients are made of, over WebSocket, BOSH and TLS: Strophe.js and @xmpp/client, as they are published.

They are installed from tests/npm/package-lock.json, once for each state of that. Without node and npm, or if npm cannot
reach its registry, this is skipped.
"""

import hashlib
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.harness.rawclient import RawClient, logged_in, new_account
from tests.harness.servers import PATIENCE, ROOT, RunningServer
from xmpp.data import names

PROJECT = ROOT / "tests" / "npm"
INSTALL_SECONDS = 300


@pytest.fixture(scope="module")
def project() -> Path:
    """A folder with the libraries and our scripts, beside each other."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("node and npm are not installed")
    lock = (PROJECT / "package-lock.json").read_bytes()
    folder = ROOT / "build" / f"npm-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (folder / "complete").exists():
        _install(folder)
    for script in PROJECT.glob("*.mjs"):
        shutil.copy(script, folder)
    return folder


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(PROJECT / file, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        if any(reason in done.stderr for reason in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "E403")):
            pytest.skip("npm cannot reach its registry")
        raise AssertionError(done.stderr)
    (folder / "complete").touch()


class NodeClient:
    """A script of tests/npm/ that runs: it is told what to do, and says what happens."""

    def __init__(self, folder: Path, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            ["node", script, *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def does(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def says(self, word: str) -> str:
        """Wait until it says this; returns what else is in that line."""
        return self.hears(word)[word]

    def hears(self, *words: str) -> dict[str, str]:
        """Wait until it has said all of this, in whatever order; returns what else is in those lines."""
        heard, found = list[str](), dict[str, str]()
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            heard.append(line)
            said, _, rest = line.partition(" ")
            if said in words:
                found[said] = rest
            if found.keys() == set(words):
                return found
            assert said not in ("error", "failed"), heard
        raise AssertionError(f"it has ended, and said {heard}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)


def message(client: RawClient) -> str:
    """The text of the next message."""
    while (element := client.receive()).tag != names.MESSAGE:
        pass
    return element.findtext(names.BODY) or ""


@pytest.fixture
def romeo(demo: RunningServer) -> Iterator[RawClient]:
    """Somebody else, over TCP."""
    with logged_in(demo.port, *new_account(demo.port), "orchard") as romeo:
        romeo.send("<presence/>")
        yield romeo


@pytest.mark.parametrize("script", ["strophe.mjs", "xmpp_client.mjs"])
def test_a_library_logs_in_chats_and_resumes(project: Path, demo: RunningServer, romeo: RawClient, script: str) -> None:
    name, password = new_account(demo.port)
    url = f"ws://localhost:{demo.port_for('HTTP')}/xmpp-websocket"
    with NodeClient(project, script, url, f"{name}@localhost", password) as client:
        client.does("connect")
        jid = client.says("online")
        client.does(f"send {romeo.jid} O")
        assert message(romeo) == "O"
        romeo.send(f"<message type='chat' to='{jid}'><body>Juliet</body></message>")
        assert client.says("message") == "Juliet"
        client.does("cut")
        client.says("offline")
        romeo.send(f"<message type='chat' to='{jid}'><body>missed</body></message>")
        romeo.comes_before_pong()
        client.does("connect")
        assert client.hears("resumed", "message") == {"resumed": jid, "message": "missed"}
        client.does("close")
        client.says("offline")


def test_a_library_logs_in_within_one_round_trip_over_tls(project: Path, demo: RunningServer, romeo: RawClient) -> None:
    name, password = new_account(demo.port)
    url = f"xmpps://localhost:{demo.tls_port}"
    with NodeClient(project, "xmpp_client_tls.mjs", url, f"{name}@localhost", password) as client:
        client.does("connect")
        heard = client.hears("authenticates", "succeeds", "online")
        assert heard["authenticates"] == "SCRAM-SHA-1"  # it knows no stronger one, and checks our side of it
        assert heard["succeeds"] == heard["online"]  # with a resource
        client.does(f"send {romeo.jid} O")
        assert message(romeo) == "O"
        client.does("close")
        client.says("offline")
        client.does("connect")
        heard = client.hears("authenticates", "succeeds", "online")
        assert heard["authenticates"] == "HT-SHA-256-NONE"  # by the token that it has got
        assert heard["succeeds"] == heard["online"]
        client.does(f"send {romeo.jid} Romeo")
        assert message(romeo) == "Romeo"


def test_strophe_logs_in_and_chats_over_bosh(project: Path, demo: RunningServer, romeo: RawClient) -> None:
    name, password = new_account(demo.port)
    url = f"http://localhost:{demo.port_for('HTTP')}/http-bind"
    with NodeClient(project, "strophe_bosh.mjs", url, f"{name}@localhost", password) as client:
        client.does("connect")
        jid = client.says("online")
        client.does("pause")
        for number in range(50):
            client.does(f"send {romeo.jid} {number}")
        client.does("flush")
        assert [message(romeo) for _ in range(50)] == [str(number) for number in range(50)]
        for number in range(50):
            romeo.send(f"<message type='chat' to='{jid}'><body>{number}</body></message>")
        assert [client.says("message") for _ in range(50)] == [str(number) for number in range(50)]
        client.does("close")
        client.says("offline")
