"""XEP-0379: requests to subscribe that come with an invitation."""

from pathlib import Path

import pytest

from db import rosters
from handlers.invitations import invitations
from tests.harness.in_process import Client, add_accounts, online, server_in
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")
ROSTER = "<query xmlns='jabber:iq:roster'/>"


@pytest.fixture
def romeo(server: Server) -> Client:
    return interested(server, "romeo@localhost/orchard")


@pytest.fixture
def juliet(server: Server) -> Client:
    return interested(server, "juliet@localhost/balcony")


def interested(server: Server, address: str) -> Client:
    client = online(server, address)
    client.asks(ROSTER)
    return client


def asks(client: Client, contact: str, token: str) -> list[str]:
    return client.sends(
        f"<presence type='subscribe' to='{contact}'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></presence>"
    )


def subscription(server: Server, account: JID, contact: JID) -> tuple[str, bool]:
    item = rosters.item(server.db, account, contact)
    return (item.subscription, item.ask) if item else ("", False)


def test_who_is_invited_is_let_in_without_asking_and_asked_in_return(
    server: Server, romeo: Client, juliet: Client
) -> None:
    link = invitations.invite_contact(server, ROMEO)
    received = "".join(asks(juliet, "romeo@localhost", link.token))
    assert 'type="subscribed"' in received
    assert 'from="romeo@localhost/orchard"' in received  # his presence
    assert 'type="subscribe"' in received
    assert 'type="subscribe"' not in "".join(romeo.received())
    assert subscription(server, ROMEO, JULIET) == ("from", True)
    juliet.sends("<presence type='subscribed' to='romeo@localhost'/>")
    assert subscription(server, ROMEO, JULIET) == ("both", False)
    assert subscription(server, JULIET, ROMEO) == ("both", False)


def test_who_has_approved_in_advance_is_a_contact_at_once(server: Server, romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence type='subscribed' to='romeo@localhost'/>")
    asks(juliet, "romeo@localhost", invitations.invite_contact(server, ROMEO).token)
    assert subscription(server, ROMEO, JULIET) == ("both", False)
    assert subscription(server, JULIET, ROMEO) == ("both", False)


def test_an_invitation_lets_one_in_and_the_next_one_is_asked_about(
    server: Server, romeo: Client, juliet: Client
) -> None:
    link = invitations.invite_contact(server, ROMEO)
    asks(juliet, "romeo@localhost", link.token)
    romeo.received()
    mercutio = online(server, "mercutio@localhost/street")
    asks(mercutio, "romeo@localhost", link.token)
    [request] = [each for each in romeo.received() if 'type="subscribe"' in each]
    assert 'from="mercutio@localhost"' in request
    assert subscription(server, ROMEO, JID.parse("mercutio@localhost")) == ("", False)


@pytest.mark.parametrize("kind", ["unknown", "of somebody else", "expired", "to make an account", "for a password"])
def test_without_a_good_token_the_account_is_asked_as_ever(
    server: Server, romeo: Client, juliet: Client, kind: str
) -> None:
    token = "unknown"
    if kind == "to make an account":
        token = invitations.invite_newcomer(server, "localhost", inviter=ROMEO).token
    elif kind == "for a password":
        token = invitations.offer_reset(server, ROMEO).token
    elif kind != "unknown":
        inviter = ROMEO if kind == "expired" else JID.parse("mercutio@localhost")
        token = invitations.invite_contact(server, inviter).token
    if kind == "expired":
        server.db.connection.execute("UPDATE invitation SET expires = 1")
    assert 'type="subscribed"' not in "".join(asks(juliet, "romeo@localhost", token))
    assert any('type="subscribe"' in each for each in romeo.received())
    assert invitations.look_up(server, token).problem in ("", "unknown", "expired")


def test_who_is_let_in_anyway_uses_nothing_up(server: Server, romeo: Client, juliet: Client) -> None:
    link = invitations.invite_contact(server, ROMEO)
    romeo.sends("<presence type='subscribed' to='juliet@localhost'/>")
    assert 'type="subscribed"' in "".join(asks(juliet, "romeo@localhost", link.token))
    assert invitations.look_up(server, link.token).problem == ""


def test_who_is_blocked_is_let_in_by_no_token(server: Server, romeo: Client, juliet: Client) -> None:
    link = invitations.invite_contact(server, ROMEO)
    romeo.asks("<block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block>", type="set")
    asks(juliet, "romeo@localhost", link.token)
    assert subscription(server, ROMEO, JULIET) == ("", False)
    assert invitations.look_up(server, link.token).problem == ""


def test_a_roster_without_room_uses_nothing_up(tmp_path: Path) -> None:
    with server_in(tmp_path, roster={"max_items": 1}) as server:
        add_accounts(server, "romeo", "juliet")
        rosters.put(server.db, ROMEO, rosters.Item(JID.parse("nurse@localhost")))
        juliet, link = online(server, "juliet@localhost/balcony"), invitations.invite_contact(server, ROMEO)
        asks(juliet, "romeo@localhost", link.token)
        assert invitations.look_up(server, link.token).problem == ""
        assert subscription(server, ROMEO, JULIET) == ("", False)
