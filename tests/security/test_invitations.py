"""docs/security.md rows about invitations, links that reset passwords, and groups."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db import accounts as account_records
from db import invitations as records
from db import rosters
from handlers.admin.administration import carry_out
from handlers.groups import groups
from handlers.invitations import invitations
from handlers.invitations.invitations import UNKNOWN, USED
from handlers.login import accounts, register
from handlers.login.sasl.passwords import Check
from handlers.login.throttle import LoginThrottle
from handlers.rooms import rooms_here
from tests.harness.in_process import Client, add_accounts, online, server_in
from tests.harness.streams import Stream, listening_server
from xmpp.control import Refused
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO, JULIET, NURSE = (JID.parse(f"{name}@localhost") for name in ("romeo", "juliet", "nurse"))
PEER = "192.0.2.7"
QUICK = {"iterations": 4096, "max_delay_seconds": 0}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, sasl=QUICK, register={"open": True}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def refusal_of(server: Server, id: int, account: JID, password: str = "wherefore") -> str:
    try:
        invitations.make_account(server, id, account, password, PEER)
    except StanzaError as error:
        return error.condition
    return ""


# -- row 37


def test_row_37_of_many_who_use_one_invitation_at_once_one_gets_an_account(server: Server) -> None:
    id = invitations.invite_newcomer(server, "localhost").invitation.id
    people = [JID.parse(f"person{number}@localhost") for number in range(8)]
    racing = [gevent.spawn(refusal_of, server, id, each) for each in people]
    gevent.joinall(racing, raise_error=True)
    assert sorted(str(each.value) for each in racing) == ["", *["not-allowed"] * 7]
    assert sum(account_records.exists(server.db, each) for each in people) == 1


def test_row_37_of_two_who_use_one_reset_at_once_one_sets_the_password(server: Server) -> None:
    token = invitations.offer_reset(server, ROMEO).token

    def sets(password: str) -> str:
        try:
            invitations.set_password(server, token, password)
        except StanzaError as error:
            return error.condition
        return ""

    passwords = ("wherefore one", "wherefore two")
    racing = [gevent.spawn(sets, each) for each in passwords]
    gevent.joinall(racing, raise_error=True)
    assert sorted(str(each.value) for each in racing) == ["", "item-not-found"]
    won = passwords[[each.value for each in racing].index("")]
    assert Check(server).is_right(ROMEO, won)


def test_row_37_a_name_that_was_given_is_the_only_one(server: Server) -> None:
    id = invitations.invite_newcomer(server, "localhost", reserved=NURSE).invitation.id
    assert refusal_of(server, id, JID.parse("peter@localhost")) == "not-acceptable"
    assert refusal_of(server, id, NURSE) == ""


def test_row_37_an_invitation_gives_nobody_an_account_that_exists(server: Server) -> None:
    accounts.change_password(server, ROMEO, "his own one")
    link = invitations.invite_newcomer(server, "localhost")
    assert refusal_of(server, link.invitation.id, ROMEO) == "conflict"
    assert Check(server).is_right(ROMEO, "his own one")
    assert invitations.look_up(server, link.token).problem == ""


# -- rows 200 to 209


def test_row_200_who_guesses_tokens_waits_longer_each_time(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server, Stream(server) as stranger:
        stranger.open()
        delays = list[float]()
        for number in range(3):
            stranger.asks_iq(f"<preauth xmlns='urn:xmpp:pars:0' token='guess{number}'/>")
            delays.append(server.state(LoginThrottle).delay("127.0.0.1", None, time.monotonic()))
        assert delays == sorted(delays)
        assert delays[-1] > 2 * delays[0] > 0


def test_row_202_a_token_is_neither_in_the_files_of_the_server_nor_in_its_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    links = [
        invitations.invite_newcomer(server, "localhost"),
        invitations.invite_contact(server, ROMEO),
        invitations.offer_reset(server, JULIET),
    ]
    assert refusal_of(server, links[0].invitation.id, NURSE) == ""
    juliet = online(server, "juliet@localhost/balcony")
    juliet.sends(
        f"<presence type='subscribe' to='romeo@localhost'><preauth xmlns='urn:xmpp:pars:0' token='{links[1].token}'/>"
        "</presence>"
    )
    invitations.set_password(server, links[2].token, "wherefore")
    server.db.flush()
    kept = b"".join(path.read_bytes() for path in server.db.path.parent.iterdir())
    assert str(links[0].invitation.id) in caplog.text
    for link in links:
        assert link.token.encode() not in kept
        assert link.token not in caplog.text


def test_row_203_so_many_invitations_of_an_account_are_open_and_so_many_in_all(tmp_path: Path) -> None:
    with server_in(tmp_path, invitations={"max_open_per_account": 3, "max_open": 5}) as server:
        add_accounts(server, "romeo", "juliet")
        made = 0
        for inviter in (ROMEO, JULIET) * 5:
            try:
                invitations.invite_contact(server, inviter)
            except StanzaError as error:
                assert error.condition == "resource-constraint"
            else:
                made += 1
        assert made == 5


def test_row_203_however_many_others_have_open_administrators_invite_and_reset_passwords(tmp_path: Path) -> None:
    with server_in(tmp_path, invitations={"max_open": 2}) as server:
        add_accounts(server, "romeo", "juliet")
        carry_out(server, "role", account=JULIET, role="administrator")
        for _ in range(2):
            invitations.invite_contact(server, ROMEO)
        with pytest.raises(StanzaError, match="resource-constraint"):
            invitations.invite_contact(server, ROMEO)
        invitations.invite_contact(server, JULIET)
        assert not invitations.look_up(server, invitations.offer_reset(server, ROMEO).token).problem


def test_row_203_what_an_account_has_used_up_does_not_pile_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "SPENT_KEPT", 3)
    for _ in range(10):
        records.spend(server.db, invitations.invite_contact(server, ROMEO).invitation.id)
    assert len(records.after(server.db, 0, 100)) <= 4


def test_row_204_a_link_that_resets_a_password_ends_with_the_password_and_with_the_account(server: Server) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    first = invitations.offer_reset(server, ROMEO)
    second = invitations.offer_reset(server, ROMEO)
    invitations.set_password(server, second.token, "wherefore")
    assert romeo.closed_with is not None
    third = invitations.offer_reset(server, ROMEO)
    accounts.remove(server, ROMEO)
    add_accounts(server, "romeo")
    assert [invitations.look_up(server, each.token).problem for each in (first, second, third)] == [UNKNOWN] * 3


def test_row_205_what_somebody_invited_to_who_may_not_any_more_is_good_for_nothing(server: Server) -> None:
    carry_out(server, "role", account=ROMEO, role="administrator")
    as_administrator = invitations.invite_contact(server, ROMEO)
    of_juliet = invitations.invite_contact(server, JULIET)
    assert invitations.lets_register(server, as_administrator.invitation)
    carry_out(server, "role", account=ROMEO, role="member")
    assert refusal_of(server, as_administrator.invitation.id, NURSE) == "not-allowed"
    carry_out(server, "disable", account=JULIET)
    assert invitations.look_up(server, of_juliet.token) == (None, UNKNOWN)
    carry_out(server, "enable", account=JULIET)
    assert invitations.look_up(server, of_juliet.token).problem == ""


def test_row_205_who_is_limited_invites_nobody_and_what_he_made_before_is_good_for_nothing(server: Server) -> None:
    romeo, link = Client(server, "romeo@localhost/orchard"), invitations.invite_contact(server, ROMEO)
    command = "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite'/>"
    assert "completed" in romeo.asks(command, type="set", to="localhost")
    carry_out(server, "role", account=ROMEO, role="limited")
    assert romeo.asks(command, type="set", to="localhost") == "forbidden"
    assert invitations.look_up(server, link.token) == (None, UNKNOWN)


@pytest.mark.parametrize("change", [("role", {"role": "member"}), ("disable", {})], ids=["no role", "disabled"])
@pytest.mark.parametrize("kind", ["account", "password-reset"])
def test_row_205_what_an_administrator_made_who_is_none_any_more_is_good_for_nothing(
    server: Server, kind: str, change: tuple[str, dict[str, str]]
) -> None:
    carry_out(server, "role", account=ROMEO, role="administrator")
    if kind == "account":
        link = invitations.invite_newcomer(server, "localhost", inviter=ROMEO)
    else:
        link = invitations.offer_reset(server, JULIET, inviter=ROMEO)
    assert invitations.look_up(server, link.token).problem == ""
    command, arguments = change
    carry_out(server, command, account=ROMEO, **arguments)
    assert invitations.look_up(server, link.token) == (None, UNKNOWN)
    assert refusal_of(server, link.invitation.id, NURSE) == "not-allowed"  # as on a stream that has shown it before


def test_row_206_an_invitation_opens_no_roster_but_that_of_who_made_it(server: Server) -> None:
    mercutio = JID.parse("mercutio@localhost")
    add_accounts(server, "mercutio")
    link = invitations.invite_contact(server, ROMEO)
    asking = online(server, "mercutio@localhost/street")
    asking.sends(
        f"<presence type='subscribe' to='juliet@localhost'><preauth xmlns='urn:xmpp:pars:0' token='{link.token}'/>"
        "</presence>"
    )
    item = rosters.item(server.db, JULIET, mercutio)
    assert item is None or not item.is_subscriber
    assert invitations.look_up(server, link.token).problem == ""


def test_row_206_an_invitation_to_make_an_account_opens_no_roster(server: Server) -> None:
    carry_out(server, "role", account=ROMEO, role="administrator")
    link = invitations.invite_newcomer(server, "localhost", inviter=ROMEO, is_contact=True)
    juliet = online(server, "juliet@localhost/balcony")
    juliet.sends(
        f"<presence type='subscribe' to='romeo@localhost'><preauth xmlns='urn:xmpp:pars:0' token='{link.token}'/>"
        "</presence>"
    )
    assert rosters.item(server.db, ROMEO, JULIET) is None
    assert invitations.look_up(server, link.token).problem == ""


def test_row_207_nobody_owns_the_room_of_a_group_or_enters_it_who_is_not_in_it(server: Server) -> None:
    family = groups.create(server, "localhost", "Family", with_room=True)
    groups.add(server, family, ROMEO)
    room = rooms_here.find(server, JID.parse(family.room))
    assert room is not None
    assert (room.affiliation(ROMEO), room.affiliation(JULIET)) == ("member", "none")
    groups.remove(server, family, ROMEO)
    assert room.affiliation(ROMEO) == "none"


@pytest.mark.parametrize("name", ["nurse", "Nurse", "nur\u0455e"])
def test_row_208_a_name_that_waits_for_somebody_is_given_to_nobody_else(server: Server, name: str) -> None:
    link = invitations.invite_newcomer(server, "localhost", reserved=NURSE)
    account = JID.parse(f"{name}@localhost")
    with pytest.raises(StanzaError, match="conflict"):
        register.make(server, account, "wherefore", PEER)
    with pytest.raises(Refused, match="is kept for somebody who was invited"):
        carry_out(server, "add", account=account, password="wherefore")
    assert refusal_of(server, link.invitation.id, NURSE) == ""
    assert invitations.look_up(server, link.token).problem == USED


def test_row_209_a_link_is_looked_at_and_nothing_changes(server: Server) -> None:
    link, reset = invitations.invite_newcomer(server, "localhost"), invitations.offer_reset(server, ROMEO)
    server.db.flush()
    before = server.db.connection.total_changes
    for _ in range(5):
        for token in (link.token, reset.token, "unknown"):
            invitations.look_up(server, token)
    assert server.db.connection.total_changes == before
