"""`make demo` on a machine that is not ready for it: it says what to install, and a failed first try is repaired.

And what it installs is the same whatever was made first."""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.harness.servers import PATIENCE, ROOT

BASE = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
SAYS = "apt install python3-venv"

# What Debian's does without python3-venv: the environment is half made when it finds out.
HALF_MADE = f"""
mkdir -p "$folder/bin" && ln -sf {BASE} "$folder/bin/python"
printf 'home = %s\\ninclude-system-site-packages = false\\n' {BASE.parent} > "$folder/pyvenv.cfg"
echo "The virtual environment was not created successfully because ensurepip is not available." >&2
exit 1
"""
NO_ENSUREPIP = "exit 1"


def fake_python(folder: Path, *, ensurepip: str = "exit 0", venv: str = HALF_MADE) -> Path:
    path = folder / "python-of-debian"
    path.write_text(
        "#!/bin/sh\nfor folder; do :; done\n"
        f'case "$*" in\n*"import ensurepip"*) {ensurepip};;\n"-m venv"*) {venv};;\n'
        f'*) exec {sys.executable} "$@";;\nesac\n'
    )
    path.chmod(0o755)
    return path


def make(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    )  # fmt: skip


@pytest.mark.parametrize("how", [{"ensurepip": NO_ENSUREPIP}, {}, {"venv": "exit 1"}], ids=["known", "half", "nothing"])
def test_it_says_what_to_install_where_python_makes_no_environment(tmp_path: Path, how: dict[str, str]) -> None:
    done = make("demo", f"VENV={tmp_path}/venv", f"PYTHON={fake_python(tmp_path, **how)}")
    assert done.returncode != 0
    assert SAYS in done.stderr


def test_a_half_made_environment_is_made_anew(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    make("demo", f"VENV={venv}", f"PYTHON={fake_python(tmp_path)}")
    assert (venv / "bin" / "python").exists()
    for stamp in ("runs", "tests"):  # nothing that was in it counts
        (venv / stamp).touch()
    planned = make("--dry-run", "demo", f"VENV={venv}", f"PYTHON={sys.executable}").stdout
    assert f"-m venv --clear {venv}" in planned
    assert "--require-hashes --requirement requirements.lock" in planned

    done = make(venv / "bin" / "python", f"VENV={venv}", f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stderr
    subprocess.run([venv / "bin" / "python", "-m", "pip", "--version"], check=True, capture_output=True)
    assert "-m venv" not in make("--dry-run", "demo", f"VENV={venv}", f"PYTHON={sys.executable}").stdout


def test_the_demo_can_be_put_on_other_ports() -> None:
    assert "xserv demo --port 5322\n" in make("--dry-run", "demo", "ARGS=--port 5322").stdout


def test_no_two_packages_that_are_installed_bring_the_same_file() -> None:
    """Otherwise it depends on the order of `make demo` and `make test` which of the two is there."""
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE))
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for package in distributions():
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
        for path in package.files or [] if name in locked else []:
            owners[str(path)].add(name)
    assert owners
    assert {path: names for path, names in owners.items() if len(names) > 1} == {}


def test_the_one_file_build_is_made_anew_where_the_last_one_was_compiled_and_this_one_is_not_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Makefile", "setup.py", "pyproject.toml", "assembly.py", "xserv.py", "onefile", "xmpp/data"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    for name in ("dist", "build/packages"):
        (tmp_path / name).mkdir(parents=True)

    def is_made(wish: str) -> bool:
        monkeypatch.setenv("XSERV_COMPILE", wish)
        old = [f"--old-file={name}" for name in ("build/packages", f"{sys.prefix}/tests")]
        planned = make("--dry-run", "pyz", f"--directory={tmp_path}", f"VENV={sys.prefix}", *old)
        assert planned.returncode == 0, planned.stderr
        return "onefile/build.py" in planned.stdout

    (tmp_path / "dist" / "xserv.pyz").touch()
    assert [is_made(""), is_made("1")] == [False, True]
    (tmp_path / "build" / "pyz-compiled").write_text("1\n")
    assert [is_made(""), is_made("1")] == [True, False]
