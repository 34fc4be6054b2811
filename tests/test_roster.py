"""RFC 6121 section 2: the roster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import rosters
from handlers.contacts import roster_items
from tests.harness.in_process import Client, add_accounts, befriend, content_of, server_in, xml
from xmpp.data.jid import JID
from xmpp.server import Server

GET = "<query xmlns='jabber:iq:roster'/>"
LIMITS = {"max_items": 3, "max_groups": 2, "max_name_bytes": 10, "max_group_bytes": 8}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, roster=LIMITS) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def set_item(client: Client, item: str) -> str:
    """Ask for a roster item; returns the content of the result, or the condition of the error."""
    return content_of(client.sends(asking_for(item))[-1])


def asking_for(item: str) -> str:
    return f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>"


def items(client: Client) -> list[str]:
    """The items of the client's roster, as they stand in the result."""
    return ["<item" + item for item in client.asks(GET).removesuffix("</query>").split("<item")[1:]]


def version(client: Client) -> str:
    return client.asks(GET).partition('ver="')[2].partition('"')[0]


def push(item: str, of: Client, received: list[str]) -> None:
    """Check that exactly one push came, of this item."""
    [came] = received
    assert came.startswith('<iq id="push-')
    assert "from=" not in came.partition(">")[0]
    assert f'to="{of.jid}" type="set"' in came
    assert xml(f"<query xmlns='jabber:iq:roster'>{item}</query>")[len('<query xmlns="jabber:iq:roster">') :] in came


def test_a_roster_is_bounded_in_bytes_and_can_always_shrink(tmp_path: Path) -> None:
    limits = {"max_bytes": 10_000, "max_name_bytes": 6_000}
    with server_in(tmp_path, roster=limits) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/a")
        assert set_item(romeo, f"<item jid='a@b' name='{'x' * 6_000}'/>") == ""
        assert set_item(romeo, f"<item jid='b@b' name='{'x' * 5_000}'/>") == "resource-constraint"
        assert set_item(romeo, f"<item jid='b@b' name='{'ü' * 2_500}'/>") == "resource-constraint"
        assert set_item(romeo, f"<item jid='b@b' name='{'x' * 3_000}'><group>{'g' * 90}</group></item>") == ""
        assert set_item(romeo, f"<item jid='b@b' name='{'x' * 4_000}'/>") == "resource-constraint"
        assert set_item(romeo, "<item jid='a@b' name='y'/>") == ""
        assert set_item(romeo, f"<item jid='b@b' name='{'x' * 5_990}'/>") == ""
        assert set_item(romeo, "<item jid='a@b' subscription='remove'/>") == ""
        server.db.memory.forget(romeo.account)
        assert rosters.roster(server.db, romeo.account).size == len("b@b") + 5_990


def test_a_roster_is_written_once_for_all_who_ask(server: Server, romeo: Client) -> None:
    other = Client(server, "romeo@localhost/other")
    set_item(romeo, "<item jid='nurse@localhost'/>")
    first = roster_items.written(server, romeo.account)
    assert romeo.asks(GET) == other.asks(GET)
    assert roster_items.written(server, romeo.account) is first
    set_item(romeo, "<item jid='nurse@localhost' name='Angelica'/>")
    assert "Angelica" in other.asks(GET)


def test_a_new_account_has_an_empty_roster_that_has_a_version(romeo: Client) -> None:
    assert items(romeo) == []
    assert version(romeo)


def test_a_contact_is_added_with_name_and_groups(romeo: Client) -> None:
    asked = "<item jid='Nurse@Verona.IT' name='Angelica'><group>Family</group><group>B</group></item>"
    assert set_item(romeo, asked) == ""
    assert items(romeo) == [
        '<item jid="nurse@verona.it" name="Angelica" subscription="none"><group>Family</group><group>B</group></item>'
    ]


def test_a_second_set_replaces_name_and_groups(romeo: Client) -> None:
    set_item(romeo, "<item jid='nurse@verona.it' name='Angelica'><group>Family</group></item>")
    set_item(romeo, "<item jid='nurse@verona.it'/>")
    assert items(romeo) == ['<item jid="nurse@verona.it" subscription="none"></item>']


def test_only_the_server_decides_on_subscription_ask_and_approved(romeo: Client) -> None:
    set_item(romeo, "<item jid='nurse@verona.it' subscription='both' ask='subscribe' approved='true'/>")
    assert items(romeo) == ['<item jid="nurse@verona.it" subscription="none"></item>']


def test_pushes_go_to_the_sessions_that_asked_for_the_roster_and_to_no_other(server: Server, romeo: Client) -> None:
    interested, uninterested = Client(server, "romeo@localhost/a"), Client(server, "romeo@localhost/b")
    items(interested)
    set_item(romeo, "<item jid='nurse@verona.it'/>")
    push("<item jid='nurse@verona.it' subscription='none'/>", interested, interested.received())
    assert uninterested.received() == []


