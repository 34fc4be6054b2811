"""What a publication costs: once a node is known it takes two queries, be there items to go for it, and people to tell.

Statements are counted as SQLite runs them, but for savepoints and transactions, and for what triggers do: a statement
that has fired some is told of again after each, by its own text.
"""

import pytest

from tests.harness.in_process import Client, add_accounts
from tests.harness.nodes import SERVICE, ask, change, comes_online, create, events, publish, subscribe
from xmpp.server import Server

NODE = "tune"
NO_QUERIES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "--")
PAYLOAD = "<tune xmlns='urn:example:tune'><title>Greensleeves</title></tune>"


def queries_of(server: Server, client: Client, payload: str, to: str) -> list[str]:
    """What a request of a client has SQLite do."""
    statements = list[str]()
    server.db.connection.set_trace_callback(statements.append)
    answer = ask(client, payload, to=to)
    server.db.connection.set_trace_callback(None)
    assert answer.startswith("<pubsub")
    asked = [text for text in statements if not text.startswith(NO_QUERIES)]
    return [
        text for before, text in zip(["", *asked], asked, strict=False) if text.startswith("SELECT") or text != before
    ]


@pytest.mark.parametrize(("host", "by"), [("", "owner"), (SERVICE, "owner"), (SERVICE, "publisher")])
@pytest.mark.parametrize("ids", [list("1111"), list("2345")], ids=["one item", "ever new items"])
@pytest.mark.parametrize("is_read", [False, True], ids=["to nobody", "to some"])
def test_a_publication_takes_two_queries(
    server: Server, romeo: Client, juliet: Client, mercutio: Client, host: str, by: str, ids: list[str], is_read: bool
) -> None:
    add_accounts(server, "nurse")
    nurse = Client(server, "nurse@localhost/n")
    assert ask(romeo, create(NODE, access_model="open", max_items=2), to=host) == ""
    if by == "publisher":
        assert ask(romeo, change("affiliation", NODE, mercutio.account, by), to=host) == ""
    who = mercutio if by == "publisher" else romeo
    readers = {juliet: comes_online(juliet, NODE), nurse: comes_online(nurse)} if is_read else {}
    for reader in readers:
        ask(reader, subscribe(NODE, reader.account), to=host or romeo.account)
    ask(who, publish(NODE, "1", payload=PAYLOAD), to=host)
    for id in ids:
        for reader in readers:
            reader.received()
        assert len(queries_of(server, who, publish(NODE, id, payload=PAYLOAD), host)) <= 2
        for reader in readers:
            assert events(reader.received()) == [f"{host or romeo.account}: items {NODE} item {id}"]
