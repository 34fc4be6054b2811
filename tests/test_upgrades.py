"""Accounts that came with the keys of one hash function get the others (XEP-0480)."""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from scramp import ScramClient

from db import accounts as account_records
from handlers.login import accounts
from handlers.login.sasl import salted_keys
from tests.harness.fast import given, opened
from tests.harness.sasl2 import SASL2, Sasl2Stream, bind, identifier, secured_server
from tests.harness.streams import JULIET, Stream, local_name, outcome
from xmpp.server import Server

UPGRADE, SCRAM_UPGRADE = "urn:xmpp:sasl:upgrade:0", "urn:xmpp:scram-upgrade:0"
ALL = ["UPGR-SCRAM-SHA-512", "UPGR-SCRAM-SHA-256", "UPGR-SCRAM-SHA-1"]
ITERATIONS = 4096


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path, sasl={"tries": 5, "max_delay_seconds": 0, "iterations": ITERATIONS}) as server:
        has_only(server, "sha-1")
        yield server


def has_only(server: Server, *hashes: str) -> None:
    """Juliet's account came from a server that knew only these."""
    account_records.set_credentials(server.db, JULIET, salted_keys.derive("secret", ITERATIONS, hashes))


def wants(*tasks: str) -> str:
    return "".join(f"<upgrade xmlns='{UPGRADE}'>{task}</upgrade>" for task in tasks)


def begin(stream: Sasl2Stream, tasks: str, mechanism: str = "SCRAM-SHA-1") -> etree._Element:
    """Log in by SCRAM; returns what comes instead of success."""
    client = ScramClient([mechanism], "juliet", "secret")
    challenge = stream.authenticates(mechanism, client.get_client_first().encode(), tasks)
    client.set_server_first(b64decode(challenge.text or "").decode())
    answer = stream.answers(client.get_client_final().encode())
    client.set_server_final(b64decode(answer.findtext(f"{{{SASL2}}}additional-data") or "").decode())
    return answer


def tasks_of(answer: etree._Element) -> list[str | None]:
    assert local_name(answer) == "continue", etree.tostring(answer)
    return [each.text for each in answer.findall(f"{{{SASL2}}}tasks/{{{SASL2}}}task")]


def salted(data: etree._Element, algorithm: str, password: bytes = b"secret") -> bytes:
    salt = data.find(f"{{{SCRAM_UPGRADE}}}salt")
    assert local_name(data) == "task-data" and salt is not None, etree.tostring(data)
    iterations = int(salt.get("iterations") or "")
    return hashlib.pbkdf2_hmac(algorithm, password, b64decode(salt.text or ""), iterations)


def next_task(name: str) -> str:
    return f"<next xmlns='{SASL2}' task='{name}'/>"


def task_data(hash: bytes) -> str:
    return f"<task-data xmlns='{SASL2}'><hash xmlns='{SCRAM_UPGRADE}'>{b64encode(hash).decode()}</hash></task-data>"


def test_everybody_is_offered_all_of_them(server: Server) -> None:
    for name in ("", "juliet@localhost", "nobody@localhost"):
        with Sasl2Stream(server) as stream:
            stream.claims = name
            offered = stream.open().findall(f"{{{SASL2}}}authentication/{{{UPGRADE}}}upgrade")
            assert [each.text for each in offered] == ALL


