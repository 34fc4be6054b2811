"""SASL without a stream: mechanisms, SCRAM, PLAIN, passwords, as tables of messages and what becomes of them."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient
from scramp.utils import ScramException
from scramp.utils import saslprep as their_saslprep

from db.accounts import Credential
from handlers.login.sasl import salted_keys
from handlers.login.sasl.exchange import Challenge, Verdict
from handlers.login.sasl.mechanisms import FAMILIES, Circumstances
from handlers.login.sasl.plain import Plain
from handlers.login.sasl.saslprep import MAX_CHARACTERS, saslprep
from handlers.login.sasl.scram import Scram, Terms
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID

ITERATIONS = 4096
JULIET = JID.parse("juliet@localhost")
CREDENTIALS = salted_keys.derive("secret", ITERATIONS)
END_POINT = {"tls-server-end-point": b"hash of the certificate"}
BOTH_BINDINGS = {**END_POINT, "tls-unique": b"finished message"}


def credential_of(account: JID, hash: str) -> Credential:
    if account == JULIET:
        return CREDENTIALS[hash]
    return salted_keys.false_credential(b"of the server", account, hash, ITERATIONS)


def exchange(**terms: Any) -> Scram:
    return Scram(Terms(**{"host": "localhost", "hash": "sha-256", **terms}), credential_of)


def failure(respond: Any, *messages: bytes) -> str:
    """The condition with which the exchange fails at the last of these messages."""
    *before, last = messages
    for message in before:
        assert isinstance(respond(message), Challenge)
    with pytest.raises(SASLFailure) as failed:
        respond(last)
    return failed.value.condition


# -- which mechanisms


def names(families: tuple[str, ...], is_secure: bool, must_be_secure: bool, bindings: dict[str, bytes]) -> list[str]:
    return [each.name for each in Circumstances(families, is_secure, must_be_secure, bindings).offered()]


PLUS = ["SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]
SCRAM = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]


@pytest.mark.parametrize(
    ("families", "is_secure", "must_be_secure", "bindings", "offered"),
    [
        (FAMILIES, True, True, BOTH_BINDINGS, [*PLUS, *SCRAM, "PLAIN"]),
        (FAMILIES, True, True, {}, [*SCRAM, "PLAIN"]),
        (FAMILIES, False, True, {}, SCRAM),
        (FAMILIES, False, False, {}, [*SCRAM, "PLAIN"]),
        (("SCRAM-SHA-256",), True, True, END_POINT, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]),
        (("PLAIN",), True, True, END_POINT, ["PLAIN"]),
    ],
)
def test_what_is_offered_depends_on_the_stream_and_the_configuration(
    families: tuple[str, ...], is_secure: bool, must_be_secure: bool, bindings: dict[str, bytes], offered: list[str]
) -> None:
    assert names(families, is_secure, must_be_secure, bindings) == offered


@pytest.mark.parametrize(
    ("name", "is_secure", "bindings", "condition"),
    [
        (None, True, END_POINT, "invalid-mechanism"),
        ("", True, END_POINT, "invalid-mechanism"),
        ("EXTERNAL", True, END_POINT, "invalid-mechanism"),
        ("scram-sha-256", True, END_POINT, "invalid-mechanism"),
        ("SCRAM-SHA-256-PLUS", True, {}, "invalid-mechanism"),
        ("SCRAM-SHA-256-PLUS", False, {}, "encryption-required"),
        ("PLAIN", False, {}, "encryption-required"),
        ("SCRAM-SHA-1", True, END_POINT, "mechanism-too-weak"),
        ("SCRAM-SHA-1-PLUS", True, END_POINT, "mechanism-too-weak"),
    ],
)
def test_a_mechanism_that_is_not_offered_fails(
    name: str | None, is_secure: bool, bindings: dict[str, bytes], condition: str
) -> None:
    circumstances = Circumstances(("SCRAM-SHA-256", "PLAIN"), is_secure, True, bindings)
    assert failure(lambda _: circumstances.chosen(name), b"") == condition


# -- SCRAM


@pytest.mark.parametrize(
    ("hash", "salt", "client_first", "nonce", "server_first", "client_final", "server_final"),
    [
        (  # RFC 5802 section 5
            "sha-1",
            "QSXCR+Q6sek8bf92",
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "3rfcNHYJY1ZVvWVs7j",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (  # RFC 7677 section 3
            "sha-256",
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ],
)
def test_the_examples_of_the_rfcs(
    hash: str, salt: str, client_first: str, nonce: str, server_first: str, client_final: str, server_final: str
) -> None:
    name = hash.replace("-", "")
    salted = hashlib.pbkdf2_hmac(name, b"pencil", b64decode(salt), 4096)
    stored_key = hashlib.new(name, hmac.digest(salted, b"Client Key", name)).digest()
    credential = Credential(b64decode(salt), 4096, stored_key, hmac.digest(salted, b"Server Key", name))
    scram = Scram(Terms("localhost", hash), lambda account, hash: credential, nonce)
    assert scram.respond(client_first.encode()) == Challenge(server_first.encode())
    verdict = scram.respond(client_final.encode())
    assert verdict == Verdict(JID.parse("user@localhost"), True, server_final.encode())


@pytest.mark.parametrize("hash", salted_keys.HASHES)
@pytest.mark.parametrize("binding", [None, *BOTH_BINDINGS])
@pytest.mark.parametrize(
    ("name", "password", "is_right"),
    [("juliet", "secret", True), ("juliet", "Secret", False), ("nobody", "secret", False)],
)
def test_another_implementation_of_the_client_gets_the_right_verdict(
    hash: str, binding: str | None, name: str, password: str, is_right: bool
) -> None:
    mechanism = f"SCRAM-{hash.upper()}" + ("-PLUS" if binding else "")
    client = ScramClient([mechanism], name, password, binding and (binding, BOTH_BINDINGS[binding]))
    scram = exchange(hash=hash, is_plus=binding is not None, plus_is_offered=False, bindings=BOTH_BINDINGS)
    challenge = scram.respond(client.get_client_first().encode())
    client.set_server_first(challenge.data.decode())
    verdict = scram.respond(client.get_client_final().encode())
    assert isinstance(verdict, Verdict)
    assert (verdict.account, verdict.is_right) == (f"{name}@localhost", is_right)
    if is_right:
        client.set_server_final(verdict.data.decode())  # raises if the signature is not the server's


FIRST = b"n,,n=juliet,r=abc"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"n,,n=juliet",
        b"n,,r=abc,n=juliet",
        b"n,,n=,r=abc",
        b"n,,n=juliet,r=",
        b"n,,n=juliet,r=a b",
        b"n,n=juliet,r=abc",
        b"x,,n=juliet,r=abc",
        b"p,,n=juliet,r=abc",
        b"p=,,n=juliet,r=abc",
        b"n,,n=ju=liet,r=abc",
        b"n,,n=ju=2cliet,r=abc",
        b"n,,n=juliet\0,r=abc",
        b"n,,m=extension,n=juliet,r=abc",
        b"n,juliet,n=juliet,r=abc",
        b"n,,n=juliet,r=abc\n",
        b"n,,n=\xff,r=abc",
    ],
)
def test_a_first_message_that_breaks_the_syntax_is_malformed(message: bytes) -> None:
    assert failure(exchange().respond, message) == "malformed-request"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"c=biws",
        b"c=biws,r={nonce}",
        b"r={nonce},c=biws,p=AAAA",
        b"c=biws,r={nonce},p=",
        b"c=biws,r={nonce},p=AAAA",  # too short for a proof
        b"c=biws,r={nonce},p=AAA",
        b"c=b,r={nonce},p=AAAA",
        b"c=biws,r={nonce},p=AAAA,x=after",
        b"c=biws,r={nonce},p=\xc3\xa4",
    ],
)
def test_a_final_message_that_breaks_the_syntax_is_malformed(message: bytes) -> None:
    scram = Scram(Terms("localhost", "sha-256"), credential_of, nonce="ours")
    assert failure(scram.respond, FIRST, message.replace(b"{nonce}", b"abcours")) == "malformed-request"


def final_message(
    challenge: Challenge | Verdict, *, binding: bytes = b"n,,", nonce: str = "", first: bytes = FIRST
) -> bytes:
    """What a client with the right password sends."""
    attributes = dict(part.split("=", 1) for part in challenge.data.decode().split(","))
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", b64decode(attributes["s"]), int(attributes["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c={b64encode(binding).decode()},r={nonce or attributes['r']}"
    signed = b",".join((first.split(b",", 2)[2], challenge.data, without_proof.encode()))
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{without_proof},p={b64encode(proof).decode()}".encode()


@pytest.mark.parametrize(
    ("changes", "is_right"),
    [
        ({}, True),
        ({"nonce": "abcours-and-more"}, False),
        ({"nonce": "abc"}, False),
        ({"binding": b"y,,"}, False),
        ({"binding": b"n,,more"}, False),
    ],
)
def test_the_final_message_has_to_repeat_nonce_and_binding(changes: dict[str, Any], is_right: bool) -> None:
    scram = exchange()
    verdict = scram.respond(final_message(scram.respond(FIRST), **changes))
    assert isinstance(verdict, Verdict) and verdict.is_right is is_right


def test_a_proof_is_good_for_one_exchange_only() -> None:
    scram = exchange()
    replayed = final_message(scram.respond(FIRST))
    again = exchange()
    again.respond(FIRST)
    verdict = again.respond(replayed)
    assert isinstance(verdict, Verdict) and not verdict.is_right


@pytest.mark.parametrize(
    ("first", "terms", "condition"),
    [
        (b"y,,n=juliet,r=abc", {"plus_is_offered": True}, "not-authorized"),  # RFC 5802 section 6
        (b"y,,n=juliet,r=abc", {"is_plus": True, "plus_is_offered": True}, "not-authorized"),
        (b"n,,n=juliet,r=abc", {"is_plus": True}, "malformed-request"),
        (b"p=tls-server-end-point,,n=juliet,r=abc", {"is_plus": False}, "malformed-request"),
        (b"p=tls-exporter,,n=juliet,r=abc", {"is_plus": True}, "malformed-request"),
    ],
)
def test_a_binding_flag_that_contradicts_the_offer_fails(first: bytes, terms: dict[str, Any], condition: str) -> None:
    assert failure(exchange(bindings=END_POINT, **terms).respond, first) == condition


def test_a_client_that_could_bind_is_let_in_where_binding_is_not_offered() -> None:
    first = b"y,,n=juliet,r=abc"
    scram = exchange(plus_is_offered=False)
    verdict = scram.respond(final_message(scram.respond(first), binding=b"y,,", first=first))
    assert isinstance(verdict, Verdict) and verdict.is_right


@pytest.mark.parametrize("data", [b"somebody else's certificate", b""])
def test_binding_to_another_channel_fails(data: bytes) -> None:
    first = b"p=tls-server-end-point,,n=juliet,r=abc"
    scram = exchange(is_plus=True, plus_is_offered=True, bindings=END_POINT)
    challenge = scram.respond(first)
    verdict = scram.respond(final_message(challenge, binding=b"p=tls-server-end-point,," + data, first=first))
    assert isinstance(verdict, Verdict) and not verdict.is_right


def test_a_name_with_comma_and_equals_sign_is_unescaped() -> None:
    scram = exchange()
    scram.respond(b"n,,n=a=2Cb=3DC=3D2C,r=abc")
    verdict = scram.respond(b"c=biws,r=x,p=" + b64encode(bytes(32)))
    assert isinstance(verdict, Verdict) and verdict.account == "a,b=c=2c@localhost"


def test_extensions_that_are_not_mandatory_are_ignored() -> None:
    assert isinstance(exchange().respond(b"n,,n=juliet,r=abc,x=later"), Challenge)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_message_makes_anything_but_a_challenge_a_wrong_verdict_or_a_failure(first: bytes, final: bytes) -> None:
    scram = exchange()
    try:
        outcome = scram.respond(b"n,," + first)
        outcome = scram.respond(final)
    except SASLFailure:
        return
    assert isinstance(outcome, Challenge) or not outcome.is_right


# -- PLAIN


def plain() -> Plain:
    return Plain("localhost", lambda account, password: (account, password) == (JULIET, "secret"))


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (b"\0juliet\0secret", Verdict(JULIET, True)),
        (b"\0JULIET\0secret", Verdict(JULIET, True)),
        (b"juliet@localhost\0juliet\0secret", Verdict(JULIET, True)),
        (b"\0juliet\0wrong", Verdict(JULIET, False)),
        (b"\0nobody\0secret", Verdict(JID.parse("nobody@localhost"), False)),
    ],
)
def test_plain_carries_a_name_and_a_password(message: bytes, verdict: Verdict) -> None:
    assert plain().respond(message) == verdict


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        (b"", "malformed-request"),
        (b"juliet\0secret", "malformed-request"),
        (b"\0juliet\0secret\0", "malformed-request"),
        (b"\0\0secret", "malformed-request"),
        (b"\0juliet\0", "malformed-request"),
        (b"\0juliet\0\xff", "malformed-request"),
        (b"\0juliet@localhost\0secret", "not-authorized"),  # no name can have an "@"
        (b"\0a b\0secret", "not-authorized"),
    ],
)
def test_a_plain_message_that_says_nothing_useful_fails(message: bytes, condition: str) -> None:
    assert failure(plain().respond, message) == condition


# -- passwords


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("secret", "secret"),
        ("two words", "two words"),
        ("I\u00adX", "IX"),  # RFC 4013 section 3
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("no\u00a0break", "no break"),
        ("p\u00e4ss", "p\u00e4ss"),
        ("pa\u0308ss", "p\u00e4ss"),
        ("\U0001f642", "\U0001f642"),  # younger than Unicode 3.2
        ("\u0627\u0661\u0627", "\u0627\u0661\u0627"),
    ],
)
def test_a_password_is_prepared(password: str, prepared: str) -> None:
    assert saslprep(password) == prepared


@pytest.mark.parametrize(
    "password",
    ["", "\u00ad", "bell\u0007", "nul\0", "\u0627\u0031", "\u0627a\u0627", "\ue000", "a" * (MAX_CHARACTERS + 1)],
)
def test_a_password_that_cannot_be_prepared_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match=r"password"):
        saslprep(password)


def test_a_password_is_as_long_as_what_its_characters_stand_for() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_CHARACTERS} characters"):
        saslprep("\ufdfa" * 60)  # each becomes eighteen characters


@given(st.text(st.characters(max_codepoint=0x600), min_size=1, max_size=20))
def test_passwords_are_prepared_as_another_implementation_does(password: str) -> None:
    try:
        theirs = their_saslprep(password)
    except ScramException as error:
        if "unassigned" not in str(error):
            with pytest.raises(ValueError, match=r"password"):
                saslprep(password)
    else:
        if theirs:
            assert saslprep(password) == theirs


def test_only_salted_keys_are_kept_and_each_salt_is_new() -> None:
    again = salted_keys.derive("secret", ITERATIONS)
    for hash, credential in CREDENTIALS.items():
        assert b"secret" not in b"".join((credential.salt, credential.stored_key, credential.server_key))
        assert credential.salt != again[hash].salt
        assert salted_keys.is_right("secret", hash, credential)
        assert not salted_keys.is_right("Secret", hash, credential)
