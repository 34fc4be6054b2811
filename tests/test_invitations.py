"""Invitations: who may make them, what a token stands for, and what becomes of those that are accepted."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts as account_records
from db import groups as group_records
from db import invitations as records
from db import rosters
from handlers.admin import upkeep
from handlers.admin.administration import carry_out
from handlers.groups import groups
from handlers.invitations import invitations
from handlers.invitations.invitations import EXPIRED, UNKNOWN, USED, Link
from handlers.login import accounts
from handlers.login.sasl.passwords import Check
from tests.harness.in_process import Client, add_accounts, online, server_in
from xmpp.control import Refused
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO, JULIET, NURSE = (JID.parse(f"{name}@localhost") for name in ("romeo", "juliet", "nurse"))
PEER = "192.0.2.7"
PASSWORD = "wherefore"
QUICK = {"iterations": 4096, "max_delay_seconds": 0}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, sasl=QUICK) as server:
        add_accounts(server, "romeo", "juliet")
        carry_out(server, "role", account=ROMEO, role="administrator")
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    return online(server, "romeo@localhost/orchard")


def invite(server: Server, **wanted: object) -> Link:
    return invitations.invite_newcomer(server, "localhost", **wanted)  # type: ignore[arg-type]


def accept(server: Server, link: Link, account: JID = NURSE, password: str = PASSWORD) -> str:
    """Make an account with an invitation; returns "" or the condition of the error."""
    try:
        invitations.make_account(server, link.invitation.id, account, password, PEER)
    except StanzaError as error:
        return error.condition
    return ""


def messages_for(server: Server, account: JID) -> list[str]:
    """What has waited for somebody who comes online for the first time."""
    return [each for each in Client(server, f"{account}/chamber").sends("<presence/>") if "<message" in each]


def expire(server: Server, link: Link) -> None:
    server.db.connection.execute("UPDATE invitation SET expires = 1.0 WHERE id = ?", (link.invitation.id,))


def subscription(server: Server, account: JID, contact: JID) -> str:
    item = rosters.item(server.db, account, contact)
    return item.subscription if item else ""


# -- what a token stands for


def test_a_token_can_be_looked_up_any_number_of_times(server: Server) -> None:
    link = invite(server)
    for _ in range(3):
        assert invitations.look_up(server, link.token) == (link.invitation, "")


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 1_000_000, "\u2603"])
def test_a_token_that_was_never_given_is_unknown(server: Server, token: str) -> None:
    assert invitations.look_up(server, token) == (None, UNKNOWN)


def test_tokens_are_long_and_of_letters_and_digits_only(server: Server) -> None:
    tokens = {invite(server).token for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == 26 and token.isalnum() and token.isascii() for token in tokens)


def test_one_that_is_used_up_and_one_that_has_expired_say_so(server: Server) -> None:
    used, expired = invite(server), invite(server)
    assert accept(server, used) == ""
    expire(server, expired)
    assert invitations.look_up(server, used.token).problem == USED
    assert invitations.look_up(server, expired.token).problem == EXPIRED


def test_it_holds_for_as_long_as_the_settings_or_who_makes_it_say(server: Server) -> None:
    now = time.time()
    assert 7 * 86_400 <= invite(server).invitation.expires - now < 7 * 86_400 + 60
    assert 5 <= invite(server, seconds=5.0).invitation.expires - now < 65


def test_the_addresses_say_what_it_is_for(server: Server) -> None:
    server.find_web_base = lambda domain: f"https://{domain}/chat"
    anybody, nurse = invite(server), invite(server, reserved=NURSE)
    contact = invitations.invite_contact(server, JULIET)
    reset = invitations.offer_reset(server, ROMEO)
    assert anybody.uri == f"xmpp:localhost?register;preauth={anybody.token}"
    assert nurse.uri == f"xmpp:nurse@localhost?register;preauth={nurse.token}"
    assert contact.uri == f"xmpp:juliet@localhost?roster;preauth={contact.token}"
    assert reset.uri == ""
    assert anybody.page == f"https://localhost/chat/invite/{anybody.token}"
    assert reset.page == f"https://localhost/chat/reset/{reset.token}"


def test_without_pages_there_is_no_address_of_one(server: Server) -> None:
    assert invite(server).page is None


def test_what_has_expired_long_ago_is_forgotten(server: Server) -> None:
    forgotten, told = invite(server), invite(server)
    day = 86_400.0
    for link, ago in ((forgotten, 8 * day), (told, 6 * day)):
        expired = time.time() - ago
        server.db.connection.execute("UPDATE invitation SET expires = ? WHERE id = ?", (expired, link.invitation.id))
    upkeep.delete_what_is_not_kept(server)
    assert invitations.look_up(server, forgotten.token).problem == UNKNOWN
    assert invitations.look_up(server, told.token).problem == EXPIRED


# -- accepting


def test_an_account_is_made_with_an_invitation_once(server: Server) -> None:
    link = invite(server)
    assert accept(server, link) == ""
    assert Check(server).is_right(NURSE, PASSWORD)
    assert accept(server, link, JID.parse("peter@localhost")) == "not-allowed"
    assert [account for account, _ in account_records.listing(server.db)] == [JULIET, NURSE, ROMEO]


def test_what_fails_uses_nothing_up(server: Server) -> None:
    link = invite(server)
    assert accept(server, link, ROMEO) == "conflict"
    assert accept(server, link, password="short") == "not-acceptable"
    assert accept(server, link, JID.parse("nurse@example.org")) == "not-allowed"
    assert accept(server, link, JID.parse("admin@localhost")) == "conflict"
    assert invitations.look_up(server, link.token).problem == ""
    assert accept(server, link) == ""


def test_with_several_uses_several_accounts_are_made(server: Server) -> None:
    link = invite(server, uses=2)
    assert [accept(server, link, JID.parse(f"person{number}@localhost")) for number in range(3)] == [
        "", "", "not-allowed",
    ]  # fmt: skip


def test_whether_it_has_expired_is_looked_at_when_somebody_comes_with_it_and_not_later(server: Server) -> None:
    link = invite(server)
    assert invitations.look_up(server, link.token).problem == ""
    expire(server, link)
    assert accept(server, link) == ""


def test_the_newcomer_and_who_invited_him_are_contacts_and_the_one_who_is_there_is_told(
    server: Server, romeo: Client
) -> None:
    romeo.asks("<query xmlns='jabber:iq:roster'/>")
    assert accept(server, invite(server, inviter=ROMEO, is_contact=True)) == ""
    assert subscription(server, ROMEO, NURSE) == subscription(server, NURSE, ROMEO) == "both"
    [push] = romeo.received()
    assert 'jid="nurse@localhost" subscription="both"' in push


def test_who_is_invited_by_somebody_is_not_his_contact_unless_it_says_so(server: Server) -> None:
    assert accept(server, invite(server, inviter=ROMEO)) == ""
    assert subscription(server, ROMEO, NURSE) == ""


def test_the_newcomer_is_in_the_group_that_he_is_invited_to(server: Server) -> None:
    family = groups.create(server, "localhost", "Family")
    groups.add(server, family, ROMEO)
    assert accept(server, invite(server, group=family.id)) == ""
    assert group_records.members(server.db, family.id) == [NURSE, ROMEO]
    for account, contact in ((ROMEO, NURSE), (NURSE, ROMEO)):
        item = rosters.item(server.db, account, contact)
        assert item is not None
        assert (item.subscription, item.groups) == ("both", ("Family",))


def test_where_the_group_is_full_he_gets_the_account_and_both_are_told(tmp_path: Path) -> None:
    with server_in(tmp_path, sasl=QUICK, groups={"max_members": 2}) as server:
        add_accounts(server, "romeo", "juliet", "peter")
        carry_out(server, "role", account=ROMEO, role="administrator")
        romeo = online(server, "romeo@localhost/orchard")
        choir = groups.create(server, "localhost", "Choir & <more>")
        link = invite(server, inviter=ROMEO, group=choir.id)
        for account in (JULIET, JID.parse("peter@localhost")):
            groups.add(server, choir, account)
        assert accept(server, link) == ""
        assert group_records.size(server.db, choir.id) == 2
        [told] = romeo.received()
        assert "nurse@localhost has come by your invitation, and is not in the group Choir &amp; &lt;more&gt;" in told
        [waiting] = messages_for(server, NURSE)
        assert "which is full: ask romeo@localhost to put you in later." in waiting
        assert accept(server, invite(server, group=choir.id), JID.parse("samson@localhost")) == ""
        [waiting] = messages_for(server, JID.parse("samson@localhost"))
        assert "which is full: ask whoever runs this server to put you in later." in waiting
        assert romeo.received() == []
        with pytest.raises(Refused, match="The group Choir & <more> is full"):
            carry_out(server, "invite", group=choir.name)


# -- names


def test_a_name_is_kept_for_who_is_invited_under_it(server: Server) -> None:
    nurse, anybody = invite(server, reserved=NURSE), invite(server)
    assert accept(server, anybody) == "conflict"
    assert accept(server, nurse, JID.parse("peter@localhost")) == "not-acceptable"
    assert accept(server, nurse) == ""


@pytest.mark.parametrize("name", ["romeo", "nurse", "r0meo"])
def test_a_name_that_is_taken_or_kept_is_kept_for_nobody_else(server: Server, name: str) -> None:
    invite(server, reserved=NURSE)
    with pytest.raises(StanzaError, match="conflict"):
        invite(server, reserved=JID.parse(f"{name}@localhost"))


def test_a_name_that_strangers_may_not_have_can_be_given(server: Server) -> None:
    admin = JID.parse("admin@localhost")
    assert accept(server, invite(server, reserved=admin), admin) == ""


# -- who may invite


def test_at_first_only_administrators_let_people_in(server: Server) -> None:
    contact = invitations.invite_contact(server, JULIET)
    assert accept(server, contact) == "not-allowed"
    assert invitations.look_up(server, contact.token).problem == ""


def test_where_everybody_may_a_contact_can_make_an_account(tmp_path: Path) -> None:
    with server_in(tmp_path, sasl=QUICK, invitations={"newcomers": "everybody"}) as server:
        add_accounts(server, "romeo")
        link = invitations.invite_contact(server, ROMEO)
        assert link.uri == f"xmpp:romeo@localhost?roster;preauth={link.token};ibr=y"
        assert accept(server, link) == ""
        assert subscription(server, ROMEO, NURSE) == subscription(server, NURSE, ROMEO) == "both"


def test_an_account_has_so_many_open_and_the_server_so_many_in_all(tmp_path: Path) -> None:
    with server_in(tmp_path, sasl=QUICK, invitations={"max_open_per_account": 2, "max_open": 3}) as server:
        add_accounts(server, "romeo", "juliet")
        for inviter in (ROMEO, ROMEO, JULIET):
            invitations.invite_contact(server, inviter)
        for inviter in (ROMEO, JULIET):
            with pytest.raises(StanzaError, match="resource-constraint"):
                invitations.invite_contact(server, inviter)
        for _ in range(3):
            invite(server)
        with pytest.raises(StanzaError, match="resource-constraint"):
            invite(server)


@pytest.mark.parametrize("uses", [0, -1, 101])
def test_nothing_can_be_used_without_end(server: Server, uses: int) -> None:
    with pytest.raises(StanzaError, match="not-acceptable"):
        invite(server, uses=uses)


# -- passwords


def test_a_link_sets_a_password_once_and_ends_the_sessions(server: Server, romeo: Client) -> None:
    link = invitations.offer_reset(server, ROMEO)
    assert invitations.set_password(server, link.token, PASSWORD) == ROMEO
    assert Check(server).is_right(ROMEO, PASSWORD)
    assert romeo.closed_with is not None
    with pytest.raises(StanzaError, match="item-not-found"):
        invitations.set_password(server, link.token, "another one")
    assert Check(server).is_right(ROMEO, PASSWORD)


def test_what_is_no_password_uses_no_link_up(server: Server) -> None:
    link = invitations.offer_reset(server, ROMEO)
    with pytest.raises(StanzaError, match="not-acceptable"):
        invitations.set_password(server, link.token, "short")
    assert invitations.set_password(server, link.token, PASSWORD) == ROMEO


def test_another_link_or_another_password_ends_what_was_open(server: Server) -> None:
    first, second = invitations.offer_reset(server, ROMEO), invitations.offer_reset(server, ROMEO)
    assert invitations.look_up(server, first.token).problem == UNKNOWN
    accounts.change_password(server, ROMEO, PASSWORD)
    assert invitations.look_up(server, second.token).problem == UNKNOWN


def test_no_account_is_made_with_what_resets_a_password_and_no_password_reset_by_an_invitation(server: Server) -> None:
    assert accept(server, invitations.offer_reset(server, ROMEO)) == "not-allowed"
    with pytest.raises(StanzaError, match="item-not-found"):
        invitations.set_password(server, invite(server).token, PASSWORD)


def test_who_gets_the_name_later_is_not_reset_by_a_link_of_before(server: Server) -> None:
    link = invitations.offer_reset(server, ROMEO)
    accounts.remove(server, ROMEO)
    add_accounts(server, "romeo")
    assert invitations.look_up(server, link.token).problem == UNKNOWN


def test_what_somebody_has_invited_to_goes_with_the_account(server: Server) -> None:
    link = invitations.invite_contact(server, ROMEO)
    accounts.remove(server, ROMEO)
    assert invitations.look_up(server, link.token) == (None, UNKNOWN)
    assert records.after(server.db, 0, 10) == []
