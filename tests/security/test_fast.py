"""Tokens of FAST (XEP-0484) in the wrong hands, at the wrong time, or for something else (docs/security.md
rows 10, 36 and 230 to 232)."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from db import accounts as account_records
from db import fast_tokens
from db.sqlite.database import Database
from handlers.admin.administration import carry_out
from handlers.login import accounts, throttle
from handlers.login.sasl.settings import SASLSettings
from handlers.login.throttle import LoginThrottle
from tests.harness.comparisons import noted_comparisons
from tests.harness.fast import NONE, given, have_aged, opened, token_in, tries
from tests.harness.sasl2 import PHONE, TABLET, secured_server
from tests.harness.streams import JULIET, listening_server, outcome
from xmpp.data.jid import JID
from xmpp.server import Server
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

DAY = 86_400.0
ENDP, EXPR = "HT-SHA-256-ENDP", "HT-SHA-256-EXPR"
ROMEO = JID.parse("romeo@localhost")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path, sasl={"tries": 5}) as server:
        accounts.create(server, ROMEO, "secret")
        yield server


@pytest.mark.parametrize("mechanism", [ENDP, EXPR, NONE])
@pytest.mark.parametrize("other", [ENDP, EXPR, NONE])
def test_row_36_a_token_is_good_by_one_mechanism_alone(server: Server, mechanism: str, other: str) -> None:
    """A token for a mechanism that binds to the channel is not good by one that does not."""
    token = given(server, mechanism)
    assert tries(server, token, other) == ("success" if other == mechanism else "not-authorized")


def test_row_36_what_is_said_for_another_channel_is_not_heard(server: Server) -> None:
    token = given(server, EXPR)
    assert tries(server, token, EXPR, proves=NONE) == "not-authorized"
    assert tries(server, token, EXPR, proves=ENDP) == "not-authorized"


def test_row_36_tokens_do_not_log_in_by_mechanisms_for_passwords(server: Server) -> None:
    token = given(server)
    with opened(server) as stream:
        assert outcome(stream.tries_plain("<fast xmlns='urn:xmpp:fast:0'/>", PHONE)) == "invalid-mechanism"
        assert outcome(stream.tries_plain(agent=PHONE, password=token)) == "not-authorized"
        assert outcome(stream.authenticates(NONE, b"juliet\0" + bytes(32), agent=PHONE)) == "invalid-mechanism"
        assert stream.tries_password("juliet", token) == "not-authorized"


def test_row_10_a_token_is_compared_in_constant_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    token, compared = given(server), noted_comparisons(monkeypatch)
    assert tries(server, "another", agent=PHONE) == "not-authorized"
    assert compared
    assert not any(one == other for one, other in compared)
    assert tries(server, token, agent=PHONE) == "success"
    assert any(one == other for one, other in compared)


def test_row_230_a_token_is_good_for_the_client_that_got_it(server: Server) -> None:
    token = given(server)
    given(server, agent=TABLET)
    assert tries(server, token, agent=TABLET) == "not-authorized"
    assert tries(server, token, agent="") == "malformed-request"
    assert tries(server, token, agent=PHONE) == "success"


def test_row_230_a_token_is_good_for_its_account(server: Server) -> None:
    token = given(server)
    given(server, name="romeo")
    assert tries(server, token, name="romeo") == "not-authorized"
    assert tries(server, token, name="nobody") == "not-authorized"


def test_row_230_a_token_is_good_at_its_domain(tmp_path: Path) -> None:
    tls = ServerTLS(TLSSettings(), {"localhost": [], "verona.example": []}, tmp_path / "certificates")
    domains = {"domains": ("localhost", "verona.example")}
    with listening_server(tmp_path, Database, tls, server=domains) as server:
        accounts.create(server, JID.parse("juliet@verona.example"), "secret")
        token = given(server)
        with opened(server, domain="verona.example") as stream:
            assert outcome(stream.tries_token(token)) == "not-authorized"
        assert tries(server, token) == "success"


def test_row_230_whoever_gets_the_name_of_an_account_does_not_get_its_tokens(server: Server) -> None:
    token = given(server)
    kept = server.db.connection.execute("SELECT * FROM fast_token").fetchall()
    accounts.remove(server, JULIET)
    accounts.create(server, JULIET, "secret")
    assert not server.db.connection.execute("SELECT * FROM fast_token").fetchall()
    assert tries(server, token) == "not-authorized"
    server.db.connection.executemany("INSERT INTO fast_token VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
    assert tries(server, token) == "not-authorized"  # even if it had stayed


def test_row_36_a_token_that_has_expired_lets_nobody_in_and_only_who_has_it_learns_that(server: Server) -> None:
    token = given(server)
    have_aged(server, 21 * DAY - 60)
    assert tries(server, token) == "success"
    have_aged(server, 61)
    assert tries(server, token) == "credentials-expired"
    assert tries(server, "another") == "not-authorized"
    assert tries(server, token, agent=TABLET) == "not-authorized"


def test_row_36_a_token_in_use_is_not_longer_good_than_it_was_to_be(server: Server) -> None:
    """Each new one has its own time, and a client that never takes it needs the password in the end."""
    token = given(server)
    have_aged(server, 20 * DAY)
    with opened(server) as stream:
        assert token_in(stream.tries_token(token)) is not None
    have_aged(server, 2 * DAY)
    assert tries(server, token) == "credentials-expired"


@pytest.mark.parametrize("again", ["5", "4", "0"])
def test_row_36_a_message_that_was_sent_before_is_not_heard_again(server: Server, again: str) -> None:
    token = given(server)
    assert tries(server, token, said="count='5'") == "success"
    assert tries(server, token, said=f"count='{again}'") == "not-authorized"
    assert tries(server, token, said="count='6'") == "success"


def test_row_36_nor_when_a_new_token_has_been_given_meanwhile(server: Server) -> None:
    old = given(server)
    tries(server, old, said="count='5'")
    have_aged(server, 2 * DAY)
    with opened(server) as stream:
        stream.tries_token(old, said="count='6'")
    assert tries(server, old, said="count='6'") == "not-authorized"


def test_row_36_of_two_at_the_same_time_one_is_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both wait, because somebody has guessed before."""
    monkeypatch.setattr(throttle, "FIRST_DELAY", 0.01)
    with secured_server(tmp_path, sasl={"tries": 5, "max_delay_seconds": 0.05}) as server:
        token = given(server)
        tries(server, "wrong")
        both = [gevent.spawn(tries, server, token, said="count='1'") for _ in range(2)]
        assert sorted(each.get() for each in both) == ["not-authorized", "success"]


