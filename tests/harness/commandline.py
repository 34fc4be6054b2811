"""The command line, used as people use it."""

import subprocess
from pathlib import Path
from tempfile import TemporaryFile

from tests.harness import forked
from tests.harness.servers import PATIENCE, RunningServer

PRIVATE_CONFIGURATION = '[listen]\naddresses = ["127.0.0.1"]\nport = 0\ntls_port = 0\nhttp_port = 0\nhttps_port = 0\n'


def xserv(*arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with this on its standard input."""
    with TemporaryFile("w+") as given, TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        given.write(typed)
        given.seek(0)
        process = forked.Process(
            tuple(map(str, arguments)), stdin=given.fileno(), stdout=output.fileno(), stderr=errors.fileno()
        )
        status = process.wait(PATIENCE)
        for each in (output, errors):
            each.seek(0)
        return subprocess.CompletedProcess(arguments, status, output.read(), errors.read())


def succeeds(*arguments: str | Path, typed: str = "") -> str:
    """Run a command that must succeed; returns what it printed."""
    done = xserv(*arguments, typed=typed)
    assert done.returncode == 0, done.stderr
    return done.stdout


def complaint(*arguments: str | Path, typed: str = "") -> str:
    """Run a command that must fail; returns its one sentence."""
    done = xserv(*arguments, typed=typed)
    assert done.returncode == 1, done.stdout
    [sentence] = [line for line in done.stderr.splitlines() if not line.startswith("20")]  # not what it logged
    return sentence.removeprefix("Error: ")


def configured(folder: Path, configuration: str = "") -> Path:
    """Write the configuration of a server that listens on loopback ports of the system's choice; returns the file."""
    path = folder / "xserv.toml"
    path.write_text(PRIVATE_CONFIGURATION + configuration)
    return path


def running(folder: Path, *arguments: str) -> RunningServer:
    """`xserv run` on a data folder with its configuration in it."""
    if not (folder / "xserv.toml").exists():
        configured(folder)
    return RunningServer("run", "--data", str(folder), *arguments)
