"""The administration page: what administrators see there, and do."""

import logging
import re

import pytest

from db import accounts as account_records
from db import offline
from handlers.admin import announcements, given
from handlers.admin.administration import carry_out
from handlers.login import accounts
from tests.harness import administrators
from tests.harness.administrators import JULIET, ROMEO, Administrator
from tests.harness.browsing import browser
from tests.harness.in_process import Client, add_accounts
from tests.harness.rooms import ROOM, opened
from tests.harness.uploads import upload
from web.site import Site
from xmpp.data.jid import JID

NURSE = JID.parse("nurse@localhost")


site, juliet = administrators.site, administrators.juliet


def test_an_administrator_logs_in_and_sees_how_the_server_is(juliet: Administrator) -> None:
    rows = {row[0]: row[1] for row in juliet.rows if len(row) == 2}
    assert rows["Accounts"] == "2" and rows["The database"].startswith("answers in")
    assert rows["xserv"] and rows["OpenSSL"] and rows["Running"].startswith("for 0 min, since 20")
    assert re.fullmatch(r"self-signed, valid for 36\d\d days", rows["localhost"])
    assert "Logged in as juliet@localhost" in juliet.text


@pytest.mark.parametrize("name", ["juliet", " Juliet ", "juliet@localhost"])
def test_the_domain_of_the_account_may_be_left_out(site: Site, name: str) -> None:
    visitor = Administrator(site)
    visitor.logs_in(name)
    assert "Logged in as juliet@localhost" in visitor.text


def test_who_is_logged_in_logs_out(juliet: Administrator) -> None:
    juliet.goes("/admin/logout")
    juliet.sends()
    assert juliet.page.find(".//h1").text == "Administration"
    assert juliet.goes("/admin/people").headers["location"] == "/admin/login"


# -- people


