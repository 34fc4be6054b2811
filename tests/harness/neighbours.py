"""Ours and one of other people's servers side by side, as a test wants them to know each other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from lxml import etree

from tests.harness.authority import CLIENT, SERVER, Authority
from tests.harness.correspondents import Correspondent, body
from tests.harness.home import Home
from tests.harness.peer import Peer
from tests.harness.world import World


@dataclass(frozen=True)
class Neighbours:
    """Both, in the world that they share."""

    world: World
    home: Home
    peer: Peer


@contextmanager
def neighbours(
    folder: Path,
    kind: type[Peer],
    *,
    is_trusted: bool = True,
    is_direct: bool = False,
    purposes: Sequence[x509.ObjectIdentifier] = (SERVER, CLIENT),
    of_peer: Mapping[str, Any] | None = None,
    **settings: Mapping[str, Any],
) -> Iterator[Neighbours]:
    """Run both. What they say is printed at the end, for tests that fail.

    `is_trusted`: both have certificates for these purposes, of an authority that both trust; else each has an authority
    of its own and takes dialback for proof. `is_direct`: they connect by direct TLS alone.
    """
    with World(folder / "world") as world:
        domain = f"{kind.program}.test"
        theirs, roots = world.issue(domain, purposes=purposes), world.roots
        if not is_trusted:
            authority = Authority("Elsewhere")
            theirs, roots = authority.issue(domain, f"rooms.{domain}"), authority.write_root(folder / "theirs.pem")
            settings["federation"] = {"dialback": [domain, f"rooms.{domain}"], **settings.get("federation", {})}
        certificates = {"home.test": world.issue("home.test", purposes=purposes)}
        home = Home(world, folder / "home", certificates, is_direct=is_direct, **settings)
        peer = kind(folder / "peer", domain, theirs, world, roots=roots, is_direct=is_direct, **(of_peer or {}))
        try:
            with home, peer:
                yield Neighbours(world, home, peer)
        finally:
            print(*home.said, "", *peer.said, sep="\n")


@contextmanager
def friends(both: Neighbours) -> Iterator[tuple[Correspondent, Correspondent]]:
    """Juliet here and Paula there, who are online."""
    with both.home.client("juliet") as juliet, both.peer.client("paula") as paula:
        juliet.comes_online()
        paula.comes_online()
        yield juliet, paula


def greet(sender: Correspondent, receiver: Correspondent, text: str = "hello") -> None:
    """A message arrives."""
    sender.writes_to(receiver.jid, text)
    heard = receiver.hears_from(sender.jid)
    assert body(heard) == text, etree.tostring(heard)
