"""XEP-0198 section 5: sessions that wait, and go on with another connection; and the bounds of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import offline
from handlers.sessions.acknowledgements import COUNTS
from handlers.sessions.managed_sessions import Resumable
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from tests.harness.managed_client import (
    JULIET,
    NAMESPACE,
    REQUEST,
    ROMEO,
    ManagedClient,
    ReturningClient,
    bodies,
    end_turn,
    failed,
    tags,
    write,
)
from tests.harness.streams import Stream, listening_server
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.routing.feature import State
from xmpp.running.handling import Handled
from xmpp.server import Server

SETTINGS: dict[str, dict[str, Any]] = {
    "stream_management": {"max_stanzas": 20},
    "bind": {"resources": 3},
}
LAST = COUNTS - 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, **SETTINGS) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def juliet(server: Server) -> ManagedClient:
    """Available, and nothing counted yet."""
    client = ManagedClient(server, f"{JULIET}/balcony")
    client.sends("<presence/>")
    return client


# -- resuming


def test_a_resumed_session_gets_what_had_not_arrived_in_order_and_what_comes_next(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    id = juliet.enables(resume="true")
    juliet.sends("<presence/>")
    write(romeo, "one", "two")
    juliet.loses_connection()
    assert write(romeo, "three") == []
    again = ReturningClient(server, JULIET)
    resumed, *rest = again.resumes(id, h=2)  # its own presence, and "one"
    assert resumed == xml(f"<resumed xmlns='{NAMESPACE}' previd='{id}' h='1'/>")
    assert bodies(rest) == ["two", "three"]
    assert all('<delay xmlns="urn:xmpp:delay" from="localhost"' in each for each in rest)
    end_turn()
    assert again.received() == [REQUEST]
    write(romeo, "four")
    assert bodies(again.received()) == ["four"]
    again.does("a", h="5")
    assert len(again.management.sent) == 0


def test_row_15_who_has_resumed_may_name_any_resource_of_the_account_and_the_true_one_is_written(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    other = f"<message from='{JULIET}/made-up' to='{ROMEO}/orchard'/>"
    id = juliet.enables(resume="true")
    juliet.loses_connection()
    again = ReturningClient(server, JULIET)
    again.resumes(id, h=0)
    romeo.received()
    again.sends(other)
    [received] = romeo.received()
    assert f'from="{JULIET}/balcony"' in received
    with pytest.raises(StreamError, match="invalid-from"):
        again.sends(f"<message from='{ROMEO}' to='{ROMEO}'/>")


def test_a_session_is_online_while_it_waits(server: Server, juliet: ManagedClient) -> None:
    befriend(server, JULIET, ROMEO)
    romeo = Client(server, f"{ROMEO}/orchard")
    romeo.sends("<presence/>")
    juliet.received()
    juliet.enables(resume="true")
    juliet.loses_connection()
    assert romeo.received() == []
    assert server.online.available(JULIET) == [juliet.session]
    juliet.session.end()
    assert ['type="unavailable"' in each for each in romeo.received()] == [True]


def test_without_resumption_a_lost_connection_ends_the_session(server: Server, juliet: ManagedClient) -> None:
    juliet.enables()
    juliet.loses_connection()
    assert server.online.session(juliet.jid) is None


def test_a_session_can_be_resumed_again_and_again(server: Server, juliet: ManagedClient, romeo: Client) -> None:
    client, id = juliet, juliet.enables(resume="true")
    for number in range(1, 4):
        write(romeo, str(number))
        client.loses_connection()
        client = ReturningClient(server, JULIET)
        assert bodies(client.resumes(id, h=number - 1)) == [str(number)]


def test_a_session_is_resumed_while_its_older_connection_is_thought_alive(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    id = juliet.enables(resume="true")
    write(romeo, "one")
    again = ReturningClient(server, JULIET)
    assert bodies(again.resumes(id, h=0)) == ["one"]
    assert juliet.closed_with is not None and juliet.closed_with.condition == "conflict"
    juliet.received()
    write(romeo, "two")
    assert (bodies(juliet.received()), bodies(again.received())) == ([], ["two"])


def test_what_an_inactive_client_was_spared_comes_with_the_new_connection(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    id = juliet.enables(resume="true")
    handler: Any = server.registry.elements["{urn:xmpp:csi:0}inactive", State.BOUND]
    handler(server, juliet, parse(b"<inactive/>"))
    romeo.sends(f"<presence to='{JULIET}/balcony'/>")
    assert juliet.received() == []
    again = ReturningClient(server, JULIET)
    assert tags(again.resumes(id, h=0)) == ["resumed", "presence"]
    romeo.sends(f"<presence to='{JULIET}/balcony'/>")
    assert tags(again.received()) == ["presence"]


def test_resumed_waits_for_all_that_was_handled(server: Server, juliet: ManagedClient) -> None:
    id = juliet.enables(resume="true")
    write(juliet, "kept for later", to=ROMEO)
    ticket = juliet.ticket
    juliet.does("r")
    juliet.loses_connection()
    again = ReturningClient(server, JULIET)
    assert ' h="1"' in again.resumes(id, h=0)[0]
    assert again.waited_for[0] is ticket and ticket is not None and ticket.is_open
    server.db.flush()
    assert "a" not in tags(again.received())  # <resumed/> has answered what the older connection was asked


def test_what_waits_for_the_disk_waits_on_the_new_connection_too(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    id = juliet.enables(resume="true")
    with Handled() as handled:
        offline.keep(server.db, ROMEO, b"", at=0.0)
        juliet.session.send(Stanza.build("message", to=JULIET, sender=ROMEO))
    again = ReturningClient(server, JULIET)
    assert tags(again.resumes(id, h=0)) == ["resumed", "message"]
    assert again.waited_for == [None, handled.ticket]


@pytest.mark.parametrize(
    ("attributes", "condition"),
    [
        ({"h": "0"}, "item-not-found"),
        ({"previd": "", "h": "0"}, "item-not-found"),
        ({"previd": "unknown", "h": "0"}, "item-not-found"),
        ({"previd": "unknown"}, "bad-request"),
        ({"previd": "unknown", "h": "-1"}, "bad-request"),
        ({"previd": "unknown", "h": str(COUNTS)}, "bad-request"),
    ],
)
def test_what_cannot_be_resumed_is_refused(
    server: Server, juliet: ManagedClient, attributes: dict[str, str], condition: str
) -> None:
    juliet.enables(resume="true")
    assert ReturningClient(server, JULIET).asks_to_resume(**attributes) == [failed(condition)]


def test_row_29_the_session_of_another_account_is_not_found(server: Server, juliet: ManagedClient) -> None:
    id = juliet.enables(resume="true")
    juliet.loses_connection()
    assert ReturningClient(server, ROMEO).resumes(id, 0) == [failed("item-not-found")]
    juliet.session.end()
    assert ReturningClient(server, ROMEO).resumes(id, 0) == [failed("item-not-found")]  # nor is its count
    assert ReturningClient(server, JULIET).resumes(id, 0) == [failed("item-not-found", " h='0'")]


def test_a_session_that_was_closed_by_its_client_is_not_found(server: Server, juliet: ManagedClient) -> None:
    id = juliet.enables(resume="true")
    juliet.session.end()
    assert ReturningClient(server, JULIET).resumes(id, 0) == [failed("item-not-found")]
    assert server.state(Resumable).sessions == {}


def test_a_session_that_waited_too_long_is_not_found_but_its_count_is(server: Server, juliet: ManagedClient) -> None:
    id = juliet.enables(resume="true")
    juliet.sends("<presence/>")
    juliet.loses_connection()
    juliet.session.end()
    assert ReturningClient(server, JULIET).resumes(id, 0) == [failed("item-not-found", " h='1'")]


def test_what_a_client_has_acknowledged_cannot_be_sent_again(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    id = juliet.enables(resume="true")
    write(romeo, *"abc")
    juliet.does("a", h="2")
    assert ReturningClient(server, JULIET).resumes(id, h=1) == [failed("item-not-found", " h='0'")]
    assert ReturningClient(server, JULIET).resumes(id, h=2) != []


def test_row_29_a_count_that_is_too_high_ends_the_stream_and_not_the_session(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    id = juliet.enables(resume="true")
    juliet.loses_connection()
    write(romeo, "one")
    for wrong in (2, LAST):
        with pytest.raises(StreamError, match="undefined-condition"):
            ReturningClient(server, JULIET).resumes(id, wrong)
    assert bodies(ReturningClient(server, JULIET).resumes(id, 0)) == ["one"]


# -- bounds


def test_row_30_a_client_that_never_acknowledges_is_cut_off_and_nothing_is_lost(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    juliet.enables(resume="true")
    sent = [str(number) for number in range(21)]
    write(romeo, *sent)
    assert juliet.closed_with is None
    end_turn()
    assert juliet.closed_with is not None and juliet.closed_with.condition == "policy-violation"
    assert bodies(Client(server, f"{JULIET}/chamber").sends("<presence/>")) == sent


def test_row_30_a_session_that_waits_does_not_take_without_bound(
    server: Server, juliet: ManagedClient, romeo: Client
) -> None:
    juliet.enables(resume="true")
    juliet.loses_connection()
    sent = [str(number) for number in range(21)]
    write(romeo, *sent)
    end_turn()
    assert server.online.sessions(JULIET) == ()
    assert bodies(Client(server, f"{JULIET}/chamber").sends("<presence/>")) == sent


def test_row_30_bytes_are_bounded_too(tmp_path: Path) -> None:
    with server_in(tmp_path, stream_management={"max_bytes": 100_000}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = Client(server, f"{ROMEO}/orchard"), ManagedClient(server, f"{JULIET}/balcony")
        juliet.sends("<presence/>")
        juliet.enables(resume="true")
        write(romeo, "x" * 60_000)
        end_turn()
        assert juliet.closed_with is None
        write(romeo, "x" * 60_000)
        end_turn()
        assert juliet.closed_with is not None


def test_sessions_that_wait_do_not_keep_new_ones_out(tmp_path: Path) -> None:
    with listening_server(tmp_path, **SETTINGS) as server:
        for number in range(5):
            with Stream(server) as stream:
                stream.logs_in()
                assert stream.binds(str(number)) == f"{JULIET}/{number}"
                assert stream.asks(f"<enable xmlns='{NAMESPACE}' resume='1'/>").get("id")
            _wait_until_hibernating(server, JULIET.with_resource(str(number)))
        assert {session.jid.resource for session in server.online.sessions(JULIET)} == {"2", "3", "4"}


def _wait_until_hibernating(server: Server, address: JID) -> None:
    while (session := server.online.session(address)) is not None and session.connection is not None:
        end_turn()
