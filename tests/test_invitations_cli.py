"""`xserv invite` and `xserv group`, while a server runs and while none does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import segno

from tests.harness.commandline import complaint, configured, running, succeeds, xserv
from tests.harness.servers import ROOT

URI = re.compile(r"xmpp:[^?]+\?register;preauth=[a-z2-7]{26}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    configured(tmp_path, '[sasl]\niterations = 4096\n[web]\naddress = "https://chat.example.org/x"\n')
    for name in ("romeo", "juliet"):
        succeeds("user", "add", f"{name}@localhost", "--data", tmp_path, typed="wherefore\n")
    return tmp_path


def test_a_link_is_printed_and_the_invitation_listed_and_taken_back(data: Path) -> None:
    page, uri = succeeds("invite", "--name", "nurse", "--data", data).splitlines()
    assert URI.fullmatch(uri)
    assert uri.startswith("xmpp:nurse@localhost?")
    assert page == f"https://chat.example.org/x/invite/{uri.rpartition('=')[2]}"
    number, kind, whom, group, by, left, _, state = succeeds("invite", "list", "--data", data)[:-1].split("\t")
    assert (kind, whom, group, by, left, state) == ("account", "nurse@localhost", "", "", "1", "open")
    assert uri.rpartition("=")[2] not in succeeds("invite", "list", "--data", data)
    succeeds("invite", "revoke", number, "--data", data)
    assert succeeds("invite", "list", "--data", data) == ""
    assert complaint("invite", "revoke", number, "--data", data) == f"There is no invitation {number}."


def test_a_server_that_runs_makes_it_as_well(data: Path) -> None:
    with running(data):
        page, uri = succeeds("invite", "--uses", "3", "--expires", "12h", "--data", data).splitlines()
        assert uri.startswith("xmpp:localhost?register;preauth=")
        assert page.startswith("https://chat.example.org/x/invite/")
        assert "\t3\t" in succeeds("invite", "list", "--data", data)


def test_it_is_drawn_for_cameras(data: Path) -> None:
    page, _, *drawn = succeeds("invite", "--qr", "--data", data).splitlines()
    both = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}  # of two modules above each other, which are dark
    rows = [[both[each][half] for each in line] for line in drawn for half in (0, 1)]
    matrix = [list(row) for row in segno.make(page, error="m", micro=False).matrix_iter(border=4)]
    assert rows[: len(matrix)] == matrix
    assert "█" not in succeeds("invite", "--data", data)


def test_a_link_resets_a_password(data: Path) -> None:
    [page] = succeeds("invite", "--reset", "romeo@localhost", "--data", data).splitlines()
    assert page.startswith("https://chat.example.org/x/reset/")
    assert complaint("invite", "--reset", "nobody@localhost", "--data", data) == "nobody@localhost does not exist."


def test_where_there_are_no_pages_only_clients_are_given_an_address(tmp_path: Path) -> None:
    configured(tmp_path, "[web]\nenabled = false\n")
    [uri] = succeeds("invite", "--data", tmp_path).splitlines()
    assert URI.fullmatch(uri)
    succeeds("user", "add", "romeo@localhost", "--data", tmp_path, typed="wherefore\n")
    assert complaint("invite", "--reset", "romeo@localhost", "--data", tmp_path).startswith("There is no page")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--name", "romeo"), "romeo@localhost, or what looks like it, exists."),
        (("--name", "ro meo"), "is not an address"),
        (("--name", "nurse@example.org"), "example.org is not served here."),
        (("--name", "nurse", "--uses", "2"), "An invitation for one name can be used once."),
        (("--uses", "1000"), "An invitation can be used 1 to 100 times."),
        (("--group", "Nobody"), "There is no group 'Nobody'."),
        (("--expires", "400"), "An invitation holds for 365 days at most."),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(data: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in complaint("invite", *arguments, "--data", data)


@pytest.mark.parametrize(
    "arguments", [("--expires", "soon"), ("--uses", "0"), ("--reset", "romeo@localhost", "--name", "x")]
)
def test_mistakes_in_options_are_told_as_such(data: Path, arguments: tuple[str, ...]) -> None:
    assert xserv("invite", *arguments, "--data", data).returncode == 2


def test_a_name_that_is_kept_is_not_given_away(data: Path) -> None:
    succeeds("invite", "--name", "nurse", "--data", data)
    kept = complaint("user", "add", "nurse@localhost", "--data", data, typed="wherefore\n")
    assert kept == "nurse@localhost, or what looks like it, is kept for somebody who was invited."


def test_groups_are_made_filled_and_ended(data: Path) -> None:
    with running(data):
        assert succeeds("group", "create", "Family", "--room", "--data", data) == "There is a group Family now.\n"
        for name in ("romeo", "juliet"):
            succeeds("group", "add", "Family", f"{name}@localhost", "--data", data)
        assert succeeds("group", "members", "Family", "--data", data) == "juliet@localhost\nromeo@localhost\n"
        name, domain, members, room, _ = succeeds("group", "list", "--data", data)[:-1].split("\t")
        assert (name, domain, members) == ("Family", "localhost", "2")
        assert room.endswith("@rooms.localhost")
        succeeds("invite", "--group", "Family", "--data", data)
        assert "\tFamily\t" in succeeds("invite", "list", "--data", data)
        succeeds("group", "remove", "Family", "romeo@localhost", "--data", data)
        assert complaint("group", "remove", "Family", "romeo@localhost", "--data", data) == (
            "romeo@localhost is not in Family."
        )
        succeeds("group", "delete", "Family", "--data", data)
        assert succeeds("group", "list", "--data", data) == succeeds("invite", "list", "--data", data) == ""


def test_without_a_server_groups_are_the_same(data: Path) -> None:
    succeeds("group", "create", "Family", "--data", data)
    assert complaint("group", "create", "Family", "--data", data) == "There is a group Family already."
    for name in ("romeo", "juliet"):
        succeeds("group", "add", "Family", f"{name}@localhost", "--data", data)
    assert succeeds("group", "members", "Family", "--data", data) == "juliet@localhost\nromeo@localhost\n"


def test_what_an_encoding_has_no_characters_for_is_written_otherwise(data: Path) -> None:
    succeeds("user", "add", "жук@localhost", "--data", data, typed="wherefore\n")
    listed = by_latin_1("user", "list", "--data", data)
    assert listed.stdout.splitlines()[-1].startswith("\\u0436\\u0443\\u043a@localhost\t")
    drawn = by_latin_1("invite", "--qr", "--data", data)
    assert len(drawn.stdout.splitlines()) == 2, "the addresses"
    assert "It is not drawn: iso8859-1, the encoding here, has no blocks; UTF-8 has." in drawn.stderr


def by_latin_1(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output has that encoding; it succeeds."""
    command = [sys.executable, "-m", "xserv", *map(str, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)


def test_it_is_not_drawn_where_a_terminal_is_too_narrow_for_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = xserv("invite", "--qr", "--data", data)
    assert len(done.stdout.splitlines()) == 2
    assert "It is not drawn: the terminal has 40 columns, and it takes 4" in done.stderr


def test_its_help_says_what_an_invitation_can_be() -> None:
    assert "--reset ACCOUNT" in succeeds("invite", "--help")
    assert "revoke" in succeeds("invite", "--help")
