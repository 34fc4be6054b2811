"""Administrators where there are several domains: a role is for the account's own, the configuration names those of
all. Every command is tried from the outside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from db import accounts as account_records
from db import devices, reports, uploads
from db import rooms as room_records
from db.devices import Device
from handlers.admin import announcements, roles
from handlers.admin.administration import CHANGES, OF_THE_WHOLE_SERVER, QUESTIONS, carry_out
from handlers.admin.given import COMMAND_LINE
from handlers.invitations import invitations
from handlers.login import accounts
from tests.harness.administrators import Administrator
from tests.harness.browsing import web_server
from tests.harness.commandline import complaint, succeeds
from tests.harness.domains import DOMAINS, IDN, A, B, hosting
from tests.harness.in_process import Client, online, server_in
from tests.harness.rooms import enter, opened, told
from web.admin.area import LOGIN, part
from web.http.messages import FORM
from web.site import Site
from xmpp.control import Refused
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

JULIET, ROMEO = JID.parse(f"juliet@{A}"), JID.parse(f"romeo@{A}")
THEIRS = JID.parse(f"romeo@{B}")
ROOM, THEIR_ROOM = f"verona@rooms.{A}", f"verona@rooms.{B}"
OPERATOR = JID.parse(f"prospero@{A}")
NEVER_MADE = JID.parse(f"ariel@{A}")  # the configuration names it, and there is no such account

ELSEWHERE: dict[str, dict[str, Any]] = {
    "person": {"account": THEIRS},
    "devices": {"account": THEIRS},
    "room": {"room": THEIR_ROOM},
    "files-usage": {"account": THEIRS},
    "files": {"account": THEIRS},
    "log": {},
    "health": {},
    "add": {"account": f"nurse@{B}", "password": "x"},
    "import": {"accounts_and_passwords": [(f"nurse@{A}", "x"), (f"nurse@{B}", "x")]},
    "passwd": {"account": THEIRS, "password": "x"},
    "role": {"account": THEIRS, "role": "administrator"},
    "disable": {"account": THEIRS},
    "enable": {"account": f"off@{B}"},
    "remove": {"account": THEIRS},
    "restore": {"account": f"leaving@{B}"},
    "destroy-room": {"room": THEIR_ROOM},
    "end-session": {"session": f"{THEIRS}/x"},
    "revoke-device": {"account": THEIRS, "id": "phoneb"},
    "delete-file": {"file": "slotb"},
    "report": {"report": "2"},
    "remove-report": {"report": "2"},
    "invite": {"domain": B},
    "revoke": {"number": "2"},
    "reset-link": {"account": THEIRS},
    "group": {"group": "Family", "domain": B},
    "create-group": {"group": "Choir", "domain": B},
    "add-to-group": {"group": "Family", "account": f"juliet@{B}", "domain": B},
    "remove-from-group": {"group": "Family", "account": THEIRS, "domain": B},
    "delete-group": {"group": "Family", "domain": B},
    "count": {"kind": "online", "domain": B},
    "accounts": {"kind": "registered", "domain": B},
    "roster": {"account": THEIRS},
    "last-login": {"account": THEIRS},
    "statistics": {"account": THEIRS},
    "administrators": {"domain": B},
    "appoint": {"domain": B, "accounts": (THEIRS, f"juliet@{B}")},
    "several": {"what": "disable", "accounts": (f"romeo@{A}", THEIRS)},
    "greeting": {"kind": "motd", "domain": B},
    "greet": {"kind": "motd", "text": "Good day", "domain": B},
    "remove-greeting": {"kind": "motd", "domain": B},
}
"""What an administrator of A is refused."""
LISTS = {"list", "search", "unsuitable", "rooms", "sessions", "links", "files", "files-usage", "population", "announce",
         "reports", "invitations", "groups"}  # fmt: skip
"""What is answered, for A alone; each has a test of its own."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with hosting(tmp_path, server={"administrators": [OPERATOR, NEVER_MADE]}) as server:
        for account in (OPERATOR, f"off@{B}", f"leaving@{B}"):
            accounts.create(server, JID.parse(account), "secret")
        carry_out(server, "role", account=JULIET, role="administrator")
        carry_out(server, "disable", account=f"off@{B}")
        carry_out(server, "remove", account=f"leaving@{B}", days=3)
        for account, room, slot in ((ROMEO, ROOM, "slota"), (THEIRS, THEIR_ROOM, "slotb")):
            opened(Client(server, f"{account}/x"), "romeo", room=room)
            _have_file(server, account, slot)
            devices.put(server.db, account, Device(slot.replace("slot", "phone"), "", "", 1.0, 1.0), 9)
            reports.keep(server.db, account, 1.0, JID.parse("spam@c.example"), "spam", "", b"", 100)
            carry_out(server, "create-group", group="Family", domain=account.domain)
            carry_out(server, "add-to-group", group="Family", account=account, domain=account.domain)
            carry_out(server, "invite", domain=account.domain, group="Family")
        server.find_web_base = lambda domain: f"https://{domain}"
        yield server


