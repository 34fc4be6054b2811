"""What a domain says to each of its accounts once: the message of the day, and a welcome to new ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import greetings
from handlers.admin.administration import carry_out
from handlers.login import accounts
from tests.harness.domains import A, B, hosting
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.control import Refused
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def said(received: list[str]) -> list[str]:
    """The bodies of messages of the server."""
    stanzas = [parse(each.encode()) for each in received]
    return [str(each.findtext("{jabber:client}body")) for each in stanzas if each.get("from") == "localhost"]


def comes(server: Server, address: str) -> list[str]:
    client = Client(server, address)
    heard = said(client.sends("<presence/>"))
    client.session.close()
    return heard


def test_who_is_online_hears_the_message_of_the_day_at_once_and_the_others_when_they_come(server: Server) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    romeo.sends("<presence/>")
    carry_out(server, "greet", kind="motd", text="Masks tonight")
    server.portions.wait("greetings to localhost")
    assert said(romeo.received()) == ["Masks tonight"]
    assert comes(server, "juliet@localhost/balcony") == ["Masks tonight"]


def test_each_account_hears_it_once(server: Server) -> None:
    carry_out(server, "greet", kind="motd", text="Masks tonight")
    assert comes(server, "juliet@localhost/balcony") == ["Masks tonight"]
    assert comes(server, "juliet@localhost/phone") == []


def test_another_one_is_said_to_all_and_one_that_is_mended_to_those_who_have_not_heard_it(server: Server) -> None:
    carry_out(server, "greet", kind="motd", text="Mask tonight")
    comes(server, "juliet@localhost/balcony")
    carry_out(server, "greet", kind="motd", text="Masks tonight", is_mended=True)
    assert comes(server, "juliet@localhost/balcony") == []
    assert comes(server, "romeo@localhost/orchard") == ["Masks tonight"]
    carry_out(server, "greet", kind="motd", text="All is well")
    assert comes(server, "juliet@localhost/balcony") == ["All is well"]


def test_what_is_taken_back_is_said_to_nobody(server: Server) -> None:
    carry_out(server, "greet", kind="motd", text="Masks tonight")
    carry_out(server, "remove-greeting", kind="motd")
    assert comes(server, "juliet@localhost/balcony") == []
    assert carry_out(server, "greeting", kind="motd") == []


def test_a_new_account_is_welcomed_once_and_those_of_before_are_not(server: Server) -> None:
    carry_out(server, "greet", kind="welcome", text="Be welcome")
    accounts.create(server, JID.parse("nurse@localhost"), "secret")
    assert comes(server, "juliet@localhost/balcony") == []
    assert comes(server, "nurse@localhost/hall") == ["Be welcome"]
    assert comes(server, "nurse@localhost/hall") == []
    carry_out(server, "greet", kind="welcome", text="Welcome to Verona")
    assert comes(server, "nurse@localhost/hall") == comes(server, "juliet@localhost/balcony") == []


def test_whoever_has_the_name_later_hears_it_too(server: Server) -> None:
    carry_out(server, "greet", kind="motd", text="Masks tonight")
    comes(server, "juliet@localhost/balcony")
    accounts.remove(server, JID.parse("juliet@localhost"))
    add_accounts(server, "juliet")
    assert comes(server, "juliet@localhost/balcony") == ["Masks tonight"]


def test_a_session_that_is_not_available_hears_nothing_yet(server: Server) -> None:
    carry_out(server, "greet", kind="motd", text="Masks tonight")
    client = Client(server, "juliet@localhost/balcony")
    client.sends("<presence to='romeo@localhost'/>")
    assert greetings.told(server.db, "juliet@localhost") == {}


@pytest.mark.parametrize("text", ["", "  ", "\x00", "x" * 5_001])
def test_what_is_no_text_is_refused(server: Server, text: str) -> None:
    with pytest.raises(Refused):
        carry_out(server, "greet", kind="motd", text=text)
    assert carry_out(server, "greeting", kind="motd") == []


def test_there_are_no_other_kinds(server: Server) -> None:
    for command, more in (("greet", {"text": "x"}), ("remove-greeting", {}), ("greeting", {})):
        with pytest.raises(Refused, match="no kind of greeting"):
            carry_out(server, command, kind="farewell", **more)


def test_each_domain_says_its_own(tmp_path: Path) -> None:
    with hosting(tmp_path) as server:
        carry_out(server, "role", account=f"juliet@{A}", role="administrator")
        carry_out(server, "greet", by=JID.parse(f"juliet@{A}"), kind="motd", text="Masks tonight")
        assert carry_out(server, "greeting", kind="motd") == [(A, "Masks tonight")]
        with pytest.raises(Refused, match=f"{B} is not served here"):
            carry_out(server, "greet", by=JID.parse(f"juliet@{A}"), kind="motd", text="x", domain=B)
        heard = Client(server, f"romeo@{B}/x").sends("<presence/>")
        assert not any("Masks" in stanza for stanza in heard)
