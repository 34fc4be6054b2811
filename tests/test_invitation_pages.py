"""The pages of invitations and of links that reset passwords, as browsers see them."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.pool import Group

from db import accounts as account_records
from db import invitations as records
from db import rosters
from handlers.admin.administration import carry_out
from handlers.groups import groups
from handlers.invitations import invitations
from handlers.invitations.invitations import Link
from handlers.login import accounts
from handlers.login.sasl.passwords import Check
from handlers.login.throttle import LoginThrottle
from tests.harness.browsing import get, post_form, web_server
from tests.harness.in_process import Client, online
from tests.harness.visitors import Visitor
from web.pages import invitations as invitation_pages
from web.parts import PARTS
from web.site import Site
from xmpp.data.jid import JID

JULIET, NURSE, ROMEO = (JID.parse(f"{name}@localhost") for name in ("juliet", "nurse", "romeo"))
PASSWORD = "anon, good nurse"
OWN = {"name": "nurse", "password": PASSWORD, "again": PASSWORD}
ANOTHER = {"password": "a plague on both", "again": "a plague on both"}
SETTINGS: dict[str, Any] = {
    "register": {"enabled": False},
    "sasl": {"iterations": 4096, "max_delay_seconds": 0},
    "disco": {"name": "The Globe", "admin": ["mailto:will@example.org"]},
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server where nobody registers without an invitation; juliet is an administrator, romeo is not."""
    with web_server(tmp_path, PARTS, None, **SETTINGS) as site:
        accounts.create(site.server, ROMEO, "secret")
        carry_out(site.server, "role", account=JULIET, role="administrator")
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


def invite(site: Site, **wanted: Any) -> Link:
    return invitations.invite_newcomer(site.server, "localhost", **wanted)


def path(link: Link) -> str:
    assert link.page is not None
    return "/" + link.page.split("/", 3)[3]


def exists(site: Site, account: JID) -> bool:
    return account_records.exists(site.server.db, account)


def uses_left(site: Site, link: Link) -> int:
    found = records.get(site.server.db, link.invitation.id)
    return found.uses_left if found else -1


def expire(site: Site, link: Link) -> None:
    site.server.db.connection.execute("UPDATE invitation SET expires = 1.0 WHERE id = ?", (link.invitation.id,))


def is_right(site: Site, account: JID, password: str) -> bool:
    return Check(site.server).is_right(account, password)


# -- an invitation


def test_the_page_says_where_to_and_who_invites_and_leads_into_apps(site: Site, visitor: Visitor) -> None:
    group = groups.create(site.server, "localhost", "The <Capulets>")
    link = invite(site, inviter=JULIET, is_contact=True, group=group.id)
    assert visitor.goes(path(link)).status == 200
    assert "juliet@localhost invites you to The Globe" in visitor.text
    assert "you and juliet@localhost have each other as contacts" in visitor.text
    assert "into the group The <Capulets>" in visitor.text
    assert re.search(r"It holds until 20\d\d-\d\d-\d\d \d\d:\d\d UTC", visitor.text)
    assert visitor.links[link.uri] in ("I have an app", "Open the invitation")
    assert any(to.startswith("https://f-droid.org/") for to in visitor.links)


def test_that_the_group_is_full_is_said_before_the_account_is_made(tmp_path: Path) -> None:
    with web_server(tmp_path, PARTS, None, **SETTINGS, groups={"max_members": 2}) as site:
        group = groups.create(site.server, "localhost", "Capulets")
        link, visitor = invite(site, group=group.id), Visitor(site)
        visitor.goes(path(link))
        assert "You come into the group Capulets" in visitor.text
        accounts.create(site.server, ROMEO, "secret")
        for account in (JULIET, ROMEO):
            groups.add(site.server, group, account)
        visitor.goes(path(link))
        assert "The group Capulets, which it leads into, is full just now" in visitor.text
        assert "You come into" not in visitor.text