def _have_file(server: Server, account: JID, slot: str) -> None:
    uploads.open_slot(server.db, slot, account, "hat.png", "image/png", 5, "", now=1.0, until=2.0, expires=None)
    file = uploads.find(server.db, slot)
    assert file is not None and uploads.complete(server.db, file, "image/png", 1.0)


def state_of(server: Server) -> list[Any]:
    """All that a command could have changed."""
    people = carry_out(server, "list")
    passwords = [account_records.credential(server.db, each.account, "sha-256") for each in people]
    waiting = [carry_out(server, "person", account=each.account).waiting for each in people]
    found = [carry_out(server, each) for each in ("rooms", "sessions", "files", "reports", "groups")]
    found += [devices.listing(server.db, each.account) for each in people]
    invitations = [each[:-1] for each in carry_out(server, "invitations")]
    said = [carry_out(server, "greeting", kind=kind) for kind in ("motd", "welcome")]
    return [people, passwords, waiting, invitations, *found, *said]


# -- what a role is for


def test_a_role_is_for_the_domain_of_the_account_and_the_configuration_for_all(server: Server) -> None:
    assert [roles.reach(server, each) for each in (JULIET, OPERATOR, ROMEO)] == [A, "", None]


def test_where_there_is_one_domain_a_role_is_for_the_whole_server(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        accounts.create(server, JID.parse("juliet@localhost"), "secret")
        carry_out(server, "role", account="juliet@localhost", role="administrator")
        assert roles.reach(server, JID.parse("juliet@localhost")) == ""
        assert carry_out(server, "health", by="juliet@localhost").accounts == 1


@pytest.mark.parametrize("command", sorted({**QUESTIONS, **CHANGES}))
def test_row_195_an_administrator_of_one_domain_is_none_of_the_other(server: Server, command: str) -> None:
    assert command in ELSEWHERE or command in LISTS, "say here what an administrator of one domain may do with it"
    if command in ELSEWHERE:
        before = state_of(server)
        with pytest.raises(Refused):
            carry_out(server, command, by=JULIET, **ELSEWHERE[command])
        assert state_of(server) == before
        carry_out(server, command, by=OPERATOR, **ELSEWHERE[command])


@pytest.mark.parametrize("command", sorted(ELSEWHERE.keys() - OF_THE_WHOLE_SERVER))
def test_at_the_own_domain_the_same_is_done(server: Server, command: str) -> None:
    carry_out(server, "add", account=f"off@{A}", password="secret")
    carry_out(server, "disable", account=f"off@{A}")
    carry_out(server, "add", account=f"leaving@{A}", password="secret")
    carry_out(server, "remove", account=f"leaving@{A}", days=3)
    arguments = {
        key: value.replace(B, A).replace("slotb", "slota").replace("phoneb", "phonea").replace("2", "1")
        if isinstance(value, str)
        else tuple(each.replace(B, A) for each in value)
        if key == "accounts"
        else [(f"nurse@{A}", "x")]
        for key, value in ELSEWHERE[command].items()
    }
    carry_out(server, command, by=JULIET, **arguments)


@pytest.mark.parametrize("command", sorted({**QUESTIONS, **CHANGES}))
def test_row_195_who_has_no_role_has_nothing_done(server: Server, command: str) -> None:
    before = state_of(server)
    with pytest.raises(Refused, match="is no administrator"):
        carry_out(server, command, by=ROMEO, **ELSEWHERE.get(command, {}))
    assert state_of(server) == before


def test_what_is_elsewhere_is_refused_as_if_it_were_not_there(server: Server) -> None:
    for command, key, there, gone in (
        ("person", "account", THEIRS, f"nobody@{B}"),
        ("room", "room", THEIR_ROOM, f"nothing@rooms.{B}"),
        ("end-session", "session", f"{THEIRS}/x", f"{THEIRS}/y"),
        ("delete-file", "file", "slotb", "slotc"),
        ("files", "after", "slotb", "slotc"),
    ):
        answers = []
        for value in (there, gone):
            with pytest.raises(Refused) as refused:
                carry_out(server, command, by=JULIET, **{key: value})
            answers.append(str(refused.value).replace(value, "it"))
        assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "command",
    ["passwd", "role", "disable", "enable", "remove", "restore", "add", "end-session", "invite", "reset-link"],
)
def test_row_195_nobody_becomes_an_administrator_of_all_through_an_account_of_the_domain(
    server: Server, command: str
) -> None:
    Client(server, f"{OPERATOR}/x")
    _have_file(server, OPERATOR, "sloto")
    before = state_of(server)
    arguments = {**ELSEWHERE[command], "account": NEVER_MADE if command == "add" else OPERATOR}
    if command == "invite":
        arguments = {"name": NEVER_MADE}
    if command == "end-session":
        arguments = {"session": f"{OPERATOR}/x"}
    with pytest.raises(Refused, match="administrator of the whole server"):
        carry_out(server, command, by=JULIET, **arguments)
    assert state_of(server) == before
    if command == "add":
        assert carry_out(server, "unsuitable", by=JULIET, addresses=[NEVER_MADE]) != []


