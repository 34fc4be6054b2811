"""docs/security.md rows about logging in and accounts."""

import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db import accounts as account_records
from handlers.login import accounts
from handlers.login.sasl import salted_keys
from handlers.login.sasl.exchange import Challenge
from handlers.login.sasl.plain import Plain
from handlers.login.sasl.scram import NONCE_BYTES, Scram, Terms
from handlers.login.throttle import LoginThrottle
from tests.harness.comparisons import noted_comparisons
from tests.harness.streams import FEW_ITERATIONS, JULIET, Stream, listening_server
from xmpp.data.errors import SASLFailure
from xmpp.data.ids import RANDOM_BYTES
from xmpp.data.jid import JID
from xmpp.server import Server

REGISTER = "jabber:iq:register"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path) as server:
        yield server


def wish(name: str, password: str) -> str:
    return f"<query xmlns='{REGISTER}'><username>{name}</username><password>{password}</password></query>"


# -- row 1: logging in for somebody else


AUTHZIDS = [
    ("juliet@localhost", True),
    ("JULIET@LOCALHOST", True),
    ("juliet@localhost/balcony", True),
    ("romeo@localhost", False),
    ("juliet@example.org", False),
    ("juliet", False),
    ("localhost", False),
    ("juliet@localhost@localhost", False),
    ("@localhost", False),
]


@pytest.mark.parametrize(("authzid", "is_own"), AUTHZIDS)
def test_row_1_plain_acts_for_the_account_itself_only(authzid: str, is_own: bool) -> None:
    plain = Plain("localhost", lambda account, password: True)
    message = f"{authzid}\0juliet\0secret".encode()
    if is_own:
        assert plain.respond(message).account == JULIET
    else:
        with pytest.raises(SASLFailure, match="invalid-authzid"):
            plain.respond(message)


@pytest.mark.parametrize(("authzid", "is_own"), AUTHZIDS)
def test_row_1_scram_acts_for_the_account_itself_only(authzid: str, is_own: bool) -> None:
    credential = salted_keys.derive("secret", FEW_ITERATIONS)["sha-1"]
    scram = Scram(Terms("localhost", "sha-1"), lambda account, hash: credential)
    message = f"n,a={authzid},n=juliet,r=abc".encode()
    if is_own:
        assert isinstance(scram.respond(message), Challenge)
    else:
        with pytest.raises(SASLFailure, match="invalid-authzid"):
            scram.respond(message)


# -- rows 10 and 11: timing and randomness


def test_row_10_secrets_are_compared_in_constant_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = noted_comparisons(monkeypatch)
    for attempt in (Stream.tries_scram, lambda stream, _, name, password: stream.tries_password(name, password)):
        compared.clear()
        with Stream(server) as stream:
            stream.open()
            assert attempt(stream, "SCRAM-SHA-256", "juliet", "wrong") == "not-authorized"
        kept = account_records.credential(server.db, JULIET, "sha-256")
        assert kept is not None and kept.stored_key in [other for _, other in compared]


def test_row_11_resources_and_nonces_cannot_be_guessed(server: Server) -> None:
    assert min(RANDOM_BYTES, NONCE_BYTES) * 8 >= 128
    resources, nonces = set(), set()
    for _ in range(5):
        with Stream(server) as stream:
            stream.open()
            nonces.add(b64decode(stream.begins("SCRAM-SHA-1", b"n,,n=juliet,r=abc").text or ""))
            assert stream.tries_password("juliet", "secret") == "success"
            stream.open()
            resources.add(stream.binds())
    assert len(nonces) == len(resources) == 5


# -- row 33: downgrade


def test_row_33_a_client_that_was_kept_from_binding_is_refused() -> None:
    scram = Scram(
        Terms("localhost", "sha-256", plus_is_offered=True, bindings={"tls-server-end-point": b"hash"}),
        lambda account, hash: salted_keys.derive("secret", FEW_ITERATIONS)[hash],
    )
    with pytest.raises(SASLFailure, match="not-authorized"):
        scram.respond(b"y,,n=juliet,r=abc")


# -- row 34: finding out which accounts there are


def server_first(stream: Stream, name: str) -> dict[str, str]:
    challenge = stream.begins("SCRAM-SHA-256", f"n,,n={name},r=abc".encode())
    return dict(part.split("=", 1) for part in b64decode(challenge.text or "").decode().split(","))


