"""Compiled modules (setup.py): the tests of the compiled folder run them, and nothing else ever does by mistake.

Where they cannot be made, what is installed is the same without them."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.harness.configured import run_server
from tests.harness.servers import PATIENCE, ROOT

IS_COMPILED = os.environ.get("XSERV_TESTED") == "compiled"
LISTED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["xserv"]["compiled"]
SAYS = "xserv is installed without compiled modules, and works without them"


def suffix(listed: str) -> str:
    """That of the file which this module was loaded from."""
    return Path(import_module(listed.removesuffix(".py").replace("/", ".")).__file__ or "").suffix


@pytest.mark.skipif(not IS_COMPILED, reason="make test-compiled")
@pytest.mark.parametrize("listed", LISTED)
def test_what_is_tested_is_the_compiled_module(listed: str) -> None:
    assert suffix(listed) == ".so"


@pytest.mark.skipif(IS_COMPILED, reason="make test")
def test_nothing_compiled_is_in_the_folder_of_the_sources() -> None:
    assert {suffix(listed) for listed in LISTED} == {".py"}
    assert not [*ROOT.glob("*.so"), *ROOT.glob("xmpp/**/*.so")]


def test_a_server_says_at_its_start_whether_its_modules_are_compiled(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        [line] = [line for line in server.said if "starts, on Python 3." in line]
    assert ("with compiled modules" in line) is IS_COMPILED


NO_MYPYC = "raise ImportError('no mypyc here')"
NO_TYPES = "def mypycify(paths, **how): raise SystemExit('a mistake in the types')"
NO_COMPILER = """
from setuptools import Extension
def mypycify(paths, **how):
    return [Extension(path.removesuffix(".py").replace("/", "."), ["module.c"]) for path in paths if path[0] != "-"]
"""


def build(folder: Path, mypyc: str, wish: str) -> subprocess.CompletedProcess[str]:
    """Build what is installed, in a copy of the sources, with such a mypyc; a compiler that always fails."""
    for name in ("cli", "db", "handlers", "web", "xmpp"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "converse"))
    for name in ("LICENSE", "README.md", "assembly.py", "pyproject.toml", "setup.py", "xserv.py"):
        shutil.copy(ROOT / name, folder)
    (folder / "module.c").write_text("int module;")
    (folder / "mypyc").mkdir()
    (folder / "mypyc" / "__init__.py").touch()
    (folder / "mypyc" / "build.py").write_text(mypyc)
    return subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build", "--build-lib", "made"], cwd=folder, check=False,
        capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "XSERV_COMPILE": wish, "PYTHONPATH": str(folder), "CC": "false"},
    )  # fmt: skip


@pytest.mark.parametrize("mypyc", [NO_MYPYC, NO_TYPES, NO_COMPILER], ids=["no mypyc", "mistakes", "no compiler"])
def test_what_cannot_be_compiled_is_installed_as_it_is(tmp_path: Path, mypyc: str) -> None:
    done = build(tmp_path, mypyc, "1")
    assert done.returncode == 0, done.stderr
    assert SAYS in done.stderr
    assert not [*tmp_path.glob("made/**/*.so")]
    assert all((tmp_path / "made" / listed).exists() for listed in LISTED)


@pytest.mark.parametrize("mypyc", [NO_MYPYC, NO_TYPES, NO_COMPILER], ids=["no mypyc", "mistakes", "no compiler"])
def test_what_has_to_be_compiled_is_not_installed_otherwise(tmp_path: Path, mypyc: str) -> None:
    assert build(tmp_path, mypyc, "required").returncode != 0


def test_nothing_is_compiled_where_nobody_asks_for_it(tmp_path: Path) -> None:
    done = build(tmp_path, NO_MYPYC, "")
    assert done.returncode == 0 and SAYS not in done.stderr


@pytest.mark.parametrize("wish", ["yes", "true", "2"])
def test_a_wish_that_is_not_understood_is_told_and_not_passed_over(tmp_path: Path, wish: str) -> None:
    done = build(tmp_path, NO_MYPYC, wish)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"XSERV_COMPILE is 1 or required, and not {wish}."
