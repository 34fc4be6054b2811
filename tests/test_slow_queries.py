"""What also holds where each query gives control away, as with a storage across a network; and what relies on that none
does (`relies`). That is where such a storage has to begin: docs/architecture.md, "What yields".
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gevent
import pytest

from db import offline, pubsub_nodes, rosters
from db.sqlite.database import Database
from tests.harness.archives import JULIET, ROMEO, query
from tests.harness.dialogues import SCRIPTS, SHIPPED, stage, wanted_server
from tests.harness.in_process import Client, add_accounts, befriend, online, server_in
from tests.harness.nodes import SERVICE, ask, pubsub
from tests.harness.streams import Stream, listening_server
from tests.harness.yielding import YieldingDatabase, side_by_side
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

BLOCK_ROMEO = f"<block xmlns='urn:xmpp:blocking'><item jid='{ROMEO}'/></block>"


def with_storages(*marks: pytest.MarkDecorator) -> pytest.MarkDecorator:
    yielding = pytest.param(YieldingDatabase, id="with queries that yield", marks=marks)
    return pytest.mark.parametrize("storage", [pytest.param(Database, id="as it is"), yielding])


holds = with_storages()
relies = with_storages(pytest.mark.xfail(strict=True, raises=AssertionError, reason="it relies on what it has read"))


@pytest.fixture
def storage() -> type[Database]:
    return Database


@pytest.fixture
def server(tmp_path: Path, storage: type[Database]) -> Iterator[Server]:
    settings = {"roster": {"max_items": 3}, "offline": {"max_messages": 2}, "pubsub": {"max_nodes": 2}, "archive": {}}
    with server_in(tmp_path, storage, **settings) as server:
        add_accounts(server, "romeo", "juliet", "mercutio")
        yield server


def devices(server: Server, account: JID, count: int) -> list[Client]:
    return [Client(server, f"{account}/{number}") for number in range(count)]


def after(queries: int, act: Callable[[], object]) -> None:
    """Do something when somebody else has asked the storage so often since."""
    for _ in range(queries):
        gevent.sleep(0)
    act()


def message(number: int) -> str:
    return f"<message to='{JULIET}' type='chat'><body>{number}</body></message>"


@relies
def test_an_account_has_no_more_contacts_than_it_may(server: Server) -> None:
    def add(number: int, device: Client) -> str:
        item = f"<item jid='contact{number}@localhost'/>"
        return device.asks(f"<query xmlns='jabber:iq:roster'>{item}</query>", type="set")

    side_by_side(server, *(partial(add, *each) for each in enumerate(devices(server, ROMEO, 6))))
    assert len(rosters.roster(server.db, ROMEO).items) == 3


@relies
def test_no_more_messages_wait_than_may(server: Server) -> None:
    first, *others = devices(server, ROMEO, 6)
    first.sends(message(0))
    side_by_side(server, *(partial(device.sends, message(n)) for n, device in enumerate(others)))
    assert offline.count(server.db, JULIET) == 2


@relies
def test_an_account_makes_no_more_nodes_than_it_may(server: Server) -> None:
    def create(number: int, device: Client) -> str:
        return ask(device, pubsub(f"<create node='{number}'/>"))

    side_by_side(server, *(partial(create, *each) for each in enumerate(devices(server, ROMEO, 6))))
    assert pubsub_nodes.count(server.db, JID.parse(SERVICE), ROMEO) == 2


@relies
def test_what_is_remembered_is_what_is_stored(server: Server) -> None:
    keep = partial(offline.keep, server.db, JULIET, b"", at=0.0)
    offline.count(server.db, JULIET)
    side_by_side(server, *([keep] * 3), forgets=False)
    remembered = offline.count(server.db, JULIET)
    server.db.memory.clear()
    assert remembered == offline.count(server.db, JULIET)


@relies
def test_of_two_who_make_a_node_one_is_told_of_a_conflict(server: Server) -> None:
    create = pubsub("<create node='musings'/>")
    answers = side_by_side(server, *(partial(ask, device, create) for device in devices(server, ROMEO, 2)))
    assert sorted(answers) == ["", "conflict"]


@relies
def test_all_that_is_said_at_once_is_archived(server: Server) -> None:
    senders = devices(server, ROMEO, 4)
    answers = side_by_side(server, *(partial(device.sends, message(n)) for n, device in enumerate(senders)))
    assert answers == [[]] * 4
    assert sorted(map(str, query(senders[0]).bodies)) == ["0", "1", "2", "3"]


@holds
def test_the_archive_has_messages_in_the_order_in_which_they_are_received(server: Server) -> None:
    juliet = online(server, f"{JULIET}/balcony")
    juliet.received()
    senders = [Client(server, "mercutio@localhost/street"), *devices(server, ROMEO, 3)]
    for sender in senders:
        sender.sends(message(0))
    side_by_side(server, *(partial(device.sends, message(n)) for n, device in enumerate(senders, start=1)))
    received = [each.partition("<body>")[2][0] for each in juliet.received()]
    assert len(received) == 8
    assert query(juliet).bodies == received


@relies
def test_nothing_comes_from_who_was_blocked_once_that_is_answered(server: Server) -> None:
    juliet, [romeo] = online(server, f"{JULIET}/balcony"), devices(server, ROMEO, 1)
    romeo.sends(message(0))
    juliet.received()
    blocks = partial(juliet.session.handle, parse(f"<iq type='set' id='b'>{BLOCK_ROMEO}</iq>".encode()))
    side_by_side(server, partial(romeo.sends, message(1)), blocks)
    names = [each[1:].partition(" ")[0] for each in juliet.received()]
    assert "message" not in names[names.index("iq") :]


@pytest.mark.parametrize("queries", range(0, 20, 2))
@holds
def test_who_goes_when_a_message_comes_has_got_it_or_finds_it_kept(server: Server, queries: int) -> None:
    juliet, [romeo] = online(server, f"{JULIET}/balcony"), devices(server, ROMEO, 1)
    romeo.sends(message(0))
    juliet.received()

    def go() -> None:
        juliet.session.end()
        juliet.session.connection = None

    side_by_side(server, partial(romeo.sends, message(1)), partial(after, queries, go))
    got = [each for each in juliet.received() if each.startswith("<message")]
    assert len(got) + offline.count(server.db, JULIET) == 1


@relies
def test_two_contacts_who_come_at_once_see_each_other_once(server: Server) -> None:
    befriend(server, ROMEO, JULIET)
    juliet, romeo = Client(server, f"{JULIET}/balcony"), Client(server, f"{ROMEO}/orchard")
    first = side_by_side(server, partial(juliet.sends, "<presence/>"), partial(romeo.sends, "<presence/>"))
    seen = ["".join([*came, *client.received()]) for came, client in zip(first, (juliet, romeo), strict=True)]
    assert [seen[0].count(f'from="{romeo.jid}"'), seen[1].count(f'from="{juliet.jid}"')] == [1, 1]


@holds
def test_two_who_ask_for_each_other_at_once_are_both_asked(server: Server) -> None:
    juliet, romeo = online(server, f"{JULIET}/balcony"), online(server, f"{ROMEO}/orchard")
    side_by_side(
        server,
        partial(juliet.sends, f"<presence type='subscribe' to='{ROMEO}'/>"),
        partial(romeo.sends, f"<presence type='subscribe' to='{JULIET}'/>"),
    )
    for account, contact in ((ROMEO, JULIET), (JULIET, ROMEO)):
        item = rosters.item(server.db, account, contact)
        assert item is not None and item.ask and item.subscription == "none"


@holds
def test_two_changes_of_a_roster_have_two_versions(server: Server) -> None:
    one, other = devices(server, ROMEO, 2)
    for device in (one, other):
        device.asks("<query xmlns='jabber:iq:roster'/>")

    def add(name: str, device: Client) -> str:
        return device.asks(f"<query xmlns='jabber:iq:roster'><item jid='{name}@localhost'/></query>", type="set")

    side_by_side(server, partial(add, "a", one), partial(add, "b", other))
    versions = [each.partition('ver="')[2].partition('"')[0] for each in one.received()]
    assert len(set(versions)) == len(versions)


@holds
def test_of_two_who_bind_a_resource_one_has_it(tmp_path: Path, storage: type[Database]) -> None:
    with listening_server(tmp_path, storage) as server, Stream(server) as one, Stream(server) as other:
        for stream in (one, other):
            stream.logs_in()
        jids = side_by_side(server, partial(one.binds, "balcony"), partial(other.binds, "balcony"))
        assert server.online.count(JULIET) == len({jid for jid in jids if "/" in jid})


ONE_OF_EACH_FOLDER = {script.parent: script for script in SCRIPTS if wanted_server(script) == SHIPPED}


@pytest.mark.parametrize("script", ONE_OF_EACH_FOLDER.values(), ids=lambda script: script.parent.name)
def test_dialogues_go_as_they_are_written(tmp_path: Path, script: Path) -> None:
    with stage(tmp_path, SHIPPED, YieldingDatabase) as played:
        assert played.play(script) == ""
