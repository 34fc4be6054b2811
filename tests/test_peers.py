"""The servers that federation is tested with find each other and talk, each with what it is known for."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.x509 import ObjectIdentifier

from tests.harness.authority import CLIENT, SERVER
from tests.harness.correspondents import body
from tests.harness.ejabberd import Ejabberd
from tests.harness.peer import Peer
from tests.harness.peers import needs
from tests.harness.prosody import Prosody
from tests.harness.world import World

pytestmark = [needs("prosody"), needs("ejabberd")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "world") as world:
        yield world


def talk(one: Peer, other: Peer) -> None:
    """A message each way."""
    with one.client("paula") as paula, other.client("emil") as emil:
        for each in (paula, emil):
            each.comes_online()
        for sender, receiver in ((paula, emil), (emil, paula)):
            sender.writes_to(receiver.jid, "hello")
            assert body(receiver.hears_from(sender.jid)) == "hello"


@pytest.mark.parametrize("is_direct", [False, True], ids=["STARTTLS", "direct TLS"])
@pytest.mark.parametrize(
    ("purposes", "proof"), [((SERVER,), "dialback"), ((SERVER, CLIENT), "EXTERNAL")], ids=["for servers", "for both"]
)
def test_they_talk_and_ejabberd_takes_no_certificates_for_servers_from_those_who_dial(
    world: World,
    tmp_path: Path,
    purposes: Sequence[ObjectIdentifier],
    proof: str,
    is_direct: bool,
) -> None:
    def peer(kind: type[Peer], domain: str) -> Peer:
        certificate = world.issue(domain, purposes=purposes)
        return kind(tmp_path / domain, domain, certificate, world, is_direct=is_direct)

    with peer(Prosody, "prosody.test") as prosody, peer(Ejabberd, "ejabberd.test") as ejabberd:
        talk(prosody, ejabberd)
        assert ejabberd.waits_for_link("prosody.test", is_ours=True) == (proof, "one way")
        assert prosody.waits_for_link("ejabberd.test", is_ours=True) == ("EXTERNAL", "one way")
