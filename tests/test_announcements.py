"""Announcements: everybody gets one, whoever is away later, in portions, from the domain."""

from pathlib import Path

import pytest

from db import offline
from db.sqlite.database import Database
from handlers.admin import announcements
from handlers.admin.administration import carry_out
from tests.harness.commandline import complaint, succeeds
from tests.harness.in_process import Client, add_accounts, online
from xmpp.control import Refused
from xmpp.data.wire import parse
from xmpp.server import Server


def bodies(received: list[str]) -> list[tuple[str | None, str | None, str | None]]:
    messages = [parse(each.encode()) for each in received if each.startswith("<message")]
    body, subject = "{jabber:client}body", "{jabber:client}subject"
    return [(each.get("from"), each.findtext(subject), each.findtext(body)) for each in messages]


def test_those_online_get_it_at_once_and_the_others_when_they_come(server: Server) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    carry_out(server, "announce", text="A <b>plague</b>\nor two", subject="Both & houses")
    expected = ("localhost", "Both & houses", "A <b>plague</b>\nor two")
    assert bodies(romeo.received()) == [expected]
    juliet = Client(server, "juliet@localhost/balcony")
    assert bodies(juliet.sends("<presence/>")) == [expected]


def test_only_those_online_get_what_is_only_for_them(server: Server) -> None:
    romeo = online(server, "romeo@localhost/orchard")
    unavailable = Client(server, "mercutio@localhost/street")
    carry_out(server, "announce", text="hello", online_only=True)
    assert bodies(romeo.received()) == [("localhost", None, "hello")]
    assert bodies(unavailable.received()) == []
    for name in ("juliet@localhost/balcony", "mercutio@localhost/home"):
        assert bodies(Client(server, name).sends("<presence/>")) == []


def test_nobody_keeps_it_for_accounts_that_are_disabled_or_to_be_removed(server: Server) -> None:
    carry_out(server, "disable", account="juliet@localhost")
    carry_out(server, "remove", account="romeo@localhost", days=3)
    carry_out(server, "announce", text="hello")
    waiting = [carry_out(server, "person", account=f"{name}@localhost").waiting for name in ("juliet", "romeo")]
    assert waiting == [0, 0]
    assert carry_out(server, "person", account="mercutio@localhost").waiting == 1


def test_it_goes_out_in_portions(server: Server, small_portions: None) -> None:
    add_accounts(server, *(f"guest{number}" for number in range(20)))
    server.portions.seconds = 1_000.0
    carry_out(server, "announce", text="hello", wait=False)
    assert server.portions.length(announcements.LINE) == 1
    assert carry_out(server, "person", account="guest0@localhost").waiting == 0
    server.portions.wait(announcements.LINE)
    names = ("guest0", "guest19", "romeo")
    assert [carry_out(server, "person", account=f"{name}@localhost").waiting for name in names] == [1, 1, 1]


def test_only_so_many_are_on_their_way(server: Server, small_portions: None) -> None:
    for _ in range(announcements.MOST):
        carry_out(server, "announce", text="hello", wait=False)
    with pytest.raises(Refused, match="still on their way"):
        carry_out(server, "announce", text="hello", wait=False)
    server.portions.wait(announcements.LINE)
    assert carry_out(server, "person", account="romeo@localhost").waiting == announcements.MOST


@pytest.mark.parametrize(
    ("text", "subject", "sentence"),
    [
        ("", "", "has a text"),
        (" \n ", "", "has a text"),
        ("x" * 5_001, "", "may have 5000 characters"),
        ("x", "x" * 201, "may have 200 characters"),
        ("bell \a", "", "no message can have"),
        ("\ufffe", "", "no message can have"),
        ("x", "\ud800", "no message can have"),
    ],
)
def test_what_no_message_can_say_is_refused(server: Server, text: str, subject: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        carry_out(server, "announce", text=text, subject=subject)


def test_others_get_it_though_somebody_has_blocked_the_domain(server: Server, romeo: Client) -> None:
    block = "<block xmlns='urn:xmpp:blocking'><item jid='localhost'/></block>"
    romeo.asks(block, type="set")
    carry_out(server, "announce", text="hello")
    assert carry_out(server, "person", account="juliet@localhost").waiting == 1


def test_the_log_says_who_has_announced_and_not_what(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    carry_out(server, "role", account="romeo@localhost", role="administrator")
    caplog.set_level("INFO", "handlers.admin.administration")
    carry_out(server, "announce", by="romeo@localhost", text="hello")
    assert caplog.messages == ["announcement to-all of 5 characters was sent by romeo@localhost"]


def test_the_command_line_announces_also_while_no_server_runs(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    succeeds("user", "add", "juliet@localhost", *data, typed="secret\n")
    assert succeeds("announce", "-", "--subject", "News", *data, typed="hello\n") == "It has gone out.\n"
    assert complaint("announce", " ", *data) == "An announcement has a text."
    with Database(tmp_path / "xserv.db") as db:
        assert offline.count(db, "juliet@localhost") == 1