def test_a_client_that_salts_its_password_once_more_can_log_in_by_that_hash_from_then_on(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        assert tasks_of(begin(stream, wants(ALL[1]) + bind())) == [ALL[1]]
        data = stream.asks(next_task(ALL[1]))
        success = stream.asks(task_data(salted(data, "sha256")))
        assert identifier(success).startswith("juliet@localhost/")
        assert success.find(f"{{{SASL2}}}additional-data") is None  # it was in <continue/>
    with Sasl2Stream(server) as stream:
        stream.open()
        assert identifier(stream.tries_scram2("SCRAM-SHA-256")) == "juliet@localhost"
    assert account_records.hashes(server.db, JULIET) == {"sha-1", "sha-256"}


def test_several_come_one_after_the_other(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        assert tasks_of(begin(stream, wants(*reversed(ALL)))) == [ALL[0]]
        data = stream.asks(next_task(ALL[0]))
        answer = stream.asks(task_data(salted(data, "sha512")))
        assert tasks_of(answer) == [ALL[1]]
        data = stream.asks(next_task(ALL[1]))
        assert identifier(stream.asks(task_data(salted(data, "sha256")))) == "juliet@localhost"
    assert account_records.hashes(server.db, JULIET) == {"sha-1", "sha-256", "sha-512"}


@pytest.mark.parametrize("tasks", [(), ("UPGR-SCRAM-SHA-1",), ("UPGR-BLOOP",)], ids=str)
def test_who_lacks_nothing_of_what_it_asks_for_is_let_in_at_once(server: Server, tasks: tuple[str, ...]) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        assert identifier(begin(stream, wants(*tasks))) == "juliet@localhost"


def test_who_logs_in_by_plain_has_shown_all_that_it_takes(server: Server) -> None:
    """Also where the hash that PLAIN is checked with is among those that are missing."""
    with Stream(server) as stream:
        stream.open()
        assert stream.tries_password("juliet", "wrong") == "not-authorized"
        assert account_records.hashes(server.db, JULIET) == {"sha-1"}
        assert stream.tries_password("juliet", "secret") == "success"
    assert account_records.hashes(server.db, JULIET) == {"sha-1", "sha-256", "sha-512"}
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        with Stream(server) as stream:
            stream.open()
            assert stream.tries_scram(mechanism, "juliet", "secret") == "success"


def test_the_hash_that_is_missing_looks_like_that_of_nobody(server: Server) -> None:
    """Before the password is shown, there is a salt for everybody."""
    for name in ("juliet", "nobody"):
        with Sasl2Stream(server) as stream:
            stream.open()
            challenge = stream.authenticates("SCRAM-SHA-256", f"n,,n={name},r=abc".encode())
            assert re.match(rb"r=abc.+,s=.{24},i=4096,h=", b64decode(challenge.text or ""))


# -- what goes wrong


@pytest.mark.parametrize(
    "element",
    [
        next_task(ALL[0]),
        f"<next xmlns='{SASL2}'/>",
        task_data(bytes(32)),
        f"<abort xmlns='{SASL2}'/>",
    ],
    ids=["another", "none", "before it has begun", "aborted"],
)
def test_another_task_than_the_one_that_is_due_fails_the_login(server: Server, element: str) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        assert tasks_of(begin(stream, wants(ALL[1]))) == [ALL[1]]
        assert outcome(stream.asks(element)) in ("malformed-request", "aborted")
        assert outcome(stream.asks(next_task(ALL[1]))) == "malformed-request"
        assert identifier(begin(stream, "")) == "juliet@localhost"
    assert account_records.hashes(server.db, JULIET) == {"sha-1"}


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        (b64encode(bytes(20)).decode(), "malformed-request"),
        (b64encode(bytes(64)).decode(), "malformed-request"),
        ("", "malformed-request"),
        ("§", "incorrect-encoding"),
    ],
)
def test_what_is_no_salted_password_is_not_kept(server: Server, content: str, condition: str) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        begin(stream, wants(ALL[1]))
        stream.asks(next_task(ALL[1]))
        hash = f"<hash xmlns='{SCRAM_UPGRADE}'>{content}</hash>"
        assert outcome(stream.asks(f"<task-data xmlns='{SASL2}'>{hash}</task-data>")) == condition
    assert account_records.hashes(server.db, JULIET) == {"sha-1"}


def test_nothing_else_may_come_meanwhile(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        begin(stream, wants(ALL[1]))
        stream.send("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert stream.last_words()[-1] == "policy-violation"


def test_where_no_task_is_due_none_can_be_begun(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        assert outcome(stream.asks(next_task(ALL[1]))) == "malformed-request"


def test_row_221_a_password_that_was_changed_meanwhile_gets_no_keys_of_the_old_one(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        stream.open()
        begin(stream, wants(ALL[1]))
        data = stream.asks(next_task(ALL[1]))
        accounts.change_password(server, JULIET, "another")
        after = account_records.credential(server.db, JULIET, "sha-256")
        assert outcome(stream.asks(task_data(salted(data, "sha256")))) == "not-authorized"
    assert account_records.credential(server.db, JULIET, "sha-256") == after


def test_row_221_keys_that_an_account_has_are_not_replaced(server: Server) -> None:
    has_only(server, "sha-1", "sha-256")
    before = account_records.credential(server.db, JULIET, "sha-256")
    with Sasl2Stream(server) as stream:
        stream.open()
        assert identifier(begin(stream, wants(ALL[1]))) == "juliet@localhost"
    account_records.add_credentials(server.db, JULIET, salted_keys.derive("other", ITERATIONS))
    assert account_records.credential(server.db, JULIET, "sha-256") == before


def test_row_221_with_a_token_nobody_gives_an_account_keys(server: Server) -> None:
    """Who has stolen one would have a password."""
    token = given(server)
    has_only(server, "sha-1")
    with opened(server) as stream:
        assert identifier(stream.tries_token(token, inline=wants(*ALL))) == "juliet@localhost"
    assert account_records.hashes(server.db, JULIET) == {"sha-1"}


def test_where_it_is_switched_off_it_is_neither_offered_nor_done(tmp_path: Path) -> None:
    with secured_server(tmp_path, upgrades={"enabled": False}) as server:
        has_only(server, "sha-1")
        with Sasl2Stream(server) as stream:
            assert stream.open().find(f"{{{SASL2}}}authentication/{{{UPGRADE}}}upgrade") is None
            assert identifier(begin(stream, wants(*ALL))) == "juliet@localhost"
