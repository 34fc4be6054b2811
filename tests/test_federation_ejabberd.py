"""Federation with ejabberd: each way to connect and to show who one is. It has one connection for each direction."""

from pathlib import Path

import pytest

from tests.harness.authority import SERVER
from tests.harness.correspondents import body
from tests.harness.ejabberd import Ejabberd
from tests.harness.neighbours import friends, greet, neighbours
from tests.harness.peers import needs

pytestmark = needs("ejabberd")

CONNECTED = pytest.mark.parametrize("is_direct", [False, True], ids=["STARTTLS", "direct TLS"])


@CONNECTED
@pytest.mark.parametrize("is_trusted", [True, False], ids=["EXTERNAL", "dialback"])
def test_messages_arrive_by_each_way_to_connect_and_to_show_who_one_is(
    tmp_path: Path, *, is_trusted: bool, is_direct: bool
) -> None:
    proof = "EXTERNAL" if is_trusted else "dialback"
    running = neighbours(tmp_path, Ejabberd, is_trusted=is_trusted, is_direct=is_direct)
    with running as both, friends(both) as (juliet, paula):
        greet(juliet, paula)
        assert both.peer.waits_for_link("home.test", is_ours=True) == (proof, "one way")
        greet(paula, juliet)
        assert both.peer.waits_for_link("home.test", is_ours=False) == (proof, "one way")


def test_where_it_is_without_dialback_it_does_not_take_certificates_for_servers_from_those_who_dial(
    tmp_path: Path,
) -> None:
    running = neighbours(tmp_path, Ejabberd, purposes=(SERVER,), of_peer={"is_strict": True})
    with running as both, friends(both) as (juliet, paula):
        juliet.writes_to(paula.jid, "hello")
        assert juliet.is_told("hello") == (
            "wait",
            "remote-server-timeout",
            "its server does not accept ours: unsupported certificate purpose",
        )
        greet(paula, juliet)  # ours does


@pytest.mark.parametrize("is_trusted", [True, False], ids=["EXTERNAL", "dialback"])
def test_one_connection_carries_what_our_people_and_our_rooms_send(tmp_path: Path, *, is_trusted: bool) -> None:
    with neighbours(tmp_path, Ejabberd, is_trusted=is_trusted) as both, friends(both) as (juliet, paula):
        greet(juliet, paula)
        room = f"hall@rooms.{both.home.domain}"
        juliet.makes(room)
        paula.enters(room, "paula")
        juliet.send(f"<message to='{room}' type='groupchat'><body>welcome</body></message>")
        paula.hears("message", lambda message: body(message) == "welcome")
        accepted = (both.peer.wait_for("Accepted inbound s2s ", f" {ours} -> ejabberd.test (")
                    for ours in ("home.test", "rooms.home.test"))  # fmt: skip
        assert len({line.partition("(tls|")[2].partition(")")[0] for line in accepted}) == 1
