"""What is kept for somebody is theirs to fill: nobody pays for what others keep, and no stranger uses up what is there
for somebody's own things."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import offline, pubsub_nodes, pubsub_usage
from handlers.login import accounts
from tests.harness.in_process import Client, add_accounts, befriend, server_in
from tests.harness.managed_client import write
from tests.harness.nodes import SERVICE, ask, configure, create, items, owner, publish, retract, subscribe
from xmpp.data.jid import JID
from xmpp.server import Server

NODE = "club"
MALLORY, VICTIM, FRIEND = "mallory@localhost", "victim@localhost", "friend@localhost"
MOST = 50_000
LONG = f"<a xmlns='a'>{'x' * 3_000}</a>"
REFUSED = "resource-constraint"
MANY = 100


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, pubsub={"max_bytes": MOST}, offline={"max_messages": 10, "max_bytes": 10_000}) as server:
        add_accounts(server, "mallory", "victim", "friend")
        yield server


@pytest.fixture
def mallory(server: Server) -> Client:
    return Client(server, f"{MALLORY}/here")


@pytest.fixture
def victim(server: Server) -> Client:
    return Client(server, f"{VICTIM}/here")


@pytest.fixture
def friend(server: Server) -> Client:
    return Client(server, f"{FRIEND}/here")


def kept(server: Server, account: str) -> int:
    return pubsub_usage.bytes_of(server.db, JID.parse(account))


def affiliate(who: str, affiliation: str) -> str:
    return owner(f"<affiliations node='{NODE}'><affiliation jid='{who}' affiliation='{affiliation}'/></affiliations>")


def fill(client: Client, host: str = SERVICE, node: str = NODE) -> None:
    """Publish until that is refused."""
    for number in range(MANY):
        if ask(client, publish(node, f"{client.account.local}{number}", payload=LONG), to=host) == REFUSED:
            return
    pytest.fail("there is no end to it")


def own_together(first: Client, second: Client) -> None:
    assert ask(first, create(NODE, max_items="max")) == ""
    assert ask(first, affiliate(second.account, "owner")) == ""
    assert ask(second, affiliate(second.account, "owner")) == ""


# -- nodes


@pytest.mark.parametrize("host", [SERVICE, VICTIM])
@pytest.mark.parametrize("how", ["open", "publisher", "owner"])
def test_what_others_publish_leaves_room_for_the_things_of_whose_node_it_is(
    server: Server, mallory: Client, victim: Client, host: str, how: str
) -> None:
    ask(victim, create(NODE, max_items="max", access_model="open", publish_model="open"), to=host)
    if how != "open":
        ask(victim, affiliate(MALLORY, how), to=host)
    fill(mallory, host)
    assert MOST // 3 < kept(server, VICTIM) <= MOST // 2
    assert "<item" in ask(victim, publish("avatar", "1", payload=LONG), to="")
    assert ask(victim, create("own")) == ""
    fill(victim, host)
    assert kept(server, VICTIM) > MOST - 5_000


@pytest.mark.parametrize("host", [SERVICE, VICTIM])
def test_nor_do_others_fill_it_with_configurations_and_affiliations(
    server: Server, mallory: Client, victim: Client, host: str
) -> None:
    ask(victim, create(NODE), to=host)
    ask(victim, affiliate(MALLORY, "owner"), to=host)
    fill_half = MOST // 2 - kept(server, VICTIM) - 1_000
    ask(victim, publish("notes", "1", payload=f"<a xmlns='a'>{'x' * fill_half}</a>"), to="")
    assert ask(mallory, configure(NODE, description="x" * 3_000), to=host) == REFUSED
    everybody = "".join(f"<affiliation jid='{n}@{'x' * 60}.example' affiliation='member'/>" for n in range(50))
    assert ask(mallory, owner(f"<affiliations node='{NODE}'>{everybody}</affiliations>"), to=host) == REFUSED
    assert ask(victim, configure(NODE, description="x" * 3_000), to=host) == ""


@pytest.mark.parametrize("who_says_so", ["the other", "itself"])
def test_who_owns_a_node_no_more_does_not_pay_for_it(
    server: Server, mallory: Client, victim: Client, who_says_so: str
) -> None:
    own_together(victim, mallory)
    before = kept(server, VICTIM), pubsub_usage.bytes_in_all(server.db)
    assert ask(mallory if who_says_so == "the other" else victim, affiliate(VICTIM, "none")) == ""
    assert kept(server, VICTIM) == 0
    assert kept(server, MALLORY) == pubsub_usage.bytes_in_all(server.db) < sum(before)
    fill(mallory)
    assert kept(server, VICTIM) == 0
    assert pubsub_nodes.count(server.db, JID.parse(SERVICE), victim.account) == 0
    assert ask(mallory, owner(f"<delete node='{NODE}'/>")) == ""
    assert kept(server, MALLORY) == pubsub_usage.bytes_in_all(server.db) == 0


def test_nobody_gets_to_pay_for_a_node_who_has_no_room_for_it(server: Server, mallory: Client, victim: Client) -> None:
    own_together(mallory, victim)
    fill(mallory)
    ask(victim, create("own"))
    ask(victim, publish("own", "1", payload=LONG))
    assert ask(mallory, affiliate(MALLORY, "none")) == REFUSED
    assert ask(mallory, retract(NODE, "mallory0", "mallory1")) == ""
    assert ask(mallory, affiliate(MALLORY, "none")) == ""
    assert kept(server, VICTIM) > MOST - 10_000


def test_a_newcomer_does_not_pay_for_what_a_predecessor_made(server: Server, mallory: Client, friend: Client) -> None:
    own_together(mallory, friend)
    accounts.remove(server, mallory.account)
    add_accounts(server, "mallory")
    newcomer = Client(server, f"{MALLORY}/there")
    fill(friend)
    assert kept(server, MALLORY) == 0
    assert ask(newcomer, create("own")) == ""
    assert "subscribed" in ask(newcomer, subscribe(NODE, MALLORY))
    assert ask(friend, items(NODE, "friend0"), "get") != "item-not-found"


def test_a_node_that_nobody_has_room_for_goes_with_who_made_it(server: Server, mallory: Client, victim: Client) -> None:
    own_together(mallory, victim)
    fill(mallory)
    ask(victim, publish("notes", "1", payload=LONG), to="")
    before = kept(server, VICTIM)
    accounts.remove(server, mallory.account)
    assert kept(server, VICTIM) == before == pubsub_usage.bytes_in_all(server.db)
    assert ask(victim, items(NODE), "get") == "item-not-found"


def test_one_account_leaves_others_room_to_subscribe(server: Server, mallory: Client, friend: Client) -> None:
    ask(friend, create(NODE))
    answers = [ask(mallory, subscribe(NODE, f"{MALLORY}/{number}")) for number in range(MANY)]
    assert answers[0].startswith("<") and answers[-1].startswith("policy-violation")
    assert "too-many-subscriptions" in answers[-1]


# -- messages that wait


@pytest.mark.parametrize("size", [1, 500])
def test_contacts_have_room_for_messages_that_strangers_cannot_fill(
    server: Server, mallory: Client, friend: Client, size: int
) -> None:
    befriend(server, JID.parse(VICTIM), friend.account)
    refused = write(mallory, *(f"{number}{'x' * size}" for number in range(MANY)), to=VICTIM)
    assert "service-unavailable" in refused[-1]
    assert write(friend, "are you there?", to=VICTIM) == []
    assert offline.count(server.db, JID.parse(VICTIM)) == MANY - len(refused) + 1
    assert "service-unavailable" in write(friend, *("x" * 500 for _ in range(MANY)), to=VICTIM)[-1]
    assert offline.usage(server.db, JID.parse(VICTIM)).bytes <= 15_000
