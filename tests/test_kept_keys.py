"""Accounts that come from another server with what it has kept instead of their passwords (RFC 5803)."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import accounts as account_records
from db.accounts import Credential
from handlers.admin import administration
from handlers.login.sasl import salted_keys
from handlers.login.sasl.kept_keys import kept_keys
from tests.harness.streams import Stream, listening_server
from xmpp.control import Refused
from xmpp.server import Server

ROMEO = "romeo@localhost"
KEYS = salted_keys.derive("wherefore", 5000)


def written(hash: str, credential: Credential) -> str:
    salt, stored, server = (
        b64encode(each).decode() for each in (credential.salt, credential.stored_key, credential.server_key)
    )
    return f"SCRAM-{hash.upper()}${credential.iterations}:{salt}${stored}:{server}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path) as server:
        yield server


def import_with(server: Server, text: str) -> None:
    administration.carry_out(server, "import", accounts_and_passwords=[(ROMEO, text)])


def test_keys_are_kept_as_they_come(server: Server) -> None:
    import_with(server, " ".join(written(hash, KEYS[hash]) for hash in ("sha-1", "sha-512")))
    assert account_records.hashes(server.db, ROMEO) == {"sha-1", "sha-512"}
    for mechanism, expected in (("SCRAM-SHA-1", "success"), ("SCRAM-SHA-512", "success"), ("PLAIN", "success")):
        with Stream(server) as stream:
            stream.open()
            if mechanism == "PLAIN":
                assert stream.tries_password("romeo", "wherefore") == expected
            else:
                assert stream.tries_scram(mechanism, "romeo", "wherefore") == expected
    assert account_records.hashes(server.db, ROMEO) == {"sha-1", "sha-256", "sha-512"}  # PLAIN has shown what it takes
    assert account_records.credential(server.db, ROMEO, "sha-1") == KEYS["sha-1"]


def test_passwords_and_keys_may_stand_in_one_list(server: Server) -> None:
    listed = [(ROMEO, "two words"), ("nurse@localhost", written("sha-256", KEYS["sha-256"])), ("tybalt@localhost", "x")]
    administration.carry_out(server, "import", accounts_and_passwords=listed)
    for name, password in (("romeo", "two words"), ("nurse", "wherefore"), ("tybalt", "x")):
        with Stream(server) as stream:
            stream.open()
            assert stream.tries_password(name, password) == "success"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (written("sha-1", KEYS["sha-256"]), "the keys for sha-1 have 20 bytes"),
        (written("sha-256", KEYS["sha-256"]._replace(iterations=4095)), "expected 4096 to 10000000 iterations"),
        (written("sha-256", KEYS["sha-256"]._replace(iterations=99_999_999)), "expected 4096 to 10000000 iterations"),
        (written("sha-256", KEYS["sha-256"]._replace(salt=bytes(129))), "a salt has at most 128 bytes"),
        (" ".join([written("sha-1", KEYS["sha-1"])] * 2), "there are keys for sha-1 twice"),
        ("SCRAM-SHA-1$4096:salt", "expected keys in the form"),
        (written("sha-1", KEYS["sha-1"]) + " more", "expected keys in the form"),
        (written("sha-224", KEYS["sha-1"]), "expected keys in the form"),
        (written("sha-1", KEYS["sha-1"]).replace("=:", ":"), "base64"),
    ],
    ids=["short", "few", "many", "long salt", "twice", "no keys", "more", "another hash", "no base64"],
)
def test_keys_that_are_wrong_are_no_password_either(server: Server, text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        import_with(server, text)
    assert not account_records.exists(server.db, ROMEO)


def test_nobody_else_gives_an_account_keys(server: Server) -> None:
    """What people choose as their password is one, however it looks."""
    text = written("sha-1", KEYS["sha-1"])
    administration.carry_out(server, "passwd", account="juliet@localhost", password=text)
    with Stream(server) as stream:
        stream.open()
        assert stream.tries_password("juliet", "wherefore") == "not-authorized"
        assert stream.tries_password("juliet", text) == "success"


@given(st.text() | st.from_regex(r"SCRAM-SHA-1\$[0-9]+:.*", fullmatch=True))
def test_a_text_is_a_password_or_keys_or_wrong(text: str) -> None:
    try:
        assert kept_keys(text) is None or text.startswith("SCRAM-SHA-")
    except ValueError:
        assert text.startswith("SCRAM-SHA-")
