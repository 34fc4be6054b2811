"""XEP-0133: administrators act by commands at their domain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from db import accounts as account_records
from db import devices, last_activity, rosters, suspensions
from db.devices import Device
from handlers.admin.administration import carry_out
from handlers.admin.roles import is_administrator
from handlers.commands import of_accounts, of_domains
from handlers.commands.administration import ADMIN
from handlers.commands.service_administration import COMMANDS
from handlers.invitations.commands import INVITE
from handlers.login import accounts
from handlers.sessions.client_state import HeldBack
from tests.harness import adhoc
from tests.harness.adhoc import note, status, values
from tests.harness.in_process import Client, add_accounts, online, server_in
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

JULIET, ROMEO, NURSE = (JID.parse(f"{name}@localhost") for name in ("juliet", "romeo", "nurse"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        for account in (JULIET, ROMEO, NURSE):
            accounts.create(server, account, "secret")
        carry_out(server, "role", account=JULIET, role="administrator")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, f"{JULIET}/balcony")


def does(client: Client, node: str, **fields: Any) -> etree._Element:
    return adhoc.execute(client, f"{ADMIN}#{node}", "localhost", ADMIN, **fields)


# -- how they are found


def test_an_administrator_is_shown_them_and_others_are_not(server: Server, juliet: Client) -> None:
    nodes = {command.node for command in COMMANDS}
    assert nodes <= set(adhoc.listed(juliet, "localhost"))
    assert not nodes & set(adhoc.listed(Client(server, f"{ROMEO}/orchard"), "localhost"))


def test_every_command_says_what_it_is_and_those_with_a_form_show_it(juliet: Client) -> None:
    for command in COMMANDS:
        about = f"<query xmlns='http://jabber.org/protocol/disco#info' node='{command.node}'/>"
        identity = parse(juliet.asks(about, to="localhost").encode())[0]
        assert (identity.get("type"), identity.get("name")) == ("command-node", command.name)
        if command.fields is not None:
            form = adhoc.execute(juliet, command.node, "localhost")
            assert status(form) == "executing"
            assert values(form)["FORM_TYPE"] == [ADMIN]


def test_nobody_is_offered_a_password(juliet: Client) -> None:
    assert status(does(juliet, "get-user-password")) == "item-not-found cancel"


# -- accounts


def test_a_user_is_added(server: Server, juliet: Client) -> None:
    done = does(juliet, "add-user", accountjid="abram@localhost", password="pilcrow", **{"password-verify": "pilcrow"})
    assert status(done) == "completed"
    assert account_records.credential(server.db, "abram@localhost", "sha-256") is not None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"accountjid": "romeo@localhost", "password": "x"}, "conflict cancel"),
        ({"accountjid": "abram@localhost", "password": "x", "password-verify": "y"}, "not-acceptable modify"),
        ({"accountjid": "abram@localhost"}, "bad-request modify"),
        ({"accountjid": "abram@localhost", "password": ""}, "bad-request modify"),
        ({"accountjid": "a b@localhost", "password": "x"}, "jid-malformed modify"),
        ({"accountjid": "localhost", "password": "x"}, "not-acceptable modify"),
        ({"accountjid": "abram@elsewhere.example", "password": "x"}, "not-acceptable modify"),
        ({"accountjid": "abram@localhost/phone", "password": "x"}, "not-acceptable modify"),
    ],
)
def test_what_cannot_be_added_is_refused_by_name(
    server: Server, juliet: Client, fields: dict[str, str], expected: str
) -> None:
    assert status(does(juliet, "add-user", **fields)) == expected
    assert account_records.count(server.db) == 3


def test_users_are_deleted(server: Server, juliet: Client) -> None:
    romeo = Client(server, f"{ROMEO}/orchard")
    assert status(does(juliet, "delete-user", accountjids=[ROMEO, NURSE])) == "completed"
    assert not account_records.exists(server.db, ROMEO) and not account_records.exists(server.db, NURSE)
    assert romeo.closed_with is not None


def test_users_are_disabled_and_enabled_again(server: Server, juliet: Client) -> None:
    romeo = Client(server, f"{ROMEO}/orchard")
    assert status(does(juliet, "disable-user", accountjids=[ROMEO])) == "completed"
    assert romeo.closed_with is not None and suspensions.suspension(server.db, ROMEO) is not None
    assert status(does(juliet, "disable-user", accountjids=[ROMEO])) == "conflict cancel"
    assert status(does(juliet, "reenable-user", accountjids=[ROMEO])) == "completed"
    assert suspensions.suspension(server.db, ROMEO) is None


@pytest.mark.parametrize("other", ["nobody@localhost", "juliet@localhost", "localhost", "romeo@localhost/orchard"])
@pytest.mark.parametrize("node", ["delete-user", "disable-user"])
def test_nothing_is_done_to_any_if_it_cannot_be_done_to_all(
    server: Server, juliet: Client, node: str, other: str
) -> None:
    assert status(does(juliet, node, accountjids=[ROMEO, other])).split()[1] in ("cancel", "modify")
    assert account_records.exists(server.db, ROMEO) and suspensions.suspension(server.db, ROMEO) is None


def test_so_many_accounts_are_named_at_a_time(server: Server, juliet: Client) -> None:
    done = does(juliet, "disable-user", accountjids=[f"u{number}@localhost" for number in range(101)])
    assert (status(done), note(done)) == ("not-acceptable modify", "This can be done to 100 accounts at a time.")


def test_one_session_of_a_user_is_ended_or_all(server: Server, juliet: Client) -> None:
    orchard, phone, hall = (Client(server, address) for address in (f"{ROMEO}/orchard", f"{ROMEO}/phone", f"{NURSE}/x"))
    assert status(does(juliet, "end-user-session", accountjids=[f"{ROMEO}/phone"])) == "completed"
    assert (orchard.closed_with, phone.closed_with is not None) == (None, True)
    assert status(does(juliet, "end-user-session", accountjids=[f"{ROMEO}/phone"])) == "item-not-found cancel"
    assert status(does(juliet, "end-user-session", accountjids=[ROMEO, f"{NURSE}/x"])) == "completed"
    assert orchard.closed_with is not None and hall.closed_with is not None


def test_a_users_password_is_changed(server: Server, juliet: Client) -> None:
    romeo, before = Client(server, f"{ROMEO}/orchard"), account_records.credential(server.db, ROMEO, "sha-256")
    assert status(does(juliet, "change-user-password", accountjid=ROMEO, password="rosemary")) == "completed"
    assert account_records.credential(server.db, ROMEO, "sha-256") != before
    assert romeo.closed_with is not None


def test_a_users_roster_is_shown(server: Server, juliet: Client) -> None:
    rosters.put(server.db, ROMEO, rosters.Item(NURSE, "Angelica", ("Friends", "Verona"), "both"))
    rosters.put(server.db, ROMEO, rosters.Item(JULIET, ask=True))
    done = does(juliet, "get-user-roster", accountjids=[ROMEO])
    assert values(done)["accountjids"] == [ROMEO]
    items = list(done.iter("{jabber:iq:roster}item"))
    assert [dict(item.attrib) for item in items] == [
        {"jid": JULIET, "subscription": "none", "ask": "subscribe"},
        {"jid": NURSE, "subscription": "both", "name": "Angelica"},
    ]
    assert [group.text for group in items[1]] == ["Friends", "Verona"]
    assert status(does(juliet, "get-user-roster", accountjids=[ROMEO, NURSE])) == "not-acceptable modify"


def test_answers_say_what_their_fields_are(server: Server, juliet: Client) -> None:
    for answer in (
        does(juliet, "get-online-users-num"),
        does(juliet, "get-registered-users-list", max_items="25"),
        does(juliet, "get-user-roster", accountjids=ROMEO),
        does(juliet, "get-user-lastlogin", accountjids=JULIET),
        adhoc.execute(juliet, INVITE, "localhost"),
        does(juliet, "user-stats", accountjid=JULIET),
    ):
        shown = [each for each in answer.iter(f"{adhoc.DATA}field") if each.get("type") != "hidden"]
        assert shown and all(each.get("label") for each in shown)
    addresses, _, _ = shown
    assert values_of_options(addresses) == [each.text for each in addresses.iterfind(f"{adhoc.DATA}value")]


def values_of_options(field: etree._Element) -> list[str | None]:
    return [each.text for each in field.iterfind(f"{adhoc.DATA}option/{adhoc.DATA}value")]


def test_a_roster_is_told_in_words_too(server: Server, juliet: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert note(does(juliet, "get-user-roster", accountjids=f"{ROMEO}")) == f"{ROMEO} has no contacts."
    monkeypatch.setattr(of_accounts, "NOTED", 1)
    for contact in (JULIET, NURSE):
        rosters.put(server.db, ROMEO, rosters.Item(contact))
    said = f"{ROMEO} has 2 contacts.\n{JULIET} (none)\n... and 1 more"
    assert note(does(juliet, "get-user-roster", accountjids=f"{ROMEO}")) == said


def test_the_last_login_is_when_the_newest_session_began_or_else_when_the_last_one_ended(
    server: Server, juliet: Client
) -> None:
    never = does(juliet, "get-user-lastlogin", accountjids=[ROMEO])
    assert (values(never)["lastlogin"], note(never)) == ([], "romeo@localhost has never been here.")
    last_activity.put(server.db, ROMEO, 1_071_856_715.0)
    assert values(does(juliet, "get-user-lastlogin", accountjids=[ROMEO]))["lastlogin"] == ["2003-12-19T17:58:35Z"]
    romeo = Client(server, f"{ROMEO}/orchard")
    romeo.session.since = 1_071_856_716.0
    assert values(does(juliet, "get-user-lastlogin", accountjids=[ROMEO]))["lastlogin"] == ["2003-12-19T17:58:36Z"]


def test_who_was_here_when_the_server_died_has_been_here_all_the_same(server: Server) -> None:
    """No session of his has ended. That a client came was noted when it logged in."""
    for at in (1_071_856_716.0, 1_071_856_714.0):
        devices.put(server.db, ROMEO, Device(str(at), "Quill", "", 1.0, at), 9)
    assert carry_out(server, "last-login", account=ROMEO) == 1_071_856_716.0
    last_activity.put(server.db, ROMEO, 1_071_856_715.0)
    assert carry_out(server, "last-login", account=ROMEO) == 1_071_856_716.0
    last_activity.put(server.db, ROMEO, 1_071_856_717.0)
    assert carry_out(server, "last-login", account=ROMEO) == 1_071_856_717.0


def test_a_users_statistics_are_shown(server: Server, juliet: Client) -> None:
    rosters.put(server.db, ROMEO, rosters.Item(NURSE))
    for resource in ("orchard", "phone"):
        Client(server, f"{ROMEO}/{resource}")
    found = values(does(juliet, "user-stats", accountjid=ROMEO))
    assert found == {"FORM_TYPE": [ADMIN], "ipaddresses": ["127.0.0.1"], "rostersize": ["1"],
                     "onlineresources": ["orchard", "phone"]}  # fmt: skip


def test_the_list_of_administrators_is_edited_as_a_whole(server: Server, juliet: Client) -> None:
    assert values(does(juliet, "edit-admin"))["adminjids"] == [JULIET]
    assert status(does(juliet, "edit-admin", adminjids=[JULIET, ROMEO])) == "completed"
    assert is_administrator(server, ROMEO)
    assert status(does(juliet, "edit-admin", adminjids=[JULIET, NURSE])) == "completed"
    assert is_administrator(server, NURSE) and not is_administrator(server, ROMEO)


@pytest.mark.parametrize("wanted", [["romeo@localhost"], ["juliet@localhost", "nobody@localhost"], []])
def test_an_administrator_does_not_take_the_role_from_herself_and_gives_it_to_nobody_who_is_not_there(
    server: Server, juliet: Client, wanted: list[str]
) -> None:
    done = adhoc.execute(juliet, f"{ADMIN}#edit-admin", "localhost", ADMIN, adminjids=wanted)
    assert status(done) in ("not-allowed cancel", "item-not-found cancel")
    assert [is_administrator(server, each) for each in (JULIET, ROMEO)] == [True, False]


# -- how many, and which


def inhabited(server: Server) -> None:
    """Romeo looks at his client, and the nurse does not; Tybalt is disabled; Abram is not here."""
    add_accounts(server, "abram", "tybalt")
    carry_out(server, "disable", account="tybalt@localhost")
    online(server, f"{ROMEO}/orchard")
    nurse = online(server, f"{NURSE}/hall")
    nurse.session.keep(held_back())


def held_back() -> HeldBack:
    held = HeldBack()
    held.is_holding = True
    return held


def test_users_are_counted(server: Server, juliet: Client) -> None:
    inhabited(server)
    counts = {kind: values(does(juliet, f"get-{kind}-users-num"))[f"{kind}usersnum"]
              for kind in ("registered", "disabled", "online", "active", "idle")}  # fmt: skip
    # Juliet's client has sent no presence yet
    assert counts == {"registered": ["5"], "disabled": ["1"], "online": ["3"], "active": ["1"], "idle": ["2"]}


def test_users_are_listed(server: Server, juliet: Client) -> None:
    inhabited(server)
    for node, var, expected in (
        ("get-registered-users-list", "registereduserjids", ["abram", "juliet", "nurse", "romeo", "tybalt"]),
        ("get-disabled-users-list", "disableduserjids", ["tybalt"]),
        ("get-online-users-list", "onlineuserjids", ["juliet", "nurse", "romeo"]),
        ("get-active-users", "activeuserjids", ["romeo"]),
        ("get-idle-users", "activeuserjids", ["juliet", "nurse"]),
    ):
        assert list(values(does(juliet, node))) == ["FORM_TYPE", "max_items"]
        done = does(juliet, node, max_items="25")
        assert values(done)[var] == [f"{name}@localhost" for name in expected]
        assert note(done) == ""


def test_lists_are_as_long_as_they_are_asked_to_be_and_never_longer_than_fits(
    server: Server, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_accounts(server, *(f"u{number:04}" for number in range(60)))
    done = does(juliet, "get-registered-users-list", max_items="25")
    assert (len(values(done)["registereduserjids"]), note(done)) == (25, "These are the first 25 of 63.")
    assert len(values(does(juliet, "get-registered-users-list", max_items="none"))["registereduserjids"]) == 63
    monkeypatch.setattr(of_domains, "MOST", 40)
    done = does(juliet, "get-registered-users-list", max_items="none")
    assert (len(values(done)["registereduserjids"]), note(done)) == (40, "These are the first 40 of 63.")
    monkeypatch.setattr(of_domains, "MOST_BYTES", 100)
    done = does(juliet, "get-registered-users-list", max_items="none")
    assert len("".join(values(done)["registereduserjids"])) <= 100
    assert status(does(juliet, "get-registered-users-list", max_items="1000000")) == "bad-request modify"


# -- what they are told


def heard(client: Client) -> list[str]:
    stanzas = [parse(each.encode()) for each in client.received()]
    return [str(each.findtext("{jabber:client}body")) for each in stanzas if each.get("from") == "localhost"]


def test_an_announcement_goes_to_those_online_or_to_all(server: Server, juliet: Client) -> None:
    romeo = online(server, f"{ROMEO}/orchard")
    romeo.received()
    for node in ("announce", "announce-all"):
        assert status(does(juliet, node, announcement=["It goes down", "in 2 minutes"])) == "completed"
        server.portions.wait("announcements to localhost")
        assert heard(romeo) == ["It goes down\nin 2 minutes"]
    nurse = Client(server, f"{NURSE}/hall")
    assert str(nurse.sends("<presence/>")).count("in 2 minutes") == 1  # the one to all had waited


def test_the_message_of_the_day_is_set_edited_and_deleted(server: Server, juliet: Client) -> None:
    romeo = online(server, f"{ROMEO}/orchard")
    romeo.received()
    assert status(does(juliet, "set-motd", motd=["Do not forget", "the feast"])) == "completed"
    server.portions.wait("greetings to localhost")
    assert heard(romeo) == ["Do not forget\nthe feast"]
    assert values(does(juliet, "edit-motd"))["motd"] == ["Do not forget", "the feast"]
    assert values(does(juliet, "set-motd"))["motd"] == []
    assert status(does(juliet, "edit-motd", motd=["Do not miss it"])) == "completed"
    server.portions.wait("greetings to localhost")
    assert heard(romeo) == []
    nurse = Client(server, f"{NURSE}/hall")
    assert "Do not miss it" in str(nurse.sends("<presence/>"))
    assert status(does(juliet, "delete-motd")) == "completed"
    assert values(does(juliet, "edit-motd"))["motd"] == []


def test_the_welcome_message_is_set_and_deleted(server: Server, juliet: Client) -> None:
    assert status(does(juliet, "set-welcome", welcome=["Be welcome"])) == "completed"
    assert values(does(juliet, "set-welcome"))["welcome"] == ["Be welcome"]
    does(juliet, "add-user", accountjid="abram@localhost", password="pilcrow")
    assert "Be welcome" in str(Client(server, "abram@localhost/x").sends("<presence/>"))
    assert status(does(juliet, "delete-welcome")) == "completed"
    assert values(does(juliet, "set-welcome"))["welcome"] == []


# -- who does it


def test_what_is_done_by_a_command_is_logged_like_any_other(
    server: Server, juliet: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    does(juliet, "disable-user", accountjids=[ROMEO])
    assert "account romeo@localhost was disabled by juliet@localhost" in caplog.messages


def test_the_role_counts_when_the_form_comes_back(server: Server, juliet: Client) -> None:
    assert status(does(juliet, "delete-user")) == "executing"
    carry_out(server, "role", account=JULIET, role="member")
    assert status(does(juliet, "delete-user", accountjids=[ROMEO])) == "forbidden cancel"
    assert account_records.exists(server.db, ROMEO)


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    with server_in(tmp_path, service_administration={"enabled": False}) as server:
        add_accounts(server, "juliet")
        carry_out(server, "role", account=JULIET, role="administrator")
        juliet = Client(server, f"{JULIET}/balcony")
        assert not {command.node for command in COMMANDS} & set(adhoc.listed(juliet, "localhost"))
        assert "xserv:strangers" in adhoc.listed(juliet, "localhost")
        assert status(does(juliet, "announce", announcement="x")) == "item-not-found cancel"
