"""Messages that wait are for one device at a time: where it stops before it was sent them, another one goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db import offline
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.managed_client import JULIET, ManagedClient, ReturningClient, bodies, write
from xmpp.server import Server

TEXTS = [f"text {number}" for number in range(20)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo = Client(server, "romeo@localhost/orchard")
        write(romeo, *TEXTS)
        yield server


@pytest.fixture
def phone(server: Server) -> ManagedClient:
    """It is to be sent what waits, and takes nothing."""
    client = ManagedClient(server, f"{JULIET}/phone")
    client.has_room = False
    return client


@pytest.fixture
def desk(server: Server) -> Client:
    return Client(server, f"{JULIET}/desk")


def texts(client: Client) -> list[str]:
    return bodies(client.received())


def takes_on(client: Client) -> None:
    """It takes what it did not before."""
    client.has_room = True
    client.session.send_more()


STOPS: dict[str, Callable[[ManagedClient], object]] = {
    "its session ends": lambda phone: phone.session.end(),
    "its connection breaks": lambda phone: phone.loses_connection(),
    "it is not available any more": lambda phone: phone.sends("<presence type='unavailable'/>"),
    "it wants no messages any more": lambda phone: phone.sends("<presence><priority>-1</priority></presence>"),
}


@pytest.mark.parametrize("why", STOPS)
def test_where_one_device_stops_another_that_is_there_goes_on(
    server: Server, phone: ManagedClient, desk: Client, why: str
) -> None:
    phone.enables(resume="true")
    phone.sends("<presence/>")
    desk.sends("<presence/>")
    assert texts(desk) == []
    STOPS[why](phone)
    assert texts(desk) == TEXTS
    assert offline.count(server.db, JULIET) == 0


class Narrow(ManagedClient):
    """It takes nothing after the second text."""

    def write(self, data: bytes) -> None:
        super().write(data)
        self.has_room = TEXTS[1].encode() not in data


def test_what_one_has_got_is_not_for_the_other(server: Server, desk: Client) -> None:
    phone = Narrow(server, f"{JULIET}/phone")
    phone.enables()
    assert bodies(phone.sends("<presence/>")) == TEXTS[:2]
    desk.sends("<presence/>")
    phone.does("a", h="3")  # with the presence
    phone.loses_connection()
    assert texts(desk) == TEXTS[2:]


def test_who_is_there_again_leaves_the_rest_to_who_has_gone_on(
    server: Server, phone: ManagedClient, desk: Client
) -> None:
    desk.has_room = False
    phone.sends("<presence/>")
    desk.sends("<presence/>")
    phone.sends("<presence type='unavailable'/>")
    phone.sends("<presence/>")
    takes_on(phone)
    assert texts(phone) == []
    takes_on(desk)
    assert texts(desk) == TEXTS


def test_who_is_resumed_goes_on_where_nobody_else_is_left(server: Server, phone: ManagedClient, desk: Client) -> None:
    id = phone.enables(resume="true")
    phone.sends("<presence/>")
    desk.has_room = False
    phone.loses_connection()
    desk.sends("<presence/>")
    desk.session.end()
    assert bodies(ReturningClient(server, JULIET).resumes(id, h=0)) == TEXTS