def test_who_comes_makes_an_account_has_a_contact_and_is_told_what_comes_next(site: Site, visitor: Visitor) -> None:
    link = invite(site, inviter=JULIET, is_contact=True)
    visitor.goes(path(link))
    assert visitor.sends(**OWN).status == 200
    assert "Your address is nurse@localhost." in visitor.text
    assert "juliet@localhost is among your contacts already." in visitor.text
    assert visitor.links["/chat"]
    assert is_right(site, NURSE, PASSWORD)
    for account, contact in ((NURSE, JULIET), (JULIET, NURSE)):
        item = rosters.item(site.server.db, account, contact)
        assert item is not None and item.subscription == "both"


def test_who_has_invited_is_no_contact_where_the_invitation_does_not_say_so(site: Site, visitor: Visitor) -> None:
    visitor.goes(path(invite(site, inviter=JULIET)))
    visitor.sends(**OWN)
    assert "Your address is nurse@localhost." in visitor.text
    assert "juliet@localhost" not in visitor.text and rosters.item(site.server.db, NURSE, JULIET) is None


def test_a_name_that_was_given_stands_in_the_form_and_no_other_is_taken(site: Site, visitor: Visitor) -> None:
    link = invite(site, reserved=NURSE)
    visitor.goes(path(link))
    assert "The address nurse@localhost is kept for you." in visitor.text
    assert visitor.page.forms[0].fields["name"] == "nurse"
    assert visitor.sends(name="peter", password=PASSWORD, again=PASSWORD).status == 400
    assert "This invitation is for nurse@localhost alone." in visitor.text
    assert not exists(site, JID.parse("peter@localhost")) and uses_left(site, link) == 1
    assert visitor.sends(name="nurse", password=PASSWORD, again=PASSWORD).status == 200
    assert exists(site, NURSE)


def test_what_is_wrong_is_said_and_uses_nothing_up(site: Site, visitor: Visitor) -> None:
    link = invite(site)
    visitor.goes(path(link))
    for wrong, status, said in (
        ({"name": "nur se"}, 400, "There may be no spaces in a name."),
        ({"name": "romeo"}, 409, "This name is taken."),
        ({"name": "admin"}, 409, "This name is taken."),
        ({"password": "short", "again": "short"}, 400, "at least 8 characters"),
        ({"again": "another"}, 400, "The two passwords are not the same."),
        ({"domain": "example.org"}, 400, "Choose one of the domains of this server."),
        ({"subject": "Cheap watches"}, 400, "A field that has to stay empty"),
    ):
        got = visitor.sends(**{**OWN, **wrong})
        assert (got.status, said in visitor.text, PASSWORD in got.text) == (status, True, False)
        assert uses_left(site, link) == 1
    visitor.sends(**OWN)
    assert exists(site, NURSE) and uses_left(site, link) == 0


def test_an_account_is_made_where_the_front_page_leads_elsewhere_and_registration_is_off(tmp_path: Path) -> None:
    """E#4534: a good token was of no use, since a redirection was set."""
    off = {"registration_page": {"enabled": False}, "web": {"address": "https://chat.example.org"}}
    with web_server(tmp_path, PARTS, None, **{**SETTINGS, **off}) as site:
        visitor = Visitor(site)
        visitor.goes(path(invite(site)))
        assert visitor.sends(**OWN).status == 200
        assert "Your address is nurse@localhost." in visitor.text and exists(site, NURSE)


def test_a_contact_opens_it_in_an_app_and_makes_no_account_unless_newcomers_may(site: Site, visitor: Visitor) -> None:
    link = invitations.invite_contact(site.server, ROMEO)
    assert visitor.goes(path(link)).status == 200
    assert "romeo@localhost would like to chat with you" in visitor.text
    assert link.uri.startswith("xmpp:romeo@localhost?roster;preauth=") and link.uri in visitor.links
    assert not visitor.page.forms
    assert post_form(site, path(link), OWN).status == 404
    assert not exists(site, NURSE)


