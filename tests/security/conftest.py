"""Who appears in attacks on the `server` of a test: they are there, each with one device."""

import pytest

from tests.harness.in_process import Client, online
from xmpp.server import Server


@pytest.fixture
def mallory(server: Server) -> Client:
    """The attacker."""
    return online(server, "mallory@localhost/here")


@pytest.fixture
def victim(server: Server) -> Client:
    """Whoever is attacked."""
    return online(server, "victim@localhost/here")


@pytest.fixture
def friend(server: Server) -> Client:
    """Somebody harmless."""
    return online(server, "friend@localhost/here")
