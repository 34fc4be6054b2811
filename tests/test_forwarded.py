"""Whom a request is from, by what proxies say of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.http.forwarded import MOST_HOPS, Client, client_of
from web.http.messages import Headers, HTTPError
from xmpp.data.networks import Networks

TRUSTED = Networks(["127.0.0.1", "::1", "10.0.0.0/8", "2001:db8:aaaa::/48"])
PROXY, CLIENT, SPOOFED = "127.0.0.1", "203.0.113.9", "198.51.100.66"


def asked(peer: str, *fields: str) -> Client:
    pairs = (each.partition(": ") for each in fields)
    return client_of(peer, Headers([(name.encode(), value.encode("latin-1")) for name, _, value in pairs]), TRUSTED)


@pytest.mark.parametrize(
    ("peer", "fields", "client"),
    [
        ("203.0.113.9", [], CLIENT),
        (f"::ffff:{CLIENT}", [], CLIENT),
        (PROXY, [], PROXY),
        (f"::ffff:{PROXY}", [], PROXY),
        (PROXY, [f"X-Forwarded-For: {CLIENT}"], CLIENT),
        ("::ffff:127.0.0.1", [f"X-Forwarded-For: {CLIENT}"], CLIENT),
        ("::1", [f"X-Forwarded-For: {CLIENT}"], CLIENT),
        (PROXY, [f"x-forwarded-for: {SPOOFED}, {CLIENT}"], CLIENT),
        (PROXY, [f"X-Forwarded-For: {SPOOFED}", f"X-Forwarded-For: {CLIENT}"], CLIENT),
        (PROXY, [f"X-Forwarded-For: {SPOOFED},{CLIENT} , 10.1.2.3,10.9.9.9"], CLIENT),
        (PROXY, [f"X-Forwarded-For: 10.1.2.3, {CLIENT}"], CLIENT),
        (PROXY, ["X-Forwarded-For: 10.1.2.3"], "10.1.2.3"),
        (PROXY, ["X-Forwarded-For: 10.1.2.3, 10.1.2.4"], "10.1.2.3"),
        (PROXY, [f"X-Forwarded-For: {CLIENT}:4711"], CLIENT),
        (PROXY, ["X-Forwarded-For: 2001:db8::17"], "2001:db8::17"),
        (PROXY, ["X-Forwarded-For: 2001:0DB8:0::17"], "2001:db8::17"),
        (PROXY, ["X-Forwarded-For: [2001:db8::17]"], "2001:db8::17"),
        (PROXY, ["X-Forwarded-For: [2001:db8::17]:4711"], "2001:db8::17"),
        (PROXY, [f"X-Forwarded-For: ::ffff:{CLIENT}"], CLIENT),
        (PROXY, ["X-Forwarded-For: 2001:db8::17, 2001:db8:aaaa:1::1"], "2001:db8::17"),
        (PROXY, [f"Forwarded: for={CLIENT}"], CLIENT),
        (PROXY, [f"Forwarded: FOR={CLIENT};proto=http;by=203.0.113.43"], CLIENT),
        (PROXY, [f'Forwarded: by="_x;,y" ; for="{CLIENT}:_port"'], CLIENT),
        (PROXY, ['Forwarded: for="[2001:db8::17]:4711"'], "2001:db8::17"),
        (PROXY, [r'Forwarded: for="\[2001:db8::17\]"'], "2001:db8::17"),
        (PROXY, [f"Forwarded: for={SPOOFED}, for={CLIENT};host=a.example, for=10.0.0.1"], CLIENT),
        (PROXY, [f"Forwarded: for={SPOOFED}", f"Forwarded: for={CLIENT}"], CLIENT),
        (PROXY, [f"Forwarded: , ,for={CLIENT}, ;,"], CLIENT),
        (PROXY, [f"Forwarded: for={CLIENT}", f"X-Forwarded-For: {SPOOFED}, {CLIENT}"], CLIENT),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(
    peer: str, fields: list[str], client: str
) -> None:
    assert asked(peer, *fields).address == client


@pytest.mark.parametrize(
    "item",
    ["_hidden", "unknown", "", "nonsense", "203.0.113.999", "[2001:db8::17", "2001:db8::17%eth0", "1.2.3.4.5",
     "[203.0.113.9]]", "203.0.113.9 198.51.100.1", "localhost", "\xff", ":4711"],
)  # fmt: skip
def test_where_a_proxy_does_not_tell_for_whom_it_asks_it_is_the_client_itself(item: str) -> None:
    said = asked(PROXY, f"X-Forwarded-For: {SPOOFED}, {item}, 10.0.0.7")
    assert said == Client("10.0.0.7", None, is_forwarded=True)
    assert asked(PROXY, f'Forwarded: for={SPOOFED}, for="{item}", for=10.0.0.7').address == "10.0.0.7"


@pytest.mark.parametrize(
    "fields",
    [
        [f"X-Forwarded-For: {SPOOFED}", "X-Forwarded-Proto: https"],
        [f"Forwarded: for={SPOOFED};proto=https"],
        ['Forwarded: for="', f"X-Forwarded-For: {SPOOFED}"],
    ],
)
def test_row_150_a_stranger_is_not_believed(fields: list[str]) -> None:
    for peer in (CLIENT, "2001:db8::1", "11.0.0.1"):
        assert asked(peer, *fields) == Client(peer, None, is_forwarded=True)
    assert asked("::ffff:11.0.0.1", *fields) == Client("11.0.0.1", None, is_forwarded=True)


@pytest.mark.parametrize(
    "sent",
    [
        'for="',
        'for="198.51.100.66',
        r'for="x\ '.strip(),
        "for",
        "for=",
        "for=a b",
        'for="a"b',
        "for=[2001:db8::17]",
        "for=1.2.3.4;for=198.51.100.66",
        "=1.2.3.4",
        "@",
    ],
)
def test_row_150_a_client_cannot_hide_what_a_proxy_has_added_to_its_own_header(sent: str) -> None:
    for added in (f", for={CLIENT}", ', for="[2001:db8::17]:4711"', f', for={CLIENT};host="a.example"'):
        with pytest.raises(HTTPError) as refused:
            asked(PROXY, f"Forwarded: {sent}{added}")
        assert refused.value.status == 400


def test_row_150_a_header_that_the_proxy_has_let_pass_is_not_believed_against_its_own() -> None:
    for fields in (
        [f"X-Forwarded-For: {CLIENT}", f"Forwarded: for={SPOOFED};proto=https"],
        [f"X-Forwarded-For: {CLIENT}", "Forwarded: proto=https"],
        [f"X-Forwarded-For: {SPOOFED}", f"Forwarded: for={CLIENT}"],
    ):
        with pytest.raises(HTTPError) as refused:
            asked(PROXY, *fields)
        assert refused.value.status == 400


@pytest.mark.parametrize(
    ("fields", "is_secure"),
    [
        ([f"X-Forwarded-For: {CLIENT}"], None),
        (["X-Forwarded-Proto: https"], True),
        (["X-Forwarded-Proto: HTTPS"], True),
        (["X-Forwarded-Proto: wss"], True),
        (["X-Forwarded-Proto: http"], False),
        (["X-Forwarded-Proto: nonsense"], False),
        (["X-Forwarded-Proto: "], None),
        (["X-Forwarded-Proto: https, http"], False),
        (["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"], False),
        (["X-Forwarded-Proto: http,https"], True),
        ([f"Forwarded: for={CLIENT};proto=https"], True),
        ([f"Forwarded: for={CLIENT};proto=http"], False),
        ([f'Forwarded: for={CLIENT};PROTO="wss"'], True),
        ([f"Forwarded: for={SPOOFED};proto=https, for={CLIENT};proto=http"], False),
        ([f"Forwarded: for={CLIENT};proto=https, for=10.0.0.1;proto=http"], True),
        ([f"Forwarded: for={SPOOFED};proto=https, for={CLIENT}"], None),
        (["Forwarded: for=_hidden;proto=https"], True),
        ([f"Forwarded: for={CLIENT};proto=http", "X-Forwarded-Proto: https"], False),
        ([f"Forwarded: for={CLIENT};proto=https", "X-Forwarded-Proto: http"], False),
        ([f"Forwarded: for={CLIENT};proto=https", "X-Forwarded-Proto: https"], True),
    ],
)
def test_whether_the_client_uses_tls_is_what_trusted_proxies_say(fields: list[str], is_secure: bool | None) -> None:
    assert asked(PROXY, *fields).is_secure is is_secure


@pytest.mark.parametrize("sign", ["Via: 1.1 Caddy", f"X-Real-IP: {CLIENT}", "X-Forwarded-Host: a.example"])
def test_a_request_that_a_proxy_has_passed_on_is_known_as_such(sign: str) -> None:
    assert asked(PROXY, sign) == Client(PROXY, None, is_forwarded=True)
    assert asked(PROXY, "Host: localhost") == Client(PROXY, None, is_forwarded=False)


def test_of_a_long_list_only_its_end_is_looked_at() -> None:
    assert asked(PROXY, "X-Forwarded-For: " + f"{SPOOFED}, " * 5000 + CLIENT).address == CLIENT
    hops = ", 10.0.0.1" * MOST_HOPS
    assert asked(PROXY, f"X-Forwarded-For: {CLIENT}{hops}").address == "10.0.0.1"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_row_150_whatever_a_client_sends_it_is_known_by_what_the_proxy_has_added(sent: str) -> None:
    assert asked(PROXY, f"X-Forwarded-For: {sent}, {CLIENT}").address == CLIENT
    try:
        assert asked(PROXY, f"Forwarded: {sent}, for={CLIENT}").address == CLIENT
    except HTTPError as error:
        assert error.status == 400
