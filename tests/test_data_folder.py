"""The data folder: its owner's alone, whatever modes its files came back with; and made only by who is to make it."""

import shutil
import sqlite3
import stat
from pathlib import Path

import peewee
import pytest

from db.sqlite.migrations import MIGRATIONS, migrate
from tests.harness.commandline import complaint, configured, running, succeeds, xserv
from tests.harness.servers import RunningServer
from xmpp.config.datafolder import DataFolder

NEWEST = len(MIGRATIONS)
LOOKS = (["list"], ["remove", "juliet@localhost"], ["passwd", "juliet@localhost"])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    """Of the folder and all that is in it."""
    return {str(path.relative_to(folder)): mode(path) for path in (folder, *folder.rglob("*"))}


def opened(folder: Path) -> None:
    """What a careless copy leaves."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


def version(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def older_database(folder: Path) -> Path:
    """A database as the xserv before this one has left it."""
    sql = peewee.SqliteDatabase(str(folder / "xserv.db"), pragmas={"journal_mode": "wal"})
    migrate(sql, MIGRATIONS[:-1])
    sql.close()
    (folder / "xserv.db").chmod(0o600)
    return folder / "xserv.db"


# -- modes


def test_a_folder_with_open_modes_is_closed_at_the_start_and_the_log_says_so(tmp_path: Path) -> None:
    before, data = tmp_path / "before", tmp_path / "data"
    before.mkdir()
    with running(before) as server:
        server.kill()  # so that everything is there: the log of the database, its index, the socket
        left = {path.name for path in before.iterdir()}
        assert left >= {"xserv.db", "xserv.db-wal", "xserv.db-shm", "xserv.lock", "control.sock", "certificates"}
    shutil.copytree(before, data, ignore=lambda *_: ["control.sock"])
    opened(data)
    with running(data) as server:
        found = {name: each for name, each in modes(data).items() if name != "xserv.toml"}
        for name in ("", "xserv.db", "xserv.db-wal", "xserv.db-shm", "xserv.lock", "certificates/localhost.pem"):
            what = f"{data}/{name}".rstrip("/")
            assert any(f"{what} was open to others" in line for line in server.said), (what, server.said)
        assert server.terminate() == 0
    assert {name: oct(each) for name, each in found.items()} == {
        name: oct(0o700 if name in (".", "certificates") else 0o600) for name in found
    }


def test_the_folder_of_uploaded_files_is_closed_and_belongs_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "uploads").mkdir(parents=True)
    for folder in (data, data / "uploads"):
        folder.chmod(0o755)
    DataFolder(data).close_to_others()
    assert [oct(folder.stat().st_mode & 0o777) for folder in (data, data / "uploads")] == ["0o700", "0o700"]


def test_a_folder_that_was_closed_is_not_talked_about(tmp_path: Path) -> None:
    configured(tmp_path).chmod(0o600)
    for _ in range(2):
        with running(tmp_path) as server:
            assert server.terminate() == 0
            assert not any("open to others" in line for line in server.said)


def test_a_new_folder_is_closed_without_a_warning(tmp_path: Path) -> None:
    """As it is after `mkdir` and with a configuration in it, before anything was kept there."""
    configured(tmp_path)
    tmp_path.chmod(0o755)
    with running(tmp_path) as server:
        server.wait_for("Next:")
        assert mode(tmp_path) == 0o700
        assert [line for line in server.said if "WARNING" in line] == []


def test_a_demo_closes_the_folder_that_it_keeps(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with RunningServer.demo("--data", str(tmp_path)):
        assert mode(tmp_path) == 0o700


def test_a_command_closes_the_database_that_it_opens(tmp_path: Path) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="swordfish\n")
    opened(tmp_path)
    done = xserv("user", "list", "--data", tmp_path)
    assert (done.returncode, "juliet@localhost" in done.stdout) == (0, True)
    assert f"{tmp_path}/xserv.db was open to others" in done.stderr
    assert mode(tmp_path / "xserv.db") == 0o600


def test_what_only_lies_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (data / "certificates", elsewhere):
        folder.mkdir(parents=True)
    (elsewhere / "shared.pem").touch(0o644)
    (elsewhere / "shared.pem").chmod(0o644)
    (data / "certificates" / "shared.pem").symlink_to(elsewhere / "shared.pem")
    with running(data):
        assert mode(elsewhere / "shared.pem") == 0o644


@pytest.mark.parametrize("what", ["sticky", "with folders of others"])
def test_a_folder_that_is_not_for_xserv_alone_keeps_its_mode_and_the_log_says_so(tmp_path: Path, what: str) -> None:
    if what == "sticky":
        tmp_path.chmod(0o1777)
    else:
        (tmp_path / "www").mkdir()
        tmp_path.chmod(0o755)
    before = mode(tmp_path)
    with running(tmp_path) as server:
        assert mode(tmp_path) == before
        assert mode(tmp_path / "xserv.db") == 0o600
        assert any(f"{tmp_path} is open to others" in line for line in server.said)


def test_the_configuration_is_left_as_its_owner_made_it(tmp_path: Path) -> None:
    configured(tmp_path).chmod(0o644)
    with running(tmp_path):
        assert mode(tmp_path / "xserv.toml") == 0o644


# -- who makes a database, and who brings it up to date


@pytest.mark.parametrize("arguments", LOOKS, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("is_there", [True, False], ids=["empty folder", "no folder"])
def test_looking_in_the_wrong_folder_makes_nothing(tmp_path: Path, arguments: list[str], is_there: bool) -> None:
    folder = tmp_path / "typo"
    if is_there:
        folder.mkdir()
    told = complaint("user", *arguments, "--data", folder, typed="swordfish\n")
    assert told.startswith(f"{folder} has no xserv.db in it, so there are no accounts")
    assert "--data" in told
    assert [path for path in tmp_path.rglob("*") if path != folder] == []
    assert folder.exists() == is_there


def test_the_folder_that_was_looked_in_is_named_where_none_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XSERV_DATA", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert complaint("user", "list").startswith(f"{tmp_path}/xserv has no xserv.db in it")
    assert list(tmp_path.iterdir()) == []


def test_adding_the_first_account_makes_a_database_and_says_where(tmp_path: Path) -> None:
    done = xserv("user", "add", "juliet@localhost", "--data", tmp_path / "data", typed="swordfish\n")
    assert done.returncode == 0
    assert f"There was no database in {tmp_path}/data; a new one was made." in done.stderr
    again = xserv("user", "add", "romeo@localhost", "--data", tmp_path / "data", typed="swordfish\n")
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["add", "juliet@elsewhere"], ["add", "juliet"], ["import", "-"]])
def test_an_account_that_cannot_be_made_makes_no_database(tmp_path: Path, arguments: list[str]) -> None:
    folder = tmp_path / "data"
    assert xserv("user", *arguments, "--data", folder, typed="juliet@elsewhere swordfish\n").returncode == 1
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    "arguments", [*LOOKS, ["add", "juliet@localhost"], ["import", "-"]], ids=lambda arguments: arguments[0]
)
def test_only_a_server_brings_a_database_up_to_date(tmp_path: Path, arguments: list[str]) -> None:
    database = older_database(tmp_path)
    before = database.read_bytes()
    told = complaint("user", *arguments, "--data", tmp_path, typed="juliet@localhost swordfish\n")
    assert told.startswith(f"{database} is of an older version of xserv (schema {NEWEST - 1}, this one has {NEWEST})")
    assert "xserv run" in told
    assert version(database) == NEWEST - 1
    assert database.read_bytes() == before
    with running(tmp_path) as server:
        assert server.terminate() == 0
    assert version(database) == NEWEST
    succeeds("user", "list", "--data", tmp_path)


def test_checking_a_configuration_makes_nothing(tmp_path: Path) -> None:
    path = configured(tmp_path)
    succeeds("config", "check", path)
    assert list(tmp_path.iterdir()) == [path]
