"""XEP-0445: accounts made on a stream by people who were invited, where registration is closed."""

import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db import accounts as account_records
from db import rosters
from handlers import groups as connecting
from handlers.admin.administration import carry_out
from handlers.groups import groups
from handlers.invitations import invitations, joining
from handlers.invitations.invitations import Link
from handlers.login.throttle import LoginThrottle
from tests.harness.streams import JULIET, Stream, listening_server, local_name
from xmpp.data.jid import JID
from xmpp.server import Server

PARS = "urn:xmpp:pars:0"
REGISTER = "jabber:iq:register"
NURSE = JID.parse("nurse@localhost")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    domains = {"domains": ["localhost", "example.org"]}
    with listening_server(tmp_path, register={"enabled": False}, server=domains) as server:
        carry_out(server, "role", account=JULIET, role="administrator")
        yield server


@pytest.fixture
def stranger(server: Server) -> Iterator[Stream]:
    with Stream(server) as stream:
        stream.open()
        yield stream


def invite(server: Server, **wanted: object) -> Link:
    return invitations.invite_newcomer(server, "localhost", **wanted)  # type: ignore[arg-type]


def shows(stream: Stream, token: str) -> str:
    return stream.asks_iq(f"<preauth xmlns='{PARS}' token='{token}'/>")


def registers(stream: Stream, name: str = "nurse", password: str = "wherefore") -> str:
    return stream.asks_iq(wish(name, password))


def wish(name: str, password: str) -> str:
    return f"<query xmlns='{REGISTER}'><username>{name}</username><password>{password}</password></query>"


def test_a_stream_offers_it_before_login_only(stranger: Stream, server: Server) -> None:
    with Stream(server) as another:
        features = another.open()
        assert features.find("{urn:xmpp:ibr-token:0}register") is not None
        assert features.find("{http://jabber.org/features/iq-register}register") is not None
    with Stream(server) as juliet:
        features = juliet.logs_in()
        assert features.find("{urn:xmpp:ibr-token:0}register") is None
        assert features.find("{http://jabber.org/features/iq-register}register") is None


def test_who_is_invited_makes_an_account_and_uses_it_on_the_same_stream(stranger: Stream, server: Server) -> None:
    assert shows(stranger, invite(server).token) == "result"
    assert registers(stranger) == "result"
    assert stranger.tries_password("nurse", "wherefore") == "success"
    stranger.open()
    assert stranger.binds("door") == "nurse@localhost/door"


