"""FAST (XEP-0484): a client gets a token, and logs in with that in one message."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import ssl
from lxml import etree

from db import fast_tokens
from handlers.admin.comings_and_goings import Attempts
from tests.harness.fast import FAST, NONE, FastStream, given, have_aged, opened, request, token_in, tries
from tests.harness.sasl2 import PHONE, SASL2, SM, TABLET, bind, bound, identifier, secured_server
from tests.harness.streams import JULIET, Stream, local_name, outcome
from xmpp.data.timestamps import parse
from xmpp.server import Server

HOUR, DAY = 3_600.0, 86_400.0
MECHANISMS = ["HT-SHA-256-EXPR", "HT-SHA-256-ENDP", NONE]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path, sasl={"tries": 5}) as server:
        yield server


def offered(features: etree._Element) -> list[str | None]:
    inline = f"{{{SASL2}}}authentication/{{{SASL2}}}inline/{{{FAST}}}fast"
    return [each.text for each in features.findall(f"{inline}/{{{FAST}}}mechanism")]


# -- what is offered


@pytest.mark.parametrize(
    ("newest", "mechanisms"),
    [
        (ssl.TLSVersion.TLSv1_3, MECHANISMS),
        (ssl.TLSVersion.TLSv1_2, ["HT-SHA-256-EXPR", "HT-SHA-256-UNIQ", "HT-SHA-256-ENDP", NONE]),
    ],
)
def test_the_mechanisms_that_the_connection_can_have_are_offered_and_each_logs_in(
    server: Server, newest: ssl.TLSVersion, mechanisms: list[str]
) -> None:
    with FastStream(server, newest=newest) as stream:
        features = stream.open()
        assert offered(features) == mechanisms
        [fast] = features.iter(f"{{{FAST}}}fast")
        everywhere = [each.text for each in features.iter("{*}mechanism") if (each.text or "").startswith("HT-")]
        assert everywhere == mechanisms  # they are not among those for passwords
        assert not fast.attrib  # nothing in early data
    for mechanism in mechanisms:
        with opened(server, newest=newest) as stream:
            token = stream.gets_token(mechanism)
        with opened(server, newest=newest) as stream:
            assert identifier(stream.tries_token(token, mechanism)) == "juliet@localhost"
            assert local_name(stream.receives()) == "features"
            assert stream.binds("balcony") == "juliet@localhost/balcony"


def test_without_channel_binding_one_mechanism_is_left(tmp_path: Path) -> None:
    with secured_server(tmp_path, sasl={"channel_binding": False}) as server, FastStream(server) as stream:
        assert offered(stream.open()) == [NONE]
        assert token_in(stream.tries_plain(request("HT-SHA-256-ENDP"), PHONE)) is None


def test_where_it_is_switched_off_there_is_none_of_it(tmp_path: Path) -> None:
    with secured_server(tmp_path, fast={"enabled": False}, sasl={"tries": 5}) as server, FastStream(server) as stream:
        assert not offered(stream.open())
        assert outcome(stream.tries_token("token")) == "invalid-mechanism"
        assert token_in(stream.tries_plain(request(), PHONE)) is None


# -- logging in


def test_a_session_has_begun_one_message_after_the_streams_header(server: Server) -> None:
    token = given(server)
    with FastStream(server) as stream:
        stream.claims = "juliet@localhost"
        stream.open()
        success = stream.tries_token(token, inline=bind(f"<enable xmlns='{SM}' resume='true'/>", tag="Quill"))
        assert identifier(success).startswith("juliet@localhost/Quill/")
        assert [local_name(each) for each in bound(success)] == ["metadata", "enabled"]
        stream.receives()
        assert stream.asks_iq("<query xmlns='jabber:iq:roster'/>", "get") == "result"


def test_a_session_is_resumed_with_a_token(server: Server) -> None:
    token = given(server)
    with opened(server) as stream:
        success = stream.tries_token(token, inline=bind(f"<enable xmlns='{SM}' resume='true'/>"))
        id = bound(success)[1].get("id")
        stream.receives()
    with opened(server) as stream:
        again = stream.tries_token(token, inline=f"<resume xmlns='{SM}' previd='{id}' h='0'/>")
        assert identifier(again) == identifier(success)
        assert again.find(f"{{{SM}}}resumed") is not None


def test_the_first_message_may_come_after_an_empty_challenge(server: Server) -> None:
    with opened(server) as stream:
        challenge = stream.authenticates(NONE, None, f"<fast xmlns='{FAST}'/>", PHONE)
        assert (local_name(challenge), challenge.text) == ("challenge", None)


def test_logins_with_tokens_are_counted_and_logged_as_others(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "handlers.comings_and_goings")
    token = given(server)
    tries(server, token)
    tries(server, "wrong")
    attempts = server.state(Attempts)
    assert (attempts["success", NONE], attempts["failure", NONE]) == (1, 1)
    assert "login of juliet@localhost from 127.0.0.1 by HT-SHA-256-NONE" in caplog.text
    assert "failed login from 127.0.0.1 as juliet@localhost: wrong token" in caplog.text
    assert token not in caplog.text


# -- getting a token


def test_a_token_lasts_three_weeks_and_no_two_are_the_same(server: Server) -> None:
    with opened(server) as stream:
        [found] = stream.tries_plain(request(), PHONE).iter(f"{{{FAST}}}token")
        expiry = parse(found.get("expiry") or "")
        assert abs(expiry - time.time() - 21 * DAY) < HOUR
        assert len(found.get("token") or "") >= 22  # of 64 letters: 128 bits
    assert len({given(server), given(server), given(server, agent=TABLET), found.get("token")}) == 4


@pytest.mark.parametrize(
    ("inline", "agent"),
    [
        ("", PHONE),
        (request(), ""),
        (request("HT-SHA-256-UNIQ"), PHONE),
        (request("SCRAM-SHA-256"), PHONE),
        (f"<request-token xmlns='{FAST}'/>", PHONE),
    ],
)
def test_who_asks_for_none_or_for_none_that_there_is_gets_none_and_is_let_in(
    server: Server, inline: str, agent: str
) -> None:
    with opened(server) as stream:
        assert token_in(stream.tries_plain(inline, agent)) is None
        assert not server.db.connection.execute("SELECT * FROM fast_token").fetchall()


def test_who_is_not_let_in_gets_none(server: Server) -> None:
    with opened(server) as stream:
        failure = stream.tries_plain(request(), PHONE, password="wrong")
        assert [local_name(each) for each in failure] == ["not-authorized"]
    assert not server.db.connection.execute("SELECT * FROM fast_token").fetchall()


def test_guests_get_none(tmp_path: Path) -> None:
    with secured_server(tmp_path, guests={"enabled": True}) as server, opened(server) as stream:
        assert token_in(stream.authenticates("ANONYMOUS", b"", request(), PHONE)) is None


# -- two slots


def test_a_token_of_the_day_before_is_replaced_and_is_good_until_the_new_one_is_used(server: Server) -> None:
    old = given(server)
    with opened(server) as stream:
        assert token_in(stream.tries_token(old)) is None  # it is fresh
    have_aged(server, DAY + HOUR)
    with opened(server) as stream:
        lost = token_in(stream.tries_token(old))
    with opened(server) as stream:
        new = token_in(stream.tries_token(old))  # the answer before was lost
    assert lost is not None
    assert new is not None
    assert tries(server, lost) == "not-authorized"  # it was never used, and there is another one now
    assert tries(server, old) == "success"
    with opened(server) as stream:
        new = token_in(stream.tries_token(old)) or ""
    assert tries(server, new) == "success"
    assert tries(server, old) == "not-authorized"
    assert tries(server, new) == "success"


def test_who_asks_for_a_new_one_gets_it_and_the_old_one_is_good_for_the_moment(server: Server) -> None:
    old = given(server)
    tries(server, old)
    new = given(server, "HT-SHA-256-ENDP")
    assert tries(server, old) == "success"
    assert tries(server, new, "HT-SHA-256-ENDP") == "success"
    assert tries(server, old) == "not-authorized"


def test_a_token_is_void_once_its_client_says_so(server: Server) -> None:
    token = given(server)
    have_aged(server, 2 * DAY)
    with opened(server) as stream:
        assert token_in(stream.tries_token(token, said="invalidate='true'")) is None
    assert tries(server, token) == "not-authorized"


def test_who_says_so_gets_a_new_one_if_it_asks(server: Server) -> None:
    old = given(server)
    with opened(server) as stream:
        new = token_in(stream.tries_token(old, inline=request(), said="invalidate='1'")) or ""
    assert tries(server, old) == "not-authorized"
    assert tries(server, new) == "success"


def test_a_count_may_be_left_out_and_begins_anew_with_another_token(server: Server) -> None:
    token = given(server)
    for said in ("count='0'", "count='7'", "", "count='8'"):
        assert tries(server, token, said=said) == "success"
    token = given(server)
    assert tries(server, token, said="count='1'") == "success"


@pytest.mark.parametrize("said", ["count=''", "count='-1'", "count='x'", f"count='{'9' * 30}'", "invalidate='perhaps'"])
def test_what_is_said_about_a_token_has_to_make_sense(server: Server, said: str) -> None:
    assert tries(server, given(server), said=said) == "malformed-request"


# -- limits


def test_so_many_clients_have_tokens_and_those_that_got_theirs_first_lose_them(tmp_path: Path) -> None:
    agents = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(4)]
    with secured_server(tmp_path, fast={"clients": 2}) as server:
        tokens = [given(server, agent=agent) for agent in agents]
        outcomes = [tries(server, *each) for each in zip(tokens, [NONE] * 4, agents, strict=True)]
        assert outcomes == ["not-authorized", "not-authorized", "success", "success"]


def test_those_that_have_expired_are_deleted_in_the_end(server: Server) -> None:
    given(server)
    given(server, agent=TABLET)
    now = time.time()
    assert fast_tokens.delete_expired(server.db, now, 10) == 0
    assert fast_tokens.delete_expired(server.db, now + 22 * DAY, 1) == 1
    assert fast_tokens.delete_expired(server.db, now + 22 * DAY, 10) == 1
    assert not fast_tokens.clients(server.db, JULIET, now)


def test_without_tls_nobody_logs_in_with_a_token(server: Server) -> None:
    with Stream(server) as stream:
        stream.open()
        fast = f"<authenticate xmlns='{SASL2}' mechanism='{NONE}'><fast xmlns='{FAST}'/></authenticate>"
        assert outcome(stream.asks(fast)) == "encryption-required"
