"""Invitations and groups on the administration page."""

from pathlib import Path

import pytest

from db import accounts as account_records
from db import groups as group_records
from handlers.admin.administration import carry_out
from handlers.invitations import invitations
from handlers.login import accounts
from handlers.login.sasl.passwords import Check
from tests.harness import administrators
from tests.harness.administrators import JULIET, ROMEO, Administrator, administered
from tests.harness.browsing import get
from tests.harness.visitors import Visitor
from web.admin import invitations as pages
from web.site import Site
from xmpp.data.jid import JID

NURSE = JID.parse("nurse@localhost")
PASSWORD = "anon, good nurse"


site, juliet = administrators.site, administrators.juliet


def links_shown(visitor: Visitor) -> list[str]:
    """The links to be passed on that a page shows, without where the server is."""
    [section] = [each for each in visitor.page.iter("section") if "code" in each.get("class", "")]
    return [each.get("href").replace(visitor.site.base("localhost"), "") for each in section.iter("a")]


# -- invitations


def test_a_link_is_made_shown_once_with_a_code_and_good_for_an_account(site: Site, juliet: Administrator) -> None:
    juliet.goes("/admin/groups/add")
    juliet.sends(group="Capulets")
    juliet.goes("/admin/invitations/add")
    assert juliet.sends(name="nurse", group="Capulets", uses="1", days="2").status == 200
    assert "It is shown this once: number 1, it holds until 20" in juliet.text
    page, uri = links_shown(juliet)
    assert uri.startswith("xmpp:nurse@localhost?register;preauth=")
    assert page == f"/invite/{uri.rpartition('=')[2]}"
    [code] = juliet.page.iter("img")
    assert code.get("src").startswith("data:image/svg+xml")
    assert juliet.goes("/admin/invitations/made").headers["location"] == "/admin/invitations"

    nurse = Visitor(site)
    nurse.goes(page)
    assert "juliet@localhost invites you" in nurse.text
    assert nurse.sends(password=PASSWORD, again=PASSWORD).status == 200
    assert Check(site.server).is_right(NURSE, PASSWORD)
    group = group_records.find(site.server.db, "localhost", "Capulets")
    assert group is not None and group_records.members(site.server.db, group.id) == [NURSE]


def test_what_cannot_be_is_said_and_what_was_filled_in_stays(site: Site, juliet: Administrator) -> None:
    juliet.goes("/admin/invitations/add")
    for wrong, said in (
        ({"name": "romeo"}, "romeo@localhost, or what looks like it, exists."),
        ({"name": "ro meo"}, "is not an address"),
        ({"uses": "many"}, "has to be said in whole numbers"),
        ({"uses": "-1"}, "has to be said in whole numbers"),
        ({"days": "9999"}, "An invitation holds for 365 days at most."),
        ({"uses": "5000"}, "An invitation can be used 1 to 100 times."),
    ):
        juliet.goes("/admin/invitations/add")
        assert juliet.sends(**wrong).status in (400, 409)
        assert said in juliet.problem
        [(name, value)] = wrong.items()
        assert juliet.page.forms[0].fields[name] == value
    assert carry_out(site.server, "invitations") == []


def test_invitations_are_listed_page_by_page_and_taken_back(site: Site, juliet: Administrator) -> None:
    for _ in range(60):
        invitations.invite_newcomer(site.server, "localhost")
    link = invitations.invite_newcomer(site.server, "localhost", inviter=JULIET, reserved=NURSE)
    juliet.goes("/admin/invitations")
    assert len(juliet.rows) == 51
    [more] = [to for to, name in juliet.links.items() if name == "More"]
    juliet.goes(more)
    assert len(juliet.rows) == 12
    number, kind, whom, _, by, left, _, state, _ = juliet.rows[-1]
    assert (kind, whom, by, left, state) == ("make an account", "nurse@localhost", "juliet@localhost", "1", "open")
    assert link.token not in juliet.got.text
    [revoke] = [to for to, name in juliet.links.items() if name == f"Take back {number}"]
    juliet.goes(revoke)
    juliet.sends()
    assert juliet.done == f"Invitation {number} is taken back."
    assert get(site, f"/invite/{link.token}").status == 404
    juliet.goes(revoke)
    assert juliet.sends().status == 409 and juliet.problem == f"There is no invitation {number}."
    juliet.goes("/admin/invitations?text=nurse")
    assert "No invitations are found." in juliet.text
    assert juliet.goes("/admin/invitations?after=x").status == 400


def test_somebody_who_has_forgotten_the_password_gets_a_link(site: Site, juliet: Administrator) -> None:
    juliet.goes("/admin/person?account=romeo@localhost")
    [reset] = [to for to, name in juliet.links.items() if name == "Link to set a password"]
    juliet.goes(reset)
    juliet.sends()
    [page] = links_shown(juliet)
    romeo = Visitor(site)
    romeo.goes(page)
    romeo.sends(password=PASSWORD, again=PASSWORD)
    assert Check(site.server).is_right(ROMEO, PASSWORD)
    juliet.goes("/admin/person/reset?account=nobody@localhost")
    assert juliet.sends().status == 409 and juliet.problem == "nobody@localhost does not exist."


def test_nobody_but_administrators_makes_any(site: Site) -> None:
    romeo = Administrator(site)
    romeo.logs_in("romeo")
    for path in ("invitations", "invitations/add", "invitations/made", "groups", "groups/add", "person/reset"):
        assert romeo.goes(f"/admin/{path}").headers["location"] == "/admin/login"
        assert romeo.asks("POST", f"/admin/{path}", b"").status == 403


