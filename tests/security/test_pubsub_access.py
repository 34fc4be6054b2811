"""docs/security.md row 23: who may do what with a node. Every access model, relation and operation, at both faces.

The tables are written from XEP-0060: sections 4.1 (affiliations) and 4.5 (access models), and for each operation the
section with its errors. They are not computed by anything.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import pubsub_affiliations, pubsub_nodes, pubsub_people, rosters
from db.pubsub_people import Subscription
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import (
    INFO,
    SERVICE,
    ask,
    configure,
    create,
    items,
    owner,
    publish,
    pubsub,
    retract,
)
from tests.harness.nodes import subscribe as subscribe_to
from xmpp.data.jid import JID
from xmpp.server import Server

# Whoever is named by an affiliation sees nothing of the owner's presence, but for the outcast: it sees all, in vain.
RELATIONS = (
    "owner",
    "publisher",
    "publish-only",
    "member",
    "none",  # was a member once
    "outcast",
    "subscribed",  # without an affiliation
    "presence",  # is subscribed to the owner's presence
    "group",  # and is in the group of the roster that is allowed
    "stranger",
)
ANSWERS = {
    "ok": "ok",
    "ask": "pending",  # 6.1.4: the owner is asked
    "F": "forbidden",  # 6.1.3.8, 6.5.9.11, 7.1.3.1, 7.2.3.1, 8.1.1, 8.2.3.2, 8.4.3.1, 8.5.3.2, 8.8.1.3, 8.9.1.3
    "P": "not-authorized presence-subscription-required",  # 6.1.3.2, 6.5.9.7
    "G": "not-authorized not-in-roster-group",  # 6.1.3.3, 6.5.9.8
    "W": "not-allowed closed-node",  # 6.1.3.4, 6.5.9.9
    "N": "not-authorized not-subscribed",  # 6.5.9.3
    "S": "service-unavailable",  # what is answered where there is no account (RFC 6121 section 8.5.1)
}

# What depends on the access model; the columns are RELATIONS.
BY_MODEL = {
    # model       operation       own  pub  p-o  mem  non  out  sub  pre  gro  str
    ("open", "items"): "           ok   ok   F    ok   ok   F    ok   ok   ok   ok",
    ("open", "subscribe"): "       ok   ok   F    ok   ok   F    ok   ok   ok   ok",
    ("open", "disco#info"): "      ok   ok   ok   ok   ok   F    ok   ok   ok   ok",
    ("open", "disco#items"): "     ok   ok   F    ok   ok   F    ok   ok   ok   ok",
    ("presence", "items"): "       ok   ok   F    ok   P    F    P    ok   ok   P ",
    ("presence", "subscribe"): "   ok   ok   F    ok   P    F    P    ok   ok   P ",
    ("presence", "disco#info"): "  ok   ok   ok   ok   P    F    P    ok   ok   P ",
    ("presence", "disco#items"): " ok   ok   F    ok   P    F    P    ok   ok   P ",
    ("roster", "items"): "         ok   ok   F    ok   G    F    G    G    ok   G ",
    ("roster", "subscribe"): "     ok   ok   F    ok   G    F    G    G    ok   G ",
    ("roster", "disco#info"): "    ok   ok   ok   ok   G    F    G    G    ok   G ",
    ("roster", "disco#items"): "   ok   ok   F    ok   G    F    G    G    ok   G ",
    ("authorize", "items"): "      ok   ok   F    ok   N    F    ok   N    N    N ",
    ("authorize", "subscribe"): "  ok   ok   F    ok   ask  F    ok   ask  ask  ask",
    ("authorize", "disco#info"): " ok   ok   ok   ok   ok   F    ok   ok   ok   ok",
    ("authorize", "disco#items"): "ok   ok   F    ok   N    F    ok   N    N    N ",
    ("whitelist", "items"): "      ok   ok   F    ok   W    F    W    W    W    W ",
    ("whitelist", "subscribe"): "  ok   ok   F    ok   W    F    W    W    W    W ",
    ("whitelist", "disco#info"): " ok   ok   ok   ok   W    F    W    W    W    W ",
    ("whitelist", "disco#items"): "ok   ok   F    ok   W    F    W    W    W    W ",
}
# What does not, where publishers alone publish; the item that is retracted is the owner's.
ALWAYS = {
    "publish": "                   ok   ok   ok   F    F    F    F    F    F    F ",
    "retract": "                   ok   F    F    F    F    F    F    F    F    F ",
    "configure": "                 ok   F    F    F    F    F    F    F    F    F ",
    "delete": "                    ok   F    F    F    F    F    F    F    F    F ",
    "purge": "                     ok   F    F    F    F    F    F    F    F    F ",
    "affiliations": "              ok   F    F    F    F    F    F    F    F    F ",
    "subscriptions": "             ok   F    F    F    F    F    F    F    F    F ",
}
# Making another node (8.1.1): at the service any account may, at an account its owner; others learn nothing of it.
CREATING = {
    "service": "                   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok",
    "account": "                   ok   F    F    F    S    F    F    F    F    S ",
}
# XEP-0060 section 4.1: by whom items are published, as the node has it; see access "open" for the rest.
PUBLISHING = {
    "publishers": "                ok   ok   ok   F    F    F    F    F    F    F ",
    "subscribers": "               ok   ok   ok   F    F    F    ok   F    F    F ",
    "open": "                      ok   ok   ok   ok   ok   F    ok   ok   ok   ok",
}
MODELS = ("open", "presence", "roster", "authorize", "whitelist")
FACES = ("service", "account")
UNKNOWN_TO_ACCOUNTS = ("none", "stranger")  # these are told nothing, unless a node is open

HAMLET = JID.parse("owner@localhost")


def expected(face: str, model: str, operation: str, relation: str) -> str:
    column = RELATIONS.index(relation)
    if operation == "create":
        return ANSWERS[CREATING[face].split()[column]]
    if face == "account" and relation in UNKNOWN_TO_ACCOUNTS and model != "open":
        return "nothing" if operation == "disco#items" else ANSWERS["S"]  # XEP-0030 section 8
    row = BY_MODEL.get((model, operation)) or ALWAYS[operation]
    return ANSWERS[row.split()[column]]


OPERATIONS = ("items", "subscribe", "disco#info", "disco#items", *ALWAYS, "create")
CELLS = [
    (face, model, operation, relation)
    for face in FACES
    for model in MODELS
    for operation in OPERATIONS
    for relation in RELATIONS
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_in(tmp_path_factory.mktemp("access")) as server:
        add_accounts(server, *RELATIONS)
        for name in RELATIONS:
            Client(server, f"{name}@localhost/here")
        for name, groups in (("presence", ("Ghosts",)), ("group", ("Players",)), ("outcast", ("Players",))):
            contact = JID.parse(f"{name}@localhost")
            rosters.put(server.db, HAMLET, rosters.Item(contact, groups=groups, subscription="from"))
        yield server


@pytest.fixture(autouse=True)
def no_nodes_left(server: Server) -> Iterator[None]:
    """Each cell by itself."""
    yield
    for host in (JID.parse(SERVICE), HAMLET):
        for node in pubsub_nodes.of_host(server.db, host):
            pubsub_nodes.delete(server.db, node)


def somebody(server: Server, relation: str) -> Client:
    session = server.online.session(JID.parse(f"{relation}@localhost/here"))
    assert session is not None
    assert isinstance(session.connection, Client)
    return session.connection


def make_node(server: Server, face: str, name: str, **configuration: object) -> str:
    """A node of the owner's with one item, to which everybody is what they are called; returns its host."""
    hamlet, to = somebody(server, "owner"), SERVICE if face == "service" else HAMLET
    assert ask(hamlet, create(name, roster_groups_allowed=["Players"], **configuration), to=to) == ""
    assert ask(hamlet, publish(name, "1"), to=to).startswith("<pubsub")
    node = pubsub_nodes.get(server.db, JID.parse(to), name)
    assert node is not None
    for affiliation in ("publisher", "publish-only", "member", "outcast"):
        pubsub_affiliations.affiliate(server.db, node, JID.parse(f"{affiliation}@localhost"), affiliation)
    pubsub_affiliations.affiliate(server.db, node, JID.parse("none@localhost"), "member")
    pubsub_affiliations.affiliate(server.db, node, JID.parse("none@localhost"), "none")
    pubsub_people.subscribe(server.db, node, Subscription(JID.parse("subscribed@localhost")))
    return to


