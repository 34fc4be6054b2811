"""XEP-0386: a resource is bound together with the login (XEP-0388), or a session is resumed (XEP-0198 section 9)."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db import archive, archives
from handlers.sessions.client_state import HeldBack
from tests.harness.in_process import Client
from tests.harness.sasl2 import BIND2, PHONE, SM, TABLET, Sasl2Stream, bind, bound, identifier, secured_server
from tests.harness.streams import BIND, JULIET, local_name
from xmpp.routing.session import Session
from xmpp.server import Server

CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"
MANAGED = f"<enable xmlns='{SM}' resume='true'/>"
INACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>"
PING = "<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
PATIENCE = 30  # seconds, only reached by a test that fails
METADATA = "{urn:xmpp:mam:2}metadata"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path) as server:
        yield server


def opened(server: Server) -> Sasl2Stream:
    stream = Sasl2Stream(server)
    stream.open()
    return stream


def test_the_session_has_begun_when_the_login_is_answered(server: Server) -> None:
    with opened(server) as stream:
        address = identifier(stream.tries_plain(bind(tag="Quill")))
        name, _, random = address.rpartition("/")
        assert name == "juliet@localhost/Quill"
        assert len(random) >= 8
        features = stream.receives()
        assert features.find(f"{{{BIND}}}bind") is None
        assert features.find("{urn:xmpp:csi:0}csi") is not None
        assert [session.jid for session in server.online.sessions(JULIET)] == [address]
        assert stream.asks_iq("<query xmlns='jabber:iq:roster'/>", "get") == "result"


def test_two_clients_of_one_name_have_two_resources(server: Server) -> None:
    with opened(server) as one, opened(server) as other:
        assert identifier(one.tries_plain(bind(tag="Quill"))) != identifier(other.tries_plain(bind(tag="Quill")))


@pytest.mark.parametrize("tag", ["", " ", "x" * 2_000, "a\u0007b".replace("\u0007", "&#9;"), "\u2064\u0340"])
def test_a_name_that_suits_no_resource_is_shortened_or_left_out(server: Server, tag: str) -> None:
    with opened(server) as stream:
        address = identifier(stream.tries_plain(bind(tag=tag)))
        assert address.startswith("juliet@localhost/")
        assert len(address) < 200


def test_what_the_client_wants_is_on_from_the_start(server: Server) -> None:
    with opened(server) as stream:
        success = stream.tries_plain(bind(CARBONS, MANAGED, INACTIVE))
        enabled = bound(success).find(f"{{{SM}}}enabled")
        assert enabled is not None
        assert enabled.get("resume") == "true"
        stream.receives()
        answer = stream.asks(f"<r xmlns='{SM}'/>")
        assert (local_name(answer), answer.get("h")) == ("a", "0")
        [session] = server.online.sessions(JULIET)
        assert "carbons" in session.interests


def test_an_inactive_client_is_not_told_what_can_wait(server: Server) -> None:
    with opened(server) as stream:
        stream.tries_plain(bind(INACTIVE))
        [session] = server.online.sessions(JULIET)
        held = session.state(HeldBack)
        assert held is not None
        assert held.is_holding


def test_a_refusal_of_stream_management_is_said_and_the_session_has_begun(server: Server) -> None:
    with opened(server) as stream:
        success = stream.tries_plain(bind(f"<enable xmlns='{SM}' resume='perhaps'/>"))
        assert [local_name(each) for each in bound(success)] == ["metadata", "failed"]


def test_the_client_learns_what_the_archive_has_and_is_not_sent_that_again(server: Server) -> None:
    romeo = Client(server, "juliet@localhost/orchard")
    romeo.sends("<presence><priority>-1</priority></presence>")
    romeo.sends("<message to='juliet@localhost' type='chat' id='m'><body>wait</body></message>")
    archive.settle(server.db)
    ends = archive.ends(server.db, archives.of(server.db, JULIET).number)
    assert ends is not None
    with opened(server) as stream:
        metadata = bound(stream.tries_plain(bind())).find(METADATA)
        assert metadata is not None
        assert {local_name(each): each.get("id") for each in metadata} == {"start": ends[0].uid, "end": ends[1].uid}
        stream.receives()
        presence = stream.asks("<presence/>")
        assert local_name(presence) == "presence"
        stream.send(PING)
        kinds = [local_name(stream.receives()) for _ in range(2)]
        assert "message" not in kinds


def test_who_logs_in_without_binding_is_sent_what_waits(server: Server) -> None:
    other = Client(server, "juliet@localhost/orchard")
    other.sends("<presence><priority>-1</priority></presence>")
    other.sends("<message to='juliet@localhost' type='chat' id='m'><body>wait</body></message>")
    with opened(server) as stream:
        stream.tries_plain()
        stream.receives()
        stream.binds("balcony")
        stream.send("<presence/>")
        kinds = [local_name(stream.receives()) for _ in range(3)]
        assert "message" in kinds


def test_the_same_client_takes_the_place_of_its_earlier_session(server: Server) -> None:
    with opened(server) as earlier, opened(server) as other, opened(server) as later:
        identifier(earlier.tries_plain(bind(), PHONE))
        earlier.receives()
        on_tablet = identifier(other.tries_plain(bind(), TABLET))
        on_phone = identifier(later.tries_plain(bind(), PHONE))
        assert earlier.last_words() == ["conflict"]
        assert {session.jid for session in server.online.sessions(JULIET)} == {on_tablet, on_phone}


def left_behind(server: Server) -> tuple[Session, str]:
    """The session of a phone whose connection is lost, which waits to be resumed by this id."""
    with opened(server) as stream:
        success = stream.tries_plain(bind(MANAGED), PHONE)
        stream.receives()
        assert local_name(stream.asks("<presence/>")) == "presence"
    [session] = server.online.sessions(JULIET)
    with gevent.Timeout(PATIENCE):
        while session.connection is not None:
            gevent.sleep(0.002)
    enabled = bound(success).find(f"{{{SM}}}enabled")
    assert enabled is not None
    return session, enabled.get("id", "")


def test_the_same_client_takes_the_place_of_its_session_that_waits_to_be_resumed(server: Server) -> None:
    waiting, id = left_behind(server)
    with opened(server) as other, opened(server) as later:
        on_tablet = identifier(other.tries_plain(bind(MANAGED), TABLET))
        assert waiting in server.online.sessions(JULIET)
        on_phone = identifier(later.tries_plain(bind(MANAGED), PHONE))
        assert {session.jid for session in server.online.sessions(JULIET)} == {on_tablet, on_phone}
    with opened(server) as again:
        success = again.tries_plain(f"<resume xmlns='{SM}' previd='{id}' h='1'/>")
        assert [local_name(each) for each in success] == ["authorization-identifier", "failed"]


def test_what_it_was_not_sent_any_more_comes_to_the_session_in_its_place(tmp_path: Path) -> None:
    """Where there is no archive that the client is told of."""
    with secured_server(tmp_path, archive={"enabled": False}) as server:
        waiting, _ = left_behind(server)
        message = f"<message to='{waiting.jid}' type='chat'><body>wait</body></message>"
        Client(server, "juliet@localhost/orchard").sends(message)
        with opened(server) as later:
            later.tries_plain(bind(), PHONE)
            later.receives()
            later.send("<presence/>")
            came = [later.receives() for _ in range(2)]
            assert "wait" in [each.findtext("{jabber:client}body") for each in came]


def test_clients_that_do_not_say_which_they_are_stay_side_by_side(server: Server) -> None:
    with opened(server) as one, opened(server) as other:
        addresses = {identifier(one.tries_plain(bind())), identifier(other.tries_plain(bind()))}
        assert {session.jid for session in server.online.sessions(JULIET)} == addresses


def test_with_too_many_clients_the_login_succeeds_and_the_reason_is_told_to_who_asks(tmp_path: Path) -> None:
    with secured_server(tmp_path, bind={"resources": 1}) as server, opened(server) as one, opened(server) as other:
        one.tries_plain(bind())
        success = other.tries_plain(bind())
        assert identifier(success) == "juliet@localhost"
        assert success.find(f"{{{BIND2}}}bound") is None
        assert other.receives().find(f"{{{BIND}}}bind") is not None
        assert other.binds("balcony") == "resource-constraint"


# -- resuming


def test_a_session_is_resumed_in_place_of_binding_and_what_was_missed_comes_after_the_answer(server: Server) -> None:
    with opened(server) as stream:
        success = stream.tries_plain(bind(MANAGED))
        address = identifier(success)
        id = bound(success)[1].get("id")
        stream.receives()
        stream.asks("<presence/>")
    [session] = server.online.sessions(JULIET)
    Client(server, "juliet@localhost/orchard").sends(f"<message to='{address}'><body>wait</body></message>")
    with opened(server) as stream:
        success = stream.tries_plain(f"<resume xmlns='{SM}' previd='{id}' h='1'/>" + bind(MANAGED))
        assert identifier(success) == address
        assert success.find(f"{{{BIND2}}}bound") is None
        resumed = success.find(f"{{{SM}}}resumed")
        assert resumed is not None
        assert (resumed.get("previd"), resumed.get("h")) == (id, "1")
        message = stream.receives()  # and no features before it
        assert message.findtext("{jabber:client}body") == "wait"
    assert session in server.online.sessions(JULIET)


def test_where_that_fails_a_resource_is_bound(server: Server) -> None:
    with opened(server) as stream:
        success = stream.tries_plain(f"<resume xmlns='{SM}' previd='lost' h='1'/>" + bind(MANAGED))
        assert [local_name(each) for each in success] == ["authorization-identifier", "failed", "bound"]
        assert success[1][0].tag == "{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found"


def test_where_that_fails_and_nothing_is_to_be_bound_the_stream_goes_on(server: Server) -> None:
    with opened(server) as stream:
        success = stream.tries_plain(f"<resume xmlns='{SM}' previd='lost' h='1'/>")
        assert [local_name(each) for each in success] == ["authorization-identifier", "failed"]
        assert stream.receives().find(f"{{{BIND}}}bind") is not None
        assert stream.binds("balcony") == "juliet@localhost/balcony"


def test_nothing_of_it_is_done_for_who_is_not_let_in(server: Server) -> None:
    with opened(server) as earlier, opened(server) as stream:
        earlier.tries_plain(bind(), PHONE)
        earlier.receives()
        assert local_name(stream.tries_plain(bind(), PHONE, password="wrong")) == "failure"
        assert len(server.online.sessions(JULIET)) == 1
