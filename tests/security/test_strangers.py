"""What people of other servers can do to accounts here that do not know them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db import archives, offline, rosters, strangers, subscription_requests
from handlers.contacts.strangers import Approaches
from handlers.login import accounts
from tests.harness.federated import Directory, federated, next_of, somebody
from tests.harness.in_process import queries_of
from tests.harness.peer_servers import PeerServer, PeerStream, agree
from xmpp.data.distinct import Distinct
from xmpp.data.jid import JID
from xmpp.server import Server

MESSAGE = "<message from='{}' to='{}' type='chat' id='{}'><body>hi</body></message>"
PRESENCE = "<presence from='{}' to='{}' type='{}' id='{}'/>"
PING = "<iq type='get' from='spam@c.example/x' to='a.example' id='{}'><ping xmlns='urn:xmpp:ping'/></iq>"
JULIET, ROMEO, NOBODY = JID.parse("juliet@a.example"), JID.parse("romeo@c.example"), JID.parse("nobody@a.example")
SPAM = "spam@c.example/x"
LIMITS = {"hourly_addressees": 4, "hourly_first_messages": 3, "hourly_requests": 2}


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    plain = {"without_tls": ["c.example", "d.example"]}
    with federated(
        tmp_path, directory, "a.example", federation=plain, strangers=LIMITS, archive={"enabled": True}
    ) as one:
        accounts.create(one, JULIET, "secret")
        yield one


@pytest.fixture
def peer(server: Server, directory: Directory) -> Iterator[PeerStream]:
    """The server of c.example, which hears the answers on the stream that it has opened."""
    with PeerServer() as authority, PeerStream.to(server) as stream:
        directory.ports |= {"c.example": authority.port, "d.example": authority.port}
        agree(stream, authority, both=True)
        yield stream


def answers(peer: PeerStream, *stanzas: str) -> list[etree._Element]:
    """All that these are answered with."""
    peer.send("".join(stanzas) + PING.format("done"))
    came: list[etree._Element] = []
    while not came or came[-1].get("id") != "done":
        came.append(peer.next())
    return [each for each in came[:-1] if each.get("type") != "get"]  # ours asks whether what it has sent has come


def told(stanza: etree._Element) -> str:
    """The type of an answer, or the condition if it is an error."""
    error = stanza.find("{jabber:server}error")
    return str(stanza.get("type")) if error is None else str(error[0].tag).partition("}")[2]


def to_nobodies(stanza: str, sender: str, more: str, count: int) -> list[str]:
    return [stanza.format(sender, f"nobody{number}@a.example", *more.split(), number) for number in range(count)]


# -- how many they may approach


def test_row_192_strangers_of_one_domain_begin_so_many_conversations(peer: PeerStream) -> None:
    came = answers(peer, *to_nobodies(MESSAGE, SPAM, "", 4))
    assert list(map(told, came)) == ["service-unavailable"] * 3 + ["resource-constraint"]


def test_row_192_it_does_not_help_to_have_many_names(peer: PeerStream) -> None:
    came = answers(peer, *(MESSAGE.format(f"spam{number}@c.example", JULIET, number) for number in range(4)))
    assert list(map(told, came)) == ["resource-constraint"]


def test_row_192_they_ask_so_often_to_become_contacts(server: Server, peer: PeerStream) -> None:
    came = answers(peer, *(PRESENCE.format(f"s{number}@c.example", JULIET, "subscribe", number) for number in range(3)))
    assert list(map(told, came)) == ["unavailable"] * 2 + ["resource-constraint"]
    assert subscription_requests.count(server.db, JULIET) == 2


def test_row_192_they_find_out_of_so_many_accounts_whether_they_exist(peer: PeerStream) -> None:
    came = answers(peer, *to_nobodies(PRESENCE, SPAM, "probe", 6))
    assert list(map(told, came)) == ["unsubscribed"] * 4  # the rest vanishes
    assert list(map(told, answers(peer, MESSAGE.format(SPAM, NOBODY, 1)))) == ["resource-constraint"]


def test_row_192_a_conversation_that_has_begun_goes_on(server: Server, peer: PeerStream) -> None:
    assert answers(peer, MESSAGE.format(ROMEO, JULIET, "first")) == []
    answers(peer, *to_nobodies(MESSAGE, SPAM, "", 9))
    assert answers(peer, MESSAGE.format(ROMEO, JULIET, "second")) == []
    assert offline.count(server.db, JULIET) == 2


def test_row_192_who_may_address_nobody_else_is_not_heard_the_second_time(peer: PeerStream) -> None:
    answers(peer, *to_nobodies(PRESENCE, SPAM, "probe", 4))
    came = answers(peer, *(MESSAGE.format(ROMEO, JULIET, number) for number in range(2)))
    assert list(map(told, came)) == ["resource-constraint"] * 2


def test_row_192_contacts_are_heard_whatever_others_of_their_domain_do(server: Server, peer: PeerStream) -> None:
    rosters.put(server.db, JULIET, rosters.Item(ROMEO, subscription="both"))
    answers(peer, *to_nobodies(MESSAGE, SPAM, "", 9))
    assert answers(peer, MESSAGE.format(ROMEO, JULIET, 1)) == []
    assert offline.count(server.db, JULIET) == 1


def test_row_192_who_was_written_to_is_heard_after_a_restart_too(server: Server, peer: PeerStream) -> None:
    balthasar = somebody(server, "balthasar@a.example/x")
    balthasar.sends(MESSAGE.format("", ROMEO, 1).replace("from=''", ""))
    assert peer.next().get("id") == "1"
    server.db.memory.clear()
    answers(peer, *to_nobodies(MESSAGE, SPAM, "", 9))
    assert answers(peer, MESSAGE.format(ROMEO, "balthasar@a.example", 2)) == []
    assert 'id="2"' in next_of(balthasar, "message")


def test_row_192_a_room_that_somebody_is_in_is_heard(server: Server, peer: PeerStream) -> None:
    balthasar = somebody(server, "balthasar@a.example/x")
    balthasar.sends("<presence to='verona@c.example/b'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    peer.next()
    answers(peer, *to_nobodies(MESSAGE, SPAM, "", 9))
    room = [PRESENCE.format(f"verona@c.example/n{n}", "balthasar@a.example/x", "", n) for n in range(20)]
    private = MESSAGE.format("verona@c.example/n1", "balthasar@a.example/x", "private")
    assert answers(peer, *(each.replace("type=''", "") for each in room), private) == []
    assert 'id="private"' in next_of(balthasar, "message")


def test_row_60_what_strangers_have_tried_is_forgotten_and_bounded(server: Server, peer: PeerStream) -> None:
    answers(peer, *to_nobodies(MESSAGE, SPAM, "", 2))
    assert len(server.state(Approaches)) == 4
    seen = Distinct(3600, 3)
    assert [seen.admits("kind", thing, 2, now=0.0) for thing in "abca"] == [True, True, False, True]
    assert [seen.admits(kind, "a", 1, now=1.0) for kind in ("one", "two", "three")] == [True] * 3
    assert len(seen) == 3
    assert seen.admits("kind", "c", 1, now=1.0)  # those of before were forgotten
    assert seen.admits("kind", "d", 1, now=3602.0)
    assert len(seen) == 1


# -- what it costs


@pytest.mark.parametrize(
    "stanza",
    [
        MESSAGE.format(SPAM, "{}", 1),
        PRESENCE.format(SPAM, "{}", "probe", 1),
        PRESENCE.format(SPAM, "{}", "subscribe", 1),
        PRESENCE.format(SPAM, "{}", "unsubscribe", 1),
        f"<iq from='{SPAM}' to='{{}}' type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    ],
    ids=["message", "probe", "request", "cancellation", "iq"],
)
def test_row_51_what_a_stranger_sends_reads_no_roster_of_somebody_who_is_away(
    server: Server, peer: PeerStream, monkeypatch: pytest.MonkeyPatch, stanza: str
) -> None:
    for number in range(5):
        rosters.put(server.db, JULIET, rosters.Item(JID.parse(f"contact{number}@d.example"), subscription="both"))
    server.db.memory.clear()
    queries = queries_of(server.db, monkeypatch)
    answers(peer, stanza.format(JULIET))
    assert JULIET not in server.db.memory[rosters.ROSTERS]
    assert not [query for query in queries if "roster_item" in query and '"contact" = ?' not in query]


def test_row_51_what_is_too_much_of_strangers_costs_the_same_whether_the_account_exists_and_keeps_nothing(
    server: Server, peer: PeerStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(peer, *to_nobodies(MESSAGE, SPAM, "", 3))
    server.db.memory.clear()
    costs = list[list[str]]()
    queries = queries_of(server.db, monkeypatch)
    for number, account in enumerate((JULIET, NOBODY)):
        queries.clear()
        [refused] = answers(peer, MESSAGE.format("other@c.example", account, number))
        assert told(refused) == "resource-constraint"
        costs.append(list(queries))
    assert costs[0] == costs[1]
    assert len(costs[0]) <= 3
    assert archives.number_of(server.db, JULIET) is None
    assert offline.count(server.db, JULIET) == 0


def test_row_51_for_a_conversation_that_goes_on_nobody_is_looked_up(
    server: Server, peer: PeerStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    balthasar = somebody(server, "balthasar@a.example/x")
    first, second = (MESSAGE.format(ROMEO, "balthasar@a.example/x", number) for number in range(2))
    queries = queries_of(server.db, monkeypatch)
    assert answers(peer, first) == []
    next_of(balthasar, "message")
    assert [query for query in queries if "acquaintance" in query]
    queries.clear()
    assert answers(peer, second) == []
    assert 'id="1"' in next_of(balthasar, "message")
    assert not [query for query in queries if "acquaintance" in query or "roster_item" in query]


@pytest.mark.parametrize(
    ("kind", "expected"), [("subscribe", ["unavailable"]), ("probe", ["unsubscribed"]), ("unsubscribe", [])]
)
def test_row_193_presence_of_a_stranger_is_answered_alike_whether_the_account_exists(
    peer: PeerStream, kind: str, expected: list[str]
) -> None:
    for number, account in enumerate((JULIET, NOBODY)):
        came = answers(peer, PRESENCE.format(SPAM, account, kind, number))
        assert list(map(told, came)) == expected
        assert [each.get("from") for each in came] == [account] * len(expected)


def test_row_21_a_delay_in_the_name_of_our_domain_is_not_taken_from_elsewhere(server: Server, peer: PeerStream) -> None:
    balthasar = somebody(server, "balthasar@a.example/x")
    stamp = "<delay xmlns='urn:xmpp:delay' from='a.example' stamp='2000-01-01T00:00:00Z'/></message>"
    answers(peer, MESSAGE.format(SPAM, "balthasar@a.example", 1).replace("</message>", stamp))
    assert "2000-01-01" not in next_of(balthasar, "message")


def test_row_50_answers_that_nobody_waits_for_and_errors_are_not_answered(peer: PeerStream) -> None:
    unasked = [f"<iq from='{SPAM}' to='{to}' type='result' id='1'/>" for to in (JULIET, NOBODY, "a.example")]
    error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    for kind in ("message", "presence", "iq"):
        unasked += [f"<{kind} from='{SPAM}' to='{to}' type='error' id='1'>{error}</{kind}>" for to in (JULIET, NOBODY)]
    assert answers(peer, *unasked) == []


# -- whether they are heard


def test_an_account_that_refuses_strangers_answers_them_as_if_it_did_not_exist(
    server: Server, peer: PeerStream
) -> None:
    strangers.set_rule(server.db, JULIET, "refuse")
    rosters.put(server.db, JULIET, rosters.Item(ROMEO))
    came = answers(peer, MESSAGE.format(SPAM, JULIET, 1), MESSAGE.format(SPAM, NOBODY, 2))
    assert list(map(told, came)) == ["service-unavailable"] * 2
    assert answers(peer, MESSAGE.format(ROMEO, JULIET, 3)) == []
    assert told(answers(peer, PRESENCE.format(SPAM, JULIET, "subscribe", 4))[0]) == "unavailable"
    assert subscription_requests.count(server.db, JULIET) == 1


def test_a_server_can_refuse_strangers_and_an_account_hear_them_all_the_same(
    tmp_path: Path, directory: Directory
) -> None:
    plain = {"without_tls": ["c.example"]}
    with (
        federated(tmp_path, directory, "a.example", federation=plain, strangers={"messages": "refuse"}) as server,
        PeerServer() as authority,
        PeerStream.to(server) as peer,
    ):
        directory.ports["c.example"] = authority.port
        accounts.create(server, JULIET, "secret")
        agree(peer, authority, both=True)
        assert told(answers(peer, MESSAGE.format(SPAM, JULIET, 1))[0]) == "service-unavailable"
        strangers.set_rule(server.db, JULIET, "accept")
        assert answers(peer, MESSAGE.format(SPAM, JULIET, 2)) == []


def test_what_an_account_knew_and_wanted_goes_with_it(server: Server) -> None:
    strangers.note_written(server.db, JULIET, ROMEO, 1.0)
    strangers.set_rule(server.db, JULIET, "refuse")
    accounts.remove(server, JULIET)
    accounts.create(server, JULIET, "secret")
    assert not strangers.has_written(server.db, JULIET, ROMEO)
    assert strangers.rule(server.db, JULIET) == ""


def test_so_many_are_remembered_of_those_whom_an_account_has_written_to(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "MOST", 3)
    for number in range(5):
        strangers.note_written(server.db, JULIET, JID.parse(f"c{number}@c.example"), float(number))
    known = [strangers.has_written(server.db, JULIET, JID.parse(f"c{number}@c.example")) for number in range(5)]
    server.db.memory.clear()
    assert known[4]
    found = [strangers.has_written(server.db, JULIET, JID.parse(f"c{number}@c.example")) for number in range(5)]
    assert found == [False, False, True, True, True]
