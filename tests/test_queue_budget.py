"""XEP-0198: how much waits for the devices of one account, and for all together, before the fullest session ends."""

from pathlib import Path

import pytest

from db import offline
from handlers.sessions import redelivery
from handlers.sessions.acknowledgements import Sent, Tally
from handlers.sessions.managed_sessions import Tallies
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.managed_client import JULIET, ManagedClient, bodies, end_turn, write
from xmpp.server import Server

LONG = "x" * 30_000
LIMITS = {"max_account_bytes": 100_000, "max_total_bytes": 160_000}


def away(server: Server, address: str) -> ManagedClient:
    """A device whose connection broke, and that may come back."""
    client = ManagedClient(server, address)
    client.sends("<presence/>")
    client.enables(resume="true")
    client.received()
    client.loses_connection()
    return client


def send(romeo: Client, to: str, times: int) -> None:
    for _ in range(times):
        assert write(romeo, LONG, to=to) == []
        end_turn()


def test_tallies_follow_the_queues_that_count_in_them() -> None:
    total = Tally()
    one, other = Sent(tally=Tally(total)), Sent(tally=Tally(total))
    for queue in (one, one, other):
        queue.add(b"12345", 0.0)
    assert (one.tally.size, other.tally.size, total.size) == (10, 5, 15)
    one.acknowledge(1)
    assert (one.tally.size, total.size) == (5, 10)
    other.take_all()
    assert (other.tally.size, total.size) == (0, 5)


def test_of_an_accounts_sessions_the_fullest_ends_and_what_waited_for_it_is_kept(tmp_path: Path) -> None:
    with server_in(tmp_path, stream_management=LIMITS) as server:
        add_accounts(server, "romeo", "juliet")
        romeo = Client(server, "romeo@localhost/orchard")
        devices = [away(server, f"{JULIET}/{resource}") for resource in ("phone", "tablet")]
        send(romeo, JULIET, 1)  # to both
        assert server.online.count(JULIET) == 2
        send(romeo, f"{JULIET}/phone", 2)
        [left] = [each for each in devices if server.online.session(each.jid) is not None]
        assert server.state(Tallies).of(JULIET).size == left.management.sent.size <= LIMITS["max_account_bytes"]
        redelivery.finish(server)
        assert left is devices[1]
        assert sum(LONG.encode() in bytes(each.stanza) for each in left.management.sent) == 3
        assert offline.count(server.db, JULIET) == 1  # what both were sent, kept for the phone


def test_a_device_that_reads_is_not_ended_for_one_that_is_away(tmp_path: Path) -> None:
    with server_in(tmp_path, stream_management=LIMITS) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, phone = Client(server, "romeo@localhost/orchard"), away(server, f"{JULIET}/phone")
        desktop = ManagedClient(server, f"{JULIET}/desktop")
        desktop.sends("<presence/>")
        desktop.enables(resume="true")
        desktop.received()
        send(romeo, f"{JULIET}/phone", 3)
        send(romeo, f"{JULIET}/desktop", 1)
        assert server.online.session(phone.jid) is None
        assert server.online.session(desktop.jid) is desktop.session
        assert desktop.closed_with is None
        found: list[str] = []  # also what had waited for the phone
        redelivery.finish(server)
        while desktop.management.sent:
            found += bodies(desktop.received())
            found += bodies(desktop.does("a", h=str(desktop.management.sent.count)))
            end_turn()
        assert found == 4 * [LONG]


def test_of_all_accounts_the_one_ends_a_session_for_which_most_waits(tmp_path: Path) -> None:
    with server_in(tmp_path, stream_management=LIMITS) as server:
        add_accounts(server, "romeo", "juliet", "nurse", "mercutio")
        romeo = Client(server, "romeo@localhost/orchard")
        phones = {name: away(server, f"{name}@localhost/phone") for name in ("juliet", "nurse", "mercutio")}
        for name, times in (("juliet", 3), ("nurse", 1), ("mercutio", 1)):
            send(romeo, f"{name}@localhost/phone", times)
        assert len([each for each in phones.values() if server.online.session(each.jid)]) == 3
        send(romeo, "nurse@localhost/phone", 1)
        assert server.online.session(phones["juliet"].jid) is None
        assert offline.count(server.db, JULIET) == 3
        assert server.state(Tallies).total.size <= LIMITS["max_total_bytes"]


@pytest.mark.parametrize("ends", [True, False])
def test_what_is_over_is_no_longer_counted(tmp_path: Path, ends: bool) -> None:
    with server_in(tmp_path, stream_management=LIMITS) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, phone = Client(server, "romeo@localhost/orchard"), away(server, f"{JULIET}/phone")
        send(romeo, f"{JULIET}/phone", 2)
        if ends:
            phone.session.end()
        else:
            phone.management.sent.acknowledge(2)
        assert server.state(Tallies).total.size == 0