def test_row_201_only_who_administers_the_whole_server_resets_the_password_of_an_administrator(server: Server) -> None:
    carry_out(server, "role", account=ROMEO, role="administrator")
    with pytest.raises(Refused, match="is an administrator: only one of the whole server"):
        carry_out(server, "reset-link", by=JULIET, account=ROMEO)
    for by in (OPERATOR, COMMAND_LINE):
        assert carry_out(server, "reset-link", by=by, account=ROMEO).page.startswith(f"https://{A}/reset/")


def test_row_201_a_link_does_not_reset_the_password_of_somebody_who_was_made_an_administrator_since(
    server: Server,
) -> None:
    links = {by: carry_out(server, "reset-link", by=by, account=account).page.rpartition("/")[2]
             for by, account in ((JULIET, ROMEO), (OPERATOR, THEIRS))}  # fmt: skip
    for role, problem in (("administrator", invitations.UNKNOWN), ("member", "")):
        for account in (ROMEO, THEIRS):
            carry_out(server, "role", account=account, role=role)
        assert invitations.look_up(server, links[JULIET]).problem == problem
        assert not invitations.look_up(server, links[OPERATOR]).problem


def test_row_201_who_has_become_an_administrator_of_one_domain_has_made_nothing_for_more_than_that(
    server: Server,
) -> None:
    made = [
        invitations.offer_reset(server, THEIRS, inviter=JULIET),
        invitations.invite_newcomer(server, B, inviter=JULIET),
        invitations.invite_newcomer(server, A, inviter=JULIET, reserved=NEVER_MADE),
    ]
    assert [invitations.look_up(server, each.token).problem for each in made] == [invitations.UNKNOWN] * 3


# -- lists, counts and announcements: those of the own domain


def test_people_are_listed_and_found_at_the_own_domain_alone(server: Server) -> None:
    everybody = [OPERATOR, JULIET, ROMEO]
    for command, more in (("list", {}), ("search", {}), ("search", {"text": "example"}), ("search", {"text": "@"})):
        found = [each.account for each in carry_out(server, command, by=JULIET, **more)]
        assert sorted(found) == sorted(everybody)
    for kind in ("disabled", "leaving"):
        assert carry_out(server, "search", by=JULIET, kind=kind) == []
        assert len(carry_out(server, "search", by=OPERATOR, kind=kind)) == 1
    carry_out(server, "role", account=THEIRS, role="administrator")
    found = carry_out(server, "search", by=JULIET, kind="administrators")
    assert [each.account for each in found] == [JULIET, OPERATOR]


def test_pages_of_people_end_with_the_domain(server: Server) -> None:
    for after, found in ((JULIET, [OPERATOR, ROMEO]), (f"zoe@{A}", []), (f"abe@{B}", [])):
        assert [each.account for each in carry_out(server, "search", by=JULIET, after=after)] == found
    carry_out(server, "role", account=THEIRS, role="administrator")
    found = carry_out(server, "search", by=THEIRS, after=f"zoe@{A}", most=2)
    assert [each.account for each in found] == [f"juliet@{B}", f"leaving@{B}"]


