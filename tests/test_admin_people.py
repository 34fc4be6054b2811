"""What administrators do to accounts: they are found, disabled, removed with a time in which they can be restored."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from db import accounts as account_records
from db import suspensions
from handlers.admin import given, removals
from handlers.admin.administration import carry_out
from handlers.login import accounts
from handlers.login.sasl.passwords import Check
from tests.harness.commandline import complaint, succeeds
from tests.harness.in_process import Client, add_accounts
from tests.harness.streams import Stream, listening_server
from xmpp.control import Refused
from xmpp.data.jid import JID
from xmpp.server import Server

JULIET, ROMEO = JID.parse("juliet@localhost"), JID.parse("romeo@localhost")
LATER = 1e12
DAY = 86_400


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Server]:
    """With the account juliet, whose password is "secret"."""
    with listening_server(tmp_path) as server:
        yield server


def tries(server: Server, password: str = "secret") -> set[str]:
    """What all ways to log in as Juliet are answered."""
    answers = set()
    for way in ("PLAIN", "SCRAM-SHA-256"):
        with Stream(server) as stream:
            stream.open()
            if way == "PLAIN":
                answers.add(stream.tries_password("juliet", password))
            else:
                answers.add(stream.tries_scram(way, "juliet", password))
    return answers


def found(server: Server, **asked: Any) -> list[str]:
    return [person.account for person in carry_out(server, "search", **asked)]


# -- looking


def test_people_are_found_by_a_part_of_their_address_and_page_by_page(server: Server) -> None:
    assert found(server) == ["juliet@localhost", "mercutio@localhost", "romeo@localhost"]
    assert found(server, text=" ROM ") == ["romeo@localhost"]
    assert found(server, text="%") == found(server, text="nobody") == []
    assert found(server, most=2) == ["juliet@localhost", "mercutio@localhost"]
    assert found(server, most=2, after="mercutio@localhost") == ["romeo@localhost"]
    assert found(server, after="nurse@localhost") == ["romeo@localhost"]


def test_a_search_among_many_lets_others_have_their_turn(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "AT_ONCE", 1)
    turns = list[int]()

    def take_turns() -> None:
        for number in range(3):
            turns.append(number)
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    assert found(server, text="nobody") == []
    assert len(turns) == 3
    other.join()


def test_kinds_of_accounts_are_found(server: Server) -> None:
    carry_out(server, "role", account=JULIET, role="administrator")
    carry_out(server, "disable", account=ROMEO)
    carry_out(server, "remove", account="mercutio@localhost", days=3)
    assert found(server, kind="administrators") == ["juliet@localhost"]
    assert found(server, kind="disabled") == ["romeo@localhost"]
    assert found(server, kind="leaving") == ["mercutio@localhost"]
    assert found(server, kind="leaving", after="mercutio@localhost") == []
    with pytest.raises(Refused, match="is no kind of account"):
        found(server, kind="funny")


def test_what_is_told_of_an_account(server: Server, romeo: Client, juliet: Client) -> None:
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>hello</body></message>")
    told = carry_out(server, "person", account=JULIET)
    assert (told.person.account, told.person.sessions, told.contacts, told.waiting) == (JULIET, 1, 1, 1)
    assert (told.person.is_administrator, told.is_configured, told.person.disabled_at) == (False, False, None)
    with pytest.raises(Refused, match="does not exist"):
        carry_out(server, "person", account="nobody@localhost")


# -- disabling


def test_nobody_logs_in_to_a_disabled_account_and_who_knows_no_password_does_not_learn_of_it(listening: Server) -> None:
    assert tries(listening) == {"success"}
    carry_out(listening, "disable", account=JULIET)
    assert tries(listening) == {"account-disabled"}
    assert tries(listening, "wrong") == {"not-authorized"}
    carry_out(listening, "enable", account=JULIET)
    assert tries(listening) == {"success"}


def test_disabling_ends_the_sessions_and_the_streams_that_have_none_yet(listening: Server) -> None:
    with Stream(listening) as bound, Stream(listening) as unbound:
        for stream in (bound, unbound):
            stream.logs_in()
        bound.binds("balcony")
        carry_out(listening, "disable", account=JULIET)
        assert "not-authorized" in "".join(bound.last_words())
        assert "not-authorized" in "".join(unbound.last_words())
        assert len(listening.online) == 0


def test_a_login_that_waits_when_the_account_is_disabled_fails(
    listening: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stream(listening) as stream:
        stream.open()
        check = Check.is_right

        def disabled_meanwhile(self: Check, account: JID, password: str) -> bool:
            is_right: bool = check(self, account, password)
            carry_out(listening, "disable", account=JULIET)
            return is_right

        monkeypatch.setattr(Check, "is_right", disabled_meanwhile)
        assert stream.tries_password("juliet", "secret") == "account-disabled"


def test_a_disabled_account_keeps_what_it_has_and_gets(server: Server, romeo: Client, juliet: Client) -> None:
    carry_out(server, "disable", account=JULIET)
    assert juliet.closed_with is not None
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>hello</body></message>")
    told = carry_out(server, "person", account=JULIET)
    assert (told.contacts, told.waiting, told.person.sessions) == (1, 1, 0)


# -- removing


def test_an_account_can_be_restored_until_it_is_removed(server: Server, juliet: Client) -> None:
    carry_out(server, "remove", account=JULIET, days=3)
    assert juliet.closed_with is not None
    identity = account_records.identity(server.db, JULIET)
    removals.remove_due(server, time.time() + 2 * DAY)
    with pytest.raises(Refused, match="exists"):
        carry_out(server, "add", account=JULIET, password="another's")
    carry_out(server, "restore", account=JULIET)
    removals.remove_due(server, LATER)
    assert account_records.identity(server.db, JULIET) == identity
    assert carry_out(server, "person", account=JULIET).contacts == 1


def test_an_account_is_removed_with_all_it_has_once_its_time_is_over(server: Server, juliet: Client) -> None:
    carry_out(server, "remove", account=JULIET, days=3)
    removals.remove_due(server, time.time() + 3 * DAY + 60)
    assert not account_records.exists(server.db, JULIET)
    add_accounts(server, "juliet")
    assert suspensions.suspension(server.db, JULIET) is None
    assert carry_out(server, "person", account=JULIET).contacts == 0


def test_nobody_logs_in_to_an_account_that_is_to_be_removed(listening: Server) -> None:
    carry_out(listening, "remove", account=JULIET, days=3)
    assert tries(listening) == {"account-disabled"}
    carry_out(listening, "restore", account=JULIET)
    assert tries(listening) == {"success"}


def test_an_account_that_was_disabled_is_disabled_when_it_is_restored(server: Server) -> None:
    carry_out(server, "disable", account=JULIET)
    carry_out(server, "remove", account=JULIET, days=3)
    carry_out(server, "restore", account=JULIET)
    assert found(server, kind="disabled") == ["juliet@localhost"]


def test_an_account_that_is_restored_while_others_are_removed_stays(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for account in (JULIET, ROMEO):
        carry_out(server, "remove", account=account, days=1)
    remove = accounts.remove

    def restores_romeo(server: Server, account: JID) -> None:
        if account == JULIET:
            carry_out(server, "restore", account=ROMEO)
        remove(server, account)

    monkeypatch.setattr(accounts, "remove", restores_romeo)
    removals.remove_due(server, LATER)
    assert found(server) == ["mercutio@localhost", "romeo@localhost"]


def test_one_that_cannot_be_removed_is_in_nobodys_way(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for account in (JULIET, ROMEO):
        carry_out(server, "remove", account=account, days=1)
    remove = accounts.remove

    def fails_for_juliet(server: Server, account: JID) -> None:
        if account == JULIET:
            raise RuntimeError("a mistake of ours")
        remove(server, account)

    monkeypatch.setattr(accounts, "remove", fails_for_juliet)
    removals.remove_due(server, LATER)
    assert found(server) == ["juliet@localhost", "mercutio@localhost"]


# -- what is refused, and what is logged


@pytest.mark.parametrize(
    ("command", "more", "sentence"),
    [
        ("enable", {}, "is not disabled"),
        ("restore", {}, "is not to be removed"),
        ("remove", {"days": -1}, "at most 3650 days"),
        ("remove", {"days": 10_000}, "at most 3650 days"),
    ],
)
def test_what_makes_no_sense_is_refused(server: Server, command: str, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        carry_out(server, command, account=JULIET, **more)


@pytest.mark.parametrize("command", ["disable", "enable", "remove", "restore", "role", "passwd", "person"])
@pytest.mark.parametrize("account", ["nobody@localhost", "juliet@elsewhere.example", "localhost", "a@b@c", ""])
def test_row_54_only_accounts_of_this_server_are_acted_on(server: Server, command: str, account: str) -> None:
    needed: dict[str, dict[str, Any]] = {"role": {"role": "administrator"}, "passwd": {"password": "x"}}
    with pytest.raises(Refused):
        carry_out(server, command, account=account, **needed.get(command, {}))


@pytest.mark.parametrize(("command", "more"), [("disable", {}), ("remove", {}), ("role", {"role": "member"})])
def test_nobody_locks_himself_out(server: Server, command: str, more: dict[str, Any]) -> None:
    for account in (JULIET, ROMEO):
        carry_out(server, "role", account=account, role="administrator")
    with pytest.raises(Refused, match="that you are logged in as"):
        carry_out(server, command, by=JULIET, account=JULIET, **more)
    carry_out(server, command, by=ROMEO, account=JULIET, **more)


def test_it_is_logged_who_has_done_what(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    carry_out(server, "role", account=ROMEO, role="administrator")
    caplog.set_level("INFO", "handlers.admin.administration")
    done: list[tuple[str, dict[str, Any]]] = [
        ("disable", {}),
        ("enable", {}),
        ("role", {"role": "administrator"}),
        ("role", {"role": "member"}),
        ("passwd", {"password": "swordfish"}),
        ("remove", {"days": 3}),
        ("restore", {}),
        ("remove", {}),
        ("add", {"password": "swordfish"}),
    ]
    for command, more in done:
        carry_out(server, command, by=ROMEO, account=JULIET, **more)
    assert caplog.messages == [
        f"account {JULIET} {what} by {ROMEO}"
        for what in (
            "was disabled",
            "was enabled",
            "was given the role administrator",
            "was given the role member",
            "was given another password",
            "is to be removed in 3 days, as was decided",
            "was restored",
            "was removed",
            "was made",
        )
    ]


def test_the_command_line_disables_removes_and_restores(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    succeeds("user", "add", JULIET, *data, typed="secret\n")
    succeeds("user", "disable", JULIET, *data)
    assert succeeds("user", "list", *data).rstrip("\n").split("\t")[4] == "disabled"
    succeeds("user", "enable", JULIET, *data)
    assert succeeds("user", "remove", JULIET, "--days", "3", *data) == f"{JULIET} is gone in 3 days.\n"
    assert succeeds("user", "list", *data).rstrip("\n").split("\t")[4].startswith("removed on 20")
    succeeds("user", "restore", JULIET, *data)
    assert complaint("user", "restore", JULIET, *data) == f"{JULIET} is not to be removed."
