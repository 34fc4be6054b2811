"""How much somebody may upload: what is too much is refused before a slot is given, and counts from then on."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import gevent
import pytest

from db import uploads
from handlers.upload import removing
from handlers.upload.stores import Uploads
from tests.harness.browsing import Browser, browser, web_server
from tests.harness.in_process import Client
from tests.harness.uploads import PURPOSES, SERVICE, UPLOAD, ask_slot, slot, upload
from xmpp.data import timestamps
from xmpp.data.commands import NAMESPACE as COMMANDS
from xmpp.data.wire import parse


class Begin(Protocol):
    def __call__(self, **settings: object) -> tuple[Client, Browser]: ...


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """A server with these settings, juliet, and a connection."""
    with ExitStack() as opened:

        def started(**settings: object) -> tuple[Client, Browser]:
            site = opened.enter_context(web_server(tmp_path, upload={"min_free_bytes": 0, **settings}))
            one = opened.enter_context(browser(site))
            return Client(site.server, "juliet@localhost/balcony"), one

        yield started


def refusal(juliet: Client, size: int) -> str:
    """The whole error that a request for a slot is answered."""
    asked = f"<iq type='get' id='q' to='{SERVICE}'><request xmlns='{UPLOAD}' filename='a' size='{size}'/></iq>"
    [answer] = juliet.sends(asked)
    assert 'type="error"' in answer
    return answer


def retry_in(answer: str) -> float:
    """In how many seconds it may be tried again, as the error says."""
    [found] = parse(answer.encode()).iter(f"{{{UPLOAD}}}retry")
    return timestamps.parse(found.get("stamp", "")) - time.time()


def test_a_file_that_is_too_large_is_refused_with_the_largest_size(begin: Begin) -> None:
    juliet, _ = begin(max_file_bytes=100, max_profile_file_bytes=10)
    answer = refusal(juliet, 101)
    assert "<not-acceptable" in answer and 'type="modify"' in answer
    assert f'<file-too-large xmlns="{UPLOAD}"><max-file-size>100</max-file-size></file-too-large>' in answer
    assert ask_slot(juliet, size=11, purpose="profile") == "not-acceptable"
    assert ask_slot(juliet, size=100).startswith("<slot")


def test_open_slots_count_and_what_was_not_used_is_given_back(begin: Begin) -> None:
    juliet, _ = begin(max_account_bytes=1000, max_file_bytes=1000)
    slot(juliet, size=600)
    answer = refusal(juliet, 600)
    assert "<resource-constraint" in answer and 'type="wait"' in answer
    assert 290 < retry_in(answer) < 310
    juliet.server.db.connection.execute("UPDATE upload SET due = 1")
    assert removing.remove_some(juliet.server) == 1
    slot(juliet, size=600)


def test_what_is_kept_of_an_account_is_limited(begin: Begin) -> None:
    juliet, one = begin(max_account_bytes=1000, max_file_bytes=1000, days=10)
    upload(one, juliet, b"x" * 500)
    upload(one, juliet, b"x" * 500)
    assert abs(retry_in(refusal(juliet, 1)) - 10 * 86_400) < 60
    assert ask_slot(juliet, size=900, purpose="profile").startswith("<slot")


def test_what_is_uploaded_in_a_day_is_limited_also_if_it_was_deleted(begin: Begin) -> None:
    juliet, one = begin(max_bytes_per_day=1000, max_file_bytes=1000)
    path = upload(one, juliet, b"x" * 600)
    found = uploads.find(juliet.server.db, path.split("/")[2])
    assert found is not None
    removing.mark_deleted(juliet.server, [found.id])
    assert removing.remove_some(juliet.server) == 1
    assert removing.remove_some(juliet.server) == 0
    assert uploads.total(juliet.server.db) == 0
    assert abs(retry_in(refusal(juliet, 401)) - 86_400) < 60
    slot(juliet, size=400)
    juliet.server.db.connection.execute("UPDATE upload SET created = created - 86401, due = 1 WHERE state = 'counted'")
    assert removing.remove_some(juliet.server) == 1
    slot(juliet, size=600)


def test_what_is_kept_of_all_is_limited(begin: Begin) -> None:
    juliet, one = begin(max_bytes=1000, max_account_bytes=2000, max_file_bytes=1000)
    upload(one, juliet, b"x" * 900)
    assert "<retry" not in refusal(juliet, 101)


def test_nothing_is_taken_that_would_fill_the_disk(begin: Begin) -> None:
    juliet, _ = begin(min_free_bytes=1 << 59)
    assert ask_slot(juliet) == "resource-constraint"


def test_files_that_come_at_the_same_time_do_not_fill_the_disk_together(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    juliet, one = begin(min_free_bytes=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=150))
    first, second = slot(juliet, size=30), slot(juliet, size=30)
    one.sock.sendall(f"PUT {first} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\nhalf".encode())
    with closing(Browser(one.sock.getpeername()[1])) as other:
        while not juliet.server.state(Uploads).receiving:
            gevent.sleep(0)
        assert other.ask("PUT", second, b"x" * 30).status == 507
        assert one.exchange(b"x" * 26, "PUT").status == 201
        assert other.ask("PUT", second, b"x" * 30).status == 201


def test_files_and_slots_are_limited_in_number(begin: Begin) -> None:
    juliet, one = begin(max_account_files=3, max_open_slots=2)
    first = slot(juliet)
    slot(juliet)
    assert ask_slot(juliet) == "resource-constraint"
    assert one.ask("PUT", first, b"a hat").status == 201
    slot(juliet)
    assert one.ask("GET", first).status == 200
    assert ask_slot(juliet) == "resource-constraint"


def test_new_files_of_a_profile_take_the_place_of_the_oldest(begin: Begin) -> None:
    juliet, one = begin(max_profile_bytes=1000, max_profile_file_bytes=600)
    paths = [upload(one, juliet, b"x" * 400, purpose="profile") for _ in range(3)]
    assert [one.ask("GET", path).status for path in paths] == [404, 200, 200]
    slot(juliet, size=600, purpose="profile")
    assert ask_slot(juliet, size=600, purpose="profile") == "resource-constraint"


@pytest.mark.parametrize("before", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_a_file_that_is_to_stay_for_ever_is_listed_and_says_until_when(
    begin: Begin, before: str, caplog: pytest.LogCaptureFixture
) -> None:
    juliet, one = begin(days=0, max_account_bytes=5, max_file_bytes=5)
    upload(one, juliet, purpose=f"<ephemeral xmlns='{PURPOSES}' expire-before='{before}'/>")
    listed = juliet.asks(f"<command xmlns='{COMMANDS}' node='xserv:files:list'/>", type="set", to=SERVICE)
    year = time.gmtime().tm_year
    assert any(f"<value>{year + each}-" in listed for each in (99, 100))
    assert abs(retry_in(refusal(juliet, 5)) - 36_500 * 86_400) < 60
    assert not [record for record in caplog.records if record.exc_info]


def test_files_for_good_are_taken_where_a_setting_says_so(begin: Begin) -> None:
    juliet, one = begin(permanent=True)
    path = upload(one, juliet, purpose="permanent")
    assert one.ask("GET", path).headers["cache-control"] == "public, max-age=31536000, immutable"
