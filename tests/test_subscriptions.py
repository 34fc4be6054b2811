"""RFC 6121 section 3: subscriptions, from both sides, and what the sessions of both are sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, rosters, subscription_requests
from handlers.login.accounts import erase
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from tests.harness.managed_client import ManagedClient
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, subscriptions={"max_requests": 2, "max_request_bytes": 1000}) as server:
        add_accounts(server, "romeo", "juliet", "nurse", "paris")
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    return interested(server, "romeo@localhost/orchard")


@pytest.fixture
def juliet(server: Server) -> Client:
    return interested(server, "juliet@localhost/balcony")


def interested(server: Server, address: str) -> Client:
    """An available session that has asked for the roster."""
    client = Client(server, address)
    client.asks("<query xmlns='jabber:iq:roster'/>")
    client.sends("<presence/>")
    return client


def says(type: str, to: str) -> str:
    return f"<presence type='{type}' to='{to}'/>"


def told(type: str, sender: str, to: str) -> str:
    return xml(f"<presence type='{type}' from='{sender}' to='{to}'/>")


def seen(received: list[str]) -> list[str]:
    """What came, in short: the type of presence and its sender, and of roster pushes the state in the item."""
    return [_in_short(stanza) for stanza in received]


def _in_short(stanza: str) -> str:
    if stanza.startswith("<presence"):
        head = stanza.partition(">")[0]
        return f"{_value(head, 'type') or 'available'} {_value(head, 'from')}"
    item = stanza.partition("<item")[2]
    extra = " ask" if "ask=" in item else " approved" if "approved=" in item else ""
    return f"push {_value(item, 'subscription')}{extra}"


def _value(head: str, name: str) -> str:
    return head.partition(f' {name}="')[2].partition('"')[0]


def roster_state(server: Server, account: JID, contact: JID) -> str | None:
    item = rosters.item(server.db, account, contact)
    return item and item.subscription + (" ask" if item.ask else "") + (" approved" if item.approved else "")


APPROVED_AT_ONCE = ["push none ask", "subscribed juliet@localhost", "push to", "available juliet@localhost/balcony"]


# -- asking and granting


def test_a_request_is_shown_acknowledged_and_pushed_as_asked(romeo: Client, juliet: Client) -> None:
    came = romeo.sends(says("subscribe", JULIET))
    assert seen(came[:1]) == ["push none ask"]
    assert came[1:] == [told("unavailable", JULIET, ROMEO)]
    assert juliet.received() == [told("subscribe", ROMEO, JULIET)]


def test_who_has_only_asked_is_not_in_the_roster(server: Server, romeo: Client, juliet: Client) -> None:
    romeo.sends(says("subscribe", JULIET))
    assert roster_state(server, JULIET, ROMEO) is None


def test_approval_is_told_pushed_and_followed_by_presence(romeo: Client, juliet: Client) -> None:
    romeo.sends(says("subscribe", JULIET))
    juliet.received()
    assert seen(juliet.sends(says("subscribed", ROMEO))) == ["push from"]
    assert seen(romeo.received()) == ["subscribed juliet@localhost", "push to", "available juliet@localhost/balcony"]


def test_presence_after_approval_is_addressed_to_the_account_and_begins_with_its_time(
    romeo: Client, juliet: Client
) -> None:
    romeo.sends(says("subscribe", JULIET))
    juliet.sends(says("subscribed", ROMEO))
    presence = romeo.received()[-1]
    head, _, children = presence.partition(">")
    assert head == '<presence from="juliet@localhost/balcony" to="romeo@localhost"'
    assert children.startswith('<delay xmlns="urn:xmpp:delay" from="localhost" stamp="')
    assert children.endswith('</delay><x xmlns="vcard-temp:x:update"></x></presence>')


def test_an_approval_that_makes_it_mutual_also_shows_the_presence_of_the_other(romeo: Client, juliet: Client) -> None:
    romeo.sends(says("subscribe", JULIET))
    juliet.sends(says("subscribed", ROMEO))
    juliet.sends(says("subscribe", ROMEO))
    romeo.received()
    assert seen(romeo.sends(says("subscribed", JULIET))) == ["push both", "available juliet@localhost/balcony"]


def test_answers_go_to_interested_sessions_and_requests_to_available_ones(server: Server, romeo: Client) -> None:
    only_available, only_interested = Client(server, "juliet@localhost/a"), Client(server, "juliet@localhost/i")
    only_available.sends("<presence/>")
    only_interested.asks("<query xmlns='jabber:iq:roster'/>")
    romeo.sends(says("subscribe", JULIET))
    assert seen(only_available.received()) == ["subscribe romeo@localhost"]
    assert only_interested.received() == []
    romeo.sends(says("unsubscribe", JULIET))
    assert only_available.received() == []
    assert seen(only_interested.received()) == ["unsubscribe romeo@localhost"]


def test_a_request_to_an_account_that_does_not_exist_is_only_noted(romeo: Client) -> None:
    assert seen(romeo.sends(says("subscribe", "nobody@localhost"))) == ["push none ask"]


def test_a_request_by_a_subscriber_is_approved_by_the_server(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, ROMEO, JULIET)
    rosters.put(server.db, ROMEO, rosters.Item(JULIET))  # it has lost what it had
    assert seen(romeo.sends(says("subscribe", JULIET))) == APPROVED_AT_ONCE
    assert juliet.received() == []
    assert roster_state(server, ROMEO, JULIET) == "to"


def test_a_stanza_that_changes_nothing_reaches_nobody(romeo: Client, juliet: Client) -> None:
    for type in ("subscribed", "unsubscribe", "unsubscribed"):
        juliet.sends(says(type, "nurse@localhost"))
        romeo.sends(says("unsubscribed", JULIET))
        assert juliet.received() == []
    assert romeo.received() == []


@pytest.mark.parametrize("type", ["subscribe", "subscribed", "unsubscribe", "unsubscribed"])
def test_what_is_for_oneself_or_for_nobody_is_refused(romeo: Client, type: str) -> None:
    assert "not-allowed" in romeo.sends(says(type, ROMEO))[0]
    assert "bad-request" in romeo.sends(f"<presence type='{type}'/>")[0]


# -- requests are kept


def test_a_request_is_shown_whole_at_each_login_until_it_is_answered(server: Server, romeo: Client) -> None:
    romeo.sends(f"<presence id='r1' type='subscribe' to='{JULIET}'><nick xmlns='urn:n'>R</nick></presence>")
    whole = xml(
        f"<presence from='{ROMEO}' id='r1' to='{JULIET}' type='subscribe'><nick xmlns='urn:n'>R</nick></presence>"
    )
    first, second = Client(server, f"{JULIET}/1"), Client(server, f"{JULIET}/2")
    assert whole in first.sends("<presence/>")
    assert whole in second.sends("<presence/>")
    assert whole not in second.sends("<presence><show>away</show></presence>")
    second.sends(says("unsubscribed", ROMEO))
    assert whole not in Client(server, f"{JULIET}/3").sends("<presence/>")


def test_a_request_that_was_shown_at_once_is_shown_at_the_next_login_too(
    server: Server, romeo: Client, juliet: Client
) -> None:
    romeo.sends(says("subscribe", JULIET))
    assert told("subscribe", ROMEO, JULIET) in juliet.received()
    assert told("subscribe", ROMEO, JULIET) in Client(server, f"{JULIET}/next").sends("<presence/>")


def test_of_one_sender_only_the_last_request_is_kept_and_the_first_shown(
    server: Server, romeo: Client, juliet: Client
) -> None:
    for id in ("first", "last"):
        romeo.sends(f"<presence type='subscribe' id='{id}' to='{JULIET}'/>")
    assert [' id="first"' in stanza for stanza in juliet.received()] == [True]
    [kept] = subscription_requests.requests(server.db, JULIET)
    assert b' id="last"' in kept.stanza


def test_a_request_that_is_taken_back_is_forgotten(server: Server, romeo: Client, juliet: Client) -> None:
    romeo.sends(says("subscribe", JULIET))
    romeo.sends(says("unsubscribe", JULIET))
    assert seen(juliet.received()) == ["subscribe romeo@localhost", "unsubscribe romeo@localhost"]
    assert subscription_requests.count(server.db, JULIET) == 0


def test_row_51_requests_that_wait_for_an_answer_are_bounded(server: Server, juliet: Client) -> None:
    add_accounts(server, "one", "two", "three")
    for name in ("one", "two"):
        assert "error" not in Client(server, f"{name}@localhost/x").sends(says("subscribe", JULIET))
    flooder = Client(server, "three@localhost/x")
    assert "resource-constraint" in flooder.sends(says("subscribe", JULIET))[0]
    long = f"<presence type='subscribe' to='{JULIET}'><status>{'x' * 1000}</status></presence>"
    assert "policy-violation" in flooder.sends(long)[0]
    assert len(juliet.received()) == 2


# -- pre-approval


def test_a_pre_approval_is_noted_and_not_sent(server: Server, romeo: Client, juliet: Client) -> None:
    assert seen(juliet.sends(says("subscribed", ROMEO))) == ["push none approved"]
    assert romeo.received() == []


def test_a_request_that_was_approved_before_is_answered_and_not_shown(romeo: Client, juliet: Client) -> None:
    juliet.sends(says("subscribed", ROMEO))
    assert seen(romeo.sends(says("subscribe", JULIET))) == APPROVED_AT_ONCE
    assert seen(juliet.received()) == ["push from approved"]


def test_a_pre_approval_can_be_taken_back(server: Server, romeo: Client, juliet: Client) -> None:
    juliet.sends(says("subscribed", ROMEO))
    assert seen(juliet.sends(says("unsubscribed", ROMEO))) == ["push none"]
    assert romeo.received() == []
    romeo.sends(says("subscribe", JULIET))
    assert seen(juliet.received()) == ["subscribe romeo@localhost"]


# -- taking it back


def test_cancelling_hides_the_presence_first(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, ROMEO, JULIET)
    assert seen(juliet.sends(says("unsubscribed", ROMEO))) == ["push to"]
    came = romeo.received()
    assert came[0] == told("unavailable", "juliet@localhost/balcony", ROMEO)
    assert seen(came[1:]) == ["unsubscribed juliet@localhost", "push from"]


def test_unsubscribing_ends_with_the_contact_gone(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, ROMEO, JULIET)
    assert seen(romeo.sends(says("unsubscribe", JULIET))) == ["push from", "unavailable juliet@localhost/balcony"]
    assert seen(juliet.received()) == ["unsubscribe romeo@localhost", "push to"]


def test_refusing_a_request_tells_who_asked(server: Server, romeo: Client, juliet: Client) -> None:
    romeo.sends(says("subscribe", JULIET))
    juliet.received()
    assert juliet.sends(says("unsubscribed", ROMEO)) == []
    assert seen(romeo.received()) == ["unsubscribed juliet@localhost", "push none"]


def test_removing_a_contact_cancels_both_ways(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, ROMEO, JULIET)
    removed = f"<item jid='{JULIET}' subscription='remove'/>"
    romeo.asks(f"<query xmlns='jabber:iq:roster'>{removed}</query>", type="set")
    assert seen(juliet.received()) == [
        "unavailable romeo@localhost/orchard",
        "unsubscribe romeo@localhost",
        "push to",
        "unsubscribed romeo@localhost",
        "push none",
    ]
    assert roster_state(server, ROMEO, JULIET) is None
    assert roster_state(server, JULIET, ROMEO) == "none"


def test_a_request_that_cannot_be_read_keeps_no_others_away(server: Server) -> None:
    for number, unreadable in enumerate((b"<presence><a></presence>", b"<presence from='@'/>")):
        subscription_requests.keep(server.db, ROMEO, JID.parse(f"{number}@elsewhere.example"), unreadable, at=0.0)
    subscription_requests.keep(server.db, ROMEO, JULIET, told("subscribe", JULIET, ROMEO).encode(), at=1.0)
    shown = Client(server, "romeo@localhost/orchard").sends("<presence/>")
    assert "subscribe juliet@localhost" in seen(shown)


def test_removing_a_contact_answers_its_request(server: Server, romeo: Client, juliet: Client) -> None:
    juliet.sends(says("subscribe", ROMEO))
    romeo.asks(f"<query xmlns='jabber:iq:roster'><item jid='{JULIET}'/></query>", type="set")
    removed = f"<item jid='{JULIET}' subscription='remove'/>"
    juliet.received()
    romeo.asks(f"<query xmlns='jabber:iq:roster'>{removed}</query>", type="set")
    assert seen(juliet.received()) == ["unsubscribed romeo@localhost", "push none"]
    assert subscription_requests.count(server.db, ROMEO) == 0


def test_a_removed_account_leaves_the_rosters_of_its_contacts(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, ROMEO, JULIET)
    nurse, paris = interested(server, "nurse@localhost/n"), interested(server, "paris@localhost/p")
    romeo.sends(says("subscribe", "nurse@localhost"))
    paris.sends(says("subscribe", ROMEO))
    romeo.sends("<presence to='paris@localhost'/>")
    for client in (romeo, juliet, nurse, paris):
        client.received()
    erase(server, ROMEO)
    assert not accounts.exists(server.db, ROMEO)
    assert seen(juliet.received()) == [
        "unavailable romeo@localhost/orchard",
        "unsubscribe romeo@localhost",
        "unsubscribed romeo@localhost",
        "push none",
    ]
    assert seen(nurse.received()) == ["unsubscribe romeo@localhost"]
    assert subscription_requests.count(server.db, JID.parse("nurse@localhost")) == 0
    assert seen(paris.received()) == [
        "unavailable romeo@localhost/orchard",
        "unsubscribed romeo@localhost",
        "push none",
    ]
    romeo.session.end()
    assert all(client.received() == [] for client in (juliet, nurse, paris))


def test_requests_of_whom_somebody_has_blocked_take_no_place_from_others(server: Server, romeo: Client) -> None:
    for name in ("nurse", "paris"):
        Client(server, f"{name}@localhost/x").sends(says("subscribe", "romeo@localhost"))
        romeo.asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{name}@localhost'/></block>", type="set")
    juliet = Client(server, "juliet@localhost/balcony")
    assert juliet.sends(says("subscribe", "romeo@localhost")) == []
    assert seen(romeo.received()) == ["subscribe juliet@localhost"]
    assert subscription_requests.senders(server.db, ROMEO) == {JULIET}


def test_a_request_that_has_just_come_is_shown_once_it_is_on_the_disk(server: Server, romeo: Client) -> None:
    server.db.flush()
    romeo.sends(says("subscribe", JULIET))
    juliet = ManagedClient(server, f"{JULIET}/balcony")
    shown = juliet.sends("<presence/>")
    waits = [ticket for ticket, got in zip(juliet.waited_for, shown, strict=True) if 'type="subscribe"' in got]
    assert waits == [romeo.ticket]
    assert romeo.ticket is not None and romeo.ticket.is_open
