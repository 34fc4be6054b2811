"""What people report of those whom they block (XEP-0377), and what administrators see of it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import blocklists, reports
from handlers.admin import administration
from handlers.contacts.reporting import MOST_AT_ONCE, MOST_CHARACTERS
from handlers.login import accounts
from tests.harness import commandline
from tests.harness.in_process import Client, add_accounts, online, server_in
from xmpp.control import Refused
from xmpp.data.jid import JID
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
SPAM, ABUSE = (f"urn:xmpp:reporting:{each}" for each in ("spam", "abuse"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    limits = {"max_reports": 12, "daily_reports": 3}
    with server_in(tmp_path, archive={"enabled": True}, reporting=limits) as server:
        add_accounts(server, "juliet", "tybalt", "romeo")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return online(server, f"{JULIET}/balcony")


def report(reason: str = SPAM, content: str = "") -> str:
    return f"<report xmlns='urn:xmpp:reporting:1' reason='{reason}'>{content}</report>"


def block(client: Client, *items: tuple[str, str]) -> str:
    content = "".join(f"<item jid='{jid}'>{said}</item>" for jid, said in items)
    return client.asks(f"<block xmlns='urn:xmpp:blocking'>{content}</block>", type="set")


def stanza_id(id: str, by: str = JULIET) -> str:
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{id}'/>"


def say(server: Server, juliet: Client, sender: str, text: str) -> str:
    """Have somebody write to Juliet; returns the id in her archive."""
    Client(server, f"{sender}/street").sends(f"<message to='{JULIET}' type='chat'><body>{text}</body></message>")
    [message] = [each for each in juliet.received() if each.startswith("<message")]
    return message.partition(' id="')[2].partition('"')[0]


def seen(server: Server, **arguments: str) -> list[tuple[object, ...]]:
    listed = administration.carry_out(server, "reports", **arguments)
    return [(each.account, each.reported, each.reason, each.text) for each in listed]


def messages(server: Server, report: int = 1) -> str:
    [shown] = administration.carry_out(server, "report", report=str(report))
    assert isinstance(shown, str)
    return shown


def test_a_report_is_kept_with_what_is_said_and_logged(
    server: Server, juliet: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "handlers.contacts.reporting"):
        assert block(juliet, ("tybalt@localhost", report(SPAM, "<text>trouble</text>")), ("a.example", "")) == ""
    assert seen(server) == [(JULIET, "tybalt@localhost", "spam", "trouble")]
    assert "report of spam: tybalt@localhost by juliet@localhost" in caplog.text
    assert blocklists.patterns(server.db, JULIET) == {"tybalt@localhost", "a.example"}


def test_the_messages_that_are_named_are_kept_if_the_reported_has_sent_them(server: Server, juliet: Client) -> None:
    evil = say(server, juliet, "tybalt@localhost", "evil")
    love = say(server, juliet, "romeo@localhost", "love")
    named = stanza_id(evil) + stanza_id(love) + stanza_id("nothing") + stanza_id(evil, "tybalt@localhost")
    block(juliet, ("tybalt@localhost", report(ABUSE, named)))
    assert messages(server).count("<body>evil</body>") == 1
    assert "love" not in messages(server)


def test_row_196_nobody_learns_what_is_in_anothers_archive_by_a_report(server: Server, juliet: Client) -> None:
    evil = say(server, juliet, "tybalt@localhost", "secret")
    romeo = Client(server, "romeo@localhost/x")
    block(romeo, ("tybalt@localhost", report(SPAM, stanza_id(evil) + stanza_id(evil, "romeo@localhost"))))
    assert messages(server) == ""


@pytest.mark.parametrize(
    "content",
    [
        "<stanza-id xmlns='urn:xmpp:sid:0'/>",
        "<stanza-id xmlns='urn:xmpp:sid:0' by='@@' id='1'/>",
        "<text/><text>second</text>",
        "<x xmlns='urn:example:other'/>",
    ],
)
def test_what_is_malformed_blocks_all_the_same(server: Server, juliet: Client, content: str) -> None:
    assert block(juliet, ("tybalt@localhost", report("urn:example:other", content))) == ""
    assert seen(server) == [(JULIET, "tybalt@localhost", "abuse", "")]
    assert blocklists.patterns(server.db, JULIET) == {"tybalt@localhost"}


def test_row_196_reports_are_bounded_for_each_account_and_for_all(server: Server, juliet: Client) -> None:
    long = f"<text>{'x' * 5000}</text>"
    assert block(juliet, *((f"s{number}@c.example", report(SPAM, long)) for number in range(MOST_AT_ONCE + 5))) == ""
    assert [len(str(each[3])) for each in seen(server)] == [MOST_CHARACTERS] * 3
    assert len(blocklists.patterns(server.db, JULIET)) == MOST_AT_ONCE + 5
    for name in ("a", "b", "c", "d", "e"):
        add_accounts(server, name)
        block(Client(server, f"{name}@localhost/x"), *((f"s{number}@c.example", report()) for number in range(9)))
    assert len(seen(server)) == 12
    assert not [each for each in seen(server) if each[0] == JULIET]


def test_administrators_find_and_remove_them(server: Server, juliet: Client) -> None:
    block(juliet, ("tybalt@localhost", report()), ("spam@c.example", report(ABUSE)))
    assert [each[1] for each in seen(server, text="C.example")] == ["spam@c.example"]
    assert [each[1] for each in seen(server, after="1")] == ["spam@c.example"]
    administration.carry_out(server, "remove-report", report="1")
    assert [each[1] for each in seen(server)] == ["spam@c.example"]
    for number in ("1", "none", "", "9" * 30):
        with pytest.raises(Refused):
            administration.carry_out(server, "remove-report", report=number)


def test_reports_go_with_the_account_that_has_made_them(server: Server, juliet: Client) -> None:
    block(juliet, ("tybalt@localhost", report()))
    accounts.remove(server, JULIET)
    assert reports.after(server.db, 0, 10) == []


def test_where_reports_are_switched_off_people_are_blocked_all_the_same(tmp_path: Path) -> None:
    with server_in(tmp_path, reporting={"enabled": False}) as server:
        add_accounts(server, "juliet")
        assert block(Client(server, f"{JULIET}/x"), ("tybalt@localhost", report())) == ""
        assert seen(server) == []


def test_the_command_line_lists_shows_and_removes_them(tmp_path: Path) -> None:
    with server_in(tmp_path, archive={"enabled": True}) as server:
        add_accounts(server, "juliet", "tybalt")
        juliet = Client(server, f"{JULIET}/balcony")
        juliet.sends("<presence/>")
        evil = say(server, juliet, "tybalt@localhost", "evil")
        block(juliet, ("tybalt@localhost", report(ABUSE, f"{stanza_id(evil)}<text>you\nsee</text>")))
    (tmp_path / "test.db").rename(tmp_path / "xserv.db")
    data = ("--data", str(tmp_path))
    listed = commandline.succeeds("reports", "list", *data)
    assert listed.split("\t")[0] == "1"
    assert listed.split("\t")[2:] == [JULIET, "tybalt@localhost", "abuse", "you\ufffdsee\n"]
    assert "<body>evil</body>" in commandline.succeeds("reports", "show", "1", *data)
    assert "removed" in commandline.succeeds("reports", "remove", "1", *data)
    assert commandline.succeeds("reports", "list", *data) == ""
    assert "There is no report 1." in commandline.complaint("reports", "show", "1", *data)