def test_a_contact_of_who_may_invite_newcomers_makes_an_account_or_opens_it(site: Site, visitor: Visitor) -> None:
    link = invitations.invite_contact(site.server, JULIET)
    visitor.goes(path(link))
    assert link.uri.endswith(";ibr=y") and link.uri in visitor.links
    assert visitor.sends(**OWN).status == 200
    item = rosters.item(site.server.db, NURSE, JULIET)
    assert item is not None and item.subscription == "both"


def test_a_code_for_cameras_stands_in_the_page_itself_where_phones_find_the_server(tmp_path: Path) -> None:
    settings = {**SETTINGS, "server": {"domains": ["chat.example", "localhost"]}}
    with web_server(tmp_path, PARTS, None, **settings) as site:
        visitor = Visitor(site, host="chat.example")
        link = invitations.invite_newcomer(site.server, "chat.example")
        visitor.goes(path(link))
        [code] = [each for each in visitor.page.iter("img") if each.get("src").startswith("data:image/svg+xml")]
        assert code.get("alt")


def test_the_page_is_about_the_domain_of_the_invitation_whatever_host_was_asked_for(tmp_path: Path) -> None:
    settings = {**SETTINGS, "server": {"domains": ["localhost", "chat.example"]}}
    with web_server(tmp_path, PARTS, None, **settings) as site:
        visitor = Visitor(site)
        visitor.goes(path(invitations.invite_newcomer(site.server, "chat.example")))
        visitor.sends(**OWN)
        assert exists(site, JID.parse("nurse@chat.example")) and not exists(site, NURSE)


# -- links that are good for nothing


@pytest.mark.parametrize(("make", "path"), [
    (invite, "/invite/"),
    (lambda site: invitations.offer_reset(site.server, ROMEO), "/reset/"),
], ids=["invitation", "reset"])  # fmt: skip
def test_a_link_that_has_expired_or_never_was_says_so(site: Site, visitor: Visitor, make: Any, path: str) -> None:
    link = make(site)
    expire(site, link)
    assert visitor.goes(path + link.token).status == 410
    assert "has expired" in visitor.page.find(".//h1").text and "/contact" in visitor.links
    assert post_form(site, path + link.token, {**OWN}).status == 410
    assert visitor.goes(path + "nothing-of-the-kind").status == 404
    assert post_form(site, path + "nothing-of-the-kind", {**OWN}).status == 404
    assert not exists(site, NURSE) and is_right(site, ROMEO, "secret")


def test_one_that_was_used_says_so_and_what_was_taken_back_never_was(site: Site, visitor: Visitor) -> None:
    link, taken_back = invite(site), invite(site)
    visitor.goes(path(link))
    visitor.sends(**OWN)
    assert visitor.goes(path(link)).status == 410
    assert visitor.page.find(".//h1").text == "This invitation was used already"
    carry_out(site.server, "revoke", number=str(taken_back.invitation.id))
    never = Visitor(site)
    never.goes("/invite/nothing-of-the-kind")
    visitor.goes(path(taken_back))
    assert (visitor.got.status, visitor.text) == (404, never.text)


def test_a_link_is_of_use_for_its_own_purpose_alone(site: Site) -> None:
    """E#4620: a crash where there was a reset beside an invitation."""
    reset, invitation = invitations.offer_reset(site.server, ROMEO), invite(site)
    assert get(site, f"/invite/{reset.token}").status == get(site, f"/reset/{invitation.token}").status == 404
    assert get(site, f"/invite/{invitation.token}").status == get(site, f"/reset/{reset.token}").status == 200


# -- what E had to mend


