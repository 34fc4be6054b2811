"""The one-file build: made by `make pyz`, run by every interpreter that it is for and that is here."""

import ast
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.harness.rawclient import logged_in
from tests.harness.servers import DEMO, PATIENCE, ROOT, RunningServer

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
OLD_PYTHONS = ("2.7", "3.6", "3.8", "3.9", "3.10")
START = ROOT / "onefile" / "start.py"
BUILD_SECONDS = 900
CLIENT = "/chat/converse.js-14.0.0/converse.min.js"


def interpreter(version: str) -> str:
    """The command of that interpreter; skips the test where it is not here, or is but a placeholder."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for command in (shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python{version}")):
        if command and not subprocess.run([command, "--version"], capture_output=True, check=False).returncode:
            return str(command)
    pytest.skip(f"no Python {version} here")


def sentence(*command: str | Path, **how: Any) -> str:
    """Run what must fail; returns its one sentence."""
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False, **how)
    assert done.returncode == 1, done.stdout
    [line] = str(done.stderr).splitlines()
    return line


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
    with RunningServer(*DEMO, command=command) as server:
        name, password = "juliet", server.wait_for("Account juliet@localhost").split()[-1]
        logged_in(server.port, name, password).close()
        page = server.wait_for("in a browser").partition("Open ")[2].split()[0]
        for address in (page, f"{page}/juliet", page.partition("/demo/")[0] + CLIENT):
            with urlopen(address, timeout=PATIENCE) as response:
                assert response.status == 200
                assert response.read()
        assert server.terminate() == 0


# -- what it cannot run with


@pytest.mark.timeout(BUILD_SECONDS)
@pytest.mark.parametrize("version", OLD_PYTHONS)
def test_an_older_python_is_told_in_a_sentence(pyz: Path, version: str) -> None:
    command = interpreter(version)
    told = sentence(command, pyz)
    assert told.startswith(f"xserv needs Python 3.11 or later, and this is Python {version} ({command})")


def test_the_start_is_understood_by_older_pythons_that_are_not_here() -> None:
    source = START.read_text()
    ast.parse(source, feature_version=(3, 4))
    assert source.isascii()


@pytest.mark.parametrize("version", [(2, 7, 18, "final", 0), (3, 10, 99, "final", 0)])
def test_the_start_looks_at_the_version_before_anything_else(version: tuple[Any, ...]) -> None:
    program = f"import runpy, sys; sys.version_info = {version}; runpy.run_path({str(START)!r})"  # no _bootstrap here
    told = sentence(sys.executable, "-c", program)
    assert f"and this is Python {version[0]}.{version[1]} (" in told


def cannot_unpack(pyz: Path, folder: str | Path, **how: Any) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "SHIV_ROOT")}
    return sentence(sys.executable, "-I", pyz, env={**environment, **how.pop("env", {"SHIV_ROOT": str(folder)})}, **how)


@pytest.mark.timeout(BUILD_SECONDS)
def test_a_folder_that_nothing_can_be_unpacked_to_is_told_in_a_sentence(pyz: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = cannot_unpack(pyz, tmp_path / "file" / "root")
    assert told.startswith(f"xserv cannot be unpacked into {tmp_path}/file/root: Not a directory. It needs about 110")
    assert "SHIV_ROOT" in told


@pytest.mark.timeout(BUILD_SECONDS)
def test_a_home_that_cannot_be_written_to_is_told_in_a_sentence(pyz: Path) -> None:
    told = cannot_unpack(pyz, "", env={"HOME": "/proc/nobody"})
    assert told.startswith("xserv cannot be unpacked into /proc/nobody/.shiv: No such file or directory.")


@pytest.mark.timeout(BUILD_SECONDS)
def test_too_little_space_is_told_in_a_sentence_and_nothing_is_left_half(pyz: Path, tmp_path: Path) -> None:
    def write_little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    told = cannot_unpack(pyz, tmp_path, preexec_fn=write_little)
    assert told.startswith(f"xserv cannot be unpacked into {tmp_path}: File too large.")
    assert [path for path in tmp_path.iterdir() if not path.name.endswith("_lock")] == []


@pytest.mark.timeout(BUILD_SECONDS)
def test_packages_that_this_python_cannot_load_are_told_in_a_sentence(pyz: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "SHIV_ROOT": str(tmp_path)}
    subprocess.run([sys.executable, "-I", pyz, "--version"], env=environment, check=True, capture_output=True)
    [unpacked] = [path for path in tmp_path.iterdir() if path.is_dir()]
    for module in (unpacked / "site-packages" / "gevent").glob("*.so"):
        module.unlink()  # as if none had been made for it
    told = cannot_unpack(pyz, tmp_path)
    assert told.startswith(f"xserv cannot be loaded from {unpacked}: ")
    assert "This build is for Python 3.11 to 3.14" in told
