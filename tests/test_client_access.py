"""Which clients have access to an account (XEP-0494), and how it is taken from one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db import accounts as account_records
from db import devices
from db.devices import Device
from handlers.admin.upkeep import delete_what_is_not_kept
from handlers.login import accounts, client_access
from handlers.login.client_access import Client
from handlers.login.clients import Access, client_of
from tests.harness import in_process
from tests.harness.fast import NONE, given, opened, request, tries
from tests.harness.sasl2 import PHONE, SM, TABLET, bind, bound, identifier, secured_server
from tests.harness.streams import JULIET, Stream, local_name
from xmpp.routing.servers import Server as AnyServer
from xmpp.routing.session import Session
from xmpp.server import Server

CAM = "urn:xmpp:cam:0"
LIST = f"<list xmlns='{CAM}'/>"
DAY = 86_400.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path, sasl={"tries": 5}) as server:
        yield server


def listed(server: Server) -> list[Client]:
    return client_access.listing(server, JULIET)


def name(server: AnyServer, agent: str) -> str:
    identity = account_records.identity(server.db, JULIET) or ""
    return client_of(server, identity, agent)


def is_of(session: Session, agent: str) -> bool:
    access = session.state(Access)
    return access is not None and access.client == name(session.server, agent)


def told(stream: Stream) -> list[etree._Element]:
    """What somebody who has a session is told of the clients of the account."""
    answer = stream.asks(f"<iq type='get' id='q'>{LIST}</iq>")
    assert answer.get("type") == "result", etree.tostring(answer)
    return list(answer[0])


def asks_to_revoke(stream: Stream, id: str) -> etree._Element:
    return stream.asks(f"<iq type='set' id='r'><revoke xmlns='{CAM}' id='{id}'/></iq>")


def become_one_without_password(server: Server, agent: str) -> None:
    """As after a grant of another kind: the client has a token, and was never seen to know the password."""
    server.db.connection.execute("UPDATE device SET by_password = 0 WHERE client = ?", (name(server, agent),))


# -- what is listed


def test_a_client_is_listed_with_what_it_is_and_by_what_it_logs_in(server: Server) -> None:
    before = time.time()
    token = given(server)
    with opened(server) as stream:
        identifier(stream.tries_token(token, inline=bind()))
        stream.receives()
        [client] = told(stream)
    assert dict(client.attrib) == {"connected": "true", "id": name(server, PHONE), "type": "session"}
    assert [local_name(each) for each in client] == ["first-seen", "last-seen", "auth", "permission", "user-agent"]
    assert [each.tag for each in client[2]] == [f"{{{CAM}}}password", f"{{{CAM}}}fast"]
    assert client[3].get("status") == "unrestricted"
    assert {local_name(each): each.text for each in client[4]} == {"software": "Quill", "device": "A phone"}
    [found] = listed(server)
    assert before <= found.first_seen <= found.last_seen <= time.time()


def test_what_is_listed_does_not_tell_the_id_that_the_client_has(server: Server) -> None:
    with opened(server) as stream:
        stream.tries_plain(bind(), PHONE)
        stream.receives()
        assert PHONE not in str([etree.tostring(each) for each in told(stream)])
    assert PHONE not in str(server.db.connection.execute("SELECT * FROM device").fetchall())


def test_a_client_that_is_gone_or_away_for_a_moment_is_listed_as_such(server: Server) -> None:
    with opened(server) as stream:
        stream.tries_plain(bind(), PHONE)
        assert [each.is_connected for each in listed(server)] == [True]
        stream.receives()
        stream.send("</stream:stream>")
        stream.last_words()
    assert [each.is_connected for each in listed(server)] == [False]
    with opened(server) as stream:
        stream.tries_plain(bind(f"<enable xmlns='{SM}' resume='true'/>"), PHONE)
        stream.receives()
        [session] = server.online.sessions(JULIET)
        session.connection_lost()
    assert [each.is_connected for each in listed(server)] == [True]


def test_a_client_is_the_same_after_another_login_whatever_it_calls_itself(server: Server) -> None:
    with opened(server) as stream:
        stream.tries_plain(agent=PHONE)
        [first] = listed(server)
    with opened(server) as stream:
        renamed = f"<user-agent id='{PHONE.upper()}'><software>Pen</software></user-agent>"
        stream.tries_plain(renamed)
    [second] = listed(server)
    assert (second.id, second.first_seen) == (first.id, first.first_seen)
    assert (second.software, second.device) == ("Pen", "A phone")


def test_a_client_that_does_not_say_which_it_is_is_listed_while_it_is_there(server: Server) -> None:
    with Stream(server) as older, opened(server) as newer:
        older.logs_in()
        older.binds("balcony")
        newer.tries_plain(bind())
        newer.receives()
        clients = told(newer)
        assert [each.get("connected") for each in clients] == ["true", "true"]
        assert len({each.get("id") for each in clients}) == 2
        assert {each.tag for client in clients for each in client[2]} == {f"{{{CAM}}}password"}
        assert all(len(client[4]) == 0 for client in clients)
        assert not any("balcony" in str(each.attrib) for each in clients)
        assert "balcony" in [each.called for each in listed(server)]
    assert not devices.listing(server.db, JULIET)


def test_a_session_that_is_bound_after_the_login_or_resumed_is_that_of_its_client(server: Server) -> None:
    with opened(server) as stream:
        stream.tries_plain(agent=PHONE)
        stream.receives()
        stream.binds("balcony")
        assert [(each.id, each.is_connected) for each in listed(server)] == [(name(server, PHONE), True)]
    with opened(server) as stream:
        success = stream.tries_plain(bind(f"<enable xmlns='{SM}' resume='true'/>"))
        id = bound(success)[1].get("id")
    with opened(server) as stream:
        stream.tries_plain(f"<resume xmlns='{SM}' previd='{id}' h='0'/>", TABLET)
        assert name(server, TABLET) in {each.id for each in listed(server) if each.is_connected}


def test_nobody_else_is_told_or_revokes(server: Server) -> None:
    given(server)
    romeo = in_process.Client(server, "romeo@localhost/orchard")
    for type, payload in (("get", LIST), ("set", f"<revoke xmlns='{CAM}' id='{name(server, PHONE)}'/>")):
        assert romeo.asks(payload, type=type, to="juliet@localhost") == "service-unavailable"
    assert len(listed(server)) == 1


def test_guests_are_not_remembered(tmp_path: Path) -> None:
    with secured_server(tmp_path, guests={"enabled": True}) as server, opened(server) as stream:
        stream.authenticates("ANONYMOUS", b"", agent=PHONE)
        assert not server.db.connection.execute("SELECT * FROM device").fetchall()


# -- what is written, and kept


def test_that_a_client_was_there_is_written_seldom(server: Server) -> None:
    given(server)
    [first] = devices.listing(server.db, JULIET)
    with opened(server) as stream:
        stream.tries_plain(bind(), PHONE)
    assert devices.listing(server.db, JULIET) == [first]
    server.db.connection.execute("UPDATE device SET last_seen = last_seen - ?", (DAY,))
    with opened(server) as stream:
        stream.tries_plain(bind(), PHONE)
        [again] = devices.listing(server.db, JULIET)
        assert again.last_seen >= first.last_seen
        server.db.connection.execute("UPDATE device SET last_seen = last_seen - ?", (DAY,))
        stream.receives()
        stream.send("</stream:stream>")
        stream.last_words()
    [at_the_end] = devices.listing(server.db, JULIET)
    assert at_the_end.last_seen >= again.last_seen


def test_so_many_are_remembered_and_those_seen_longest_ago_go_with_their_tokens(tmp_path: Path) -> None:
    agents = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(4)]
    with secured_server(tmp_path, client_access={"devices": 2}) as server:
        tokens = [given(server, agent=agent) for agent in agents]
        assert {each.id for each in listed(server)} == {name(server, agent) for agent in agents[2:]}
        outcomes = [tries(server, *each) for each in zip(tokens, [NONE] * 4, agents, strict=True)]
        assert outcomes == ["not-authorized", "not-authorized", "success", "success"]


def test_who_does_not_come_for_half_a_year_is_forgotten_unless_it_is_there_all_the_time(server: Server) -> None:
    token = given(server)
    with opened(server) as stream:
        stream.tries_plain(bind(), TABLET)
        server.db.connection.execute("UPDATE device SET last_seen = last_seen - ?", (179 * DAY,))
        delete_what_is_not_kept(server)
        assert len(listed(server)) == 2
        server.db.connection.execute("UPDATE device SET last_seen = last_seen - ?", (2 * DAY,))
        delete_what_is_not_kept(server)
        assert [each.id for each in listed(server)] == [name(server, TABLET)]
        assert devices.listing(server.db, JULIET)[0].last_seen > time.time() - DAY
    assert tries(server, token) == "not-authorized"


def test_it_can_be_switched_off_and_nothing_is_kept(tmp_path: Path) -> None:
    with secured_server(tmp_path, client_access={"enabled": False}) as server:
        token = given(server)
        assert not server.db.connection.execute("SELECT * FROM device").fetchall()
        assert tries(server, token) == "success"


# -- revoking


def test_row_233_a_client_that_was_revoked_is_out(server: Server) -> None:
    token = given(server)
    become_one_without_password(server, PHONE)
    with opened(server) as phone, opened(server) as unbound, opened(server) as tablet:
        phone.tries_token(token, inline=bind())
        phone.receives()
        unbound.tries_token(token)
        unbound.receives()
        tablet.tries_plain(bind(request()), TABLET)
        tablet.receives()
        assert asks_to_revoke(tablet, name(server, PHONE)).get("type") == "result"
        assert phone.last_words() == ["not-authorized"]
        assert unbound.last_words() == ["not-authorized"]
        assert [each.get("id") for each in told(tablet)] == [name(server, TABLET)]
    assert tries(server, token) == "not-authorized"


def test_row_233_a_session_that_waits_to_be_resumed_goes_with_its_client(server: Server) -> None:
    token = given(server)
    become_one_without_password(server, PHONE)
    with opened(server) as phone:
        phone.tries_token(token, inline=bind(f"<enable xmlns='{SM}' resume='true'/>"))
        phone.receives()
        [session] = server.online.sessions(JULIET)
        session.connection_lost()
    with opened(server) as tablet:
        tablet.tries_plain(bind(), TABLET)
        tablet.receives()
        asks_to_revoke(tablet, name(server, PHONE))
        assert session not in server.online.sessions(JULIET)


def test_a_client_may_revoke_itself_and_is_answered(server: Server) -> None:
    token = given(server)
    become_one_without_password(server, PHONE)
    with opened(server) as stream:
        stream.tries_token(token, inline=bind())
        stream.receives()
        assert asks_to_revoke(stream, name(server, PHONE)).get("type") == "result"
        assert stream.last_words() == ["not-authorized"]


def test_a_client_that_knows_the_password_is_not_revoked_but_by_a_new_one(server: Server) -> None:
    token = given(server)
    with opened(server) as stream:
        stream.tries_plain(bind(), TABLET)
        stream.receives()
        error = asks_to_revoke(stream, name(server, PHONE)).find("{*}error")
        assert error is not None
        tags = [each.tag for each in error]
        assert tags[0] == "{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable"
        assert f"{{{CAM}}}password-reset-required" in tags
    assert tries(server, token) == "success"


@pytest.mark.parametrize("id", ["", "nobody"])
def test_nobody_is_not_revoked(server: Server, id: str) -> None:
    with opened(server) as stream:
        stream.tries_plain(bind())
        stream.receives()
        [_] = asks_to_revoke(stream, id).iter("{*}item-not-found")
        assert len(server.online.sessions(JULIET)) == 1


# -- after a new password


def test_after_a_new_password_those_are_listed_that_have_access_by_it(server: Server) -> None:
    with opened(server) as phone, opened(server) as tablet:
        phone.tries_plain(bind(), PHONE)
        phone.receives()
        tablet.tries_plain(bind(), TABLET)
        tablet.receives()
        [session] = [each for each in server.online.sessions(JULIET) if is_of(each, TABLET)]
        accounts.change_password(server, JULIET, "another", keep=session)
        assert [(each.id, each.ways) for each in listed(server)] == [(name(server, TABLET), ("password",))]


def test_a_client_with_a_certificate_still_has_access_then(server: Server) -> None:
    now = time.time()
    devices.put(server.db, JULIET, Device("c", "", "", now, now, by_password=True, by_certificate=True), 9)
    accounts.change_password(server, JULIET, "another")
    assert [(each.id, each.ways) for each in listed(server)] == [("c", ("certificate",))]
