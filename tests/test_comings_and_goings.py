"""What the log says of logins, failed ones, logouts and accounts."""

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.admin import administration
from handlers.admin.comings_and_goings import FailureLines, shown_address
from handlers.login import accounts
from tests.harness.in_process import Client
from tests.harness.managed_client import ManagedClient
from tests.harness.servers import ROOT
from tests.harness.streams import JULIET, SASL, Stream, listening_server, outcome
from xmpp.data.jid import JID
from xmpp.running import lines as running_lines
from xmpp.running.lines import MOST_AT_ONCE
from xmpp.running.logs import MAX_WORD, TEXT, TextFormatter, one_word
from xmpp.server import Server

ABORT = f"<abort xmlns='{SASL}'/>"
REGISTER = "jabber:iq:register"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path) as server:
        yield server


@pytest.fixture
def lines(server: Server, caplog: pytest.LogCaptureFixture) -> "Lines":
    caplog.set_level(logging.INFO)
    caplog.clear()
    return Lines(caplog)


class Lines:
    """What has been logged, and since when it was looked at last."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def new(self) -> list[str]:
        found = [record.getMessage() for record in self._caplog.records if record.name.startswith("handlers.")]
        self._caplog.clear()
        return found


def test_a_login_and_what_becomes_of_it_have_a_line_each(server: Server, lines: Lines) -> None:
    with Stream(server) as stream:
        stream.open()
        assert stream.tries_scram("SCRAM-SHA-256", "Juliet", "secret") == "success"
        assert lines.new() == ["login of juliet@localhost from 127.0.0.1 by SCRAM-SHA-256"]
        stream.open()
        stream.binds("the balcony")
        stream.send("</stream:stream>")
        assert stream.last_words() == []
    assert lines.new() == [r"logout of juliet@localhost/the\u0020balcony"]


def test_a_long_name_is_cut_short_in_the_line_of_a_login(server: Server, lines: Lines) -> None:
    accounts.create(server, JID.of("x" * 1000, "localhost"), "secret")
    with Stream(server) as stream:
        stream.open()
        stream.begins("PLAIN", b"\0" + b"x" * 1000 + b"\0secret")
    assert lines.new() == [f"login of {'x' * MAX_WORD}... from 127.0.0.1 by PLAIN"]


@pytest.mark.parametrize(
    ("mechanism", "data", "line"),
    [
        ("PLAIN", b"\0juliet\0wrong", "as juliet@localhost: wrong password"),
        ("PLAIN", b"\0juliet\0wro\xc2\x80ng", "as juliet@localhost: wrong password"),
        ("PLAIN", b"\0nobody\0wrong", "as nobody@localhost: no such account"),
        ("PLAIN", b"\0no body\0wrong", "as -: not-authorized"),
        ("PLAIN", b"\0" + b"x" * 1000 + b"\0wrong", f"as {'x' * MAX_WORD}...: no such account"),
        ("PLAIN", b"romeo@localhost\0juliet\0secret", "as -: invalid-authzid"),
        ("PLAIN", b"secret", "as -: malformed-request: expected [authzid] NUL authcid NUL password"),
        ("EXTERNAL", b"secret", "as -: invalid-mechanism"),
        ("SCRAM-SHA-1", b"secret", "as -: malformed-request: not a SCRAM message"),
    ],
)
def test_a_failed_login_has_a_line_with_address_account_and_reason(
    server: Server, lines: Lines, mechanism: str, data: bytes, line: str
) -> None:
    with Stream(server) as stream:
        stream.open()
        stream.begins(mechanism, data)
        assert lines.new() == [f"failed login from 127.0.0.1 {line}"]


def test_what_the_documentation_has_a_program_look_for_is_in_the_line(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    text = (ROOT / "docs" / "administration.md").read_text(encoding="utf-8")
    [failregex] = re.findall(r"failregex = (.+)", text)
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(TextFormatter(TEXT))
    with Stream(server) as stream:
        stream.open()
        stream.begins("PLAIN", b"\0juliet\0wrong")
    [found] = re.findall(failregex.replace("<HOST>", r"(\S+)"), caplog.text)
    assert found == "127.0.0.1"


def test_a_failed_proof_has_a_line_too(server: Server, lines: Lines) -> None:
    with Stream(server) as stream:
        stream.open()
        assert stream.tries_scram("SCRAM-SHA-512", "juliet", "wrong") == "not-authorized"
        stream.begins("SCRAM-SHA-1", b"n,,n=juliet,r=abc")
        stream.responds(b"secret")
    assert lines.new() == [
        "failed login from 127.0.0.1 as juliet@localhost: wrong password",
        "failed login from 127.0.0.1 as juliet@localhost: malformed-request: not a SCRAM message",
    ]


def test_who_gives_up_what_has_failed_already_has_not_failed_twice(server: Server, lines: Lines) -> None:
    with Stream(server) as stream:
        stream.open()
        stream.begins("PLAIN", b"\0juliet\0wrong")
        assert outcome(stream.asks(ABORT)) == "aborted"
        stream.begins("SCRAM-SHA-1", b"n,,n=juliet,r=abc")
        assert outcome(stream.asks(ABORT)) == "aborted"
    assert lines.new() == [
        "failed login from 127.0.0.1 as juliet@localhost: wrong password",
        "failed login from 127.0.0.1 as juliet@localhost: aborted",
    ]


def test_a_flood_from_strangers_is_told_in_the_next_line(
    server: Server, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = server.state(FailureLines)
    failures.next(time.monotonic())
    monkeypatch.setattr(running_lines, "LINES_PER_SECOND", 0.0)
    for _ in range(MOST_AT_ONCE - 1):
        failures.next(time.monotonic())
    with Stream(server) as stream:
        stream.open()
        for _ in range(2):
            stream.tries_password("juliet", "wrong")
        assert lines.new() == []
        monkeypatch.setattr(running_lines, "LINES_PER_SECOND", 1e9)
        stream.tries_password("juliet", "wrong")
    [line] = lines.new()
    assert line.endswith("wrong password (2 more were not logged before this one)")


def test_accounts_that_are_made_changed_and_removed_have_a_line(server: Server, lines: Lines) -> None:
    def wish(name: str, password: str) -> str:
        fields = f"<username>{name}</username><password>{password}</password>"
        return f"<query xmlns='{REGISTER}'>{fields}</query>"

    with Stream(server) as stream:
        stream.open()
        assert stream.asks_iq(wish("romeo", "wherefore")) == "result"
        assert stream.asks_iq(wish("juliet", "wherefore")) == "conflict"
        assert lines.new() == ["account romeo@localhost was registered from 127.0.0.1"]
        assert stream.tries_password("romeo", "wherefore") == "success"
        stream.open()
        stream.binds("orchard")
        assert lines.new() == ["login of romeo@localhost from 127.0.0.1 by PLAIN"]
        assert stream.asks_iq(wish("romeo", "new secret")) == "result"
        assert lines.new() == ["account romeo@localhost was given another password by its owner"]
        assert stream.asks_iq(f"<query xmlns='{REGISTER}'><remove/></query>") == "result"
        assert lines.new() == [
            "account romeo@localhost was removed by its owner",
            "logout of romeo@localhost/orchard",
        ]


def test_what_the_administrator_does_to_accounts_has_a_line(server: Server, lines: Lines) -> None:
    nurse = "nurse@localhost"
    administration.carry_out(server, "add", account=nurse, password="secret")
    administration.carry_out(server, "passwd", account=nurse, password="other")
    administration.carry_out(server, "remove", account=nurse)
    assert lines.new() == [
        f"account {nurse} {what} by the administrator"
        for what in ("was made", "was given another password", "was removed")
    ]


def test_a_session_that_has_waited_in_vain_says_so_and_one_that_ends_with_the_server_nothing(
    server: Server, lines: Lines
) -> None:
    lost, other = ManagedClient(server, f"{JULIET}/phone"), Client(server, f"{JULIET}/desk")
    lost.enables(resume="true")
    lost.loses_connection()
    assert lines.new() == []
    lost.session.end()
    assert lines.new() == ["logout of juliet@localhost/phone, whose connection was lost"]
    server.stop()
    other.session.end()
    assert lines.new() == []


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("juliet@localhost", "juliet@localhost"),
        ("j\u00fclich@b\u00fccher.example", "j\u00fclich@b\u00fccher.example"),
        ("a\nlogin of admin", r"a\u000alogin\u0020of\u0020admin"),
        ("a\u2028b\u202ec\u00a0d\x1b[31m", r"a\u2028b\u202ec\u00a0d\u001b[31m"),
        ("x" * (MAX_WORD + 1), "x" * MAX_WORD + "..."),
    ],
)
def test_a_name_is_one_word_whatever_is_in_it(name: str, word: str) -> None:
    assert one_word(name) == word


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%lo", "fe80::1%lo"),
    ],
)
def test_an_address_of_ipv4_is_written_as_one(peer: str, shown: str) -> None:
    assert shown_address(peer) == shown
