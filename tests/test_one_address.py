"""A proxy that nobody has told the server of is noticed by who comes through it."""

import pytest

from handlers.login.one_address import SUSPICIOUS, OneAddress
from xmpp.data.jid import JID

PEOPLE = [JID.parse(f"person{number}@localhost") for number in range(2 * SUSPICIOUS)]


def log_in(one: OneAddress, peer: str, people: list[JID] = PEOPLE) -> None:
    for account in people:
        one.note(peer, account)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:10.0.0.2", "192.168.1.1", "fd00::1", "::1"])
def test_when_all_come_from_one_private_address_the_log_says_so_once(
    peer: str, caplog: pytest.LogCaptureFixture
) -> None:
    log_in(OneAddress(), peer)
    [said] = caplog.messages
    assert said.startswith(f"all {SUSPICIOUS} people who have logged in came from {peer}: if a proxy")


def test_nothing_is_said_where_people_come_from_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    log_in(OneAddress(), "8.8.8.8")
    few, mixed = OneAddress(), OneAddress()
    for _ in range(SUSPICIOUS):
        log_in(few, "10.0.0.2", PEOPLE[: SUSPICIOUS - 1])
    log_in(mixed, "10.0.0.2", PEOPLE[:2])
    log_in(mixed, "10.0.0.3", PEOPLE[:1])
    log_in(mixed, "10.0.0.2")
    assert caplog.messages == []
