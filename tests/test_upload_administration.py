"""What administrators see of uploaded files, and do to them, whether the server runs or not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, uploads
from db.sqlite.database import Database
from handlers.admin.administration import carry_out
from tests.harness.browsing import Browser, browser, get, web_server
from tests.harness.commandline import complaint, succeeds
from tests.harness.configured import run_server
from tests.harness.in_process import Client
from tests.harness.uploads import slot, upload
from web.site import Site
from xmpp.control import Refused

JULIET, ROMEO = "juliet@localhost", "romeo@localhost"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with web_server(tmp_path) as site:
        accounts.create(site.server.db, ROMEO, {}, 0.0)
        yield site


@pytest.fixture
def juliet(site: Site) -> Client:
    return Client(site.server, f"{JULIET}/balcony")


@pytest.fixture
def romeo(site: Site) -> Client:
    return Client(site.server, f"{ROMEO}/orchard")


@pytest.fixture
def one(site: Site) -> Iterator[Browser]:
    with browser(site) as one:
        yield one


def test_files_are_listed_the_newest_first(site: Site, juliet: Client, romeo: Client, one: Browser) -> None:
    for who, name in ((juliet, "a.png"), (romeo, "b.png"), (juliet, "<b>.png")):
        upload(one, who, name=name.replace("<", "&lt;"))
    slot(juliet, "not there.png")
    listed = carry_out(site.server, "files")
    assert [(each.account, each.name, each.bytes) for each in listed] == [
        (JULIET, "<b>.png", 5), (ROMEO, "b.png", 5), (JULIET, "a.png", 5),
    ]  # fmt: skip
    pages = [carry_out(site.server, "files", most=2), carry_out(site.server, "files", after=listed[1].file)]
    assert [each.name for page in pages for each in page] == ["<b>.png", "b.png", "a.png"]
    assert [each.name for each in carry_out(site.server, "files", account=JULIET)] == ["<b>.png", "a.png"]
    assert [each.name for each in carry_out(site.server, "files", account=JULIET, after=listed[0].file)] == ["a.png"]
    assert [each.name for each in carry_out(site.server, "files", text="ROMEO")] == ["b.png"]


def test_what_is_used_is_told_of_all_and_of_one(site: Site, juliet: Client, romeo: Client, one: Browser) -> None:
    upload(one, juliet, b"x" * 100)
    upload(one, romeo, b"x" * 10)
    slot(juliet, size=1000)
    assert carry_out(site.server, "files-usage")[:4] == (2, 110, 1, 1000)
    assert carry_out(site.server, "files-usage", account=JULIET)[:4] == (1, 100, 1, 1000)
    with pytest.raises(Refused):
        carry_out(site.server, "files-usage", account="nobody@localhost")
    assert "xserv_upload_bytes 1110" in get(site, "/metrics").text


def test_a_file_is_deleted_with_its_bytes(
    site: Site, juliet: Client, one: Browser, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = upload(one, juliet)
    carry_out(site.server, "delete-file", file=f"http://localhost:5280{path}")
    assert one.ask("GET", path).status == 404
    assert not list((tmp_path / "uploads").rglob(path.split("/")[2]))
    assert f"of {JULIET} was deleted by the administrator" in caplog.text
    with pytest.raises(Refused):
        carry_out(site.server, "delete-file", file=path)
    with pytest.raises(Refused):
        carry_out(site.server, "delete-file", file="../../etc/passwd")


def test_the_command_line_works_while_no_server_runs(tmp_path: Path) -> None:
    with run_server(tmp_path):
        pass
    data = ("--config", tmp_path / "settings.toml", "--data", tmp_path / "data")
    with Database(tmp_path / "data" / "xserv.db") as db:
        uploads.open_slot(db, "a" * 32, JULIET, "hat.png", "", 5, "message", now=1.0, until=9e9, expires=9e9)
        found = uploads.find(db, "a" * 32)
        assert found is not None and uploads.complete(db, found, "image/png", 2.0)
    folder = tmp_path / "data" / "uploads" / "aa"
    folder.mkdir(parents=True)
    (folder / ("a" * 32)).write_bytes(b"a hat")
    assert "hat.png" in succeeds("files", "list", *data)
    assert succeeds("files", "usage", *data).startswith("1 files, 5 of ")
    assert succeeds("files", "delete", "a" * 32, *data) == f"{'a' * 32} is deleted.\n"
    assert not (folder / ("a" * 32)).exists()
    assert complaint("files", "delete", "a" * 32, *data) == f"There is no file {'a' * 32}."
