"""What is known of clients whose connections break, who are replaced by others, and who change their minds quickly;
and that what they want to hear of reaches them all the same."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from handlers.discovery.client_caps import Known
from tests.harness.in_process import Client, add_accounts, befriend, server_in
from tests.harness.managed_client import ManagedClient, ReturningClient
from tests.harness.nodes import INFO, ask, events, publish
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

MOOD = "http://jabber.org/protocol/mood"
JULIET, ROMEO = "juliet@localhost", "romeo@localhost"
LAST = [f"{JULIET}: items {MOOD} item 1"]
# Each proven by its hash: a client that wants to hear of moods, and one that wants nothing
WANTING = ("CQFb0iYPNa5B2NWJStxfndxsn+c=", f"<feature var='{MOOD}+notify'/>")
SILENT = ("uTyfBbUFSFqRdQOdUpC402A96UU=", "<feature var='urn:xmpp:ping'/>")
Version = tuple[str, str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, client_caps={"answer_seconds": 1}) as server:
        add_accounts(server, "juliet", "romeo")
        befriend(server, JID.parse(JULIET), JID.parse(ROMEO))
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    """Her mood is published."""
    client = Client(server, f"{JULIET}/balcony")
    client.sends("<presence/>")
    ask(client, publish(MOOD, "1"), to="")
    client.received()
    return client


def presence(version: Version) -> str:
    caps = "http://jabber.org/protocol/caps"
    return f"<presence><c xmlns='{caps}' hash='sha-1' node='urn:a' ver='{version[0]}'/></presence>"


def questions(received: list[str]) -> list[str]:
    return [each for each in received if each.startswith("<iq") and INFO in each]


def answer(client: Client, question: str, version: Version) -> list[str]:
    asked = parse(question.encode())
    return client.sends(
        f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>"
        f"<query xmlns='{INFO}' node='{asked[0].get('node')}'>"
        f"<identity category='client' type='pc'/>{version[1]}</query></iq>"
    )


def comes(client: Client, version: Version) -> list[str]:
    """Send presence and answer what is asked; returns all that came then."""
    received = client.sends(presence(version))
    for question in questions(received):
        received += answer(client, question, version)
    return received


def until_given_up(server: Server) -> None:
    with gevent.Timeout(60):
        while server.requests._waiting:
            gevent.sleep(0.01)


# -- connections that break


@pytest.mark.parametrize("is_given_up_before", [True, False])
@pytest.mark.parametrize("has_arrived", [True, False])
def test_a_client_whose_connection_broke_before_it_answered_is_understood_once_it_is_back(
    server: Server, juliet: Client, *, has_arrived: bool, is_given_up_before: bool
) -> None:
    phone = ManagedClient(server, f"{ROMEO}/phone")
    id = phone.enables(resume="true")
    received = phone.sends(presence(WANTING))
    [question] = questions(received)
    stanzas = [each for each in received if each.startswith(("<iq", "<presence", "<message"))]
    phone.loses_connection()
    if is_given_up_before:
        until_given_up(server)
    back = ReturningClient(server, ROMEO)
    received = back.resumes(id, len(stanzas) if has_arrived else 0)
    if not is_given_up_before and has_arrived:
        received += [question]  # it was on its way when the connection broke
    asked = questions(received)
    assert asked
    told = [each for each in asked for each in answer(back, each, WANTING)]
    assert events(told) == LAST
    ask(juliet, publish(MOOD, "2"), to="")
    assert events(back.received()) == [f"{JULIET}: items {MOOD} item 2"]


def test_a_client_that_is_back_is_given_the_time_to_answer_anew(server: Server, juliet: Client) -> None:
    phone = ManagedClient(server, f"{ROMEO}/phone")
    id = phone.enables(resume="true")
    phone.sends(presence(WANTING))
    phone.loses_connection()
    back = ReturningClient(server, ROMEO)
    back.resumes(id, 0)
    with gevent.Timeout(60):
        while not (asked := questions(back.received())):  # the first time is over
            gevent.sleep(0.01)
    assert events(answer(back, asked[0], WANTING)) == LAST


# -- clients that are replaced


def test_who_takes_the_place_of_a_client_that_was_asked_does_not_wait_for_it(server: Server, juliet: Client) -> None:
    first = Client(server, f"{ROMEO}/phone")
    assert questions(first.sends(presence(WANTING)))
    first.session.close()
    second = Client(server, f"{ROMEO}/phone")
    assert events(comes(second, WANTING)) == LAST
    until_given_up(server)
    assert not server.state(Known).waiting


def test_others_who_waited_for_its_answer_do_not_wait_on(server: Server, juliet: Client) -> None:
    first, second, third = (Client(server, f"{ROMEO}/{name}") for name in ("phone", "tablet", "desk"))
    assert questions(first.sends(presence(WANTING)))
    assert not questions(second.sends(presence(WANTING)))
    assert not questions(third.sends(presence(WANTING)))
    first.session.end()
    [question] = questions(second.received())
    assert not questions(third.received())  # one is enough
    assert events(answer(second, question, WANTING)) == LAST
    assert events(third.received()) == LAST
    assert not server.state(Known).waiting


# -- minds that change


def test_an_interest_that_is_withdrawn_and_renewed_before_that_was_understood_is_a_new_one(
    server: Server, juliet: Client
) -> None:
    phone = Client(server, f"{ROMEO}/phone")
    assert events(comes(phone, WANTING)) == LAST
    [question] = questions(phone.sends(presence(SILENT)))
    assert questions(phone.sends(presence(WANTING))) == []
    assert events(answer(phone, question, SILENT)) == LAST
    ask(juliet, publish(MOOD, "2"), to="")
    assert events(phone.received()) == [f"{JULIET}: items {MOOD} item 2"]


@pytest.mark.parametrize("order", ["published, answered", "answered, published"])
def test_a_client_that_is_understood_late_gets_the_newest_once(server: Server, juliet: Client, order: str) -> None:
    phone = Client(server, f"{ROMEO}/phone")
    [question] = questions(phone.sends(presence(WANTING)))
    told = list[str]()
    for step in order.split(", "):
        if step == "published":
            ask(juliet, publish(MOOD, "2"), to="")
            told += phone.received()
        else:
            told += answer(phone, question, WANTING)
    newest = f"{JULIET}: items {MOOD} item 2"
    assert events(told) == ([newest] if order.startswith("published") else [*LAST, newest])