def test_people_are_found_page_by_page(
    site: Site, juliet: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_accounts(site.server, *(f"guest{number:03}" for number in range(70)))
    juliet.goes("/admin/people?text=guest")
    assert [row[0] for row in juliet.rows[1:]] == [f"guest{number:03}@localhost" for number in range(50)]
    [more] = [to for to, name in juliet.links.items() if name == "More"]
    juliet.goes(more)
    assert [row[0] for row in juliet.rows[1:]] == [f"guest{number:03}@localhost" for number in range(50, 70)]
    assert "More" not in juliet.links.values()
    juliet.goes("/admin/people?kind=administrators")
    assert [row[0] for row in juliet.rows[1:]] == ["juliet@localhost"]
    juliet.goes("/admin/people?text=nobody")
    assert "No accounts are found." in juliet.text


def test_an_account_is_made(site: Site, juliet: Administrator) -> None:
    juliet.goes("/admin/people/add")
    juliet.sends(name="nurse", password="angelica", again="other")
    assert juliet.problem == "The two passwords are not the same."
    juliet.sends(password="angelica", again="angelica")
    assert juliet.done == "nurse@localhost can log in now."
    assert account_records.exists(site.server.db, NURSE)
    juliet.goes("/admin/people/add")
    assert juliet.sends(name="nurse", password="another", again="another").status == 400
    assert juliet.problem == "nurse@localhost exists."


def test_an_account_is_disabled_and_enabled(site: Site, juliet: Administrator) -> None:
    romeo = Client(site.server, f"{ROMEO}/orchard")
    juliet.goes(f"/admin/person?account={ROMEO}")
    juliet.goes(f"/admin/person/disable?account={ROMEO}")
    assert romeo.closed_with is None
    juliet.sends()
    assert romeo.closed_with is not None and juliet.done == "romeo@localhost is disabled."
    juliet.goes(f"/admin/person/disable?account={ROMEO}")
    assert juliet.sends().status == 409 and juliet.problem == "romeo@localhost is disabled already."
    juliet.goes(f"/admin/person/enable?account={ROMEO}")
    juliet.sends()
    assert juliet.done == "romeo@localhost can log in again."


def test_an_account_is_removed_after_some_days_unless_it_is_restored(site: Site, juliet: Administrator) -> None:
    juliet.goes(f"/admin/person/remove?account={ROMEO}")
    assert "In 14 days the account is gone" in juliet.text
    juliet.sends()
    assert "This account is to be removed on" in juliet.text
    assert account_records.exists(site.server.db, ROMEO)
    assert f"/admin/person/remove?account={ROMEO.replace('@', '%40')}" not in juliet.links
    juliet.goes(f"/admin/person/restore?account={ROMEO}")
    juliet.sends()
    assert juliet.done == "romeo@localhost stays." and "to be removed" not in juliet.text


def test_an_account_gets_another_password(site: Site, juliet: Administrator) -> None:
    before = account_records.credential(site.server.db, ROMEO, "sha-256")
    juliet.goes(f"/admin/person/password?account={ROMEO}")
    juliet.sends(password="wherefore", again="wherefore")
    assert juliet.done.startswith("romeo@localhost has another password")
    assert account_records.credential(site.server.db, ROMEO, "sha-256") != before
    juliet.goes(f"/admin/person/password?account={ROMEO}")
    assert juliet.sends(password="\a", again="\a").status == 400
    assert "control characters" in juliet.problem


def test_an_account_becomes_an_administrator_and_is_none_any_more(site: Site, juliet: Administrator) -> None:
    romeo = Administrator(site)
    assert romeo.logs_in("romeo").status == 403 and romeo.problem == "This account is not an administrator."
    juliet.goes(f"/admin/person/appoint?account={ROMEO}")
    juliet.sends()
    assert romeo.logs_in("romeo").status == 200
    juliet.goes(f"/admin/person/dismiss?account={ROMEO}")
    juliet.sends()
    assert juliet.done == "romeo@localhost is no administrator any more."
    assert romeo.goes("/admin").headers["location"] == "/admin/login"


def test_there_is_no_page_for_who_is_not_there(juliet: Administrator) -> None:
    assert juliet.goes("/admin/person?account=nobody@localhost").status == 404
    assert juliet.goes("/admin/person").status == 404
    assert juliet.goes("/admin/room?room=nowhere@rooms.localhost").status == 404
    assert juliet.goes("/admin/person/explode?account=romeo@localhost").status == 404
    assert juliet.goes("/admin/people?kind=funny").status == 400
    assert juliet.goes("/admin/people?after=a@b@c").status == 400
    assert juliet.goes("/admin/log?level=loud").status == 400
    assert juliet.goes("/admin/log?before=-1").status == 400
    assert juliet.goes("/admin/log?hours=many").status == 400


# -- rooms and sessions


def test_a_room_is_shown_and_destroyed(site: Site, juliet: Administrator) -> None:
    opened(Client(site.server, f"{ROMEO}/orchard"), "romeo", roomname="Verona")
    juliet.goes("/admin/rooms?text=verona")
    assert juliet.rows[1][:4] == [ROOM, "Verona", "1", "romeo@localhost"]
    juliet.goes(f"/admin/room?room={ROOM}")
    assert ["Owners", "romeo@localhost"] in juliet.rows
    juliet.goes(f"/admin/room/destroy?room={ROOM}")
    assert juliet.sends(venue="a@b@c").status == 409 and juliet.problem
    juliet.sends(reason="a plague", venue="")
    assert juliet.done == f"{ROOM} is gone." and "No rooms are found." in juliet.text


def test_a_session_is_shown_and_ended(site: Site, juliet: Administrator) -> None:
    romeo = Client(site.server, f"{ROMEO}/in the/orchard?&#")
    juliet.goes("/admin/sessions?text=ORCHARD")
    assert (juliet.rows[1][0], juliet.rows[1][2]) == (romeo.jid, "127.0.0.1")
    [way] = [to for to in juliet.links if to.startswith("/admin/session/end")]
    juliet.goes(way)
    juliet.sends()
    assert romeo.closed_with is not None and juliet.done == f"{romeo.jid} is logged out."
    juliet.goes(way)
    assert juliet.sends().status == 409


# -- files


def test_files_are_listed_with_how_much_there_is_and_deleted(site: Site, juliet: Administrator) -> None:
    romeo = Client(site.server, f"{ROMEO}/orchard")
    with browser(site) as one:
        path = upload(one, romeo, b"x" * 1_500, name="hat&#38;lt;b&#38;gt;.png")
        upload(one, Client(site.server, f"{JULIET}/balcony"), b"x" * 10, name="glove.png")
        juliet.goes("/admin/files?text=ROMEO")
        assert [row[:3] for row in juliet.rows[1:]] == [["hat&lt;b&gt;.png", ROMEO, "1.5 KB"]]
        assert "2 files, 1.5 KB of" in juliet.text
        juliet.goes(f"/admin/files?account={JULIET}")
        assert [row[0] for row in juliet.rows[1:]] == ["glove.png"] and "1 files, 10 bytes of" in juliet.text
        juliet.goes("/admin/files")
        assert [row[0] for row in juliet.rows[1:]] == ["glove.png", "hat&lt;b&gt;.png"]
        way = next(to for to in juliet.links if to.startswith("/admin/file/delete") and "hat" in to)
        juliet.goes(way)
        assert one.ask("GET", path).status == 200
        juliet.sends()
        assert juliet.done == "hat&lt;b&gt;.png is deleted." and one.ask("GET", path).status == 404
        juliet.goes(way)
        assert juliet.sends().status == 409
    assert juliet.goes("/admin/files?account=nobody@localhost").status == 400


# -- announcements and the log


def test_an_announcement_is_shown_once_more_and_then_sent(site: Site, juliet: Administrator) -> None:
    juliet.goes("/admin/announce")
    juliet.sends(subject="News", text="\nA plague\r\non both", whom="all")
    assert "This is sent to everybody who has an account here:" in juliet.text
    assert offline.count(site.server.db, ROMEO) == 0
    juliet.sends()
    assert juliet.done == "The announcement is on its way."
    site.server.portions.wait(announcements.LINE)
    [message] = offline.waiting(site.server.db, ROMEO)
    assert b"<subject>News</subject><body>A plague&#10;on both</body>" in message.stanza


def test_an_announcement_that_cannot_be_sent_is_still_there_to_be_mended(juliet: Administrator) -> None:
    juliet.goes("/admin/announce")
    juliet.sends(subject="x" * 300, text="hello", whom="online")
    assert juliet.sends().status == 409
    assert "200 characters" in juliet.problem
    assert juliet.page.get_element_by_id("text").text.strip() == "hello"


@pytest.mark.usefixtures("recent_log")
def test_the_log_is_shown_by_level_and_text(site: Site, juliet: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "SHOWN", 50)
    log = logging.getLogger("tests.somebody")
    for number in range(60):
        log.info("number %02d", number)
    log.error("a mistake, <b>bold</b>")
    juliet.goes("/admin/log?level=error")
    assert [row[1:] for row in juliet.rows[1:]] == [["error", "tests.somebody a mistake, <b>bold</b>"]]
    juliet.goes("/admin/log?text=NUMBER&hours=1")
    assert len(juliet.rows) == 51 and juliet.rows[1][2] == "tests.somebody number 59"
    [more] = [to for to, name in juliet.links.items() if name == "More"]
    juliet.goes(more)
    assert [row[2] for row in juliet.rows[1:]][-1] == "tests.somebody number 00"


# -- what is logged


def test_every_change_is_logged_with_who_did_it(
    site: Site, juliet: Administrator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "handlers")
    for page in ("disable", "enable", "appoint", "dismiss", "remove", "restore"):
        juliet.goes(f"/admin/person/{page}?account={ROMEO}")
        juliet.sends()
    lines = [each for each in caplog.messages if "romeo" in each]
    assert len(lines) == 6 and all(line.endswith(f" by {JULIET}") for line in lines)


def test_logins_and_failed_ones_are_logged_like_all_others(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "handlers.comings_and_goings")
    visitor = Administrator(site)
    visitor.logs_in(password="wrong")
    visitor.logs_in("romeo")
    visitor.logs_in()
    assert caplog.messages == [
        "failed login from 127.0.0.1 as juliet@localhost: wrong password",
        "failed login from 127.0.0.1 as romeo@localhost: no administrator",
        "login of juliet@localhost from 127.0.0.1 by the administration page",
    ]


def test_another_password_for_oneself_ends_the_own_login(site: Site, juliet: Administrator) -> None:
    accounts.change_password(site.server, JULIET, "another")
    assert juliet.goes("/admin").headers["location"] == "/admin/login"
    carry_out(site.server, "role", account=JULIET, role="administrator")
    assert juliet.logs_in(password="another").status == 200
