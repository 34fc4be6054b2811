"""Two servers that show certificates to each other: who is let in, who is not, and what each side is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.authority import Authority, Issued
from tests.harness.federated import Directory, Servers, all_until, federated, federation_of, next_of, somebody
from tests.harness.ports import free_port
from tests.harness.streams import listener_of
from xmpp.stream.listen_settings import PORTS

A, B = "a.example", "b.example"
CHAT = "<message to='{}' type='chat' id='1'><body>hi</body></message>"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextmanager
def both(folder: Path, authority: Authority, issued: Issued, **federation: object) -> Iterator[Servers]:
    """a.example, whose certificate is good, and b.example, which has this one; `federation` is for a.example."""
    directory = Directory()
    good = authority.issue(A, f"*.{A}")
    with (
        federated(folder / "a", directory, A, good, authority, federation=federation) as first,
        federated(folder / "b", directory, B, issued, authority) as second,
    ):
        yield first, second


def reached_by(port: str, servers: Servers) -> None:
    """Have both servers find each other at these ports."""
    for server in servers:
        directory = federation_of(server).dialer
        assert isinstance(directory, Directory)
        directory.ports[server.default_domain] = listener_of(server).ports[PORTS[port]]
        directory.direct.add(server.default_domain)


def are_heard_both_ways(servers: Servers) -> None:
    juliet, romeo = somebody(servers[0], f"juliet@{A}/x"), somebody(servers[1], f"romeo@{B}/y")
    juliet.sends(CHAT.format(f"romeo@{B}/y"))
    assert "hi" in next_of(romeo, "message")
    romeo.sends(CHAT.format(f"juliet@{A}/x"))
    assert "hi" in next_of(juliet, "message")


def said_to(who: str, servers: Servers) -> str:
    """The error that somebody gets who writes to the other server; `who`: "a" or "b"."""
    here, there = (0, B) if who == "a" else (1, A)
    writer = somebody(servers[here], f"writer@{servers[here].default_domain}/x")
    writer.sends(CHAT.format(f"reader@{there}"))
    return next_of(writer, "message")


GOOD = ["for servers", "for both", "for everything", "RSA", "wildcard", "XMPP address", "SRV name"]


@pytest.mark.parametrize("kind", GOOD)
def test_a_certificate_for_servers_is_enough_both_ways(tmp_path: Path, authority: Authority, kind: str) -> None:
    with both(tmp_path, authority, authority.case(kind, B)) as servers:
        are_heard_both_ways(servers)
        assert [stream.confirms for server in servers for stream in federation_of(server).streams] == [True] * 2


@pytest.mark.parametrize("port", ["server_tls_port", "tls_port"])
def test_tls_may_come_first_there_and_where_clients_connect(tmp_path: Path, authority: Authority, port: str) -> None:
    with both(tmp_path, authority, authority.issue(B)) as servers:
        reached_by(port, servers)
        are_heard_both_ways(servers)


def test_nothing_is_said_on_a_stream_that_is_to_begin_anew(tmp_path: Path, authority: Authority) -> None:
    with both(tmp_path, authority, authority.issue(B)) as servers:
        juliet, romeo = somebody(servers[0], f"juliet@{A}/x"), somebody(servers[1], f"romeo@{B}/y")
        directory = federation_of(servers[0]).dialer
        assert isinstance(directory, Directory)
        directory.ports[B] = free_port()
        juliet.sends(f"<presence to='romeo@{B}/y' type='unavailable'/>")
        juliet.sends(CHAT.format(f"romeo@{B}/y"))
        assert "remote-server-timeout" in next_of(juliet, "message")
        romeo.sends(CHAT.format(f"juliet@{A}/x"))  # his server calls, and is told who has gone
        told = all_until(romeo, lambda stanza: 'type="unavailable"' in stanza)[-1]
        assert f'from="juliet@{A}/x"' in told
        assert [len(federation_of(server).streams) for server in servers] == [1, 1]


BAD = {
    "expired": "expired",
    "not yet valid": "not valid",
    "self-signed": "self-signed",
    "wrong name": "not valid for",
    "common name only": "not valid for",
    "for clients": "for servers",
    "without intermediate": "without that of its issuer",
}


@pytest.mark.parametrize(("kind", "said"), BAD.items())
def test_whose_certificate_is_not_good_is_told_so_and_so_are_people_here(
    tmp_path: Path, authority: Authority, kind: str, said: str
) -> None:
    with both(tmp_path, authority, authority.case(kind, B)) as servers:
        ours, theirs = said_to("a", servers), said_to("b", servers)
    for error in (ours, theirs):
        assert "remote-server-timeout" in error
        assert said in error
    assert "the certificate of the other server" in ours
    assert B not in ours.partition("<text")[2]
    assert "Your server&apos;s certificate" in theirs or "Your server's certificate" in theirs


def test_a_certificate_that_is_pinned_need_not_be_signed(tmp_path: Path, authority: Authority) -> None:
    issued = authority.case("self-signed", B)
    with both(tmp_path, authority, issued, pinned={B: issued.fingerprint}) as servers:
        are_heard_both_ways(servers)


def test_and_no_other_will_do(tmp_path: Path, authority: Authority) -> None:
    with both(tmp_path, authority, authority.issue(B), pinned={B: "0" * 64}) as servers:
        assert "pinned" in said_to("a", servers)


def test_where_dialback_is_proof_enough_the_certificate_does_not_matter(tmp_path: Path, authority: Authority) -> None:
    with both(tmp_path, authority, authority.case("expired", B), dialback=[B]) as servers:
        are_heard_both_ways(servers)


def test_services_have_links_of_their_own(tmp_path: Path, authority: Authority) -> None:
    with both(tmp_path, authority, authority.issue(B, f"rooms.{B}")) as servers:
        juliet = somebody(servers[0], f"juliet@{A}/x")
        for domain in (f"rooms.{B}", B):
            juliet.sends(f"<iq type='get' id='{domain}' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>")
            assert 'type="result"' in next_of(juliet, "iq")
