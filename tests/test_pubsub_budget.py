"""XEP-0060: all that nodes keep has one budget, in bytes, for each account and for all together."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db import pubsub_usage
from db.sqlite.migrations import v0010_pubsub
from tests.harness.in_process import Client, add_accounts, online, server_in
from tests.harness.nodes import SERVICE, ask, configure, create, items, owner, publish, pubsub, retract, subscribe
from xmpp.data.jid import JID
from xmpp.server import Server

NODE = "musings"
REFUSED = "resource-constraint"
LONG = "x" * 3_000


def long_address(number: int) -> str:
    return f"{number}@{'x' * 60}.{'y' * 60}.example"


def affiliations(*addresses: str) -> str:
    changes = "".join(f"<affiliation jid='{each}' affiliation='member'/>" for each in addresses)
    return owner(f"<affiliations node='{NODE}'>{changes}</affiliations>")


GROWING: dict[str, Callable[[int], str]] = {
    "titles": lambda number: create(f"n{number}", title=LONG),
    "descriptions": lambda number: create(f"n{number}", description=LONG),
    "names": lambda number: create(f"{number}{'n' * 900}"),
    "payloads": lambda number: publish(NODE, str(number), payload=f"<a xmlns='a'>{LONG}</a>"),
    "ids of items": lambda number: publish(NODE, f"{number}{'n' * 900}"),
    "small items": lambda number: publish(NODE, *(f"{number}-{each}" for each in range(50))),
    "affiliations": lambda number: affiliations(*(long_address(100 * number + each) for each in range(20))),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_of(tmp_path, max_bytes=50_000) as server:
        yield server


def server_of(folder: Path, **limits: int) -> Any:
    return server_in(folder, pubsub=limits)


def client_of(server: Server, name: str = "hamlet") -> Client:
    add_accounts(server, name)
    return online(server, f"{name}@localhost/here")


def grow(client: Client, thing: str, host: str, most: int = 100) -> str:
    """Have more and more of something kept: the error that ends it."""
    for number in range(most):
        answer = ask(client, GROWING[thing](number), to=host)
        if answer and not answer.startswith("<"):
            return answer
    return ""


def kept(server: Server, account: str) -> int:
    return pubsub_usage.bytes_of(server.db, JID.parse(account))


@pytest.mark.parametrize("host", [SERVICE, ""])
@pytest.mark.parametrize("thing", GROWING)
def test_an_account_keeps_so_much_of_everything_together(server: Server, thing: str, host: str) -> None:
    hamlet = client_of(server)
    ask(hamlet, create(NODE, max_items="max"), to=host)
    assert grow(hamlet, thing, host) == REFUSED
    assert 25_000 < kept(server, "hamlet@localhost") <= 50_000
    assert kept(server, "hamlet@localhost") == pubsub_usage.bytes_in_all(server.db)
    assert ask(client_of(server, "horatio"), create("his"), to=host) == ""


def test_it_is_one_budget_for_the_nodes_of_an_account_and_those_it_has_made_elsewhere(server: Server) -> None:
    hamlet = client_of(server)
    ask(hamlet, create(NODE), to="")
    assert grow(hamlet, "payloads", "") == ""  # one item only is kept there
    assert grow(hamlet, "titles", SERVICE) == REFUSED
    assert ask(hamlet, configure(NODE, description=2 * LONG), to="") == REFUSED


def test_a_longer_configuration_counts_and_a_shorter_one_makes_room(server: Server) -> None:
    hamlet = client_of(server)
    grow(hamlet, "titles", SERVICE)
    grow(hamlet, "names", SERVICE)
    assert ask(hamlet, configure("n0", description=LONG)) == REFUSED
    assert ask(hamlet, configure("n0", title="")) == ""
    assert ask(hamlet, configure("n0", description=LONG[:2_000])) == ""


def test_who_has_more_than_a_limit_that_was_lowered_may_have_less(tmp_path: Path) -> None:
    with server_of(tmp_path, max_bytes=50_000) as server:
        hamlet = client_of(server)
        ask(hamlet, create(NODE, description=LONG))
        ask(hamlet, publish(NODE, "1", payload=f"<a xmlns='a'>{3 * LONG}</a>"))
    with server_of(tmp_path, max_bytes=10_000) as server:
        hamlet = Client(server, "hamlet@localhost/here")
        assert ask(hamlet, publish(NODE, "2")) == ask(hamlet, configure(NODE, title=LONG)) == REFUSED
        assert ask(hamlet, configure(NODE, description="short")) == ""
        assert "<item" in ask(hamlet, publish(NODE, "1"))


def test_an_item_has_the_room_of_the_one_in_whose_place_it_comes(server: Server) -> None:
    hamlet = client_of(server)
    ask(hamlet, create(NODE, max_items="max"))
    for _ in range(2):
        assert "<item" in ask(hamlet, publish(NODE, "1", payload=f"<a xmlns='a'>{'x' * 30_000}</a>"))
    assert ask(hamlet, publish(NODE, "2", payload=f"<a xmlns='a'>{'x' * 30_000}</a>")) == REFUSED


def test_no_node_is_made_for_an_item_that_there_is_no_room_for(server: Server) -> None:
    hamlet = client_of(server)
    assert ask(hamlet, publish("tune", "1", payload=f"<a xmlns='a'>{'x' * 50_000}</a>"), to="") == REFUSED
    assert ask(hamlet, items("tune"), "get", to="") == "item-not-found"


def test_what_is_gone_counts_no_more(server: Server) -> None:
    hamlet = client_of(server)
    ask(hamlet, create(NODE))
    before = kept(server, "hamlet@localhost")
    ask(hamlet, publish(NODE, "1", "2", payload=f"<a xmlns='a'>{LONG}</a>"))
    ask(hamlet, affiliations(long_address(1)))
    ask(hamlet, subscribe(NODE, "hamlet@localhost"))
    ask(hamlet, retract(NODE, "1"))
    ask(hamlet, owner(f"<purge node='{NODE}'/>"))
    ask(hamlet, affiliations(long_address(1)).replace("member", "none"))
    ask(hamlet, pubsub(f"<unsubscribe node='{NODE}' jid='hamlet@localhost'/>"))
    assert kept(server, "hamlet@localhost") == before
    ask(hamlet, publish(NODE, "1", payload=f"<a xmlns='a'>{LONG}</a>"))
    ask(hamlet, owner(f"<delete node='{NODE}'/>"))
    assert kept(server, "hamlet@localhost") == pubsub_usage.bytes_in_all(server.db) == 0


def test_who_subscribes_keeps_the_subscription_and_not_whose_node_it_is(server: Server) -> None:
    hamlet, horatio = client_of(server), client_of(server, "horatio")
    ask(hamlet, create(NODE))
    before, answers = kept(server, "hamlet@localhost"), list[str]()
    for number in range(100):
        answers.append(ask(horatio, subscribe(NODE, f"horatio@localhost/{number}{'r' * 900}")))
    assert answers[-1] == REFUSED
    assert kept(server, "hamlet@localhost") == before
    assert 45_000 < kept(server, "horatio@localhost") <= 50_000


@pytest.mark.parametrize("thing", GROWING)
def test_all_accounts_together_keep_so_much(tmp_path: Path, thing: str) -> None:
    with server_of(tmp_path, max_bytes=40_000, max_bytes_in_all=50_000) as server:
        hamlet, horatio = client_of(server), client_of(server, "horatio")
        for client in (hamlet, horatio):
            ask(client, create(NODE, max_items="max"), to="")
            assert grow(client, thing, "") == REFUSED
        assert 30_000 < kept(server, "hamlet@localhost") <= 40_000
        assert pubsub_usage.bytes_in_all(server.db) <= 50_000


def test_the_configuration_of_one_node_is_short(server: Server) -> None:
    hamlet = client_of(server)
    for field in ("title", "description", "type", "language"):
        assert ask(hamlet, create(NODE, **{field: "x" * 10_000})) == "not-acceptable"
        assert ask(hamlet, publish("tune", "1", **{field: "x" * 10_000}), to="") == "not-acceptable"
    assert ask(hamlet, create(NODE)) == ""
    assert ask(hamlet, configure(NODE, contact=[long_address(number) for number in range(100)])) == "not-acceptable"


def test_what_was_kept_before_there_was_a_budget_counts(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        hamlet = client_of(server)
        ask(hamlet, create(NODE, title="Musings"))
        ask(hamlet, publish(NODE, "1", "2"))
        ask(hamlet, affiliations(long_address(1)))
        ask(hamlet, subscribe(NODE, "hamlet@localhost/here"))
        before = kept(server, "hamlet@localhost"), pubsub_usage.bytes_in_all(server.db)
        db = server.db.connection
        db.execute("UPDATE pubsub_node SET bytes = 0")
        db.execute("DELETE FROM pubsub_usage")
        db.execute("DROP TRIGGER pubsub_node_bytes")
        for statement in v0010_pubsub.COUNTING:
            db.execute(statement)
        assert (kept(server, "hamlet@localhost"), pubsub_usage.bytes_in_all(server.db)) == before
