"""XEP-0191: the list, its changes, and whom its patterns mean."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.contacts import access
from tests.harness.blocklists import block, command, items, unblock
from tests.harness.in_process import Client, add_accounts, server_in, xml
from xmpp.data.jid import JID
from xmpp.server import Server

LIST = "<blocklist xmlns='urn:xmpp:blocking'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, blocking={"max_items": 4}) as server:
        add_accounts(server, "romeo", "juliet", "nurse")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")






def listing(*jids: str) -> str:
    return xml(f'<blocklist xmlns="urn:xmpp:blocking">{items(*jids)}</blocklist>')






# -- the list


def test_a_blocklist_is_bounded_in_bytes(tmp_path: Path) -> None:
    with server_in(tmp_path, blocking={"max_bytes": 1_000}) as server:
        add_accounts(server, "juliet")
        juliet = Client(server, "juliet@localhost/balcony")
        assert block(juliet, f"{'a' * 400}@b") == ""
        assert block(juliet, f"{'c' * 600}@b") == "resource-constraint"
        assert block(juliet, f"{'c' * 500}@b", f"{'a' * 400}@b") == ""


def test_addresses_that_take_long_to_read_are_limited(juliet: Client) -> None:
    assert block(juliet, *(f"{number}.{'ü' * 20}.example" for number in range(400))) == "policy-violation"
    assert juliet.asks(LIST) == listing()


def test_the_list_is_empty_at_first(romeo: Client) -> None:
    assert romeo.asks(LIST) == listing()


def test_blocked_addresses_are_listed_normalised(romeo: Client) -> None:
    assert block(romeo, "JULIET@localhost", "montague.example") == ""
    assert romeo.asks(LIST) == listing("juliet@localhost", "montague.example")


def test_unblocking_takes_off_what_is_named(romeo: Client) -> None:
    block(romeo, "juliet@localhost", "nurse@localhost")
    assert unblock(romeo, "nurse@localhost", "nobody@localhost") == ""
    assert romeo.asks(LIST) == listing("juliet@localhost")


def test_unblocking_nobody_in_particular_unblocks_all(romeo: Client) -> None:
    block(romeo, "juliet@localhost", "nurse@localhost")
    assert unblock(romeo) == ""
    assert romeo.asks(LIST) == listing()


def test_an_unblock_command_that_names_something_else_does_not_unblock_all(romeo: Client) -> None:
    block(romeo, "juliet@localhost")
    misspelt = "<unblock xmlns='urn:xmpp:blocking'><itme jid='juliet@localhost'/></unblock>"
    assert romeo.asks(misspelt, type="set") == "bad-request"
    assert romeo.asks(LIST) == listing("juliet@localhost")


def test_a_block_command_that_names_nobody_is_a_bad_request(romeo: Client) -> None:
    assert block(romeo) == "bad-request"


@pytest.mark.parametrize("jid", ["", "@", "a@b/"])
def test_a_malformed_address_blocks_nobody(romeo: Client, jid: str) -> None:
    assert block(romeo, "juliet@localhost", jid) == "jid-malformed"
    assert romeo.asks(LIST) == listing()


def test_the_list_is_bounded(romeo: Client) -> None:
    block(romeo, "a@b", "b@b", "c@b")
    assert block(romeo, "d@b", "e@b") == "resource-constraint"
    assert block(romeo, "a@b", "d@b") == ""
    assert romeo.asks(LIST) == listing("a@b", "b@b", "c@b", "d@b")


def test_nobody_elses_list_can_be_had(romeo: Client, juliet: Client) -> None:
    for payload, type in ((LIST, "get"), (command("block", "nurse@localhost"), "set"), (command("unblock"), "set")):
        assert romeo.asks(payload, type=type, to="juliet@localhost") == "service-unavailable"


# -- pushes


def test_only_sessions_that_asked_for_the_list_are_told_of_changes(server: Server, romeo: Client) -> None:
    phone, tablet = Client(server, "romeo@localhost/phone"), Client(server, "romeo@localhost/tablet")
    phone.asks(LIST)
    block(romeo, "juliet@localhost")
    assert changes_told(phone) == [xml(command("block", "juliet@localhost"))]
    unblock(romeo, "juliet@localhost")
    assert changes_told(phone) == [xml(command("unblock", "juliet@localhost"))]
    unblock(romeo)
    assert changes_told(phone) == [xml(command("unblock"))]
    assert tablet.received() == romeo.received() == []


def changes_told(client: Client) -> list[str]:
    """The payloads of the pushes that came, which must be all that came."""
    pushes = client.received()
    for push in pushes:
        assert re.match(f'<iq id="[^"]+" to="{client.jid}" type="set">', push)
    return [push.partition(">")[2].removesuffix("</iq>") for push in pushes]


def test_the_session_that_makes_the_change_is_told_too_after_its_result(romeo: Client) -> None:
    romeo.asks(LIST)
    result, push = romeo.sends(f"<iq type='set' id='b'>{command('block', 'juliet@localhost')}</iq>")
    assert 'type="result"' in result
    assert "<block " in push


def test_who_asked_in_an_earlier_session_has_to_ask_again(server: Server, romeo: Client) -> None:
    phone = Client(server, "romeo@localhost/phone")
    phone.asks(LIST)
    phone.session.close()
    phone = Client(server, "romeo@localhost/phone")
    block(romeo, "juliet@localhost")
    assert phone.received() == []


# -- patterns (section 6)


@pytest.mark.parametrize(
    ("pattern", "jid", "expected"),
    [
        ("juliet@capulet.example/balcony", "juliet@capulet.example/balcony", True),
        ("juliet@capulet.example/balcony", "juliet@capulet.example/crypt", False),
        ("juliet@capulet.example/balcony", "juliet@capulet.example", False),
        ("juliet@capulet.example", "juliet@capulet.example", True),
        ("juliet@capulet.example", "juliet@capulet.example/balcony", True),
        ("juliet@capulet.example", "nurse@capulet.example", False),
        ("capulet.example/balcony", "capulet.example/balcony", True),
        ("capulet.example/balcony", "capulet.example/crypt", False),
        ("capulet.example/balcony", "capulet.example", False),
        ("capulet.example", "capulet.example", True),
        ("capulet.example", "capulet.example/balcony", True),
        ("capulet.example", "juliet@capulet.example/balcony", True),
        ("capulet.example", "juliet@house.capulet.example", False),
        ("localhost", "juliet@localhost", True),
        # never: the account itself, and its server
        ("localhost", "localhost", False),
        ("localhost", "romeo@localhost/phone", False),
        ("romeo@localhost", "romeo@localhost", False),
        ("romeo@localhost/phone", "romeo@localhost/phone", False),
        ("localhost/announce", "localhost/announce", False),
    ],
)
def test_which_pattern_blocks_whom(server: Server, romeo: Client, pattern: str, jid: str, expected: bool) -> None:
    block(romeo, pattern)
    assert access.is_blocked(server, romeo.account, JID.parse(jid)) is expected


def test_nobody_is_blocked_for_somebody_else(server: Server, romeo: Client) -> None:
    block(romeo, "juliet@localhost")
    assert not access.is_blocked(server, JID.parse("nurse@localhost"), JID.parse("juliet@localhost"))