def request(operation: str, name: str, asker: Client) -> tuple[str, str]:
    """The type and the payload."""
    discover = f"<query xmlns='http://jabber.org/protocol/{operation}' node='{name}'/>"
    return {
        "items": ("get", items(name)),
        "subscribe": ("set", subscribe_to(name, asker.account)),
        "publish": ("set", publish(name, "2")),
        "retract": ("set", retract(name, "1")),
        "create": ("set", create(f"another {name}")),
        "configure": ("set", configure(name, title="Mousetrap")),
        "delete": ("set", owner(f"<delete node='{name}'/>")),
        "purge": ("set", owner(f"<purge node='{name}'/>")),
        "affiliations": ("get", owner(f"<affiliations node='{name}'/>")),
        "subscriptions": ("get", owner(f"<subscriptions node='{name}'/>")),
        "disco#info": ("get", discover),
        "disco#items": ("get", discover),
    }[operation]


def outcome(answer: str) -> str:
    """Of an answer: the conditions of its error, or what became of the request."""
    if answer.startswith("<") or not answer:
        if answer.startswith("<query") and "<item" not in answer and "<identity" not in answer:
            return "nothing"
        return "pending" if 'subscription="pending"' in answer else "ok"
    return answer


@pytest.mark.parametrize(("face", "model", "operation", "relation"), CELLS)
def test_row_23_access(server: Server, face: str, model: str, operation: str, relation: str) -> None:
    name, asker = f"{model} {operation} {relation}", somebody(server, relation)
    to = make_node(server, face, name, access_model=model)
    type, payload = request(operation, name, asker)
    assert outcome(ask(asker, payload, type, to)) == expected(face, model, operation, relation)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("model", PUBLISHING)