def test_two_clicks_on_the_button_are_answered_in_the_same_way(site: Site, visitor: Visitor) -> None:
    group = groups.create(site.server, "localhost", "Capulets")
    groups.add(site.server, group, JULIET)
    link = invite(site, group=group.id)
    visitor.goes(path(link))
    fields = {**dict(visitor.page.forms[0].form_values()), **OWN}
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    clicks = [gevent.spawn(post_form, site, path(link), fields, Cookie=cookie) for _ in range(3)]
    gevent.joinall(clicks, raise_error=True)
    clicks.append(gevent.spawn(post_form, site, path(link), fields, Cookie=cookie))
    gevent.joinall(clicks, raise_error=True)
    assert {(click.get().status, click.get().headers.get("location")) for click in clicks} == {(303, "/invite/done")}
    assert uses_left(site, link) == 0


def test_row_37_of_many_browsers_with_one_link_one_gets_an_account(site: Site) -> None:
    """E#4540: making was not one transaction, and an invitation could be used more often than it was for."""
    link = invite(site)
    visitors = [Visitor(site) for _ in range(5)]
    for visitor in visitors:
        visitor.goes(path(link))
    racing = Group()
    sent = [racing.spawn(each.sends, **{**OWN, "name": f"guest{number}"}) for number, each in enumerate(visitors)]
    racing.join(raise_error=True)
    assert sorted(each.get().status for each in sent) == [200, 410, 410, 410, 410]
    made = [JID.parse(f"guest{number}@localhost") for number in range(5)]
    assert [exists(site, account) for account in made].count(True) == 1


def test_row_37_more_than_a_thousand_can_be_open_where_that_is_set(tmp_path: Path) -> None:
    """E#4616."""
    with web_server(tmp_path, PARTS, None, **{**SETTINGS, "invitations": {"max_open": 1_500}}) as site:
        links = [invite(site) for _ in range(1_200)]
        for link in (links[0], links[-1]):
            assert get(site, path(link)).status == 200
        assert carry_out(site.server, "invitations", after="1100", most=200)[-1].number == links[-1].invitation.id


def test_a_form_that_failed_can_be_sent_again(site: Site, visitor: Visitor) -> None:
    """E had none of the token in the form that is shown the second time."""
    visitor.goes(path(invite(site)))
    visitor.cookies.clear()
    assert visitor.sends(**OWN).status == 403 and not exists(site, NURSE)
    assert visitor.page.forms[0].fields["token"]
    assert visitor.sends(**OWN).status == 200 and exists(site, NURSE)


@pytest.mark.parametrize("what", ["/invite/", "/reset/"])
def test_row_240_pages_of_other_sites_send_nothing_in_somebodys_name(site: Site, visitor: Visitor, what: str) -> None:
    link = invite(site) if what == "/invite/" else invitations.offer_reset(site.server, ROMEO)
    visitor.goes(path(link))
    for foreign in (
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://elsewhere.localhost"},
        {"Origin": "https://evil.example"},
    ):
        assert visitor.sends(foreign, **OWN).status == 403
    assert visitor.sends(None, **OWN, token="0" * 32).status == 403
    assert not exists(site, NURSE) and is_right(site, ROMEO, "secret")


def test_browsers_that_say_of_no_page_where_it_was_sent_from_are_served(site: Site, visitor: Visitor) -> None:
    visitor.goes(path(invite(site)))
    assert visitor.sends({"Origin": "null"}, **OWN).status == 200
    assert exists(site, NURSE)


@pytest.mark.parametrize("host", ["evil.example", "chat.evil.example"])
def test_an_unknown_host_is_refused_and_the_addresses_are_those_of_the_settings(site: Site, host: str) -> None:
    """E crashed; and its links named whatever Host said (E#4547)."""
    link = invite(site)
    assert get(site, path(link), Host=host).status == 421
    assert post_form(site, path(link), OWN, Host=host).status == 421
    assert host not in get(site, path(link), X_Forwarded_Host=host).text


