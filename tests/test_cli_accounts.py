"""The command line: what is known of an account, its role, and what a domain says to accounts once."""

from pathlib import Path

import pytest

from tests.harness.commandline import complaint, succeeds

ACCOUNT = "juliet@localhost"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    succeeds("user", "add", ACCOUNT, "--data", tmp_path, typed="secret\n")
    return tmp_path


def test_what_is_known_of_an_account_is_shown(data: Path) -> None:
    lines = dict(line.split("\t") for line in succeeds("user", "show", ACCOUNT, "--data", data).splitlines())
    assert lines.pop("Made on")
    assert lines == {"Role": "member", "State": "", "Last login": "", "Sessions": "0", "From": "", "Contacts": "0"}
    assert succeeds("user", "contacts", ACCOUNT, "--data", data) == ""
    for command in ("show", "contacts"):
        assert complaint("user", command, "nobody@localhost", "--data", data) == "nobody@localhost does not exist."


def test_an_account_is_given_each_of_the_roles(data: Path) -> None:
    for role, shown, said in (
        ("limited", "limited", "a limited account"),
        ("administrator", "administrator", "an administrator"),
        ("member", "", "a member"),
    ):
        assert succeeds("user", "role", ACCOUNT, role, "--data", data) == f"{ACCOUNT} is {said} now.\n"
        assert succeeds("user", "list", "--data", data).split("\t")[3] == shown


def test_the_message_of_the_day_and_the_welcome_are_set_shown_and_removed(data: Path) -> None:
    for group in ("motd", "welcome"):
        succeeds(group, "set", "Masks tonight", "--data", data)
        assert succeeds(group, "show", "--data", data) == "localhost\tMasks tonight\n"
        succeeds(group, "set", "-", "--data", data, typed="Come masked\n")
        assert succeeds(group, "show", "--data", data) == "localhost\tCome masked\n"
        assert complaint(group, "set", "", "--data", data) == "There has to be a text."
        succeeds(group, "remove", "--data", data)
        assert succeeds(group, "show", "--data", data) == ""
        assert "is not served here" in complaint(group, "set", "x", "--domain", "b.example", "--data", data)
