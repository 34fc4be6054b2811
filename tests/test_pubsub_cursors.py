"""XEP-0059: whoever pages through the items of a node misses none that stays where it is, whatever moves meanwhile."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db import pubsub_nodes
from handlers.pubsub import cursors
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import SERVICE, ask, create, ids_in, publish, pubsub, retract
from xmpp.data import resultsets
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.resultsets import SET
from xmpp.data.wire import parse
from xmpp.server import Server

NODE = "musings"
IDS = [f"p{number:02}" for number in range(30)]
ITEMS = "http://jabber.org/protocol/disco#items"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "hamlet")
        yield server


@pytest.fixture
def hamlet(server: Server) -> Client:
    client = Client(server, "hamlet@localhost/elsinore")
    ask(client, create(NODE))
    ask(client, publish(NODE, *IDS))
    return client


def by_retrieving(client: Client, page: str) -> tuple[list[str], dict[str, str]]:
    answer = ask(client, pubsub(f"<items node='{NODE}'/><set xmlns='{resultsets.NAMESPACE}'>{page}</set>"), "get")
    return ids_in(answer), described(answer)


def by_discovering(client: Client, page: str) -> tuple[list[str], dict[str, str]]:
    content = f"<set xmlns='{resultsets.NAMESPACE}'>{page}</set>"
    answer = ask(client, f"<query xmlns='{ITEMS}' node='{NODE}'>{content}</query>", "get")
    found = list(parse(answer.encode())) if answer.startswith("<") else []
    return [each.get("name", "") for each in found if each.tag != SET], described(answer)


def described(answer: str) -> dict[str, str]:
    """What a page says of itself, or the condition of the error."""
    if not answer.startswith("<"):
        return {"error": answer}
    page = parse(answer.encode()).find(SET)
    assert page is not None
    return {str(each.tag).rpartition("}")[2]: each.text or "" for each in page}


Way = Callable[[Client, str], tuple[list[str], dict[str, str]]]
WAYS = pytest.mark.parametrize("way", [by_retrieving, by_discovering])


@WAYS
@pytest.mark.parametrize("change", [publish(NODE, "p09"), retract(NODE, "p09")])
def test_pages_go_on_where_the_last_item_was(hamlet: Client, way: Way, change: str) -> None:
    shown, page = way(hamlet, "<max>10</max>")
    assert (shown, page["count"]) == (IDS[:10], "30")
    ask(hamlet, change)
    shown, page = way(hamlet, f"<max>10</max><after>{page['last']}</after>")
    assert shown == IDS[10:20]
    ask(hamlet, publish(NODE, "p10"))
    assert way(hamlet, f"<max>10</max><before>{page['last']}</before>")[0] == [*IDS[7:9], *IDS[11:19]]


@WAYS
def test_the_id_of_an_item_that_has_moved_is_no_place(hamlet: Client, way: Way) -> None:
    assert way(hamlet, "<max>2</max><after>p09</after>")[0] == IDS[10:12]
    ask(hamlet, publish(NODE, "p09"))
    for page in ("<after>p09</after>", "<before>p09</before>"):
        assert way(hamlet, f"<max>10</max>{page}")[1] == {"error": "item-not-found"}


def test_a_cursor_is_one_of_its_node_and_tells_nothing(server: Server, hamlet: Client) -> None:
    ask(hamlet, create("another"))
    nodes = [pubsub_nodes.get(server.db, JID.parse(SERVICE), name) for name in (NODE, "another")]
    one, other = (node for node in nodes if node is not None)
    cursor = cursors.of(server.db, one, 7)
    assert cursors.place(server.db, one, cursor) == 7
    for wrong in (cursor[:-1] + ("1" if cursor[-1] == "0" else "0"), "0" * 32, cursor.upper(), "7"):
        with pytest.raises(StanzaError):
            cursors.place(server.db, one, wrong)
    with pytest.raises(StanzaError):
        cursors.place(server.db, other, cursor)