def test_row_245_a_link_is_shown_to_whom_it_was_made_for_alone(site: Site, juliet: Administrator) -> None:
    accounts.create(site.server, NURSE, "secret")
    carry_out(site.server, "role", account=NURSE, role="administrator")
    nurse = Administrator(site)
    nurse.logs_in("nurse")
    juliet.goes("/admin/invitations/add")
    [form] = juliet.page.forms
    assert form.fields["contact"] == "yes"
    got = juliet.asks(
        "POST", "/admin/invitations/add", f"token={form.fields['token']}".encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert got.headers["location"] == "/admin/invitations/made"
    assert nurse.goes("/admin/invitations/made").status == 303
    assert juliet.goes("/admin/invitations/made").status == 200


def test_where_invitations_are_off_there_is_no_way_to_them(tmp_path: Path) -> None:
    with administered(tmp_path, invitations={"enabled": False}) as site:
        juliet = Administrator(site)
        juliet.logs_in()
        assert "Invitations" not in juliet.links.values()
        juliet.goes("/admin/person?account=romeo@localhost")
        assert "Link to set a password" not in juliet.links.values()
        juliet.goes("/admin/invitations/add")
        assert juliet.sends().status == 409 and "Invitations are off" in juliet.problem


def test_the_group_is_chosen_from_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with administered(tmp_path, server={"domains": ["localhost", "example.org"], "administrators": [JULIET]}) as site:
        juliet = Administrator(site)
        juliet.logs_in()
        juliet.goes("/admin/invitations/add")
        assert "group" not in juliet.page.forms[0].fields
        for name, domain in (("Watch", "localhost"), ("Watch", "example.org"), ("A <b>choir", "example.org")):
            carry_out(site.server, "create-group", group=name, domain=domain)
        juliet.goes("/admin/invitations/add?group=Watch&domain=example.org")
        field = juliet.page.forms[0].inputs["group"]
        assert (field.value, field.value_options) == ("Watch", ["", "Watch", "A <b>choir"])
        shown = [each.text_content() for each in field.iter("option")]
        assert shown == ["None", "Watch (localhost, example.org)", "A <b>choir (example.org)"]
        assert juliet.sends(domain="example.org", group="A <b>choir").status == 200
        assert juliet.goes("/admin/invitations/add").status == 200
        juliet.sends(domain="localhost", group="A <b>choir")
        assert juliet.problem == "There is no group 'A <b>choir'."
        monkeypatch.setattr(pages, "CHOSEN_FROM", 2)
        juliet.goes("/admin/invitations/add")
        assert juliet.page.forms[0].inputs["group"].tag == "input"


# -- groups


def test_a_group_is_made_filled_emptied_and_ended(site: Site, juliet: Administrator) -> None:
    juliet.goes("/admin/groups")
    assert "No groups are found." in juliet.text
    juliet.goes("/admin/groups/add")
    juliet.sends(group="The <Capulets> & Co", room="yes")
    assert juliet.done == "There is a group The <Capulets> & Co now."
    for name in ("juliet", "romeo@localhost"):
        juliet.sends(account=name)
    assert juliet.done == "romeo@localhost is in The <Capulets> & Co now."
    assert [row[0] for row in juliet.rows[1:]] == ["juliet@localhost", "romeo@localhost"]
    assert juliet.sends(account="nobody").status == 409 and juliet.problem == "nobody@localhost does not exist."
    juliet.goes("/admin/groups?text=capulets")
    name, domain, members, room, _ = juliet.rows[1]
    assert (name, domain, members) == ("The <Capulets> & Co", "localhost", "2") and room.endswith("@rooms.localhost")
    [way] = [to for to, said in juliet.links.items() if said == name]
    juliet.goes(way)
    [take_out] = [to for to, said in juliet.links.items() if said == "Take out romeo@localhost"]
    juliet.goes(take_out)
    juliet.sends()
    assert juliet.done == "romeo@localhost is not in The <Capulets> & Co any more."
    juliet.goes(next(to for to, said in juliet.links.items() if said == "Invite somebody into it"))
    assert juliet.page.forms[0].fields["group"] == name
    juliet.goes(way)
    juliet.goes(next(to for to, said in juliet.links.items() if said == "End the group"))
    juliet.sends()
    assert juliet.done == "The group The <Capulets> & Co is gone."
    assert juliet.goes(way).status == 404
    assert account_records.exists(site.server.db, ROMEO)


def test_a_group_that_cannot_be_is_refused(site: Site, juliet: Administrator) -> None:
    carry_out(site.server, "create-group", group="Capulets")
    for name in ("Capulets", "", "x" * 5_000):
        juliet.goes("/admin/groups/add")
        assert juliet.sends(group=name).status == 409 and juliet.problem
    assert juliet.goes("/admin/groups?after=-1").status == 400


def test_an_administrator_of_one_domain_has_the_groups_and_invitations_of_it_alone(tmp_path: Path) -> None:
    domains = {"domains": ["localhost", "example.org"], "administrators": ["juliet@localhost"]}
    with administered(tmp_path, server=domains) as site:
        carry_out(site.server, "role", account=ROMEO, role="administrator")
        carry_out(site.server, "create-group", group="Elsewhere", domain="example.org")
        elsewhere = invitations.invite_newcomer(site.server, "example.org")
        romeo = Administrator(site)
        romeo.logs_in("romeo")
        for page in ("groups", "invitations"):
            romeo.goes(f"/admin/{page}")
            assert len(romeo.rows) == 0
        assert romeo.goes("/admin/group?group=Elsewhere&domain=example.org").status == 404
        romeo.goes(f"/admin/invitation/revoke?number={elsewhere.invitation.id}")
        assert romeo.sends().status == 409
        romeo.goes("/admin/invitations/add")
        assert romeo.sends(domain="example.org").status == 409
        romeo.goes("/admin/person/reset?account=juliet@localhost")
        assert romeo.sends().status == 409
