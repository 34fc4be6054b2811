"""Federation with Prosody: each way to connect, to show who one is, and to use one connection for both directions."""

from pathlib import Path

import pytest

from tests.harness.neighbours import friends, greet, neighbours
from tests.harness.peers import needs
from tests.harness.prosody import Prosody

pytestmark = needs("prosody")

CONNECTED = pytest.mark.parametrize("is_direct", [False, True], ids=["STARTTLS", "direct TLS"])
PROVED = pytest.mark.parametrize("is_trusted", [True, False], ids=["EXTERNAL", "dialback"])


@CONNECTED
@PROVED
def test_one_connection_for_each_direction(tmp_path: Path, *, is_trusted: bool, is_direct: bool) -> None:
    proof = "EXTERNAL" if is_trusted else "dialback"
    chosen = {"has_bidi": False}
    running = neighbours(tmp_path, Prosody, is_trusted=is_trusted, is_direct=is_direct, of_peer=chosen)
    with running as both, friends(both) as (juliet, paula):
        greet(juliet, paula)
        assert both.peer.waits_for_link("home.test", is_ours=True) == (proof, "one way")
        greet(paula, juliet)
        assert both.peer.waits_for_link("home.test", is_ours=False) == (proof, "one way")


@pytest.mark.parametrize("we_dial", [True, False], ids=["we dial", "they dial"])
@PROVED
def test_one_connection_for_both_directions(tmp_path: Path, *, is_trusted: bool, we_dial: bool) -> None:
    proof = "EXTERNAL" if is_trusted else "dialback"
    with neighbours(tmp_path, Prosody, is_trusted=is_trusted) as both, friends(both) as (juliet, paula):
        first, second = (juliet, paula) if we_dial else (paula, juliet)
        for _ in range(2):
            greet(first, second)
            greet(second, first)
        assert both.peer.waits_for_link("home.test", is_ours=we_dial) == (proof, "bidi")
        links = [line for line in both.peer.said if "link " in line and " home.test: " in line]
        # With dialback Prosody asks ours whether the key is its own over a connection that it then goes on to use.
        assert len(links) == (1 if is_trusted or not we_dial else 2)