def test_the_session_that_makes_the_change_gets_a_push_and_a_result(romeo: Client) -> None:
    items(romeo)
    came = romeo.sends(asking_for("<item jid='n@v'/>"))
    push("<item jid='n@v' subscription='none'/>", romeo, came[:1])
    assert came[1:] == ['<iq from="romeo@localhost" id="s" to="romeo@localhost/orchard" type="result"></iq>']


def test_a_push_carries_the_version_that_a_get_then_has(romeo: Client) -> None:
    before = version(romeo)
    came = romeo.sends(asking_for("<item jid='n@v'/>"))
    assert f'ver="{version(romeo)}"' in came[0]
    assert version(romeo) != before


def test_a_client_that_has_the_version_gets_an_empty_result(romeo: Client) -> None:
    set_item(romeo, "<item jid='nurse@verona.it'/>")
    assert romeo.asks(f"<query xmlns='jabber:iq:roster' ver='{version(romeo)}'/>") == ""


@pytest.mark.parametrize("known", ["", "something else"])
def test_a_client_of_another_version_gets_the_whole_roster(romeo: Client, known: str) -> None:
    set_item(romeo, "<item jid='nurse@verona.it'/>")
    assert "nurse@verona.it" in romeo.asks(f"<query xmlns='jabber:iq:roster' ver='{known}'/>")


def test_an_empty_result_makes_the_session_interested_too(romeo: Client) -> None:
    known = version(romeo)
    other = Client(romeo.server, "romeo@localhost/other")
    other.asks(f"<query xmlns='jabber:iq:roster' ver='{known}'/>")
    set_item(romeo, "<item jid='nurse@verona.it'/>")
    assert len(other.received()) == 1


def test_a_removed_contact_is_pushed_as_removed(romeo: Client) -> None:
    set_item(romeo, "<item jid='nurse@verona.it'/>")
    items(romeo)
    came = romeo.sends(asking_for("<item jid='nurse@verona.it' subscription='remove'/>"))
    push("<item jid='nurse@verona.it' subscription='remove'/>", romeo, came[:1])
    assert items(romeo) == []


LONG_NAME, LONG_GROUP = "n" * 11, "g" * 9


@pytest.mark.parametrize(
    ("item", "condition"),
    [
        ("", "bad-request"),
        ("<item jid='a@b'/><item jid='c@d'/>", "bad-request"),
        ("<contact jid='a@b'/>", "bad-request"),
        ("<item/>", "bad-request"),
        ("<item jid='@'/>", "jid-malformed"),
        ("<item jid='a@b'><group>x</group><group>x</group></item>", "bad-request"),
        ("<item jid='a@b'><group/></item>", "not-acceptable"),
        (f"<item jid='a@b'><group>{LONG_GROUP}</group></item>", "not-acceptable"),
        ("<item jid='a@b'><group>1</group><group>2</group><group>3</group></item>", "not-acceptable"),
        (f"<item jid='a@b' name='{LONG_NAME}'/>", "not-acceptable"),
        ("<item jid='a@b' subscription='remove'/>", "item-not-found"),
        ("<item jid='romeo@localhost'/>", "not-allowed"),
        ("<item jid='romeo@localhost/orchard'/>", "not-allowed"),
    ],
)
def test_what_cannot_be_an_item_is_refused_and_changes_nothing(romeo: Client, item: str, condition: str) -> None:
    assert set_item(romeo, item) == condition
    assert items(romeo) == []


def test_a_roster_holds_no_more_than_the_configured_number_of_contacts(romeo: Client) -> None:
    for number in range(3):
        assert set_item(romeo, f"<item jid='a{number}@b'/>") == ""
    assert set_item(romeo, "<item jid='a3@b'/>") == "resource-constraint"
    assert set_item(romeo, "<item jid='a2@b' name='x'/>") == ""  # a change is none more
    assert "resource-constraint" in romeo.sends("<presence type='subscribe' to='juliet@localhost'/>")[0]
    assert len(items(romeo)) == 3


@pytest.mark.parametrize("type", ["get", "set"])
def test_somebody_elses_roster_is_forbidden(server: Server, romeo: Client, type: str) -> None:
    payload = "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>" if type == "set" else GET
    assert romeo.asks(payload, type=type, to="juliet@localhost") == "forbidden"
    befriend(server, JID.parse("juliet@localhost"), romeo.account)
    assert romeo.asks(payload, type=type, to="juliet@localhost") == "forbidden"


def test_row_17_nobody_can_make_a_roster_push(server: Server, romeo: Client) -> None:
    juliet = Client(server, "juliet@localhost/balcony")
    own = Client(server, "juliet@localhost/chamber")
    for sender in (romeo, own):
        forged = "<query xmlns='jabber:iq:roster'><item jid='evil@b' subscription='both'/></query>"
        assert sender.asks(forged, type="set", to="juliet@localhost/balcony") == "forbidden"
    assert juliet.received() == []
