"""Accounts with the role `limited`: they stay among the people of this server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db import archives, offline, rosters, strangers, subscription_requests
from handlers.admin.administration import carry_out
from handlers.login import accounts
from tests.harness import adhoc
from tests.harness.federated import Directory, all_until, federated, settle, somebody, two_servers
from tests.harness.in_process import Client, add_accounts, queries_of, server_in
from tests.harness.peer_servers import PeerServer, PeerStream, agree
from tests.harness.rooms import enter, told
from xmpp.data.jid import JID
from xmpp.server import Server

JULIET, FREE, NOBODY = JID.parse("juliet@a.example"), JID.parse("nurse@a.example"), JID.parse("nobody@a.example")
ROMEO = JID.parse("romeo@c.example")
MESSAGE = "<message from='{}' to='{}' type='chat' id='{}'><body>hi</body></message>"
PRESENCE = "<presence from='{}' to='{}' type='{}' id='{}'/>"
PING = "<iq type='get' from='romeo@c.example/x' to='{}' id='{}'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    plain = {"without_tls": ["c.example"]}
    with federated(tmp_path, directory, "a.example", federation=plain, archive={"enabled": True}) as one:
        for account in (JULIET, FREE):
            accounts.create(one, account, "secret")
        carry_out(one, "role", account=JULIET, role="limited")
        yield one


@pytest.fixture
def peer(server: Server, directory: Directory) -> Iterator[PeerStream]:
    """The server of c.example, which hears the answers on the stream that it has opened."""
    with PeerServer() as authority, PeerStream.to(server) as stream:
        directory.ports |= {"c.example": authority.port}
        agree(stream, authority, both=True)
        yield stream


def answers(peer: PeerStream, *stanzas: str) -> list[str]:
    """All that these are answered with: the type, or the condition of an error, and the name of the account."""
    peer.send("".join(stanzas) + PING.format("a.example", "done"))
    came: list[etree._Element] = []
    while not came or came[-1].get("id") != "done":
        came.append(peer.next())
    return [shown(each) for each in came[:-1] if each.get("type") != "get"]


def shown(stanza: etree._Element) -> str:
    error = stanza.find("{jabber:server}error")
    return str(stanza.get("type")) if error is None else str(error[0].tag).partition("}")[2]


# -- other servers


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='romeo@c.example' type='chat' id='1'><body>hi</body></message>",
        "<message to='verona@rooms.c.example' type='groupchat' id='1'><body>hi</body></message>",
        "<presence to='verona@rooms.c.example/juliet' id='1'/>",
        "<presence to='romeo@c.example' type='subscribe' id='1'/>",
        "<iq to='c.example' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    ],
)
def test_row_211_a_limited_account_reaches_nobody_elsewhere(server: Server, stanza: str) -> None:
    juliet = Client(server, f"{JULIET}/balcony")
    [answer] = juliet.sends(stanza)
    assert "<forbidden" in answer
    assert rosters.item(server.db, JULIET, ROMEO) is None
    assert not strangers.has_written(server.db, JULIET, ROMEO)


def test_row_211_for_others_it_is_not_there(server: Server, peer: PeerStream) -> None:
    for account in (NOBODY, JULIET):
        came = answers(
            peer,
            MESSAGE.format(ROMEO, account, 1),
            PRESENCE.format(ROMEO, account, "subscribe", 2),
            PRESENCE.format(ROMEO, account, "probe", 3),
            PING.format(account, 4),
        )
        assert came == ["service-unavailable", "unavailable", "unsubscribed", "service-unavailable"]
    assert offline.count(server.db, JULIET) == subscription_requests.count(server.db, JULIET) == 0


def test_row_211_not_for_its_contacts_of_before_either(server: Server, peer: PeerStream) -> None:
    rosters.put(server.db, JULIET, rosters.Item(ROMEO, subscription="both"))
    juliet = Client(server, f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    juliet.received()
    assert answers(peer, MESSAGE.format(ROMEO, JULIET, 1)) == ["service-unavailable"]
    assert not any("hi" in stanza for stanza in juliet.received())


def test_what_there_was_before_can_be_ended_from_both_ends(server: Server, peer: PeerStream) -> None:
    rosters.put(server.db, JULIET, rosters.Item(ROMEO, subscription="both"))
    answers(peer, PRESENCE.format(ROMEO, JULIET, "unsubscribe", 1))
    item = rosters.item(server.db, JULIET, ROMEO)
    assert item is not None and not item.is_subscriber


def test_a_role_counts_at_once(server: Server, peer: PeerStream) -> None:
    assert answers(peer, MESSAGE.format(ROMEO, FREE, 1)) == []
    carry_out(server, "role", account=FREE, role="limited")
    assert answers(peer, MESSAGE.format(ROMEO, FREE, 2)) == ["service-unavailable"]
    carry_out(server, "role", account=FREE, role="member")
    assert answers(peer, MESSAGE.format(ROMEO, FREE, 3)) == []


def test_people_here_are_reached_without_a_query_for_the_role(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    juliet, nurse = Client(server, f"{JULIET}/balcony"), Client(server, f"{FREE}/hall")
    nurse.sends("<presence/>")
    nurse.received()
    queries = queries_of(server.db, monkeypatch)
    juliet.sends(f"<message to='{FREE}' type='chat'><body>hi</body></message>")
    assert any("hi" in stanza for stanza in nurse.received())
    assert not any("account_role" in query for query in queries)
    assert archives.number_of(server.db, JULIET) is not None


def answered(client: Client, stanza: str) -> list[str]:
    """What comes when somebody has sent a message or a request, up to what it leads to."""
    came = client.sends(stanza)
    return came or all_until(client, lambda stanza: not stanza.startswith("<presence"))


ERROR = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def test_row_211_nothing_goes_either_way_in_what_looks_like_an_answer_or_a_farewell(tmp_path: Path) -> None:
    with two_servers(tmp_path) as servers:
        juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
        for one, other in ((juliet, romeo), (romeo, juliet)):
            rosters.put(one.server.db, one.account, rosters.Item(other.account, subscription="both"))
        carry_out(servers[0], "role", account=juliet.account, role="limited")
        for one, other in ((juliet, romeo), (romeo, juliet)):
            one.sends(f"<message to='{other.jid}' type='error' id='1'><body>psst</body>{ERROR}</message>")
            one.sends(f"<iq to='{other.jid}' type='result' id='1'><query xmlns='urn:example:psst'/></iq>")
            one.sends(f"<iq to='{other.jid}' type='error' id='psst'>{ERROR}</iq>")
            one.sends(f"<presence to='{other.jid}' type='error'><status>psst</status></presence>")
            one.sends(f"<presence to='{other.jid}' type='unavailable' id='psst'><status>psst</status></presence>")
            one.sends(f"<presence to='{other.account}' type='unsubscribe' id='psst'><status>psst</status></presence>")
            settle(servers)
            assert not any("psst" in stanza for stanza in other.received())
            item = rosters.item(other.server.db, other.account, one.account)
            assert item is not None and not item.is_subscriber  # that it has come


def test_row_211_who_goes_says_so_to_contacts_elsewhere_without_a_word(tmp_path: Path) -> None:
    with two_servers(tmp_path) as servers:
        juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
        for one, other in ((juliet, romeo), (romeo, juliet)):
            rosters.put(one.server.db, one.account, rosters.Item(other.account, subscription="both"))
        juliet.sends("<presence><show>away</show></presence>")
        all_until(romeo, lambda stanza: "away" in stanza)
        carry_out(servers[0], "role", account=juliet.account, role="limited")
        juliet.sends("<presence type='unavailable' id='psst'><status>psst</status></presence>")
        last = all_until(romeo, lambda stanza: 'type="unavailable"' in stanza)[-1]
        assert "psst" not in last


# -- rooms


def test_row_211_in_a_room_nothing_goes_in_private_between_it_and_people_from_elsewhere(tmp_path: Path) -> None:
    x, hall = "<x xmlns='http://jabber.org/protocol/muc'/>", "hall@rooms.a.example"
    with two_servers(tmp_path) as servers:
        juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
        juliet.sends(f"<presence to='{hall}/j'>{x}</presence>")
        juliet.asks(
            "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>",
            type="set",
            to=hall,
        )
        romeo.sends(f"<presence to='{hall}/r'>{x}</presence>")
        all_until(romeo, lambda stanza: 'code="110"' in stanza)
        carry_out(servers[0], "role", account=juliet.account, role="limited")
        invite = "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='{}'/></x>"
        for one, other, nick in ((juliet, romeo, "r"), (romeo, juliet, "j")):
            other.received()
            said = (
                f"<message to='{hall}/{nick}' type='chat' id='1'><body>psst</body></message>",
                f"<iq to='{hall}/{nick}' type='get' id='2'><query xmlns='jabber:iq:version'/></iq>",
                f"<message to='{hall}' id='3'>{invite.format(other.account)}</message>",
            )
            for each, condition in zip(said, ("forbidden", "forbidden", "item-not-found"), strict=True):
                assert any(f"<{condition}" in stanza for stanza in answered(one, each))
            came = answered(one, f"<message to='{hall}' type='groupchat' id='4'><body>hear ye</body></message>")
            assert "hear ye" in came[-1]
            all_until(other, lambda stanza: "hear ye" in stanza)


def test_row_211_it_makes_no_rooms_and_enters_those_that_there_are(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        carry_out(server, "role", account="juliet@localhost", role="limited")
        juliet, romeo = (Client(server, f"{name}@localhost/x") for name in ("juliet", "romeo"))
        assert told(enter(juliet, "juliet")) == ["juliet error not-allowed cancel"]
        enter(romeo, "romeo")
        romeo.asks(
            "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>",
            type="set",
            to="verona@rooms.localhost",
        )
        assert not any("error" in each for each in told(enter(juliet, "juliet")))


def test_whom_the_configuration_names_is_not_limited(tmp_path: Path) -> None:
    with server_in(tmp_path, server={"administrators": ("romeo@localhost",)}) as server:
        add_accounts(server, "romeo")
        with pytest.raises(Exception, match="by the configuration"):
            carry_out(server, "role", account="romeo@localhost", role="limited")


def test_row_211_it_invites_nobody(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "juliet")
        juliet = Client(server, "juliet@localhost/balcony")
        assert "urn:xmpp:invite#invite" in adhoc.listed(juliet, "localhost")
        carry_out(server, "role", account="juliet@localhost", role="limited")
        assert "urn:xmpp:invite#invite" not in adhoc.listed(juliet, "localhost")
        done = adhoc.execute(juliet, "urn:xmpp:invite#invite", "localhost")
        assert adhoc.status(done) == "forbidden cancel"
