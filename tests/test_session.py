"""What a session makes of the stanzas of its client, before anything else happens to them (RFC 6120 section 8)."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db.sqlite.errors import StorageError
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.routing.session import Session
from xmpp.routing.tables import CONNECTION_LOST, MESSAGE_SENT, WRITTEN, Tables
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "juliet", "romeo")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


def test_a_stanza_gets_the_language_of_its_sender(juliet: Client, romeo: Client) -> None:
    juliet.session.language = "it"
    juliet.sends("<message to='romeo@localhost/orchard'><body>Ciao</body></message>")
    assert romeo.received() == [
        xml(
            "<message to='romeo@localhost/orchard' from='juliet@localhost/balcony' xml:lang='it'>"
            "<body>Ciao</body></message>"
        )
    ]


def test_a_stanza_with_a_language_of_its_own_keeps_it(juliet: Client, romeo: Client) -> None:
    juliet.session.language = "it"
    juliet.sends("<message to='romeo@localhost/orchard' xml:lang='la'><body>Ave</body></message>")
    [received] = romeo.received()
    assert 'xml:lang="la"' in received


@pytest.mark.parametrize("sender", ["juliet@localhost", "juliet@localhost/balcony", "JULIET@localhost/balcony"])
def test_a_client_may_name_itself(juliet: Client, romeo: Client, sender: str) -> None:
    juliet.sends(f"<message from='{sender}' to='romeo@localhost/orchard'><body>It is I</body></message>")
    [received] = romeo.received()
    assert 'from="juliet@localhost/balcony"' in received


@pytest.mark.parametrize("sender", ["romeo@localhost", "juliet@localhost/other", "localhost", "@"])
def test_row_15_a_client_may_not_name_somebody_else(juliet: Client, sender: str) -> None:
    with pytest.raises(StreamError, match="invalid-from"):
        juliet.sends(f"<message from='{sender}' to='romeo@localhost/orchard'/>")


def test_a_failing_step_is_answered_and_keeps_nobody_from_going_on(
    server: Server, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(delivery: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server, "tables", Tables(MESSAGE_SENT.runs(fails)))
    [answer] = juliet.sends("<message id='1' to='romeo@localhost'/>")
    assert "internal-server-error" in answer


@pytest.mark.parametrize("failing", [StorageError("disk full"), ZeroDivisionError()])
def test_a_session_that_cannot_be_written_to_ends_and_the_others_get_what_was_for_all(
    server: Server, juliet: Client, monkeypatch: pytest.MonkeyPatch, failing: Exception
) -> None:
    def fails(session: Session, stanza: object) -> None:
        if session.jid.resource == "phone":
            raise failing

    monkeypatch.setattr(server, "tables", server.tables.but(WRITTEN.runs(fails)))
    phone, laptop = Client(server, "romeo@localhost/phone"), Client(server, "romeo@localhost/laptop")
    phone.sends("<presence/>")
    laptop.sends("<presence/>")
    befriend(server, juliet.account, phone.account)
    juliet.sends("<presence><status>Come</status></presence>")
    assert any("Come" in stanza for stanza in laptop.received())
    gevent.idle()
    assert phone.closed_with is not None and phone.closed_with.condition == "internal-server-error"
    assert laptop.closed_with is None
    assert server.online.sessions(laptop.account) == (laptop.session,)


def test_a_session_that_cannot_wait_for_another_connection_ends(
    server: Server, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(session: Session) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server, "tables", server.tables.but(CONNECTION_LOST.runs(fails)))
    juliet.session.connection_lost()
    assert not server.online.sessions(juliet.account)


def test_only_one_answer_is_awaited_and_only_from_who_was_asked(server: Server, juliet: Client, romeo: Client) -> None:
    answers: list[str | None] = []
    server.requests.ask(
        "get",
        b'<query xmlns="urn:example"/>',
        to=romeo.session.jid,
        sender=JID.parse("localhost"),
        seconds=60,
        on_reply=lambda iq: answers.append(iq.type if iq else None),
    )
    [request] = romeo.received()
    id = request.partition('id="')[2].partition('"')[0]
    juliet.sends(f"<iq type='result' id='{id}' to='localhost'/>")
    assert answers == []
    romeo.sends(f"<iq type='result' id='{id}' to='localhost'/>")
    romeo.sends(f"<iq type='result' id='{id}' to='localhost'/>")
    assert answers == ["result"]


def test_asking_nobody_is_answered_with_an_error(server: Server) -> None:
    answers: list[str | None] = []
    server.requests.ask(
        "get",
        b'<query xmlns="urn:example"/>',
        to=JID.parse("nobody@localhost/gone"),
        sender=JID.parse("localhost"),
        seconds=60,
        on_reply=lambda iq: answers.append(iq.type if iq else None),
    )
    assert answers == ["error"]


def test_a_sender_is_told_if_its_message_does_not_reach_the_disk(tmp_path: Path) -> None:
    with server_in(tmp_path, archive={"page_messages": 10}) as server:
        add_accounts(server, "juliet", "romeo")
        juliet, romeo = Client(server, "juliet@localhost/balcony"), Client(server, "romeo@localhost/orchard")
        romeo.sends("<presence/>")
        juliet.sends("<message to='romeo@localhost'><body>There is room for this</body></message>")
        server.db.flush()
        [[pages]] = server.db.connection.execute("PRAGMA page_count").fetchall()
        server.db.connection.execute(f"PRAGMA max_page_count = {pages}")
        assert juliet.sends(f"<message id='m' to='romeo@localhost'><body>{'x' * 200_000}</body></message>") == []
        with pytest.raises(StorageError):
            server.db.flush()
        gevent.sleep(0)
        [answer] = juliet.received()
        assert 'id="m"' in answer and "resource-constraint" in answer