def change_password(server: Server) -> None:
    accounts.change_password(server, JULIET, "another")


def disable_and_enable(server: Server) -> None:
    carry_out(server, "disable", account=JULIET)
    carry_out(server, "enable", account=JULIET)


def have_removed_later(server: Server) -> None:
    carry_out(server, "remove", account=JULIET, days=3)
    carry_out(server, "restore", account=JULIET)


Change = Callable[[Server], None]
CHANGES = pytest.mark.parametrize("change", [change_password, disable_and_enable, have_removed_later])


@CHANGES
def test_row_36_tokens_go_with_a_new_password_and_with_the_end_of_an_account(server: Server, change: Change) -> None:
    token, his = given(server), given(server, name="romeo")
    tries(server, token)
    have_aged(server, 2 * DAY)
    with opened(server) as stream:
        new = token_in(stream.tries_token(token)) or ""
    change(server)
    assert tries(server, token) == "not-authorized"
    assert tries(server, new) == "not-authorized"
    assert tries(server, his, name="romeo") == "success"


@CHANGES
def test_row_36_a_login_that_was_begun_before_does_not_succeed_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr(throttle, "FIRST_DELAY", 0.05)
    with secured_server(tmp_path, sasl={"tries": 5, "max_delay_seconds": 5}) as server:
        token = given(server)
        now = time.monotonic()
        server.state(LoginThrottle).failed("127.0.0.1", "somebody@localhost", now)
        server.state(LoginThrottle).failed("127.0.0.1", "somebody@localhost", now)
        with opened(server) as stream:
            attempt = gevent.spawn(stream.tries_token, token)
            gevent.spawn(change, server).get()
            assert outcome(attempt.get()) == "not-authorized"


def test_row_36_a_disabled_account_lets_nobody_in_with_a_token(server: Server) -> None:
    token = given(server)
    kept = server.db.connection.execute("SELECT * FROM fast_token").fetchall()
    carry_out(server, "disable", account=JULIET)
    server.db.connection.executemany("INSERT INTO fast_token VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
    assert tries(server, token) == "account-disabled"


# -- guessing


def test_row_231_whether_there_is_an_account_or_a_token_shows_neither_in_the_answer_nor_in_the_work(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(server)
    asked: list[str] = []
    tokens = fast_tokens.tokens

    def noted(db: Database, account: str, client: str) -> list[fast_tokens.Token]:
        asked.append(account)
        return tokens(db, account, client)

    monkeypatch.setattr(fast_tokens, "tokens", noted)
    with opened(server) as stream:
        answers = [
            stream.tries_token("wrong", name="juliet"),
            stream.tries_token("wrong", name="romeo"),
            stream.tries_token("wrong", name="nobody"),
        ]
    assert [[child.tag for child in answer] for answer in answers] == [[child.tag for child in answers[0]]] * 3
    assert asked == ["juliet@localhost", "romeo@localhost", "nobody@localhost"]


def test_row_231_wrong_tokens_slow_down_the_next_attempt_as_wrong_passwords_do(server: Server) -> None:
    tries(server, "wrong")
    assert server.state(LoginThrottle).delay("192.0.2.1", JULIET, time.monotonic()) > 0
    assert tries(server, given(server, name="romeo"), name="romeo") == "success"


def test_row_231_so_many_wrong_tokens_end_the_stream(server: Server) -> None:
    with opened(server) as stream:
        for _ in range(server.settings(SASLSettings).tries - 1):
            assert outcome(stream.tries_token("wrong")) == "not-authorized"
        stream.tries_token("wrong")
        assert stream.last_words() == ["policy-violation"]


@pytest.mark.parametrize(
    "first", [b"", b"\0" + bytes(32), b"juliet", b"juliet\0", b"juliet\0" + bytes(33), b"\xff\0" + bytes(32)]
)
def test_row_231_a_message_that_is_none_is_refused(server: Server, first: bytes) -> None:
    with opened(server) as stream:
        fast = "<fast xmlns='urn:xmpp:fast:0'/>"
        assert outcome(stream.authenticates(NONE, first, fast, PHONE)) == "malformed-request"


# -- what is kept


def test_row_232_what_is_kept_of_a_token_logs_nobody_in(server: Server) -> None:
    """Nor does the table tell which client it is of."""
    token = given(server)
    [row] = server.db.connection.execute("SELECT * FROM fast_token").fetchall()
    assert token not in str(row)
    assert PHONE not in str(row)
    for value in row:
        text = value.hex() if isinstance(value, bytes) else str(value)
        assert tries(server, text) == "not-authorized"
    assert account_records.identity(server.db, JULIET) not in row
