"""Lists of spammers that another server keeps at a node: what is on them, and who is not heard because of it."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import gevent
import pytest

from db import offline, rosters
from handlers.contacts import shared_blocklists
from handlers.contacts.shared_blocklists import Lists, is_listed
from handlers.login import accounts
from tests.harness.federated import (
    PATIENCE,
    Directory,
    Servers,
    all_until,
    federated,
    next_of,
    settle,
    somebody,
    trusted,
)
from tests.harness.in_process import Client
from tests.harness.nodes import ask, create, publish, retract
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.tables import CAME_FROM_ELSEWHERE
from xmpp.server import Server

SERVICE = "pubsub.b.example"
JULIET, ROMEO = JID.parse("juliet@a.example"), JID.parse("romeo@b.example")
MESSAGE = "<message to='juliet@a.example' type='chat' id='{}'><body>hi</body></message>"
SPAMMERS = {"service": SERVICE, "node": "spammers"}


def hashed(address: str) -> str:
    return sha256(address.encode()).hexdigest()


@pytest.fixture
def theirs(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    plain = {"without_tls": trusted("a.example", "b.example")}
    with federated(tmp_path, directory, "b.example", federation=plain) as server:
        yield server


@pytest.fixture
def keeper(theirs: Server) -> Client:
    """Who keeps the list."""
    client = somebody(theirs, "keeper@b.example/x")
    assert ask(client, create("spammers", max_items=1000), to=SERVICE) == ""
    return client


@pytest.fixture
def servers(tmp_path: Path, directory: Directory, theirs: Server, keeper: Client) -> Iterator[Servers]:
    """Ours, which follows the list with what is on it by then, and theirs."""
    for id in (
        hashed("tybalt@b.example"),
        hashed("d.example").upper(),
        "b@d.example",
        "com",
        "Spam.example",
        "last.example",
    ):
        assert "<publish" in ask(keeper, publish("spammers", id), to=SERVICE)
    plain = {"without_tls": trusted("a.example", "b.example")}
    with federated(
        tmp_path, directory, "a.example", federation=plain, shared_blocklists={"lists": [SPAMMERS]}
    ) as server:
        accounts.create(server, JULIET, "secret")
        until(server, "spam.example")
        yield server, theirs


def until(server: Server, listed: str, *, is_gone: bool = False) -> None:
    """Wait until an address is on the list, or is not."""
    with gevent.Timeout(PATIENCE):
        while is_listed(server, JID.parse(listed)) is is_gone:
            gevent.sleep(0.002)


def test_what_is_on_a_list_is_a_domain_with_all_beneath_it_or_the_hash_of_an_address(servers: Servers) -> None:
    ours = servers[0]
    listed = ["tybalt@b.example/x", "anybody@d.example", "anybody@spam.example", "rooms.spam.example"]
    assert all(is_listed(ours, JID.parse(each)) for each in listed)
    assert not any(
        is_listed(ours, JID.parse(each)) for each in ("romeo@b.example", "b.example", "a@example.com", "d@d.d.example")
    )


def test_strangers_on_a_list_are_refused_and_others_are_not(servers: Servers) -> None:
    ours, theirs = servers
    tybalt, romeo = (somebody(theirs, f"{name}@b.example/x") for name in ("tybalt", "romeo"))
    tybalt.sends(MESSAGE.format(1))
    assert "policy-violation" in next_of(tybalt, "message")
    tybalt.sends("<presence to='juliet@a.example' type='subscribe'/>")
    all_until(tybalt, lambda stanza: stanza.startswith("<presence") and "policy-violation" in stanza)
    tybalt.sends("<iq to='juliet@a.example' type='get' id='2'><query xmlns='jabber:iq:version'/></iq>")
    assert "policy-violation" in next_of(tybalt, "iq")
    romeo.sends(MESSAGE.format(3))
    settle(servers)
    assert offline.count(ours.db, JULIET) == 1


def test_whom_an_account_knows_it_hears(servers: Servers) -> None:
    ours, theirs = servers
    tybalt = somebody(theirs, "tybalt@b.example/x")
    rosters.put(ours.db, JULIET, rosters.Item(tybalt.account))
    tybalt.sends(MESSAGE.format(1))
    settle(servers)
    assert offline.count(ours.db, JULIET) == 1


def test_changes_are_heeded_as_they_come(servers: Servers, keeper: Client) -> None:
    ours = servers[0]
    ask(keeper, publish("spammers", hashed(ROMEO)), to=SERVICE)
    until(ours, ROMEO)
    ask(keeper, retract("spammers", hashed(ROMEO), notify=True), to=SERVICE)
    until(ours, ROMEO, is_gone=True)


@pytest.mark.parametrize(
    ("sender", "node", "is_heeded"),
    [
        ("romeo@b.example/x", "spammers", False),
        ("b.example", "spammers", False),
        (SERVICE, "other", False),
        (SERVICE, "spammers", True),
    ],
)
def test_nobody_else_changes_a_list(servers: Servers, sender: str, node: str, is_heeded: bool) -> None:
    item = f"<items node='{node}'><item id='{hashed('mercutio@c.example')}'/></items>"
    event = f"<event xmlns='http://jabber.org/protocol/pubsub#event'>{item}</event>"
    message = Stanza.from_wire(f"<message from='{sender}' to='a.example'>{event}</message>".encode())
    delivery = Delivery(servers[0], JID.parse("a.example"), message)
    assert not servers[0].tables.steps(CAME_FROM_ELSEWHERE).run(delivery)
    assert is_listed(servers[0], JID.parse("mercutio@c.example")) == is_heeded


def test_so_many_items_of_a_list_are_heeded_and_it_is_read_page_by_page(
    tmp_path: Path, directory: Directory, keeper: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_blocklists, "PAGE", 2)
    for number in range(7):
        ask(keeper, publish("spammers", f"d{number}.example"), to=SERVICE)
    plain = {"without_tls": trusted("a.example", "b.example")}
    for most, expected in ((1000, 7), (4, 4)):
        limited = {"lists": [SPAMMERS], "max_items": most}
        with federated(
            tmp_path / str(most), directory, "a.example", federation=plain, shared_blocklists=limited
        ) as server:
            until(server, "d0.example")
            [entries] = server.state(Lists).entries.values()
            assert len(entries) == expected


def test_a_list_that_cannot_be_read_is_asked_for_again(
    tmp_path: Path, directory: Directory, theirs: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_blocklists, "RETRY_SECONDS", 0.01)
    plain = {"without_tls": trusted("a.example", "b.example")}
    with federated(
        tmp_path, directory, "a.example", federation=plain, shared_blocklists={"lists": [SPAMMERS]}
    ) as server:
        keeper = somebody(theirs, "keeper@b.example/x")
        assert ask(keeper, create("spammers"), to=SERVICE) == ""
        ask(keeper, publish("spammers", "d.example"), to=SERVICE)
        until(server, "d.example")
