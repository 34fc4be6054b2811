"""RFC 6121 section 4: who sees presence come, change and go."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, blocklists, rosters
from handlers.contacts import presence
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")
BALCONY, CHAMBER, ORCHARD = f"{JULIET}/balcony", f"{JULIET}/chamber", f"{ROMEO}/orchard"
HASH = '<x xmlns="vcard-temp:x:update"/>'
DELAY = re.compile(
    r'<delay xmlns="urn:xmpp:delay" from="localhost" stamp="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"></delay>'
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, presence={"max_directed": 3}) as server:
        add_accounts(server, "romeo", "juliet", "nurse")
        befriend(server, ROMEO, JULIET)
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    return online(server, ORCHARD)


@pytest.fixture
def nurse(server: Server) -> Client:
    return online(server, "nurse@localhost/n")


def online(server: Server, address: str, content: str = "") -> Client:
    client = Client(server, address)
    client.sends(f"<presence>{content}</presence>")
    client.received()
    return client


def show(sender: str, to: str = "", type: str = "", content: str = HASH) -> str:
    """Presence as it is received."""
    attributes = f" to='{to}'" if to else ""
    attributes += f" type='{type}'" if type else ""
    return xml(f"<presence from='{sender}'{attributes}>{content}</presence>")


def gone(sender: str, to: str = "", content: str = "") -> str:
    return show(sender, to, "unavailable", content)


def late(received: list[str]) -> list[str]:
    """Presence that came, its stamp taken out, which must stand first."""
    for stanza in received:
        assert DELAY.match(stanza.partition(">")[2])
    return [DELAY.sub("", stanza) for stanza in received]


# -- coming


def test_presence_goes_to_subscribers_and_to_the_session_itself(server: Server, romeo: Client, nurse: Client) -> None:
    juliet = Client(server, BALCONY)
    came = juliet.sends("<presence id='p'><show>away</show></presence>")
    assert came[0] == xml(f"<presence from='{BALCONY}' id='p'><show>away</show>{HASH}</presence>")
    assert romeo.received() == [
        xml(f"<presence from='{BALCONY}' id='p' to='{ROMEO}'><show>away</show>{HASH}</presence>")
    ]
    assert nurse.received() == []


def test_a_new_session_is_shown_the_contacts_that_are_online(server: Server, romeo: Client) -> None:
    own, *contacts = Client(server, BALCONY).sends("<presence/>")
    assert own == show(BALCONY)
    assert late(contacts) == [show(ORCHARD, JULIET)]


def test_a_new_session_and_the_others_of_its_account_see_each_other(server: Server) -> None:
    balcony = online(server, BALCONY, "<status>here</status>")
    chamber = Client(server, CHAMBER)
    own, *others = chamber.sends("<presence/>")
    assert own == show(CHAMBER)
    assert late(others) == [show(BALCONY, JULIET, content="<status>here</status>" + HASH)]
    assert balcony.received() == [show(CHAMBER)]


def test_what_a_new_session_is_shown_goes_to_no_other_session(server: Server, romeo: Client) -> None:
    balcony = online(server, BALCONY)
    Client(server, CHAMBER).sends("<presence/>")
    assert balcony.received() == [show(CHAMBER)]


def test_a_later_presence_shows_nobody_to_the_session_again(server: Server, romeo: Client) -> None:
    juliet = online(server, BALCONY)
    assert juliet.sends("<presence><show>dnd</show></presence>") == [show(BALCONY, content="<show>dnd</show>" + HASH)]
    assert romeo.received()[-1] == show(BALCONY, ROMEO, content="<show>dnd</show>" + HASH)


def test_contacts_who_are_offline_at_login_stay_unmentioned(server: Server) -> None:
    assert Client(server, BALCONY).sends("<presence/>") == [show(BALCONY)]


@pytest.mark.parametrize("text", ["", "high", "128", "-129", "1.5", "1_0", "0x1"])
def test_a_priority_that_is_none_is_refused_and_changes_nothing(server: Server, romeo: Client, text: str) -> None:
    juliet = Client(server, BALCONY)
    assert "bad-request" in juliet.sends(f"<presence><priority>{text}</priority></presence>")[0]
    assert not juliet.session.is_available
    assert romeo.received() == []


@pytest.mark.parametrize(("text", "priority"), [("-128", -128), ("127", 127), (" +5\n", 5), ("0", 0)])
def test_a_priority_is_kept(server: Server, text: str, priority: int) -> None:
    assert online(server, BALCONY, f"<priority>{text}</priority>").session.priority == priority


def test_a_probe_without_addressee_is_refused(romeo: Client) -> None:
    assert "bad-request" in romeo.sends("<presence type='probe'/>")[0]


# -- the photo


def test_another_photo_is_made_known_in_the_last_presence(server: Server, romeo: Client) -> None:
    juliet = online(server, BALCONY, "<status>hi</status>")
    romeo.received()
    juliet.asks("<vCard xmlns='vcard-temp'><PHOTO><BINVAL>YWJj</BINVAL></PHOTO></vCard>", type="set")
    juliet.received()
    romeo.received()
    presence.broadcast_again(server, JULIET)
    hash = hashlib.sha1(b"abc").hexdigest()
    content = f"<status>hi</status><x xmlns='vcard-temp:x:update'><photo>{hash}</photo></x>"
    assert romeo.received() == [show(BALCONY, ROMEO, content=content)]
    assert juliet.received() == [show(BALCONY, content=content)]


# -- going


def test_unavailable_presence_passes_as_it_was_sent(server: Server, romeo: Client) -> None:
    juliet, other = online(server, BALCONY), online(server, CHAMBER)
    for client in (romeo, juliet):
        client.received()
    bye = "<status>bye</status>"
    assert juliet.sends(f"<presence type='unavailable'>{bye}</presence>") == [gone(BALCONY, content=bye)]
    assert romeo.received() == [gone(BALCONY, ROMEO, bye)]
    assert other.received() == [gone(BALCONY, content=bye)]


def test_a_session_that_is_gone_says_so_only_once(server: Server, romeo: Client) -> None:
    juliet = online(server, BALCONY)
    romeo.received()
    juliet.sends("<presence type='unavailable'/>")
    assert juliet.sends("<presence type='unavailable'/>") == []
    juliet.session.end()
    assert romeo.received() == [gone(BALCONY, ROMEO)]


def test_the_end_of_a_session_is_told_without_any_content(server: Server, romeo: Client) -> None:
    juliet, other = online(server, BALCONY, "<status>here</status>"), online(server, CHAMBER)
    for client in (romeo, juliet):
        client.received()
    juliet.session.end()
    assert juliet.received() == []
    assert romeo.received() == [gone(BALCONY, ROMEO)]
    assert other.received() == [gone(BALCONY)]


# -- directed


def test_directed_presence_is_ended_with_unavailable_presence(server: Server, nurse: Client) -> None:
    juliet = Client(server, BALCONY)
    juliet.sends("<presence to='nurse@localhost'/>")
    assert nurse.received() == [show(BALCONY, "nurse@localhost")]
    juliet.session.end()
    assert nurse.received() == [gone(BALCONY, "nurse@localhost")]


def test_directed_presence_is_ended_as_the_client_ends_all(server: Server, nurse: Client) -> None:
    juliet = online(server, BALCONY)
    juliet.sends("<presence to='nurse@localhost/n'/>")
    nurse.received()
    juliet.sends("<presence type='unavailable'><status>bye</status></presence>")
    assert nurse.received() == [gone(BALCONY, "nurse@localhost/n", "<status>bye</status>")]
    juliet.session.end()
    assert nurse.received() == []


def test_directed_presence_that_the_client_ended_is_not_ended_again(server: Server, nurse: Client) -> None:
    juliet = Client(server, BALCONY)
    juliet.sends("<presence to='nurse@localhost'/>")
    juliet.sends("<presence type='unavailable' to='nurse@localhost'/>")
    nurse.received()
    juliet.session.end()
    assert nurse.received() == []


def test_a_subscriber_who_also_got_directed_presence_is_told_once(server: Server, romeo: Client) -> None:
    juliet = online(server, BALCONY)
    juliet.sends(f"<presence to='{ORCHARD}'/>")
    romeo.received()
    juliet.session.end()
    assert romeo.received() == [gone(BALCONY, ROMEO)]


def test_a_subscriber_who_got_directed_presence_only_is_told_of_its_end(server: Server, romeo: Client) -> None:
    juliet = Client(server, BALCONY)
    juliet.sends(f"<presence to='{ORCHARD}'/>")
    romeo.received()
    juliet.session.end()
    assert romeo.received() == [gone(BALCONY, ORCHARD)]


def test_row_51_directed_presence_is_bounded(server: Server) -> None:
    juliet = Client(server, BALCONY)
    for number in range(3):
        assert juliet.sends(f"<presence to='a{number}@localhost'/>") == []
    assert "resource-constraint" in juliet.sends("<presence to='a3@localhost'/>")[0]
    assert juliet.sends("<presence to='a2@localhost'/>") == []
    assert len(juliet.session.directed) == 3


# -- probes


def probe(client: Client, to: str) -> list[str]:
    return client.sends(f"<presence type='probe' to='{to}'/>")


def test_a_probe_is_answered_for_each_available_session(server: Server, romeo: Client) -> None:
    online(server, BALCONY)
    online(server, CHAMBER)
    Client(server, f"{JULIET}/silent")
    romeo.received()
    assert late(probe(romeo, JULIET)) == [show(BALCONY, ROMEO), show(CHAMBER, ROMEO)]


def test_a_probe_to_a_full_address_is_answered_for_that_session(server: Server, romeo: Client) -> None:
    online(server, BALCONY)
    online(server, CHAMBER)
    romeo.received()
    assert late(probe(romeo, CHAMBER)) == [show(CHAMBER, ROMEO)]


def test_a_probe_of_somebody_who_is_offline_is_answered_with_unavailable(romeo: Client) -> None:
    assert probe(romeo, JULIET) == [gone(JULIET, ROMEO)]


def test_a_probe_by_somebody_who_is_not_subscribed_shows_nothing_and_puts_it_right(
    server: Server, romeo: Client
) -> None:
    online(server, BALCONY)
    rosters.put(server.db, JULIET, rosters.Item(ROMEO))
    romeo.received()
    assert probe(romeo, JULIET) == []
    item = rosters.item(server.db, ROMEO, JULIET)
    assert item is not None and item.subscription == "from"


def test_a_probe_does_not_end_a_request_that_waits(server: Server, nurse: Client) -> None:
    online(server, BALCONY)
    nurse.sends(f"<presence type='subscribe' to='{JULIET}'/>")
    assert probe(nurse, JULIET) == [gone(JULIET, "nurse@localhost")]
    item = rosters.item(server.db, JID.parse("nurse@localhost"), JULIET)
    assert item is not None and item.ask


# -- blocked


def test_presence_does_not_reach_whom_the_account_has_blocked(server: Server, romeo: Client) -> None:
    blocklists.add(server.db, JULIET, [ROMEO])
    juliet = Client(server, BALCONY)
    assert juliet.sends("<presence/>") == [show(BALCONY)]
    juliet.session.end()
    assert romeo.received() == []


def test_presence_of_somebody_who_has_blocked_the_account_is_not_shown(server: Server, romeo: Client) -> None:
    blocklists.add(server.db, ROMEO, [JULIET])
    assert Client(server, BALCONY).sends("<presence/>") == [show(BALCONY)]
    assert romeo.received() == []


# -- what it costs


def test_row_51_presence_makes_no_query_also_not_for_subscribers_who_are_offline(server: Server, romeo: Client) -> None:
    contacts = [JID.of(f"contact{number}", "localhost") for number in range(50)]
    for contact in contacts:
        accounts.create(server.db, contact, {}, 0)
        rosters.put(server.db, JULIET, rosters.Item(contact, subscription="both"))
    juliet = online(server, BALCONY)
    for contact in contacts:
        server.db.memory.forget(contact)  # so that looking at one of them in any way would ask the database
    statements: list[str] = []
    server.db.connection.set_trace_callback(statements.append)
    juliet.sends("<presence><show>away</show></presence>")
    assert len(romeo.received()) == 2
    assert statements == []


def test_row_51_unasked_presence_loads_nobodys_roster(server: Server, nurse: Client) -> None:
    server.db.memory.clear()
    for _ in range(2):
        nurse.sends(f"<presence to='{JULIET}'/>")
    assert server.db.memory[rosters.ROSTERS].get(JULIET) is None


@pytest.mark.parametrize("origin", ["localhost", "LOCALHOST"])
@pytest.mark.parametrize("kind", ["message", "presence"])
def test_row_21_nobody_can_forge_a_delay_of_this_server(romeo: Client, kind: str, origin: str) -> None:
    forged = f"<delay xmlns='urn:xmpp:delay' from='{origin}' stamp='2002-09-10T23:08:25Z'/>"
    assert "not-acceptable" in romeo.sends(f"<{kind} to='{JULIET}'>{forged}</{kind}>")[0]


def test_a_delay_that_a_client_noted_itself_passes(server: Server, romeo: Client) -> None:
    juliet = online(server, BALCONY)
    own = f"<delay xmlns='urn:xmpp:delay' from='{ORCHARD}' stamp='2002-09-10T23:08:25Z'/>"
    romeo.sends(f"<message to='{BALCONY}'>{own}</message>")
    assert "2002-09-10" in juliet.received()[0]