def test_row_23_publishing(server: Server, model: str, relation: str) -> None:
    name = f"publishing {model} {relation}"
    to = make_node(server, "service", name, publish_model=model)
    answer = outcome(ask(somebody(server, relation), publish(name, "2"), to=to))
    assert answer == ANSWERS[PUBLISHING[model].split()[RELATIONS.index(relation)]]


# Whoever may retrieve items is notified, if it is subscribed, and nobody else, however its subscription came about.
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("model", MODELS)
def test_row_23_notifications(server: Server, face: str, model: str) -> None:
    name = f"notifying {model} {face}"
    to = make_node(server, face, name, access_model=model)
    node = pubsub_nodes.get(server.db, JID.parse(to), name)
    assert node is not None
    for relation in RELATIONS:
        subscription = Subscription(somebody(server, relation).jid)
        pubsub_people.subscribe(server.db, node, subscription)
        somebody(server, relation).received()
    ask(somebody(server, "publisher"), publish(name, "2"), to=to)
    told = {each for each in RELATIONS if 'item id="2"' in "".join(somebody(server, each).received())}
    may_see = dict(zip(RELATIONS, BY_MODEL[model, "items"].split(), strict=True))
    if model == "authorize":  # here everybody is subscribed
        may_see.update(dict.fromkeys(("none", "presence", "group", "stranger"), "ok"))
    assert told | {"publisher"} == {relation for relation, answer in may_see.items() if answer == "ok"}


def test_row_23_options_of_a_publication_never_change_a_node(server: Server) -> None:
    hamlet = somebody(server, "owner")
    make_node(server, "account", "bookmarks", access_model="whitelist")
    assert ask(hamlet, publish("bookmarks", "2", access_model="open"), to="") == "conflict precondition-not-met"
    assert ask(somebody(server, "presence"), items("bookmarks"), "get", HAMLET) == ANSWERS["W"]


def test_row_23_lists_hold_what_the_asker_may_see(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, *RELATIONS)
        hamlet, stranger = Client(server, "owner@localhost/here"), Client(server, "stranger@localhost/here")
        for to in (SERVICE, HAMLET):
            for model in MODELS:
                ask(hamlet, create(model, access_model=model), to=to)
        query = f"<query xmlns='{INFO.replace('info', 'items')}'/>"
        shown = {to: ask(stranger, query, "get", to) for to in (SERVICE, HAMLET)}
    assert [model for model in MODELS if f'node="{model}"' in shown[SERVICE]] == ["open", "authorize"]
    assert [model for model in MODELS if f'node="{model}"' in shown[HAMLET]] == ["open"]


def test_row_23_what_somebody_is_told_of_itself_is_its_own(server: Server) -> None:
    make_node(server, "service", "own lists")
    for relation in ("stranger", "presence"):
        for what in ("affiliations", "subscriptions"):
            assert "own lists" not in ask(somebody(server, relation), pubsub(f"<{what}/>"), "get")
