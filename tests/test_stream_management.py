"""XEP-0198 sections 2 to 4: enabling, and acknowledging both ways. Resuming: test_resumption.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import offline
from handlers.sessions.acknowledgements import COUNTS, Received, Sent
from handlers.sessions.managed_sessions import Resumable
from tests.harness.in_process import Client, add_accounts, server_in, xml
from tests.harness.managed_client import (
    JULIET,
    NAMESPACE,
    REQUEST,
    ROMEO,
    ManagedClient,
    acknowledgement,
    bodies,
    end_turn,
    failed,
    tags,
    write,
)
from tests.harness.streams import Stream, listening_server, local_name
from xmpp.data.errors import StreamError
from xmpp.server import Server

LAST = COUNTS - 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, stream_management={"max_resume_seconds": 900}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def juliet(server: Server) -> ManagedClient:
    """Available, and nothing counted yet."""
    client = ManagedClient(server, f"{JULIET}/balcony")
    client.sends("<presence/>")
    return client


# -- enabling


def test_a_session_without_resumption_has_no_id(juliet: ManagedClient) -> None:
    assert juliet.does("enable") == [xml(f"<enabled xmlns='{NAMESPACE}'/>")]


@pytest.mark.parametrize(("wanted", "given"), [(None, "600"), ("60", "60"), ("900", "900"), ("99999999999", "900")])
def test_a_session_waits_for_as_long_as_its_client_asks_within_bounds(
    juliet: ManagedClient, wanted: str | None, given: str
) -> None:
    id = juliet.enables(resume="true", **({} if wanted is None else {"max": wanted}))
    [session] = juliet.server.state(Resumable).sessions.values()
    assert session is juliet.session
    assert juliet.management.seconds == int(given)
    assert len(id) >= 32


@pytest.mark.parametrize("resume", ["1", "true", " true "])
def test_row_29_ids_are_never_the_same(server: Server, resume: str) -> None:
    clients = [ManagedClient(server, f"{JULIET}/{number}") for number in range(3)]
    assert len({client.enables(resume=resume) for client in clients}) == 3


@pytest.mark.parametrize(
    ("name", "attributes", "condition"),
    [
        ("enable", {"resume": "yes"}, "bad-request"),
        ("enable", {"resume": "true", "max": "0"}, "bad-request"),
        ("enable", {"resume": "true", "max": "-1"}, "bad-request"),
        ("enable", {"resume": "true", "max": "soon"}, "bad-request"),
        ("a", {"h": "0"}, "unexpected-request"),
        ("r", {}, "unexpected-request"),
        ("resume", {"previd": "x", "h": "0"}, "unexpected-request"),
    ],
)
def test_what_is_wrong_before_enabling_is_refused_and_can_be_put_right(
    juliet: ManagedClient, name: str, attributes: dict[str, str], condition: str
) -> None:
    assert juliet.does(name, **attributes) == [failed(condition)]
    assert juliet.enables(resume="true")


@pytest.mark.parametrize(
    ("name", "attributes", "condition"),
    [
        ("enable", {}, "unexpected-request"),
        ("enable", {"resume": "true"}, "unexpected-request"),
        ("a", {}, "bad-request"),
        ("a", {"h": ""}, "bad-request"),
        ("a", {"h": "-1"}, "bad-request"),
        ("a", {"h": "one"}, "bad-request"),
        ("a", {"h": str(COUNTS)}, "bad-request"),
        ("a", {"h": "\u0661"}, "bad-request"),
        ("a", {"h": "9" * 5000}, "bad-request"),
    ],
)
def test_what_is_wrong_after_enabling_is_refused_and_loses_nothing(
    juliet: ManagedClient, romeo: Client, name: str, attributes: dict[str, str], condition: str
) -> None:
    juliet.enables(resume="true")
    write(romeo, "one")
    juliet.received()
    assert juliet.does(name, **attributes) == [failed(condition)]
    assert len(juliet.management.sent) == 1


def test_the_feature_is_offered_once_logged_in_and_not_before(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server, Stream(server) as stream:
        before = stream.open()
        assert before.find(f"{{{NAMESPACE}}}sm") is None
        assert stream.tries_password("juliet", "secret") == "success"
        assert stream.open().find(f"{{{NAMESPACE}}}sm") is not None


@pytest.mark.parametrize("asked", [f"<enable xmlns='{NAMESPACE}'/>", f"<resume xmlns='{NAMESPACE}' previd='x' h='0'/>"])
def test_row_29_nothing_is_to_be_had_before_the_login(tmp_path: Path, asked: str) -> None:
    with listening_server(tmp_path) as server, Stream(server) as stream:
        stream.open()
        assert local_name(stream.asks(asked)[0]) == "unexpected-request"


def test_enabling_before_a_resource_is_bound_is_refused_and_can_be_put_right(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server, Stream(server) as stream:
        stream.logs_in()
        assert local_name(stream.asks(f"<enable xmlns='{NAMESPACE}'/>")[0]) == "unexpected-request"
        stream.binds("balcony")
        assert local_name(stream.asks(f"<enable xmlns='{NAMESPACE}'/>")) == "enabled"


# -- what the client sends


def test_only_stanzas_count_and_only_since_enabling(juliet: ManagedClient) -> None:
    juliet.enables()
    assert juliet.does("r") == [acknowledgement(0)]
    for stanza in ("<presence/>", f"<message to='{ROMEO}' type='headline'/>", "<iq type='get' id='1'><x/></iq>"):
        juliet.sends(stanza)
    assert juliet.does("r") == [acknowledgement(3)]
    assert juliet.does("r") == [acknowledgement(3)]


def test_what_is_refused_was_handled(juliet: ManagedClient) -> None:
    juliet.enables()
    juliet.sends("<message to='nobody@localhost'/>")
    juliet.sends("<iq type='never'/>")
    assert juliet.does("r") == [acknowledgement(2)]


def test_an_answer_comes_at_once_with_what_is_durable_and_the_rest_follows(juliet: ManagedClient) -> None:
    juliet.enables()
    juliet.sends("<presence/>")
    write(juliet, "kept for later", to=ROMEO)
    juliet.sends("<presence/>")
    assert juliet.does("r") == [acknowledgement(1)]
    juliet.server.db.flush()
    assert acknowledgement(3) in juliet.received()


def test_who_has_not_asked_is_not_told(juliet: ManagedClient) -> None:
    juliet.enables()
    write(juliet, "kept for later", to=ROMEO)
    juliet.server.db.flush()
    assert "a" not in tags(juliet.received())


def test_what_could_not_be_stored_is_never_acknowledged_and_ends_the_session(
    server: Server, juliet: ManagedClient
) -> None:
    juliet.enables(resume="true")
    write(juliet, "kept for later", to=ROMEO)
    server.db.connection.execute("PRAGMA defer_foreign_keys = ON")  # COMMIT will refuse the group
    offline.keep(server.db, "nobody@localhost", b"", at=0.0)
    assert juliet.does("r") == [acknowledgement(0)]
    end_turn()
    end_turn()
    assert juliet.closed_with is not None and juliet.closed_with.condition == "resource-constraint"
    assert acknowledgement(1) not in juliet.received()
    assert server.online.session(juliet.jid) is None


def test_the_count_of_what_was_handled_wraps(juliet: ManagedClient) -> None:
    juliet.enables()
    juliet.management.received = Received(LAST)
    assert juliet.does("r") == [acknowledgement(LAST)]
    juliet.sends("<presence/>")
    assert juliet.does("r") == [acknowledgement(0)]


# -- what the server sends


def test_one_request_is_made_for_all_that_is_sent_in_a_turn(juliet: ManagedClient, romeo: Client) -> None:
    juliet.enables()
    write(romeo, *"abcd")
    end_turn()
    assert tags(juliet.received()) == ["message"] * 4 + ["r"]


def test_no_other_request_is_made_before_the_answer(juliet: ManagedClient, romeo: Client) -> None:
    juliet.enables()
    for body in "abc":
        write(romeo, body)
        end_turn()
    assert tags(juliet.received()) == ["message", "r", "message", "message"]
    assert juliet.does("a", h="1") == []
    end_turn()
    assert juliet.received() == [REQUEST]
    assert juliet.does("a", h="3") == []
    end_turn()
    assert juliet.received() == []


def test_a_client_that_counts_wrong_is_not_asked_for_ever(juliet: ManagedClient, romeo: Client) -> None:
    juliet.enables()
    write(romeo, "a", "b")
    end_turn()
    juliet.received()
    juliet.does("a", h="1")
    end_turn()
    assert juliet.received() == []
    write(romeo, "c")
    end_turn()
    assert tags(juliet.received()) == ["message", "r"]


def test_more_than_was_sent_cannot_be_acknowledged(juliet: ManagedClient, romeo: Client) -> None:
    juliet.enables()
    write(romeo, "one")
    with pytest.raises(StreamError) as error:
        juliet.does("a", h="2")
    assert error.value.wire() == (
        b"<stream:error>"
        b'<undefined-condition xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>'
        b'<text xmlns="urn:ietf:params:xml:ns:xmpp-streams">'
        b"You acknowledged 2 stanzas, but I only sent you 1 so far.</text>"
        b'<handled-count-too-high xmlns="urn:xmpp:sm:3" h="2" send-count="1"/>'
        b"</stream:error>"
    )


def test_the_count_of_what_was_sent_wraps(juliet: ManagedClient, romeo: Client) -> None:
    juliet.enables()
    juliet.management.sent = Sent(LAST - 1)
    write(romeo, *"abc")
    juliet.does("a", h=str(LAST))
    assert [bodies([bytes(each.stanza).decode()]) for each in juliet.management.sent] == [["b"], ["c"]]
    juliet.does("a", h="1")
    assert len(juliet.management.sent) == 0
