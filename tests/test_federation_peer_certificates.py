"""What people and administrators are told of certificates that are not good, of a peer's and of ours: with Prosody."""

from collections.abc import Iterator

import pytest

from tests.harness.correspondents import MUC, body, error_in
from tests.harness.home import Home
from tests.harness.peers import needs
from tests.harness.prosody import Prosody
from tests.harness.world import World

pytestmark = needs("prosody")

# By kind, how the text goes on that the other side's administrator finds in his log. People here are told the same
# without names.
BAD = {
    "expired": "has expired, on ",
    "not yet valid": "is not valid before ",
    "wrong name": "is not valid for ",
    "common name only": "is not valid for ",
    "self-signed": "is self-signed",
    "unknown authority": "is from an authority that is not trusted here",
    "without intermediate": "comes without that of its issuer, or from an authority that is not trusted here",
    "for clients": "is not meant for servers (serverAuth)",
}
GOOD = ("for servers", "for both", "for everything", "RSA", "XMPP address", "SRV name")


def domain_of(kind: str, above: str) -> str:
    return f"{kind.replace(' ', '-').lower()}.{above}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def home(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(world, tmp_path_factory.mktemp("home"), {"home.test": world.issue("home.test")}) as home:
        yield home
        print(*home.said, sep="\n")


@pytest.fixture(scope="module")
def peer(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    """It has a domain for each kind of certificate, and would do with dialback."""
    kinds = {domain_of(kind, "peer.test"): kind for kind in (*BAD, *GOOD)}
    others = {domain: world.authority.case(kind, domain) for domain, kind in kinds.items()}
    folder, certificate = tmp_path_factory.mktemp("peer"), world.issue("peer.test")
    with Prosody(folder, "peer.test", certificate, world, others=others) as peer:
        yield peer


@pytest.mark.parametrize(("kind", "said"), BAD.items())
def test_both_sides_are_told_what_is_wrong_with_theirs(home: Home, peer: Prosody, kind: str, said: str) -> None:
    domain = domain_of(kind, "peer.test")
    with home.client("juliet") as juliet, peer.client("paula", domain=domain) as paula:
        juliet.writes_to(paula.jid, "hello")
        type, condition, text = juliet.is_told("hello")
        assert (type, condition) == ("wait", "remote-server-timeout")
        assert text.startswith(f"the certificate of the other server {said}")
        assert domain not in text
        peer.wait_for(f"stream home.test->{domain} closed: not-authorized (Your server's certificate {said}")
        paula.writes_to(juliet.jid, "hello")
        _, condition, text = paula.is_told("hello")
        assert condition == "remote-server-timeout"
        assert f"not-authorized (Your server's certificate {said}" in text


@pytest.mark.parametrize("kind", GOOD)
def test_good_certificates_are_proof_enough(home: Home, peer: Prosody, kind: str) -> None:
    domain = domain_of(kind, "peer.test")
    with home.client("juliet") as juliet, peer.client("paula", domain=domain) as paula:
        paula.send("<presence/>")
        juliet.send("<presence/>")
        juliet.writes_to(paula.jid, "hello")
        assert body(paula.hears_from(juliet.jid)) == "hello"
        paula.writes_to(juliet.jid, "hello")
        assert body(juliet.hears_from(paula.jid)) == "hello"


# -- ours, and those of services


# By kind, how the text goes on that Prosody tells us of a certificate of ours. It takes those for clients only, too,
# and looks for words of an older OpenSSL than Debian's where one is self-signed.
OURS = {
    "expired": "has expired",
    "not yet valid": "is not trusted",
    "wrong name": "is not valid for this name",
    "self-signed": "is not trusted",
    "unknown authority": "is not trusted",
    "without intermediate": "is not trusted",
}


@pytest.fixture(scope="module")
def strict_peer(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    folder, certificate = tmp_path_factory.mktemp("strict-peer"), world.authority.issue("strict.test")
    with Prosody(folder, "strict.test", certificate, world, is_strict=True) as peer:
        yield peer


@pytest.fixture(scope="module")
def bad_home(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """It has a domain for each kind of certificate."""
    certificates = {
        domain_of(kind, "home.test"): world.authority.case(kind, domain_of(kind, "home.test")) for kind in OURS
    }
    with Home(world, tmp_path_factory.mktemp("bad-home"), certificates) as home:
        yield home


@pytest.mark.parametrize(("kind", "said"), OURS.items())
def test_people_here_are_told_what_is_wrong_with_ours(
    bad_home: Home, strict_peer: Prosody, kind: str, said: str
) -> None:
    domain = domain_of(kind, "home.test")
    with bad_home.client("juliet", domain=domain) as juliet, strict_peer.client("paula") as paula:
        juliet.writes_to(paula.jid, "hello")
        assert juliet.is_told("hello") == (
            "wait",
            "remote-server-timeout",
            f"its server closed the connection: not-authorized: Your server's certificate {said}",
        )
        paula.writes_to(juliet.jid, "hello")
        _, condition, text = paula.is_told("hello")
        assert condition == "remote-server-timeout"
        assert f"Remote server's certificate {said}" in text


def test_a_certificate_that_does_not_cover_the_rooms_is_not_good_for_them(
    home: Home, bad_home: Home, strict_peer: Prosody
) -> None:
    with home.client("juliet") as juliet, strict_peer.client("paula") as paula:
        juliet.send(f"<presence to='hall@{strict_peer.rooms}/juliet'><x xmlns='{MUC}'/></presence>")
        refused = juliet.hears_from(f"hall@{strict_peer.rooms}", "presence", "error")
        assert error_in(refused)[2] == "the certificate of the other server is not valid for its name"
        rooms = f"rooms.{bad_home.domain}"
        paula.send(f"<presence to='hall@{rooms}/paula'><x xmlns='{MUC}'/></presence>")
        refused = paula.hears_from(f"hall@{rooms}", "presence", "error")
        assert "Remote server's certificate" in error_in(refused)[2]