def test_whoever_joins_a_group_that_is_busy_for_long_is_let_go_on(
    stranger: Stream, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a class joins together, it takes minutes until all of them have each other as contacts."""
    monkeypatch.setattr(joining, "MOST_SECONDS", 0.01)
    family = groups.create(server, "localhost", "Family")
    groups.add(server, family, JULIET)
    is_busy = True

    def others() -> Iterator[None]:
        while is_busy:
            yield

    server.portions.begin(("group", family.id), others())
    assert shows(stranger, invite(server, group=family.id).token) == "result"
    assert registers(stranger) == "result"
    assert stranger.tries_password("nurse", "wherefore") == "success"
    assert rosters.item(server.db, NURSE, JULIET) is None
    is_busy = False
    connecting.wait(server, family.id)
    assert rosters.item(server.db, NURSE, JULIET) is not None


def test_who_is_not_invited_makes_none(stranger: Stream, server: Server) -> None:
    invite(server)
    assert stranger.asks_iq(f"<query xmlns='{REGISTER}'/>", type="get") == "service-unavailable"
    assert registers(stranger) == "not-allowed"
    assert shows(stranger, "abcdefghijklmnopqrstuvwxyz") == "item-not-found"
    assert registers(stranger) == "not-allowed"
    assert not account_records.exists(server.db, NURSE)


def test_a_token_that_is_no_good_leaves_nothing_of_one_that_was(stranger: Stream, server: Server) -> None:
    assert shows(stranger, invite(server).token) == "result"
    assert shows(stranger, "another") == "item-not-found"
    assert registers(stranger) == "not-allowed"


@pytest.mark.parametrize("kind", ["used", "expired", "revoked", "for a password", "for a contact", "of another domain"])
def test_what_cannot_be_used_is_not_found(stranger: Stream, server: Server, kind: str) -> None:
    link = invite(server)
    if kind == "used":
        invitations.make_account(server, link.invitation.id, NURSE, "wherefore", "192.0.2.1")
    elif kind == "expired":
        server.db.connection.execute("UPDATE invitation SET expires = 1")
    elif kind == "revoked":
        server.db.connection.execute("DELETE FROM invitation")
    elif kind == "for a password":
        link = invitations.offer_reset(server, JULIET)
    elif kind == "for a contact":
        carry_out(server, "role", account=JULIET, role="member")
        link = invitations.invite_contact(server, JULIET)
    else:
        link = invitations.invite_newcomer(server, "example.org")
    assert shows(stranger, link.token) == "item-not-found"


def test_one_that_expires_after_it_was_shown_still_holds_on_that_stream(stranger: Stream, server: Server) -> None:
    assert shows(stranger, invite(server).token) == "result"
    server.db.connection.execute("UPDATE invitation SET expires = 1")
    assert registers(stranger) == "result"


def test_one_that_is_taken_back_after_it_was_shown_does_not(stranger: Stream, server: Server) -> None:
    assert shows(stranger, invite(server).token) == "result"
    server.db.connection.execute("DELETE FROM invitation")
    assert registers(stranger) == "not-allowed"


def test_a_registration_that_fails_uses_nothing_up(stranger: Stream, server: Server) -> None:
    link = invite(server)
    assert shows(stranger, link.token) == "result"
    assert registers(stranger, "juliet") == "conflict"
    assert registers(stranger, "nurse", "short") == "not-acceptable"
    assert registers(stranger, "admin") == "conflict"
    assert invitations.look_up(server, link.token).problem == ""
    assert registers(stranger) == "result"
    assert registers(stranger, "peter") == "not-allowed"


def test_a_name_that_is_given_stands_in_the_form_and_no_other_is_taken(stranger: Stream, server: Server) -> None:
    assert shows(stranger, invite(server, reserved=NURSE).token) == "result"
    asked = stranger.asks(f"<iq type='get' id='form'><query xmlns='{REGISTER}'/></iq>")[0]
    assert asked.findtext(f"{{{REGISTER}}}username") == "nurse"
    assert asked.xpath("//*[@var='username']/*[local-name()='value']/text()") == ["nurse"]
    assert registers(stranger, "peter") == "not-acceptable"
    assert registers(stranger) == "result"


def test_as_many_as_were_invited_register_from_one_address(tmp_path: Path) -> None:
    with listening_server(tmp_path, register={"open": True, "accounts_per_address": 1}) as server:
        link = invite(server, uses=3)
        for number in range(3):
            with Stream(server) as stream:
                stream.open()
                assert shows(stream, link.token) == "result"
                assert registers(stream, f"person{number}") == "result"


def test_of_two_who_use_the_last_one_at_once_one_gets_an_account(server: Server) -> None:
    link = invite(server)
    with Stream(server) as one, Stream(server) as other:
        for stream in (one, other):
            stream.open()
            assert shows(stream, link.token) == "result"
        racing = [gevent.spawn(registers, stream, name) for stream, name in ((one, "peter"), (other, "sampson"))]
        gevent.joinall(racing, raise_error=True)
        assert sorted(str(each.value) for each in racing) == ["not-allowed", "result"]
    assert len(account_records.listing(server.db)) == 2


def test_an_invitation_is_no_way_to_another_ones_account(stranger: Stream, server: Server) -> None:
    assert shows(stranger, invite(server).token) == "result"
    assert registers(stranger, "juliet", "another one") == "conflict"
    with Stream(server) as juliet:
        juliet.logs_in()


def test_who_has_logged_in_shows_none(server: Server) -> None:
    with Stream(server) as juliet:
        juliet.logs_in()
        assert shows(juliet, invite(server).token) == "unexpected-request"


def test_guesses_slow_down_the_network_that_they_come_from_and_no_domain(stranger: Stream, server: Server) -> None:
    throttle, now = server.state(LoginThrottle), time.monotonic()
    shows(stranger, "guessed")
    assert throttle.delay("127.0.0.1", "somebody@localhost", now) > 0
    assert throttle.delay("192.0.2.1", "localhost", now) == 0


def test_a_contact_who_is_online_is_pushed_the_newcomer_and_sees_him_come(server: Server, stranger: Stream) -> None:
    with Stream(server) as juliet:
        juliet.logs_in()
        juliet.binds("balcony")
        juliet.asks("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        juliet.asks("<presence/>")  # comes back to herself
        shows(stranger, invite(server, inviter=JULIET, is_contact=True).token)
        assert registers(stranger) == "result"
        item = juliet.receives()[0][0]
        assert (item.get("jid"), item.get("subscription")) == ("nurse@localhost", "both")
        stranger.tries_password("nurse", "wherefore")
        stranger.open()
        stranger.binds("door")
        stranger.send("<presence/>")
        seen = juliet.receives()
        assert (local_name(seen), seen.get("from")) == ("presence", "nurse@localhost/door")
    roster = rosters.roster(server.db, NURSE)
    assert {contact: item.subscription for contact, item in roster.items.items()} == {JULIET: "both"}
