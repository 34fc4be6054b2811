"""XEP-0313: what is archived, on whose account, and whose ids the messages carry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, blocklists
from db.sqlite.errors import StorageFull
from tests.harness.archives import JULIET, MERCUTIO, ROMEO, ids_in, query, say, server_with_archive, write
from tests.harness.in_process import Client, add_accounts, online, server_in, xml
from xmpp.server import Server

HINT = "<{} xmlns='urn:xmpp:hints'/>"
BODY = "<body>hi</body>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
INVITE = "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='juliet@localhost'/></x>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return online(server, f"{JULIET}/balcony")


WORTHY = [
    BODY,
    "<body/>",
    f"{STATE}{BODY}",
    "<subject>a</subject><body>hi</body>",
    HINT.format("store"),
    "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
    "<encrypted xmlns='urn:xmpp:omemo:2'/>",
    "<openpgp xmlns='urn:xmpp:openpgp:0'/>",
    "<x xmlns='jabber:x:encrypted'/>",
    "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:other'/>",
    "<reactions xmlns='urn:xmpp:reactions:0' id='m1'/>",
    "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>",
    "<received xmlns='urn:xmpp:receipts' id='m1'/>",
    "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
    "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'/>",
    "<finish xmlns='urn:xmpp:jingle-message:0' id='c1'/>",
    "<x xmlns='jabber:x:conference' jid='ball@rooms.localhost'/>",
    INVITE,
]
UNWORTHY = [
    "",
    STATE,
    "<subject>a</subject>",
    "<thread>a</thread>",
    "<request xmlns='urn:xmpp:receipts'/>",
    "<markable xmlns='urn:xmpp:chat-markers:0'/>",
    "<x xmlns='http://jabber.org/protocol/muc#user'/>",
    BODY + HINT.format("no-store"),
    BODY + HINT.format("no-permanent-store"),
    HINT.format("store") + HINT.format("no-store"),
    "<body xmlns='urn:other'>hi</body>",
]


@pytest.mark.parametrize("type", ["chat", "normal"])
@pytest.mark.parametrize("content", WORTHY)
def test_what_belongs_to_a_conversation_is_archived_on_both_sides(
    server: Server, romeo: Client, juliet: Client, content: str, type: str
) -> None:
    write(romeo, content, type=type)
    [delivered] = juliet.received()
    [id] = query(juliet).ids
    assert ids_in(delivered) == {JULIET: id}
    assert len(query(romeo).ids) == 1


@pytest.mark.parametrize("content", UNWORTHY)
def test_what_does_not_is_passed_on_without_an_id(romeo: Client, juliet: Client, content: str) -> None:
    write(romeo, content)
    [delivered] = juliet.received()
    assert ids_in(delivered) == {}
    assert query(romeo).ids == query(juliet).ids == []


@pytest.mark.parametrize("type", ["error", "headline", "groupchat"])
@pytest.mark.parametrize("content", [BODY, HINT.format("store")])
def test_errors_headlines_and_groupchat_are_never_archived(
    romeo: Client, juliet: Client, content: str, type: str
) -> None:
    write(romeo, content, to=juliet.jid, type=type)
    [delivered] = juliet.received()
    assert ids_in(delivered) == {}
    assert query(romeo).ids == query(juliet).ids == []


def test_a_message_is_archived_as_it_was_passed_on(romeo: Client, juliet: Client) -> None:
    sent = "<body>ciao &amp; &lt;3</body><body xml:lang='de'>tschüß</body><a xmlns='b' c='d'><e/></a>"
    write(romeo, sent, id="m1")
    expected = xml(f"<message from='{romeo.jid}' id='m1' to='{JULIET}' type='chat'>{sent}</message>")
    for client in (romeo, juliet):
        [result] = query(client, queryid="f27").results
        head = f'<message from="{client.account}" to="{client.jid}"><result xmlns="{"urn:xmpp:mam:2"}" id="'
        assert result.startswith(head)
        assert expected.replace("<message ", '<message xmlns="jabber:client" ') in result
        assert '"f27"><forwarded xmlns="urn:xmpp:forward:0"><delay xmlns="urn:xmpp:delay" stamp="' in result


def test_what_was_not_accepted_is_not_in_the_archive_of_who_did_not_accept_it(romeo: Client, juliet: Client) -> None:
    assert "service-unavailable" in write(romeo, BODY, to=JULIET.with_resource("gone"), type="normal")[0]
    assert query(juliet).ids == []


def test_what_is_refused_before_it_is_sent_is_not_archived(romeo: Client) -> None:
    write(romeo, f"{BODY}<delay xmlns='urn:xmpp:delay' from='localhost' stamp='2026-01-01T00:00:00Z'/>", to=MERCUTIO)
    assert query(romeo).ids == []


def test_row_52_nothing_of_or_for_somebody_blocked_is_archived(server: Server, romeo: Client, juliet: Client) -> None:
    blocklists.add(server.db, JULIET, [ROMEO])
    assert "service-unavailable" in write(romeo, BODY)[0]
    write(juliet, BODY, to=ROMEO)
    assert query(juliet).ids == []


def test_a_message_to_oneself_is_archived_once_with_one_id(server: Server, juliet: Client) -> None:
    phone = Client(server, f"{JULIET}/phone")
    phone.sends("<presence/>")
    juliet.received()
    [echo] = write(juliet, BODY)
    [delivered] = phone.received()
    assert ids_in(echo) == ids_in(delivered) == {JULIET: query(juliet).ids[0]}
    assert len(query(juliet).ids) == 1


def test_a_message_to_several_devices_is_archived_once(server: Server, romeo: Client, juliet: Client) -> None:
    phone = Client(server, f"{JULIET}/phone")
    phone.sends("<presence/>")
    juliet.received()
    write(romeo, BODY)
    assert ids_in(juliet.received()[0]) == ids_in(phone.received()[0]) == {JULIET: query(juliet).ids[0]}


# -- XEP-0359


@pytest.mark.parametrize("by", [JULIET, "JULIET@LOCALHOST"])
def test_row_19_an_id_that_somebody_gives_in_the_name_of_an_account_is_removed(
    romeo: Client, juliet: Client, by: str
) -> None:
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='forged'/>"
    write(romeo, f"<thread>t</thread>{forged}{forged}")
    assert juliet.received() == [
        xml(f"<message from='{romeo.jid}' to='{JULIET}' type='chat'><thread>t</thread></message>")
    ]
    write(romeo, forged + BODY)
    [delivered] = juliet.received()
    assert ids_in(delivered) == {JULIET: query(juliet).ids[0]}


def test_row_19_no_id_of_the_senders_archive_gets_out(romeo: Client, juliet: Client) -> None:
    write(romeo, f"{BODY}<stanza-id xmlns='urn:xmpp:sid:0' by='{ROMEO}' id='mine'/>")
    [delivered] = juliet.received()
    assert ids_in(delivered).keys() == {JULIET}
    assert "stanza-id" not in query(romeo).results[0]


@pytest.mark.parametrize("by", ["mercutio@localhost", "juliet@localhost/balcony", "", "a@b@c"])
def test_ids_of_others_stay(romeo: Client, juliet: Client, by: str) -> None:
    write(romeo, f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='x'/><origin-id xmlns='urn:xmpp:sid:0' id='o'/>")
    [delivered] = juliet.received()
    assert f'by="{by}" id="x"' in delivered
    assert "origin-id" in delivered


def test_ids_are_long_and_never_the_same(romeo: Client, juliet: Client) -> None:
    say(romeo, *["hi"] * 50)
    ids = query(juliet).ids + query(romeo).ids
    assert len(set(ids)) == 100
    assert {len(id) for id in ids} == {32}


# -- results of an archive that somebody else makes up


def test_row_18_a_result_that_a_client_makes_up_comes_in_that_clients_name(server: Server, romeo: Client) -> None:
    phone, laptop = Client(server, f"{JULIET}/phone"), Client(server, f"{JULIET}/laptop")
    for forger in (romeo, laptop):
        write(forger, "<result xmlns='urn:xmpp:mam:2' id='x' queryid='y'/>", to=phone.jid)
        assert f'from="{forger.jid}"' in phone.received()[0]


# -- where the archive is off


def test_without_an_archive_there_are_no_ids_but_forged_ones_are_removed(tmp_path: Path) -> None:
    with server_in(tmp_path, archive={"enabled": False}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = Client(server, f"{ROMEO}/orchard"), Client(server, f"{JULIET}/balcony")
        juliet.sends("<presence/>")
        write(romeo, f"{BODY}<stanza-id xmlns='urn:xmpp:sid:0' by='{JULIET}' id='forged'/>")
        assert ids_in(juliet.received()[0]) == {}
        assert juliet.asks("<query xmlns='urn:xmpp:mam:2'/>", type="set") == "service-unavailable"


# -- with the storage


def test_a_message_is_told_of_when_it_is_on_the_disk(server: Server, romeo: Client, juliet: Client) -> None:
    write(romeo, BODY)
    assert romeo.ticket is not None and romeo.ticket.is_open
    juliet.received()
    query(juliet)
    assert juliet.ticket is not None and juliet.ticket.is_open
    server.db.flush()
    query(juliet)
    assert juliet.ticket is None


def test_a_full_disk_loses_what_was_not_acknowledged_and_no_more(server: Server, romeo: Client, juliet: Client) -> None:
    say(romeo, "before")
    server.db.flush()
    [(pages,)] = server.db.connection.execute("PRAGMA page_count").fetchall()
    server.db.connection.execute(f"PRAGMA max_page_count = {pages}")
    write(romeo, f"<body>{'x' * 100_000}</body>")
    lost = romeo.ticket
    assert lost is not None and lost.is_open
    with pytest.raises(StorageFull):
        server.db.flush()
    assert isinstance(lost.failed, StorageFull)
    server.db.connection.execute("PRAGMA max_page_count = 1073741823")
    [refused] = romeo.received()
    assert "<resource-constraint " in refused
    say(romeo, "after")
    server.db.flush()
    assert query(juliet).bodies == query(romeo).bodies == ["before", "after"]


def test_an_account_that_is_gone_takes_its_archive_along(server: Server, romeo: Client, juliet: Client) -> None:
    say(romeo, "hi")
    accounts.remove(server.db, JULIET)
    add_accounts(server, "juliet")
    assert query(Client(server, f"{JULIET}/tomb")).ids == []
    assert len(query(romeo).ids) == 1


def test_of_a_message_with_too_many_ids_none_is_looked_at(romeo: Client, juliet: Client) -> None:
    forged = "".join(f"<stanza-id xmlns='urn:xmpp:sid:0' by='{n}.{'ü' * 50}.example' id='1'/>" for n in range(11))
    write(romeo, f"<body>hi</body>{forged}")
    [message] = juliet.received()
    assert list(ids_in(message)) == [str(JULIET)]
