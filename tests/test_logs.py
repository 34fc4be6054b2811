"""The log: what an operator sees at the default level, and `--log-format json`, where every line is an object."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.commandline import configured, running, xserv
from tests.harness.servers import PATIENCE, ROOT, RunningServer
from xmpp import __version__
from xmpp.running import logs

JSON = ("--log-format", "json")


def objects(text: str) -> list[dict[str, Any]]:
    """What every line holds; each has to be an object of the log's form."""
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        assert {"time", "level", "logger", "message"} <= each.keys(), each
    return found


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has these arguments of xserv's."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_version_domains_listeners_and_certificates_are_logged_by_default(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.wait_for("Next:")
    log = "\n".join(line for line in server.said if " INFO " in line)
    assert f"xserv {__version__} starts, on Python 3." in log
    assert f"xserv {__version__} serves localhost on 127.0.0.1:{server.port} (STARTTLS), 127.0.0.1:" in log
    assert f"certificate for localhost: {tmp_path}/certificates/localhost.pem, valid until " in log
    assert "days left" in log


def test_every_line_of_a_server_is_json_from_its_start_to_its_end(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # which is warned of
    with running(tmp_path, *JSON) as server:
        server.wait_for("Next:")
        assert server.terminate() == 0
    messages = [each["message"] for each in objects("\n".join(server.said))]
    assert f"Listening on 127.0.0.1:{server.port} (STARTTLS)" in messages
    assert any(message.startswith("Next: xserv user add NAME@localhost") for message in messages)
    assert "stopping" in messages


def test_every_line_of_a_demo_is_json_and_its_passwords_can_be_read() -> None:
    with RunningServer.demo(*JSON) as server:
        account = json.loads(server.wait_for("Account juliet@localhost"))["message"]
        assert len(account.split()[-1]) > 8
        assert server.terminate() == 0
    objects("\n".join(server.said))


@pytest.mark.parametrize("style", [JSON, ("--log-format=json",)], ids=len)
def test_a_mistake_in_the_configuration_is_json(tmp_path: Path, style: tuple[str, ...]) -> None:
    path = configured(tmp_path, "[lisen]")
    done = xserv("run", *style, "--data", tmp_path)
    said = objects(done.stderr)
    assert (done.returncode, done.stdout, said[-1]["level"]) == (1, "", "error")
    assert said[-1]["message"] == f"{path}: there is no section [lisen], did you mean listen?"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", *JSON, "--prt", "1"], "No such option"),
        (["run", "--prt", "1", *JSON], "No such option"),
        (["run", *JSON, "--log-level", "loud"], "Invalid value for '--log-level'"),
        (["rnu", *JSON], "No such command 'rnu'"),
    ],
)
def test_a_mistake_in_the_arguments_is_json(arguments: list[str], message: str) -> None:
    done = xserv(*arguments)
    [said] = objects(done.stderr)
    assert (done.returncode, said["level"]) == (2, "error")
    assert message in said["message"]


def test_a_warning_is_json() -> None:
    done = python("import xserv, warnings; warnings.warn('of two\\nlines')", "run", *JSON)
    [said] = objects(done.stderr)
    assert (said["level"], said["logger"]) == ("warning", "py.warnings")
    assert "UserWarning: of two\nlines" in said["message"]


def test_a_warning_of_what_is_imported_is_json() -> None:
    done = xserv("run", *JSON, "--prt")  # imports everything, and says so below
    assert len(objects(done.stderr)) == 1
    program = (
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class Warner(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'click': import warnings; warnings.warn('click is old')\n"
        "sys.meta_path.insert(0, Warner()); import xserv"
    )
    [said] = objects(python(program, "run", *JSON).stderr)
    assert "click is old" in said["message"]


def test_what_ends_the_process_is_json_with_its_traceback() -> None:
    done = python("import xserv; raise ValueError('a token=swordfish')", "run", *JSON)
    [said] = objects(done.stderr)
    assert (done.returncode, said["level"]) == (1, "critical")
    assert said["message"] == "ended by a mistake: ValueError('a token=[removed])"
    assert "Traceback" in said["traceback"]
    assert "swordfish" not in done.stderr


def test_what_ends_a_greenlet_is_json_with_its_traceback() -> None:
    done = python("import xserv, gevent; gevent.spawn(int, 'x').join()", "run", *JSON)
    [said] = objects(done.stderr)
    assert (said["level"], "invalid literal" in said["traceback"]) == ("error", True)


def test_a_record_that_cannot_be_formatted_is_json() -> None:
    done = python("import xserv, logging; logging.getLogger('x').error('%d', 'one')", "run", *JSON)
    [said] = objects(done.stderr)
    assert (said["logger"], said["message"]) == ("x", "not logged: '%d'")
    assert "TypeError" in said["traceback"]


def test_who_logs_what_nobody_reads_goes_on() -> None:
    done = python(
        "import xserv, logging, sys; sys.stderr.close(); logging.getLogger('x').error('%d', 'one'); print('on')",
        "run", *JSON,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "on\n")


def test_a_line_is_json_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = python("import xserv, logging; logging.getLogger('x').error('\\xfc\\u2028\\udc80')", "run", *JSON)
    [line] = done.stderr.split("\n")[:-1]
    assert json.loads(line)["message"] == "\xfc\u2028\udc80"


KEPT = "login of juliet@localhost/balcony"
LINES = {
    KEPT: KEPT,
    "": "",
    "juliet@localhost was given another password": "juliet@localhost was given another password",
    "handling failed: <Session juliet@localhost/author>": "handling failed: <Session juliet@localhost/author>",
    "password=sesame": "password=[removed]",
    "db_passwd = 'open sesame', more": "db_passwd = [removed], more",
    'TOKEN: "open \\"sesame\\"" x': "TOKEN: [removed] x",
    "my_secret2=sesame;": "my_secret2=[removed];",
    "Authorization: sesame": "Authorization: [removed]",
    "AUTHOR\u0130ZAT\u0131ON: sesame": "AUTHOR\u0130ZAT\u0131ON: [removed]",
    "pa\u017f\u017fword=sesame": "pa\u017f\u017fword=[removed]",
    "to\u212aen=sesame": "to\u212aen=[removed]",
    "salted_key=b'sesame'": "salted_key=b[removed]",
    "STORED_\u212aEY=sesame": "STORED_\u212aEY=[removed]",
    "{'server_key': 'sesame'}": "{'server_key': [removed]}",
    "<auth mechanism='PLAIN'>c2VzYW1l</auth>": "<auth mechanism='PLAIN'>[removed]</auth>",
    "<x:success>c2VzYW1l</x:success>": "<x:success>[removed]</x:success>",
    "<password>token=sesame</password>": "<password>[removed]</password>",
    "a line\nand secret='two\\nlines'": "a line\nand secret=[removed]",
}


@pytest.mark.parametrize("line", LINES)
def test_secrets_are_taken_out_of_a_line_and_nothing_else(line: str) -> None:
    assert logs.redacted(line) == LINES[line]


@pytest.mark.parametrize("line", LINES)
def test_the_quick_look_changes_nothing(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = logs.redacted(line)
    monkeypatch.setattr(logs, "_HINTS", ("",))
    assert quick == logs.redacted(line)