def test_rooms_sessions_files_and_counts_are_those_of_the_domain(server: Server) -> None:
    assert [each.room for each in carry_out(server, "rooms", by=JULIET)] == [ROOM]
    assert [each.session for each in carry_out(server, "sessions", by=JULIET)] == [f"{ROMEO}/x"]
    assert [each.file for each in carry_out(server, "files", by=JULIET)] == ["slota"]
    assert [each.account for each in carry_out(server, "reports", by=JULIET)] == [ROMEO]
    assert len(carry_out(server, "reports", by=OPERATOR)) == 2
    assert [each.domain for each in carry_out(server, "invitations", by=JULIET)] == [A]
    assert [each.domain for each in carry_out(server, "groups", by=JULIET)] == [A]
    assert carry_out(server, "files-usage", by=JULIET)[:2] == (1, 5)
    assert carry_out(server, "files-usage", by=OPERATOR)[:2] == (2, 10)
    assert carry_out(server, "population", by=JULIET) == (3, 1)
    assert carry_out(server, "population", by=OPERATOR) == (9, 2)


def test_a_page_of_rooms_is_full_although_other_domains_have_rooms_between(server: Server) -> None:
    for name in ("a", "c"):
        opened(Client(server, f"{ROMEO}/{name}"), "romeo", room=f"{name}@rooms.{A}")
        opened(Client(server, f"{THEIRS}/{name}"), "romeo", room=f"{name}@rooms.{B}")
    first = carry_out(server, "rooms", by=JULIET, most=2)
    assert [each.room for each in first] == [f"a@rooms.{A}", f"c@rooms.{A}"]
    assert [each.room for each in carry_out(server, "rooms", by=JULIET, after=first[-1].room)] == [ROOM]


def bodies(received: list[str]) -> list[tuple[str | None, str | None]]:
    messages = [parse(each.encode()) for each in received if each.startswith("<message")]
    return [(each.get("from"), each.findtext("{jabber:client}body")) for each in messages]


@pytest.mark.parametrize("online_only", [False, True])
def test_an_announcement_goes_to_the_own_domain(server: Server, online_only: bool) -> None:
    ours, theirs = online(server, f"{ROMEO}/here"), online(server, f"{THEIRS}/here")
    carry_out(server, "announce", by=JULIET, text="hello", online_only=online_only)
    assert bodies(ours.received()) == [(A, "hello")] and bodies(theirs.received()) == []
    assert carry_out(server, "person", account=JULIET).waiting == (not online_only)
    assert carry_out(server, "person", account=f"juliet@{B}").waiting == 0
    carry_out(server, "announce", by=OPERATOR, text="to all", online_only=online_only)
    assert bodies(ours.received()) == [(A, "to all")] and bodies(theirs.received()) == [(B, "to all")]


def test_an_announcement_goes_to_one_domain_where_somebody_says_so(server: Server) -> None:
    ours, theirs = online(server, f"{ROMEO}/here"), online(server, f"{THEIRS}/here")
    carry_out(server, "announce", by=OPERATOR, text="hello", domain=B)
    assert bodies(ours.received()) == [] and bodies(theirs.received()) == [(B, "hello")]
    carry_out(server, "announce", by=JULIET, text="hello", domain=A)
    for by, domain in ((JULIET, B), (OPERATOR, "c.example"), (OPERATOR, f"rooms.{A}")):
        with pytest.raises(Refused, match="is not served here"):
            carry_out(server, "announce", by=by, text="hello", domain=domain)
    assert bodies(ours.received()) == [(A, "hello")] and bodies(theirs.received()) == []


def test_the_command_line_announces_to_one_domain(tmp_path: Path) -> None:
    (tmp_path / "xserv.toml").write_text(f'[server]\ndomains = ["{A}", "{B}"]\n')
    for account in (JULIET, THEIRS):
        succeeds("user", "add", account, "--data", tmp_path, typed="secret\n")
    assert succeeds("announce", "hello", "--domain", B, "--data", tmp_path) == "It has gone out.\n"
    told_why = complaint("announce", "hello", "--domain", "c.example", "--data", tmp_path)
    assert "c.example is not served here." in told_why


