"""Resource binding (RFC 6120 section 7) over a stream."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.login import accounts
from tests.harness.streams import BIND, JULIET, Stream, listener_of, listening_server
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.server import Server

SESSION = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path, bind={"resources": 2}) as server:
        yield server


def test_binding_and_an_optional_session_are_offered_after_login(server: Server) -> None:
    with Stream(server) as stream:
        features = stream.logs_in()
        assert features.find(f"{{{BIND}}}bind") is not None
        session = "{urn:ietf:params:xml:ns:xmpp-session}"
        assert features.find(f"{session}session/{session}optional") is not None


@pytest.mark.parametrize(
    ("wanted", "bound"),
    [
        ("balcony", "balcony"),
        ("Bal cony", "Bal cony"),
        ("a@b/c", "a@b/c"),
        ("\u2168 cafe\u0301", "\u2168 caf\u00e9"),  # normalised: RFC 7622 section 3.4
    ],
)
def test_the_client_gets_the_resource_that_it_wants(server: Server, wanted: str, bound: str) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        assert stream.binds(wanted) == f"juliet@localhost/{bound}"
        assert server.online.session(JULIET.with_resource(bound)) is not None


@pytest.mark.parametrize("wanted", ["bell\x7f", "x" * 1024, "\u2028"])
def test_a_resource_that_is_not_allowed_is_a_bad_request(server: Server, wanted: str) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        assert stream.binds(wanted) == "bad-request"
        assert stream.binds("balcony") == "juliet@localhost/balcony"


@pytest.mark.parametrize("wish", ["", "<resource/>"])
def test_a_client_without_a_wish_gets_a_resource_of_the_servers(server: Server, wish: str) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        answer = stream.asks(f"<iq type='set' id='b'><bind xmlns='{BIND}'>{wish}</bind></iq>")
        address = answer.findtext(f".//{{{BIND}}}jid")
        assert address is not None and address.startswith("juliet@localhost/")
        assert server.online.session(JID.parse(address)) is not None


def test_a_taken_resource_passes_to_who_comes_last(server: Server) -> None:
    with Stream(server) as older, Stream(server) as newer:
        older.logs_in()
        older.binds("balcony")
        newer.logs_in()
        assert newer.binds("balcony") == "juliet@localhost/balcony"
        assert older.last_words() == ["conflict"]
        assert newer.asks_iq(SESSION) == "result"
        assert len(server.online.sessions(JULIET)) == 1


def test_an_account_has_a_limited_number_of_resources(server: Server) -> None:
    with Stream(server) as one, Stream(server) as two, Stream(server) as three:
        for stream in (one, two, three):
            stream.logs_in()
        assert one.binds("one") == "juliet@localhost/one"
        assert two.binds("two") == "juliet@localhost/two"
        assert three.binds("three") == "resource-constraint"
        assert three.binds("two") == "juliet@localhost/two"  # takes the place of the older one


@pytest.mark.parametrize("is_bound", [False, True])
def test_the_session_request_of_older_clients_is_answered(server: Server, is_bound: bool) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        if is_bound:
            stream.binds("balcony")
        assert stream.asks_iq(SESSION) == "result"


def test_who_has_not_logged_in_binds_nothing(server: Server) -> None:
    with Stream(server) as stream:
        stream.open()
        assert stream.binds("balcony") == "not-authorized"
        assert stream.asks_iq(SESSION) == "not-authorized"
        assert len(server.online) == 0


def test_a_stream_ends_when_the_account_is_removed_before_it_has_bound(server: Server) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        accounts.remove(server, JULIET)
        assert stream.last_words() == ["not-authorized"]


def test_an_account_that_is_gone_binds_nothing(server: Server) -> None:
    """It may go while a password is being checked in another thread."""
    with Stream(server) as stream:
        stream.logs_in()
        accounts.erase(server, JULIET)
        assert stream.binds("balcony") == "not-authorized"


def test_what_comes_once_a_stream_was_closed_is_not_handled(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """A login that was ended, by a new password perhaps, has no resource after that, and takes nobody else's."""
    with Stream(server) as other, Stream(server) as ended:
        other.logs_in()
        other.binds("balcony")
        ended.logs_in()
        [stream] = listener_of(server).streams.unbound(JULIET)
        ended.send(f"<iq type='set' id='b'><bind xmlns='{BIND}'><resource>balcony</resource></bind></iq>")
        stream.close(StreamError("reset", "the password was changed"))  # in the turn in which that comes
        assert ended.last_words() == ["reset"]
        assert other.asks_iq("<ping xmlns='urn:xmpp:ping'/>", type="get") == "result"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
