"""Accounts as the command line and in-band registration use them, and stanzas to accounts that do not exist."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts as account_records
from handlers.login import accounts
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.data.jid import JID
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
NOBODY = JID.parse("nobody@localhost")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, sasl={"iterations": 4096}) as server:
        add_accounts(server, "juliet")
        yield server


@pytest.mark.parametrize("address", ["localhost", "romeo@localhost/orchard", "romeo@elsewhere.example"])
def test_an_address_that_cannot_be_an_account_here_is_refused(server: Server, address: str) -> None:
    with pytest.raises(ValueError, match="cannot be an account here"):
        accounts.create(server, JID.parse(address), "secret")


def test_many_accounts_are_made_or_none(server: Server) -> None:
    romeo, nurse = JID.parse("romeo@localhost"), JID.parse("nurse@localhost")
    with pytest.raises(account_records.AccountExists, match="juliet@localhost exists"):
        accounts.create_many(server, [(romeo, "secret"), (JULIET, "secret")])
    with pytest.raises(account_records.AccountExists, match="romeo@localhost exists"):
        accounts.create_many(server, [(romeo, "secret"), (romeo, "other")])
    with pytest.raises(ValueError, match="the password is empty"):
        accounts.create_many(server, [(romeo, "secret"), (nurse, "")])
    assert not account_records.exists(server.db, romeo)
    accounts.create_many(server, [(romeo, "secret"), (nurse, "secret")])
    assert account_records.exists(server.db, romeo) and account_records.exists(server.db, nurse)


def test_an_account_that_does_not_exist_is_neither_changed_nor_removed(server: Server) -> None:
    with pytest.raises(accounts.NoSuchAccount):
        accounts.change_password(server, NOBODY, "secret")
    with pytest.raises(accounts.NoSuchAccount):
        accounts.remove(server, NOBODY)


def test_a_new_password_ends_all_sessions_but_the_one_that_asked(server: Server) -> None:
    one, two = Client(server, "juliet@localhost/one"), Client(server, "juliet@localhost/two")
    accounts.change_password(server, JULIET, "new", keep=one.session)
    assert one.closed_with is None
    assert two.closed_with is not None and two.closed_with.condition == "reset"
    accounts.change_password(server, JULIET, "newer")
    assert one.closed_with is not None


def test_removal_ends_all_sessions(server: Server) -> None:
    one = Client(server, "juliet@localhost/one")
    accounts.remove(server, JULIET)
    assert one.closed_with is not None and one.closed_with.condition == "not-authorized"
    assert not server.online.sessions(JULIET)


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='nobody@localhost'><body>Anybody?</body></message>",
        "<message to='nobody@localhost/there' type='headline'><body>Anybody?</body></message>",
        "<iq type='get' id='1' to='nobody@localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='get' id='1' to='nobody@localhost/there'><ping xmlns='urn:xmpp:ping'/></iq>",
    ],
)
def test_messages_and_requests_to_nobody_are_refused(server: Server, stanza: str) -> None:
    [answer] = Client(server, "juliet@localhost/balcony").sends(stanza)
    assert 'type="error"' in answer and "<service-unavailable" in answer


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='nobody@localhost' type='error'/>",
        "<iq type='result' id='1' to='nobody@localhost'/>",
        "<presence to='nobody@localhost'/>",
        "<presence to='nobody@localhost' type='probe'/>",
    ],
)
def test_answers_and_presence_to_nobody_vanish(server: Server, stanza: str) -> None:
    assert Client(server, "juliet@localhost/balcony").sends(stanza) == []