def test_announcements_of_one_domain_do_not_hold_up_those_of_another(server: Server, small_portions: None) -> None:
    for _ in range(announcements.MOST):
        carry_out(server, "announce", by=JULIET, text="hello", wait=False)
    with pytest.raises(Refused, match="still on their way"):
        carry_out(server, "announce", by=JULIET, text="hello", wait=False)
    carry_out(server, "role", account=THEIRS, role="administrator")
    carry_out(server, "announce", by=THEIRS, text="hello")
    assert carry_out(server, "person", account=f"juliet@{B}").waiting == 1


def test_the_role_makes_rooms_at_the_own_domain(tmp_path: Path) -> None:
    with hosting(tmp_path, rooms={"creators": "administrators"}) as server:
        carry_out(server, "role", account=JULIET, role="administrator")
        juliet = Client(server, f"{JULIET}/x")
        assert told(enter(juliet, "juliet", room=THEIR_ROOM)) == ["juliet error not-allowed cancel"]
        enter(juliet, "juliet", room=ROOM)
        assert room_records.find(server.db, JID.parse(ROOM)) is not None


# -- the page

PAGES = sorted(route.path for route in part.routes if route.method == "GET" and route.path != LOGIN)
FORMS = sorted(route.path for route in part.routes if route.method == "POST" and route.path != LOGIN)
FIELDS = {
    "account": THEIRS, "name": "nurse", "domain": B, "password": "x", "again": "x", "room": THEIR_ROOM,
    "session": f"{THEIRS}/x", "file": "slotb", "text": B, "subject": "", "whom": "all", "sure": "yes",
    "group": "Family", "number": "1",
}  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    domains: Any = {"domains": ["localhost", *DOMAINS], "administrators": [OPERATOR]}
    with web_server(tmp_path, server=domains) as site:
        for account in (JULIET, OPERATOR, THEIRS):
            accounts.create(site.server, account, "secret")
        carry_out(site.server, "role", account=JULIET, role="administrator")
        Client(site.server, f"{THEIRS}/x")
        opened(Client(site.server, f"{THEIRS}/y"), "romeo", room=THEIR_ROOM)
        _have_file(site.server, THEIRS, "slotb")
        carry_out(site.server, "create-group", group="Family", domain=B)
        carry_out(site.server, "invite", domain=B)
        yield site


def test_row_195_no_page_shows_anything_of_another_domain(site: Site) -> None:
    juliet = Administrator(site)
    juliet.logs_in(JULIET)
    for path in PAGES:
        for asked in ("", f"?{urlencode({**FIELDS, 'text': ''})}", "?after=&text=romeo"):
            got = juliet.goes(path + asked)
            assert got.status < 500
            if got.status == 303:  # there is nothing to be shown
                assert B not in got.headers["location"]
                continue
            if asked.startswith("?account"):  # what was asked for is shown again in questions and refusals
                assert ("hat.png" not in got.text and juliet.rows == []) or B not in str(juliet.rows)
            else:
                assert B not in got.text and IDN not in got.text
    assert juliet.goes("/admin/log").status == 400
    assert "/admin/log" not in juliet.links


def test_row_195_no_form_changes_anything_of_another_domain(site: Site) -> None:
    juliet = Administrator(site)
    juliet.logs_in(JULIET)
    before = state_of(site.server)
    for path in FORMS:
        if path in ("/admin/logout", "/admin/announce"):
            continue
        juliet.goes("/admin/logout")
        [form] = [each for each in juliet.page.forms if each.method == "POST"]
        fields = {**FIELDS, "token": str(form.fields["token"])}
        got = juliet.asks("POST", path, urlencode(fields).encode(), {"Content-Type": FORM})
        assert got.status in (400, 404, 409), path
    assert state_of(site.server) == before


def test_the_pages_of_one_domain_are_about_it(site: Site) -> None:
    juliet = Administrator(site)
    juliet.logs_in(JULIET)
    assert juliet.rows[:3] == [["Accounts", "2"], ["Sessions", "0"], [A, juliet.rows[2][1]]]
    juliet.goes("/admin/people/add")
    assert [option.get("value") for option in juliet.page.iter("option")] == [A]
    juliet.goes("/admin/announce")
    assert f"people at {A} alone" in juliet.text
    operator = Administrator(site)
    operator.logs_in(OPERATOR)
    assert operator.goes("/admin/log").status == 200
    assert str(THEIRS) in operator.goes("/admin/people").text
