"""XEP-0363: a slot is asked for, a file is put there, and whoever knows the address gets it."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import h11
import pytest

from db import uploads
from handlers.admin.administration import carry_out
from handlers.login import accounts
from handlers.upload import removing
from tests.harness.browsing import Browser, browser, web_server
from tests.harness.in_process import Client
from tests.harness.uploads import PURPOSES, SERVICE, UPLOAD, ask_slot, slot, upload
from web.site import Site
from xmpp.data import timestamps
from xmpp.data.jid import JID

JULIET, ROMEO = "juliet@localhost", JID.parse("romeo@localhost")
YEAR = 31_536_000
COMMANDS = "http://jabber.org/protocol/commands"


@pytest.fixture
def juliet(site: Site) -> Client:
    return Client(site.server, f"{JULIET}/balcony")


@pytest.fixture
def one(site: Site) -> Iterator[Browser]:
    with browser(site) as one:
        yield one


def stored(tmp_path: Path) -> list[str]:
    """The names of all files in the store, finished or not."""
    return sorted(path.name for path in (tmp_path / "uploads").rglob("*") if path.is_file())


def test_a_file_that_was_put_into_a_slot_is_had_at_the_same_address(juliet: Client, one: Browser) -> None:
    path = slot(juliet, "hat.png", 5, "image/png")
    assert one.ask("GET", path).status == 404
    assert one.ask("PUT", path, b"a hat", {"Content-Type": "image/png"}).status == 201
    got = one.ask("GET", path)
    assert (got.status, got.content, got.headers["content-type"]) == (200, b"a hat", "image/png")


@pytest.mark.parametrize("kind", ["HTTP", "HTTPS", "everything"])
def test_a_large_file_comes_back_as_it_was_over_every_port(site: Site, juliet: Client, kind: str) -> None:
    content = bytes(range(256)) * 12_000
    with browser(site, kind) as one:
        path = upload(one, juliet, content, "hat.jpg", "image/jpeg")
        assert one.ask("GET", path).content == content


def test_the_address_has_the_name_of_the_file(juliet: Client) -> None:
    answer = ask_slot(juliet, "très cool.jpg", 23456, "image/jpeg")
    assert "/tr%C3%A8s%20cool.jpg" in answer
    assert slot(juliet, "../../a/b\\c&#9;.png").rpartition("/")[2] == ".._.._a_b_c_.png"
    assert slot(juliet, "..").endswith("/file")


def test_a_file_of_another_length_is_refused_and_the_slot_stays(juliet: Client, one: Browser, tmp_path: Path) -> None:
    path = slot(juliet, size=5)
    assert one.ask("PUT", path, b"hat").status == 400
    assert one.ask("PUT", path, b"a larger hat").status == 413
    chunked = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert one.exchange(chunked.encode(), "PUT").status == 411
    assert stored(tmp_path) == []
    assert one.ask("PUT", path, b"a hat").status == 201


def test_a_file_of_another_type_is_refused(juliet: Client, one: Browser) -> None:
    path = slot(juliet, type="image/png")
    assert one.ask("PUT", path, b"a hat", {"Content-Type": "text/html"}).status == 415
    assert one.ask("PUT", path, b"a hat", {"Content-Type": "image/PNG; q=1"}).status == 201


def test_an_upload_that_breaks_off_leaves_nothing_and_can_be_tried_again(
    site: Site, juliet: Client, one: Browser, tmp_path: Path
) -> None:
    path = slot(juliet, size=1_000_000)
    with browser(site) as other:
        other.sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n".encode())
        other.sock.sendall(b"x" * 600_000)
        while not stored(tmp_path):
            assert one.ask("GET", path).status == 404
        assert one.ask("PUT", path, b"x" * 1_000_000).status == 409
        other.sock.shutdown(1)
        assert other.response("PUT").status == 400
    assert stored(tmp_path) == []
    with browser(site) as other:
        assert other.ask("PUT", path, b"y" * 1_000_000).status == 201
        assert other.ask("GET", path).content == b"y" * 1_000_000


def test_a_file_that_cannot_be_read_to_its_end_is_cut_off_and_said_in_one_line(
    juliet: Client, one: Browser, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = upload(one, juliet, b"x" * 1_000_000)
    [file] = (each for each in (tmp_path / "uploads").rglob("*") if each.is_file())
    os.truncate(file, 600_000)
    with pytest.raises(h11.RemoteProtocolError):
        one.ask("GET", path)
    [said] = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert said.getMessage() == "an uploaded file (1) cannot be read to its end: the file is shorter than it was"
    assert said.exc_info is None


def test_who_wants_to_hear_first_whether_to_send_is_told(juliet: Client, one: Browser) -> None:
    path = slot(juliet)
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    one.sock.sendall(head.encode())
    assert one.sock.recv(25) == b"HTTP/1.1 100 \r\n\r\n"
    assert one.exchange(b"a hat", "PUT").status == 201
    assert one.exchange(head.encode(), "PUT").status == 409


def test_a_slot_is_open_for_some_minutes(site: Site, juliet: Client, one: Browser, tmp_path: Path) -> None:
    path = slot(juliet)
    site.server.db.connection.execute("UPDATE upload SET due = ?", (time.time() - 1,))
    assert one.ask("PUT", path, b"a hat").status == 404
    removing.remove_some(site.server)
    while uploads.total(site.server.db):  # the background may be at it already
        gevent.sleep(0)
    assert stored(tmp_path) == []


def test_a_file_expires(site: Site, juliet: Client, one: Browser, tmp_path: Path) -> None:
    path = upload(one, juliet)
    seconds = int(one.ask("GET", path).headers["cache-control"].split("max-age=")[1].partition(",")[0])
    assert 29 * 86_400 < seconds <= 30 * 86_400
    site.server.db.connection.execute("UPDATE upload SET expires = ?, due = ?", (time.time() - 1,) * 2)
    assert one.ask("GET", path).status == 404
    assert len(stored(tmp_path)) == 1
    assert removing.remove_some(site.server) == 1
    assert stored(tmp_path) == []


def test_an_ephemeral_file_is_gone_at_its_time_in_caches_too(site: Site, juliet: Client, one: Browser) -> None:
    before = timestamps.format_utc(time.time() + 100)
    path = upload(one, juliet, purpose=f"<ephemeral xmlns='{PURPOSES}' expire-before='{before}'/>")
    seconds = int(one.ask("GET", path).headers["cache-control"].split("max-age=")[1].partition(",")[0])
    assert seconds <= 100
    over = timestamps.format_utc(time.time() - 100)
    assert ask_slot(juliet, purpose=f"<ephemeral xmlns='{PURPOSES}' expire-before='{over}'/>") == "bad-request"
    assert ask_slot(juliet, purpose="ephemeral") == "bad-request"


def test_a_file_of_a_profile_stays(juliet: Client, one: Browser) -> None:
    path = upload(one, juliet, purpose="profile")
    assert one.ask("GET", path).headers["cache-control"] == f"public, max-age={YEAR}, immutable"


def test_the_files_of_an_account_that_is_removed_are_gone(
    site: Site, juliet: Client, one: Browser, tmp_path: Path
) -> None:
    path, unfinished = upload(one, juliet), slot(juliet)
    accounts.remove(site.server, JID.parse(JULIET))
    assert one.ask("GET", path).status == 404
    assert one.ask("PUT", unfinished, b"a hat").status == 404
    while removing.remove_some(site.server):
        pass
    assert stored(tmp_path) == []
    assert site.server.db.connection.execute("SELECT count(*) FROM upload_owner").fetchone() == (0,)
    assert uploads.total(site.server.db) == 0


def test_files_that_two_delete_at_once_count_once(site: Site, juliet: Client, one: Browser) -> None:
    paths = [upload(one, juliet) for _ in range(2)]
    file = uploads.find(site.server.db, paths[0].split("/")[2])
    assert file is not None
    removing.mark_deleted(site.server, [file.id])
    assert {each.get() for each in [gevent.spawn(removing.remove_some, site.server) for _ in range(3)]} == {1}
    assert uploads.total(site.server.db) == 5


def test_an_account_that_is_removed_meanwhile_leaves_no_file(
    site: Site, juliet: Client, one: Browser, tmp_path: Path
) -> None:
    path = slot(juliet, size=10)
    one.sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ".encode())
    while not stored(tmp_path):
        gevent.sleep(0)
    accounts.remove(site.server, JID.parse(JULIET))
    assert one.exchange(b"done!", "PUT").status == 404
    assert stored(tmp_path) == []


def test_a_slot_that_is_over_while_its_file_comes_keeps_nothing_else_from_going(
    site: Site, juliet: Client, one: Browser, tmp_path: Path
) -> None:
    accounts.create(site.server, ROMEO, "secret")
    romeo = Client(site.server, f"{ROMEO}/orchard")
    upload(one, romeo)
    path = slot(juliet, size=10)
    slow, slot_of_it = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ", path.split("/")[2]
    one.sock.sendall(slow.encode())
    while len(stored(tmp_path)) < 2:
        gevent.sleep(0)
    site.server.db.connection.execute("UPDATE upload SET due = 1 WHERE slot = ?", (slot_of_it,))
    accounts.remove(site.server, ROMEO)
    while removing.remove_some(site.server):
        pass
    assert stored(tmp_path) == [slot_of_it]
    assert one.exchange(b"done!", "PUT").status == 201


@pytest.mark.parametrize(("command", "arguments"), [("disable", {}), ("remove", {"days": 14})])
def test_an_account_that_nobody_can_log_in_to_fills_no_slot(
    site: Site, juliet: Client, one: Browser, tmp_path: Path, command: str, arguments: dict[str, Any]
) -> None:
    path = slot(juliet)
    carry_out(site.server, command, account=JULIET, **arguments)
    assert one.ask("PUT", path, b"a hat").status == 404
    assert stored(tmp_path) == []


def test_an_account_that_is_disabled_meanwhile_leaves_no_file(
    site: Site, juliet: Client, one: Browser, tmp_path: Path
) -> None:
    path = slot(juliet, size=10)
    one.sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ".encode())
    while not stored(tmp_path):
        gevent.sleep(0)
    carry_out(site.server, "disable", account=JULIET)
    assert one.exchange(b"done!", "PUT").status == 404
    assert stored(tmp_path) == []


def test_the_service_says_how_large_files_may_be_and_what_for(juliet: Client) -> None:
    told = juliet.asks("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=SERVICE)
    assert '<identity category="store" name="HTTP File Upload" type="file">' in told
    assert '<value>100000000</value>' in told
    for purpose in ("message", "profile", "ephemeral"):
        assert f'"{PURPOSES}#{purpose}"' in told
    assert f'"{PURPOSES}#permanent"' not in told
    assert ask_slot(juliet, purpose="permanent") == "feature-not-implemented"


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "", "9" * 19, "٣"])
def test_a_size_is_a_number_of_bytes(juliet: Client, size: str) -> None:
    asked = f"<request xmlns='{UPLOAD}' filename='hat.png' size='{size}'/>"
    assert juliet.asks(asked, to=SERVICE) == "bad-request"


def test_a_file_has_a_name(juliet: Client) -> None:
    assert juliet.asks(f"<request xmlns='{UPLOAD}' size='5'/>", to=SERVICE) == "bad-request"


def test_unfinished_files_of_an_earlier_process_are_deleted(site: Site, juliet: Client, tmp_path: Path) -> None:
    left = tmp_path / "uploads" / "unfinished-of-before"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half a hat")
    removing.begin(site.server)
    assert not left.exists()


def test_what_is_on_its_way_when_the_server_stops_is_deleted(tmp_path: Path) -> None:
    with web_server(tmp_path) as site, browser(site) as one:
        path = slot(Client(site.server, f"{JULIET}/balcony"), size=10)
        one.sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ".encode())
        while not stored(tmp_path):
            gevent.sleep(0)
        site.server.stop()
        assert list((tmp_path / "uploads").glob("*")) == []


def test_own_files_are_listed_and_deleted_by_commands(
    site: Site, juliet: Client, one: Browser, tmp_path: Path
) -> None:
    path, other = upload(one, juliet), upload(one, juliet, name="cap.png")
    listed = juliet.asks(f"<command xmlns='{COMMANDS}' node='xserv:files:list'/>", type="set", to=SERVICE)
    assert path in listed and other in listed
    chosen = path.split("/")[2]
    form = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>xserv:files</value></field>"
            f"<field var='files'><value>{chosen}</value></field></x>")  # fmt: skip
    delete = f"<command xmlns='{COMMANDS}' node='xserv:files:delete'>{form}</command>"
    done = juliet.asks(delete, type="set", to=SERVICE)
    assert 'status="completed"' in done
    assert one.ask("GET", path).status == 404
    assert one.ask("GET", other).status == 200
    while removing.remove_some(site.server):
        pass
    assert stored(tmp_path) == [other.split("/")[2]]