def test_row_241_nobody_is_told_of_the_address_and_nothing_runs_in_the_page(site: Site) -> None:
    """E#4538, E#4539: scripts within the page, and of others without hashes."""
    for link in (invite(site, inviter=JULIET), invitations.offer_reset(site.server, ROMEO)):
        for got in (get(site, path(link)), get(site, path(link) + "x")):
            assert got.headers["referrer-policy"] == "no-referrer"
            assert got.headers["x-robots-tag"] == "noindex, nofollow"
            assert got.headers["cache-control"] == "no-store"
            assert "script-src" not in got.headers["content-security-policy"]
            assert got.headers["content-security-policy"].startswith("default-src 'none'")
            assert not re.search(r"<script|<iframe|style=|\son\w+=", got.text)
            for source in re.findall(r'<(?:img|link)[^>]*(?:src|href)="([^"]+)"', got.text):
                assert source.startswith(("data:", "/style/"))


def test_row_242_to_look_at_a_link_changes_nothing(site: Site, visitor: Visitor) -> None:
    link, reset = invite(site), invitations.offer_reset(site.server, ROMEO)
    before = [*site.server.db.connection.execute("SELECT * FROM invitation")]
    for each in (link, reset):
        for _ in range(3):
            assert visitor.asks("HEAD", path(each)).status == visitor.asks("GET", path(each)).status == 200
        named = "?" + "&".join(f"{name}={value.replace(' ', '+')}" for name, value in OWN.items())
        assert visitor.asks("GET", path(each) + named).status == 200
    assert [*site.server.db.connection.execute("SELECT * FROM invitation")] == before
    assert not exists(site, NURSE) and is_right(site, ROMEO, "secret")