def test_row_34_an_unknown_account_shows_a_salt_as_stable_as_a_known_one(tmp_path: Path) -> None:
    shown = []
    for _ in range(2):  # the second time after a restart
        with listening_server(tmp_path) as server, Stream(server) as stream:
            stream.open()
            shown.append([server_first(stream, name) for name in ("juliet", "nobody", "nobody", "noone")])
    for juliet, nobody, nobody_again, noone in shown:
        assert nobody["s"] == nobody_again["s"] != noone["s"]
        assert len(nobody["s"]) == len(juliet["s"])
        assert nobody["i"] == juliet["i"]
        assert nobody.keys() == juliet.keys()
    assert shown[0][1]["s"] == shown[1][1]["s"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_row_34_an_unknown_account_fails_like_a_wrong_password(server: Server, mechanism: str) -> None:
    failures: list[str] = []
    for name in ("juliet", "nobody"):
        with Stream(server) as stream:
            stream.open()
            if mechanism == "PLAIN":
                failures.append(etree.tostring(stream.begins("PLAIN", f"\0{name}\0wrong".encode()), encoding="unicode"))
            else:
                failures.append(stream.tries_scram(mechanism, name, "wrong"))
    assert failures[0] == failures[1]


def test_row_34_plain_does_the_same_work_for_an_unknown_account() -> None:
    asked: list[JID] = []

    def ask(account: JID, password: str) -> bool:
        asked.append(account)
        return False

    Plain("localhost", ask).respond(b"\0nobody\0secret")
    assert asked == ["nobody@localhost"]
    invented = salted_keys.false_credential(b"of the server", "nobody@localhost", "sha-256", FEW_ITERATIONS)
    kept = salted_keys.derive("secret", FEW_ITERATIONS)["sha-256"]
    assert invented.iterations == kept.iterations
    assert [len(each) for each in (invented.salt, invented.stored_key)] == [len(kept.salt), len(kept.stored_key)]
    assert not salted_keys.is_right("secret", "sha-256", invented)


# -- row 35: guessing


@pytest.mark.parametrize("password", ["wrong", "secret"])
def test_row_35_after_failures_every_answer_waits_and_nobody_is_locked_out(tmp_path: Path, password: str) -> None:
    delay = 0.3
    with listening_server(tmp_path, sasl={"max_delay_seconds": delay}) as server, Stream(server) as stream:
        for _ in range(100):
            server.state(LoginThrottle).failed("192.0.2.1", JULIET, time.monotonic())
        stream.open()
        began = time.monotonic()
        answer = stream.tries_password("juliet", password)
        assert time.monotonic() - began > delay * 0.9  # the loop's clock is a little coarser
        assert answer == ("success" if password == "secret" else "not-authorized")


def test_row_35_a_failure_on_a_stream_counts_against_its_network_and_account(server: Server) -> None:
    with Stream(server) as stream:
        stream.open()
        stream.tries_password("juliet", "wrong")
    throttle, now = server.state(LoginThrottle), time.monotonic()
    assert throttle.delay("127.0.0.1", "romeo@localhost", now) > 0
    assert throttle.delay("192.0.2.1", JULIET, now) > 0


# -- row 38: registration


def test_row_38_one_address_makes_a_few_accounts_only(tmp_path: Path) -> None:
    with listening_server(tmp_path, register={"accounts_per_address": 2}) as server:
        answers = []
        for number in range(3):
            with Stream(server) as stream:
                stream.open()
                answers.append(stream.asks_iq(wish(f"user{number}", "wherefore")))
        assert answers == ["result", "result", "resource-constraint"]
        assert not account_records.exists(server.db, JID.parse("user2@localhost"))


def test_row_38_trying_names_is_slowed_down_like_trying_passwords(server: Server) -> None:
    with Stream(server) as stream:
        stream.open()
        assert stream.asks_iq(wish("juliet", "mine now")) == "conflict"
    assert server.state(LoginThrottle).delay("127.0.0.1", "romeo@localhost", time.monotonic()) > 0


@pytest.mark.parametrize("to", ["", "to='romeo@localhost'", "to='localhost'"])
@pytest.mark.parametrize(
    "content", ["<remove/>", "<username>romeo</username><password>stolen</password>"], ids=["remove", "password"]
)
def test_row_38_nobody_changes_or_removes_anothers_account(server: Server, to: str, content: str) -> None:
    romeo = JID.parse("romeo@localhost")
    accounts.create(server, romeo, "wherefore")
    before = account_records.credential(server.db, romeo, "sha-256")
    with Stream(server) as stream:
        stream.logs_in()
        stream.binds("balcony")
        stream.asks(f"<iq type='set' id='1' {to}><query xmlns='{REGISTER}'>{content}</query></iq>")
    assert account_records.credential(server.db, romeo, "sha-256") == before is not None


# -- row 56: taking an account over


def test_row_56_making_an_account_that_exists_fails_and_changes_nothing(server: Server) -> None:
    before = account_records.credential(server.db, JULIET, "sha-256")
    with pytest.raises(account_records.AccountExists):
        accounts.create(server, JULIET, "mine now")
    with Stream(server) as stream:
        stream.open()
        assert stream.asks_iq(wish("juliet", "mine now")) == "conflict"
    assert account_records.credential(server.db, JULIET, "sha-256") == before is not None


def test_row_56_a_new_password_ends_the_other_sessions(server: Server) -> None:
    with Stream(server) as owner, Stream(server) as thief:
        for stream, resource in ((owner, "owner"), (thief, "thief")):
            stream.logs_in()
            stream.binds(resource)
        assert owner.asks_iq(wish("juliet", "new secret")) == "result"
        assert thief.last_words() == ["reset"]
        assert owner.asks_iq(wish("juliet", "newer secret")) == "result"


def test_row_56_a_new_password_ends_streams_that_have_no_session_yet(server: Server) -> None:
    with Stream(server) as owner, Stream(server) as thief:
        owner.logs_in()
        owner.binds("owner")
        thief.logs_in()
        assert owner.asks_iq(wish("juliet", "new secret")) == "result"
        assert thief.last_words() == ["reset"]
