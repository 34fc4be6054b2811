"""The one-file build: made by `make pyz`, run by every interpreter that it is for and that is here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rawclient import logged_in
from tests.servers import ROOT, RunningServer

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
BUILD_SECONDS = 900


def interpreter(version: str) -> str:
    """The command of that interpreter; skips the test where it is not here, or is but a placeholder."""
    command = shutil.which(f"python{version}")
    if command is None or subprocess.run([command, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {version} here")
    return command


@pytest.fixture(scope="module")
def pyz() -> Path:
    """The build of what is in the tree now."""
    done = subprocess.run(
        ["make", "--silent", "pyz"], cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "dist" / "xserv.pyz"


@pytest.mark.timeout(BUILD_SECONDS)
@pytest.mark.parametrize("version", PYTHONS)
def test_the_demo_runs_from_one_file(
    pyz: Path, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIV_ROOT", str(tmp_path / "unpacked"))
    command = (interpreter(version), "-I", str(pyz))  # isolated: nothing from this checkout, nothing installed
    with RunningServer("demo", "--port", "0", "--tls-port", "0", command=command) as server:
        name, password = "juliet", server.wait_for("Account juliet@localhost").split()[-1]
        logged_in(server.port, name, password).close()
        assert server.terminate() == 0
