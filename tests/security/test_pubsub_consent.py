"""docs/security.md row 23: nobody becomes a subscriber or an owner of somebody else's node without agreeing.

Whoever has not agreed lends the node nothing: neither its roster, nor its name, nor its attention.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import rosters
from tests.harness.in_process import Client, add_accounts, online, server_in
from tests.harness.nodes import INFO, SERVICE, ask, change, configure, create, owner, publish, request, subscribe
from xmpp.data.jid import JID
from xmpp.server import Server

NODE = "trap"
MALLORY, VICTIM, CONTACT = "mallory@localhost", "victim@localhost", "contact@localhost"
ACTS = {
    "configuring": configure(NODE, title="Mine, too"),
    "purging": owner(f"<purge node='{NODE}'/>"),
    "saying so": owner(f"<affiliations node='{NODE}'><affiliation jid='{VICTIM}' affiliation='owner'/></affiliations>"),
}
LOOKING = {
    "the form": ("get", owner(f"<configure node='{NODE}'/>")),
    "who is what": ("get", owner(f"<affiliations node='{NODE}'/>")),
    "a form that is cancelled": (
        "set",
        owner(f"<configure node='{NODE}'><x xmlns='jabber:x:data' type='cancel'/></configure>"),
    ),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The contact sees the victim's presence, and is in a group of its roster."""
    with server_in(tmp_path) as server:
        add_accounts(server, "mallory", "victim", "contact")
        contact = rosters.Item(JID.parse(CONTACT), groups=("Friends",), subscription="from")
        rosters.put(server.db, JID.parse(VICTIM), contact)
        yield server


@pytest.fixture
def contact(server: Server) -> Client:
    return online(server, f"{CONTACT}/here")


def make_owner(client: Client, who: str) -> str:
    return ask(client, change("affiliation", NODE, who, "owner"))


def is_refused(client: Client, payload: str, host: str = SERVICE) -> bool:
    """Whether a change is named in the error as one that cannot be."""
    [answer] = client.sends(request(payload, "set", host))
    return "<not-acceptable" in answer


# -- subscriptions


@pytest.mark.parametrize("host", [SERVICE, MALLORY])
@pytest.mark.parametrize("address", [VICTIM, f"{VICTIM}/here"])
def test_row_23_nobody_is_subscribed_who_has_not_asked(
    mallory: Client, victim: Client, host: str, address: str
) -> None:
    ask(mallory, create(NODE, access_model="open"), to=host)
    [answer] = mallory.sends(request(change("subscription", NODE, address, "subscribed"), "set", host))
    assert f'<subscription jid="{address}" subscription="none">' in answer
    assert "<not-acceptable" in answer
    ask(mallory, publish(NODE, "1"), to=host)
    assert victim.received() == []
    assert "<subscription " not in ask(mallory, owner(f"<subscriptions node='{NODE}'/>"), "get", host)


def test_row_23_an_owner_subscribes_itself_among_others(mallory: Client) -> None:
    ask(mallory, create(NODE))
    assert ask(mallory, change("subscription", NODE, MALLORY, "subscribed")) == ""


@pytest.mark.parametrize("groups", [["Friends"], ["Foes"]])
@pytest.mark.parametrize("model", ["presence", "roster"])
def test_row_23_no_answer_to_an_owner_tells_who_is_in_anothers_roster(
    mallory: Client, victim: Client, model: str, groups: list[str]
) -> None:
    ask(mallory, create(NODE, access_model=model, roster_groups_allowed=groups))
    make_owner(mallory, VICTIM)
    assert is_refused(mallory, change("subscription", NODE, CONTACT, "subscribed"))


# -- owners


@pytest.mark.parametrize("model", ["presence", "roster"])
@pytest.mark.parametrize("look", LOOKING)
def test_row_23_who_was_made_an_owner_does_not_lend_its_roster_by_looking(
    mallory: Client, victim: Client, contact: Client, model: str, look: str
) -> None:
    ask(mallory, create(NODE, access_model=model, roster_groups_allowed=["Friends"]))
    assert make_owner(mallory, VICTIM) == ""
    type, payload = LOOKING[look]
    assert ask(victim, payload, type) != "forbidden"
    assert ask(contact, subscribe(NODE, CONTACT)).startswith("not-authorized")


@pytest.mark.parametrize("act", ACTS)
def test_row_23_who_was_made_an_owner_lends_its_roster_once_it_has_acted_as_one(
    mallory: Client, victim: Client, contact: Client, act: str
) -> None:
    ask(mallory, create(NODE, access_model="presence"))
    make_owner(mallory, VICTIM)
    assert ask(victim, ACTS[act]) == ""
    assert 'subscription="subscribed"' in ask(contact, subscribe(NODE, CONTACT))


def test_row_23_who_gives_it_up_at_once_has_not_agreed(mallory: Client, victim: Client, contact: Client) -> None:
    ask(mallory, create(NODE, access_model="presence"))
    make_owner(mallory, VICTIM)
    assert ask(victim, change("affiliation", NODE, VICTIM, "none")) == ""
    make_owner(mallory, VICTIM)
    assert ask(contact, subscribe(NODE, CONTACT)).startswith("not-authorized")


def test_row_23_a_node_is_not_left_to_somebody_who_has_not_agreed(mallory: Client, victim: Client) -> None:
    ask(mallory, create(NODE))
    make_owner(mallory, VICTIM)
    assert is_refused(mallory, change("affiliation", NODE, MALLORY, "none"))
    ask(victim, ACTS["saying so"])
    assert ask(mallory, change("affiliation", NODE, MALLORY, "none")) == ""


def test_row_23_who_has_not_agreed_is_not_named_as_owner_and_not_asked(
    mallory: Client, victim: Client, contact: Client
) -> None:
    ask(mallory, create(NODE, access_model="authorize", notify_sub=True, itemreply="owner"))
    make_owner(mallory, VICTIM)
    victim.received()
    ask(contact, subscribe(NODE, CONTACT))
    assert victim.received() == []
    assert VICTIM not in ask(contact, f"<query xmlns='{INFO}' node='{NODE}'/>", "get")
    ask(victim, ACTS["saying so"])
    assert f"<value>{VICTIM}</value>" in ask(contact, f"<query xmlns='{INFO}' node='{NODE}'/>", "get")
