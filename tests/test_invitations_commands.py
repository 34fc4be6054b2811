"""XEP-0401: people invite others by commands at their domain."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db import groups as group_records
from db import invitations as records
from handlers.admin.administration import carry_out
from handlers.invitations import commands, invitations, own
from handlers.invitations.commands import CREATE_ACCOUNT, INVITE
from tests.harness import adhoc
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.data import timestamps
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

COMMANDS = "http://jabber.org/protocol/commands"
ITEMS = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, server={"domains": ["localhost", "example.org"]}) as server:
        add_accounts(server, "romeo", "juliet")
        carry_out(server, "role", account=JULIET, role="administrator")
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    return Client(server, "romeo@localhost/orchard")


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


def run(client: Client, node: str, to: str = "localhost", **values: str) -> str:
    given = {var.replace("_", "-"): value for var, value in values.items()}
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in given.items())
    x = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>" if values else ""
    return client.asks(f"<command xmlns='{COMMANDS}' node='{node}' action='execute'>{x}</command>", type="set", to=to)


def result(answer: str) -> dict[str, str]:
    command = parse(answer.encode())
    assert command.get("status") == "completed"
    fields = command.iterfind(".//{jabber:x:data}field")
    return {str(each.get("var")): each.findtext("{jabber:x:data}value") or "" for each in fields}


def token(uri: str) -> str:
    return uri.partition("preauth=")[2].partition(";")[0]


def test_who_asks_for_commands_is_shown_those_that_he_may_use(romeo: Client, juliet: Client) -> None:
    assert INVITE in romeo.asks(ITEMS, to="localhost")
    assert CREATE_ACCOUNT not in romeo.asks(ITEMS, to="localhost")
    assert CREATE_ACCOUNT in juliet.asks(ITEMS, to="localhost")
    assert INVITE not in romeo.asks(ITEMS, to="example.org")


def test_everybody_gets_a_link_for_a_contact_at_once(server: Server, romeo: Client) -> None:
    server.find_web_base = lambda domain: f"https://{domain}"
    made = result(run(romeo, INVITE))
    assert made["FORM_TYPE"] == "urn:xmpp:invite#invitation"
    assert made["uri"] == f"xmpp:romeo@localhost?roster;preauth={token(made['uri'])}"
    assert made["landing-url"] == f"https://localhost/invite/{token(made['uri'])}"
    assert abs(timestamps.parse(made["expire"]) - time.time() - 7 * 86_400) < 60
    found = invitations.look_up(server, token(made["uri"]))
    assert found.invitation is not None
    assert (found.problem, found.invitation.inviter) == ("", ROMEO)


def test_who_may_invite_newcomers_says_so_in_the_link(juliet: Client) -> None:
    assert result(run(juliet, INVITE))["uri"].endswith(";ibr=y")


def test_an_administrator_fills_in_a_form_for_an_account(server: Server, juliet: Client) -> None:
    form = parse(run(juliet, CREATE_ACCOUNT).encode())
    assert form.get("status") == "executing"
    fields = {each.get("var"): each.get("type") for each in form.iterfind(".//{jabber:x:data}field")}
    assert fields == {"FORM_TYPE": "hidden", "username": "text-single", "roster-subscription": "boolean"}
    made = result(run(juliet, CREATE_ACCOUNT, username="nurse", roster_subscription="true"))
    assert made["uri"] == f"xmpp:nurse@localhost?register;preauth={token(made['uri'])}"
    assert "landing-url" not in made
    [kept] = records.after(server.db, 0, 10)
    assert (kept.inviter, kept.is_contact, kept.reserved) == (JULIET, True, JID.parse("nurse@localhost"))


def test_the_group_is_one_of_those_at_the_domain(server: Server, juliet: Client) -> None:
    carry_out(server, "create-group", group="Elsewhere", domain="example.org")
    assert "group" not in adhoc.values(adhoc.execute(juliet, CREATE_ACCOUNT, "localhost"))
    for name in ("Capulets", "Servants"):
        carry_out(server, "create-group", group=name, domain="localhost")
    form = adhoc.execute(juliet, CREATE_ACCOUNT, "localhost")
    [field] = [each for each in form.iter(f"{adhoc.DATA}field") if each.get("var") == "group"]
    options = [each.findtext(f"{adhoc.DATA}value") or "" for each in field.iter(f"{adhoc.DATA}option")]
    assert (field.get("type"), options) == ("list-single", ["", "Capulets", "Servants"])
    assert run(juliet, CREATE_ACCOUNT, group="Elsewhere") == "bad-request"
    for group in ("Servants", ""):
        result(run(juliet, CREATE_ACCOUNT, group=group))
    servants = group_records.find(server.db, "localhost", "Servants")
    assert servants is not None
    assert [kept.group for kept in records.after(server.db, 0, 10)] == [servants.id, None]


def test_where_there_are_very_many_groups_any_name_is_filled_in(
    server: Server, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "CHOSEN_FROM", 1)
    for name in ("Capulets", "Servants"):
        carry_out(server, "create-group", group=name, domain="localhost")
    assert run(juliet, CREATE_ACCOUNT, group="Montagues") == "not-acceptable"
    result(run(juliet, CREATE_ACCOUNT, group="Servants"))


def test_without_a_name_it_is_for_anybody(server: Server, juliet: Client) -> None:
    made = result(run(juliet, CREATE_ACCOUNT, username=""))
    assert made["uri"].startswith("xmpp:localhost?register;preauth=")
    [kept] = records.after(server.db, 0, 10)
    assert (kept.is_contact, kept.reserved) == (False, None)


@pytest.mark.parametrize("name", ["romeo", "no name", "nurse@example.org", "x" * 2000])
def test_a_name_that_cannot_be_given_makes_no_link(server: Server, juliet: Client, name: str) -> None:
    assert run(juliet, CREATE_ACCOUNT, username=name) == "not-acceptable"
    assert records.after(server.db, 0, 10) == []


def test_it_is_not_for_others(server: Server, romeo: Client, juliet: Client) -> None:
    assert run(romeo, CREATE_ACCOUNT, username="nurse") == "forbidden"
    assert run(juliet, CREATE_ACCOUNT, to="example.org", username="nurse") == "forbidden"
    assert run(romeo, INVITE, to="example.org") == "forbidden"
    assert records.after(server.db, 0, 10) == []


def test_where_only_administrators_may_nobody_else_invites_contacts(tmp_path: Path) -> None:
    with server_in(tmp_path, invitations={"contacts": "administrators"}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        assert INVITE not in romeo.asks(ITEMS, to="localhost")
        assert run(romeo, INVITE) == "forbidden"


def test_too_many_are_refused(tmp_path: Path) -> None:
    with server_in(tmp_path, invitations={"max_open_per_account": 1}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        result(run(romeo, INVITE))
        assert run(romeo, INVITE) == "resource-constraint"


def test_where_invitations_are_off_there_are_no_commands(tmp_path: Path) -> None:
    with server_in(tmp_path, invitations={"enabled": False}) as server:
        add_accounts(server, "romeo")
        assert run(Client(server, "romeo@localhost/orchard"), INVITE) == "item-not-found"


# -- what somebody has made before


def test_people_see_what_they_have_made_and_nobody_else_has(server: Server, romeo: Client, juliet: Client) -> None:
    assert adhoc.note(adhoc.execute(romeo, LIST, "localhost")) == "You have made no invitations."
    result(run(juliet, INVITE))
    uri = result(run(romeo, INVITE))["uri"]
    result(run(juliet, CREATE_ACCOUNT, username="nurse"))
    invitations.invite_newcomer(server, "localhost", inviter=JULIET, uses=3)
    invitations.offer_reset(server, ROMEO, inviter=JULIET)
    assert told(romeo) == [("2", "a contact of yours", "open")]
    assert told(juliet) == [
        ("5", "another password of romeo@localhost", "open"),
        ("4", "an account at localhost", "open, 3 times"),
        ("3", "the account nurse@localhost", "open"),
        ("1", "a contact of yours", "open"),
    ]
    assert token(uri) not in str(etree.tostring(adhoc.execute(romeo, LIST, "localhost")))


def test_they_see_what_has_become_of_them(server: Server, juliet: Client) -> None:
    one, _, _ = (invitations.invite_newcomer(server, "localhost", inviter=JULIET) for _ in range(3))
    server.db.connection.execute("UPDATE invitation SET expires = 0 WHERE id = 2")
    invitations.make_account(server, one.invitation.id, JID.parse("nurse@localhost"), "Angelica!", "192.0.2.1")
    assert [state for _, _, state in told(juliet)] == ["open", "expired", "used"]
    assert list(offered(juliet)) == ["3"]


def test_people_take_back_what_they_have_made(
    server: Server, romeo: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "handlers.invitations.own")
    links = [invitations.invite_contact(server, ROMEO) for _ in range(3)]
    assert offered(romeo) == {
        str(link.invitation.id): f"{link.invitation.id}: a contact of yours, open, made at "
        f"{timestamps.format_utc(link.invitation.created)}"
        for link in reversed(links)
    }
    done = adhoc.execute(romeo, REVOKE, "localhost", own.FORM_TYPE, invitations=["1", "3"])
    assert adhoc.status(done) == "completed"
    assert [bool(invitations.look_up(server, link.token).problem) for link in links] == [True, False, True]
    assert caplog.messages == [f"invitation {number} was taken back by romeo@localhost" for number in (1, 3)]


def test_row_252_what_others_have_made_nobody_takes_back(server: Server, romeo: Client, juliet: Client) -> None:
    """Be it an administrator, who has other ways to do it."""
    link, hers = invitations.invite_contact(server, ROMEO), invitations.invite_contact(server, JULIET)
    for client, mine, foreign in ((romeo, link, hers), (juliet, hers, link)):
        numbers = [str(mine.invitation.id), str(foreign.invitation.id)]
        done = adhoc.execute(client, REVOKE, "localhost", own.FORM_TYPE, invitations=numbers)
        assert adhoc.status(done) == "bad-request modify"
    assert not any(invitations.look_up(server, each.token).problem for each in (link, hers))


def test_where_none_is_open_there_is_nothing_to_take_back(server: Server, romeo: Client) -> None:
    refused = adhoc.execute(romeo, REVOKE, "localhost")
    assert (adhoc.status(refused), adhoc.note(refused)) == (
        "item-not-found cancel", "none of your invitations is open",
    )  # fmt: skip


def test_who_may_make_none_is_not_shown_how_to_take_them_back(server: Server, romeo: Client) -> None:
    assert {LIST, REVOKE} <= set(adhoc.listed(romeo, "localhost"))
    carry_out(server, "role", account=ROMEO, role="limited")
    assert not {LIST, REVOKE} & set(adhoc.listed(romeo, "localhost"))
    assert run(romeo, LIST) == run(romeo, REVOKE) == "forbidden"


LIST, REVOKE = (command.node for command in own.COMMANDS)


def told(client: Client) -> list[tuple[str, str, str]]:
    """The numbers of the invitations in a list, what they are for, and what has become of them."""
    answer = adhoc.execute(client, LIST, "localhost")
    rows = [
        {str(field.get("var")): field.findtext(f"{adhoc.DATA}value") or "" for field in item}
        for item in answer.iter(f"{adhoc.DATA}item")
    ]
    return [(row["number"], row["purpose"], row["state"]) for row in rows]


def offered(client: Client) -> dict[str, str]:
    """What somebody may take back."""
    answer = adhoc.execute(client, REVOKE, "localhost")
    options = answer.iter(f"{adhoc.DATA}option")
    return {each.findtext(f"{adhoc.DATA}value") or "": str(each.get("label")) for each in options}