def test_row_243_neither_token_nor_password_is_in_the_log(
    site: Site, visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """E wrote the whole query with the password at debug level."""
    caplog.set_level(logging.DEBUG)
    link, reset = invite(site), invitations.offer_reset(site.server, ROMEO)
    visitor.goes(path(link))
    visitor.sends(**{**OWN, "again": "something else"})
    visitor.sends(**OWN)
    visitor.goes(path(reset))
    visitor.sends(**ANOTHER)
    visitor.goes(path(reset))
    visitor.asks("GET", f"/invite/{link.token}/and/more")
    visitor.asks("PUT", path(link))
    said = "\n".join(f"{each.getMessage()} {each.exc_text or ''}" for each in caplog.records)
    assert "account nurse@localhost was made with invitation" in said and "/invite/..." in said
    for secret in (link.token, reset.token, PASSWORD, ANOTHER["password"], "something else"):
        assert secret not in said and secret.replace(" ", "+") not in said


def test_row_244_who_guesses_links_waits_longer_each_time(site: Site) -> None:
    throttle = site.server.state(LoginThrottle)
    delays = []
    for _ in range(4):
        get(site, "/invite/nothing-of-the-kind")
        get(site, "/reset/nothing-of-the-kind")
        delays.append(throttle.delay("127.0.0.1", None, monotonic()))
    assert delays == sorted(delays) and delays[-1] > 4 * delays[0]


def test_row_244_what_is_a_link_or_was_one_counts_as_no_guess(site: Site) -> None:
    good, old = invite(site), invite(site)
    expire(site, old)
    assert [get(site, path(link)).status for link in (good, old)] == [200, 410]
    assert site.server.state(LoginThrottle).delay("127.0.0.1", None, monotonic()) == 0


def test_row_244_after_guesses_a_right_link_waits_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = list[float]()
    settings = {**SETTINGS, "sasl": {**SETTINGS["sasl"], "max_delay_seconds": 60}}
    with web_server(tmp_path, PARTS, None, **settings) as site:
        link = invite(site)
        monkeypatch.setattr(invitation_pages, "gevent", SimpleNamespace(sleep=waited.append))
        for target in ("/invite/nothing-of-the-kind", "/reset/nothing-of-the-kind", path(link)):
            get(site, target)
    first, second, third = waited
    assert first == 0 < second < third


def test_nobody_is_asked_for_a_password_over_a_connection_that_others_can_read(site: Site) -> None:
    plain = {"X_Forwarded_For": "192.0.2.1", "X_Forwarded_Proto": "http"}
    link = invite(site)
    assert get(site, path(link), **plain).status == 403
    assert post_form(site, path(link), OWN, **plain).status == 403
    assert not exists(site, NURSE)


def test_without_pages_or_invitations_there_are_none(tmp_path: Path) -> None:
    for off in ("pages", "invitations", "invitation_pages"):
        with web_server(tmp_path, PARTS, None, **{**SETTINGS, off: {"enabled": False}}) as site:
            link = invite(site)
            assert link.page is None or off == "invitations"
            assert get(site, f"/invite/{link.token}").status == get(site, f"/reset/{link.token}").status == 404


# -- another password


def test_row_56_a_password_is_set_by_a_link_once_and_the_sessions_end(site: Site, visitor: Visitor) -> None:
    romeo: Client = online(site.server, "romeo@localhost/orchard")
    link = invitations.offer_reset(site.server, ROMEO)
    visitor.goes(path(link))
    assert "Choose another password for romeo@localhost." in visitor.text
    assert visitor.sends(**ANOTHER).status == 200
    assert "Your password is changed" in visitor.text
    assert is_right(site, ROMEO, ANOTHER["password"]) and not is_right(site, ROMEO, "secret")
    assert site.server.online.sessions(romeo.session.account) == ()
    assert visitor.goes(path(link)).status == 404
    assert "ends with each new password" in visitor.text


def test_what_is_no_password_is_said_and_uses_no_link_up(site: Site, visitor: Visitor) -> None:
    visitor.goes(path(invitations.offer_reset(site.server, ROMEO)))
    for wrong, said in (
        ({"password": "short", "again": "short"}, "at least 8 characters"),
        ({"password": "long enough", "again": "but not the same"}, "The two passwords are not the same."),
        ({"password": "10 m² in it", "again": "10 m² in it"}, "characters that not every app sends"),
    ):
        assert visitor.sends(**wrong).status == 400
        assert said in visitor.text and is_right(site, ROMEO, "secret")
    assert visitor.sends(**ANOTHER).status == 200


def test_a_password_that_is_sent_twice_is_answered_twice_in_the_same_way(site: Site, visitor: Visitor) -> None:
    link = invitations.offer_reset(site.server, ROMEO)
    visitor.goes(path(link))
    fields = {**dict(visitor.page.forms[0].form_values()), **ANOTHER}
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    clicks = [gevent.spawn(post_form, site, path(link), fields, Cookie=cookie) for _ in range(2)]
    gevent.joinall(clicks, raise_error=True)
    assert {(click.get().status, click.get().headers.get("location")) for click in clicks} == {(303, "/reset/done")}
    assert post_form(site, path(link), fields).status == 404


def test_row_38_a_form_changes_no_password_but_the_one_of_its_link(site: Site, visitor: Visitor) -> None:
    accounts.create(site.server, NURSE, PASSWORD)
    visitor.goes(path(invitations.offer_reset(site.server, ROMEO)))
    visitor.sends(**ANOTHER, account=str(JULIET), name="nurse", username="juliet")
    assert is_right(site, JULIET, "secret") and is_right(site, NURSE, PASSWORD)
    assert is_right(site, ROMEO, ANOTHER["password"])


def test_row_56_no_invitation_changes_an_account_that_there_is(site: Site, visitor: Visitor) -> None:
    visitor.goes(path(invite(site)))
    for name in ("romeo", "juliet"):
        assert visitor.sends(**{**OWN, "name": name}).status == 409
    assert is_right(site, ROMEO, "secret") and is_right(site, JULIET, "secret")

