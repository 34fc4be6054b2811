"""What was begun for an account ends with it and with its password: logging in, registering, changing the password,
binding, resuming. Names pass to others, and whatever waits is held against what holds at its end."""

import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from scramp import ScramClient

from db import accounts as account_records
from db import last_activity, offline
from handlers.login import accounts
from handlers.login.registration_form import NAMESPACE as REGISTER
from handlers.login.sasl import salted_keys
from handlers.login.throttle import LoginThrottle
from handlers.sessions import redelivery
from handlers.sessions.redelivery import STANZAS_AT_ONCE
from tests.harness.in_process import Client
from tests.harness.managed_client import NAMESPACE as SM
from tests.harness.managed_client import ROMEO, ManagedClient, ReturningClient, write
from tests.harness.streams import FEW_ITERATIONS, JULIET, Stream, listening_server, local_name, outcome
from xmpp.data.jid import JID
from xmpp.routing.session import Session
from xmpp.server import Server

NEWCOMER = salted_keys.derive("of the newcomer", FEW_ITERATIONS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with listening_server(tmp_path, register={"accounts_per_address": 0}) as server:
        yield server


def become_somebody_elses(server: Server) -> None:
    """The account is removed, and somebody registers its name; nobody else has a turn in between."""
    accounts.remove(server, JULIET)
    account_records.create(server.db, JULIET, NEWCOMER, time.time())


def become_somebody_elses_unnoticed(server: Server) -> None:
    """As above, but nothing that was begun before has been ended."""
    accounts.erase(server, JULIET)
    account_records.create(server.db, JULIET, NEWCOMER, time.time())


def get_another_password(server: Server) -> None:
    account_records.set_credentials(server.db, JULIET, NEWCOMER)


CHANGES = pytest.mark.parametrize("change", [become_somebody_elses, get_another_password])
Change = Callable[[Server], None]


def is_of_newcomer(server: Server) -> bool:
    return account_records.credential(server.db, JULIET, "sha-256") == NEWCOMER["sha-256"]


# -- logging in


@CHANGES
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_challenge_is_not_answered_with_a_password_that_is_over(
    server: Server, mechanism: str, change: Change
) -> None:
    with Stream(server) as stream:
        stream.open()
        client = ScramClient([mechanism], "juliet", "secret")
        challenge = stream.begins(mechanism, client.get_client_first().encode())
        client.set_server_first(b64decode(challenge.text or "").decode())
        change(server)
        assert outcome(stream.responds(client.get_client_final().encode())) == "not-authorized"
        assert stream.tries_password("juliet", "of the newcomer") == "success"


@CHANGES
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_what_was_right_before_the_wait_has_to_be_right_after_it(
    tmp_path: Path, mechanism: str, change: Change
) -> None:
    with listening_server(tmp_path, sasl={"max_delay_seconds": 2.0}) as server, Stream(server) as stream:
        for _ in range(5):
            server.state(LoginThrottle).failed("192.0.2.1", JULIET, time.monotonic())
        stream.open()
        client = ScramClient(["SCRAM-SHA-256"], "juliet", "secret")
        if mechanism == "PLAIN":
            answer = gevent.spawn(lambda: stream.begins("PLAIN", b"\0juliet\0secret"))
        else:
            challenge = stream.begins(mechanism, client.get_client_first().encode())
            client.set_server_first(b64decode(challenge.text or "").decode())
            answer = gevent.spawn(lambda: stream.responds(client.get_client_final().encode()))
        with Stream(server) as other:
            other.open()  # the attempt came before this, and is being checked, or waits
        change(server)
        assert not answer.ready()
        assert outcome(answer.get()) == "not-authorized"


# -- making accounts and changing passwords


def test_of_two_who_register_a_name_side_by_side_one_gets_it(server: Server) -> None:
    romeo = JID.parse("romeo@localhost")
    with Stream(server) as one, Stream(server) as two:
        asked: list[gevent.Greenlet[..., str]] = []
        for stream, password in ((one, "of the one"), (two, "of the two")):
            stream.open()
            wish = f"<username>romeo</username><password>{password}</password>"
            asked.append(gevent.spawn(stream.asks_iq, f"<query xmlns='{REGISTER}'>{wish}</query>"))
        answers = [each.get() for each in asked]
        assert sorted(answers) == ["conflict", "result"]
        winner = "of the one" if answers[0] == "result" else "of the two"
        assert one.tries_password("romeo", winner) == "success"
        assert account_records.exists(server.db, romeo)


def test_those_who_register_side_by_side_are_counted_together(tmp_path: Path) -> None:
    with listening_server(tmp_path, register={"accounts_per_address": 2}) as server:
        streams = [Stream(server) for _ in range(6)]
        asked: list[gevent.Greenlet[..., str]] = []
        for number, stream in enumerate(streams):
            stream.open()
            wish = f"<username>user{number}</username><password>wherefore</password>"
            asked.append(gevent.spawn(stream.asks_iq, f"<query xmlns='{REGISTER}'>{wish}</query>"))
        assert sorted(each.get() for each in asked) == ["resource-constraint"] * 4 + ["result"] * 2
        assert len(account_records.listing(server.db)) == 1 + 2
        for stream in streams:
            stream.close()


def test_a_name_that_is_taken_costs_nothing_of_what_may_be_registered(tmp_path: Path) -> None:
    with listening_server(tmp_path, register={"accounts_per_address": 1}) as server, Stream(server) as stream:
        stream.open()
        answers = []
        for name in ("juliet", "romeo", "mercutio"):
            wish = f"<username>{name}</username><password>wherefore</password>"
            answers.append(stream.asks_iq(f"<query xmlns='{REGISTER}'>{wish}</query>"))
        assert answers == ["conflict", "result", "resource-constraint"]


def begin_to_change_password(
    server: Server, password: str, keep: Session | None = None
) -> "gevent.Greenlet[..., None]":
    """The new password is being salted; it cannot be done before this test gives way again."""
    changing = gevent.spawn(accounts.change_password, server, JULIET, password, keep)
    gevent.sleep(0)  # only what waits to be called back has its turn: it begins
    return changing


@pytest.mark.parametrize("asks", ["owner", "administrator"])
def test_a_new_password_is_not_set_for_whoever_has_the_name_then(server: Server, asks: str) -> None:
    keep = Client(server, "juliet@localhost/balcony").session if asks == "owner" else None
    changing = begin_to_change_password(server, "of the old one", keep)
    become_somebody_elses_unnoticed(server)
    with pytest.raises(accounts.NoSuchAccount):
        changing.get()
    assert is_of_newcomer(server)


def test_who_is_shut_out_by_a_new_password_sets_no_other_one(server: Server) -> None:
    owner, thief = Client(server, "juliet@localhost/balcony"), Client(server, "juliet@localhost/street")
    changes = [
        gevent.spawn(accounts.change_password, server, JULIET, password, keep=client.session)
        for client, password in ((owner, "of the owner"), (thief, "of the thief"))
    ]
    gevent.joinall(changes)
    [succeeded] = [number for number, each in enumerate(changes) if each.successful()]
    kept, ended = (owner, thief) if succeeded == 0 else (thief, owner)
    assert isinstance(changes[1 - succeeded].exception, accounts.Overtaken)
    assert kept.closed_with is None
    assert ended.closed_with is not None and ended.closed_with.condition == "reset"
    with Stream(server) as stream:
        stream.open()
        assert stream.tries_password("juliet", ["of the owner", "of the thief"][succeeded]) == "success"


def test_the_administrator_has_the_last_word_about_a_password(server: Server) -> None:
    client = Client(server, "juliet@localhost/balcony")
    own = begin_to_change_password(server, "of her own", client.session)
    get_another_password(server)  # as the administrator does, when hers is being salted
    with pytest.raises(accounts.Overtaken):
        own.get()
    assert is_of_newcomer(server)
    hers = salted_keys.derive("of her own", FEW_ITERATIONS)
    given = begin_to_change_password(server, "of the administrator")
    account_records.set_credentials(server.db, JULIET, hers)
    given.get()
    with Stream(server) as stream:
        stream.open()
        assert stream.tries_password("juliet", "of the administrator") == "success"


# -- what was begun before


def test_a_stream_that_has_logged_in_binds_nothing_for_whoever_has_the_name_then(server: Server) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        become_somebody_elses_unnoticed(server)
        assert stream.binds("balcony") == "not-authorized"
        assert not server.online.sessions(JULIET)


@CHANGES
def test_a_stream_that_has_logged_in_is_ended(server: Server, change: Change) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        if change is become_somebody_elses:
            change(server)
        else:
            accounts.change_password(server, JULIET, "of the newcomer")
        assert stream.last_words() in (["not-authorized"], ["reset"])


def test_a_session_that_waits_to_be_resumed_goes_with_its_account(server: Server) -> None:
    old = ManagedClient(server, "juliet@localhost/balcony")
    id = old.enables(resume="true")
    old.loses_connection()
    become_somebody_elses(server)
    assert not server.online.sessions(JULIET)
    [refusal] = ReturningClient(server, "juliet@localhost").resumes(id, h=0)
    assert "<item-not-found" in refusal and " h=" not in refusal
    assert last_activity.get(server.db, JULIET) is None


def test_a_session_that_was_overlooked_is_not_resumed_by_whoever_has_the_name_then(server: Server) -> None:
    old = ManagedClient(server, "juliet@localhost/balcony")
    id = old.enables(resume="true")
    old.loses_connection()
    become_somebody_elses_unnoticed(server)
    [refusal] = ReturningClient(server, "juliet@localhost").resumes(id, h=0)
    assert "<item-not-found" in refusal
    old.session.end()
    [refusal] = ReturningClient(server, "juliet@localhost").resumes(id, h=0)
    assert " h=" not in refusal  # nor is anything kept of it for that account
    assert last_activity.get(server.db, JULIET) is None


def test_a_stream_of_an_account_that_is_gone_resumes_nothing(server: Server) -> None:
    with Stream(server) as stream:
        stream.logs_in()
        become_somebody_elses_unnoticed(server)
        failed = stream.asks(f"<resume xmlns='{SM}' previd='whatever' h='0'/>")
        assert (local_name(failed), local_name(failed[0])) == ("failed", "not-authorized")


def test_what_a_device_had_not_acknowledged_is_kept_for_no_other_account_of_that_name(server: Server) -> None:
    """There may be so much of it that others have their turn in between."""
    accounts.create(server, ROMEO, "wherefore")
    romeo, juliet = Client(server, f"{ROMEO}/orchard"), ManagedClient(server, f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    juliet.enables(resume="true")
    texts = [str(number) for number in range(2 * STANZAS_AT_ONCE + 1)]
    write(romeo, *texts)
    become_somebody_elses(server)
    redelivery.finish(server)
    assert offline.count(server.db, JULIET) == 0
    assert len(romeo.received()) == len(texts)  # all were refused
