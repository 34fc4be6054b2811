"""Row 210, row 54: every command, tried by everybody whom it is not for."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from handlers.admin.administration import carry_out
from handlers.commands.administration import ADMIN
from handlers.commands.command import COMMANDS_OFFERED, Command
from handlers.commands.service_administration import COMMANDS
from handlers.login import accounts
from handlers.login.sasl import guests
from tests.harness import adhoc
from tests.harness.adhoc import status
from tests.harness.domains import A, B, hosting
from tests.harness.in_process import Client
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse, wire
from xmpp.running.handling import Handled
from xmpp.server import Server

JULIET, ROMEO = JID.parse(f"juliet@{A}"), JID.parse(f"romeo@{A}")
TYBALT = JID.parse(f"tybalt@{B}")
OPERATOR = JID.parse(f"prospero@{B}")
ELSEWHERE = JID.parse("admin@other.example")  # the configuration names it, and it is at another server
OFF = JID.parse(f"off@{A}")

FORMS: Mapping[str, Mapping[str, Any]] = {
    "add-user": {"accountjid": f"abram@{A}", "password": "pilcrow"},
    "delete-user": {"accountjids": ROMEO},
    "disable-user": {"accountjids": ROMEO},
    "reenable-user": {"accountjids": OFF},
    "end-user-session": {"accountjids": ROMEO},
    "change-user-password": {"accountjid": ROMEO, "password": "pilcrow"},
    "get-user-roster": {"accountjids": ROMEO},
    "get-user-lastlogin": {"accountjids": ROMEO},
    "user-stats": {"accountjid": ROMEO},
    "edit-admin": {"adminjids": [JULIET, ROMEO]},
    **{f"get-{kind}-users-list": {"max_items": "none"} for kind in ("registered", "disabled", "online")},
    **{f"get-{kind}-users": {"max_items": "none"} for kind in ("active", "idle")},
    "announce": {"announcement": "Hear, hear"},
    "announce-all": {"announcement": "Hear, hear"},
    "set-motd": {"motd": "Hear, hear"},
    "edit-motd": {"motd": "Hear, hear"},
    "set-welcome": {"welcome": "Hear, hear"},
}
"""How each command that has a form is filled in so that it does something at A."""
NAMING = [node for node, form in FORMS.items() if any(var.endswith(("jid", "jids")) for var in form)]
NODES = [command.node for command in COMMANDS]
INVITING = "urn:xmpp:invite#create-account"
"""Another command for administrators, at their own domain."""
OTHERS = {"xserv:strangers", "urn:xmpp:invite#invite", "xserv:invitations:list", "xserv:invitations:revoke"}
"""Commands for accounts of the domain."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    operators = {"administrators": [OPERATOR, ELSEWHERE]}
    with hosting(tmp_path, server=operators, guests={"enabled": True}) as server:
        for account in (OPERATOR, TYBALT, OFF):
            accounts.create(server, account, "secret")
        for account in (JULIET, TYBALT):
            carry_out(server, "role", account=account, role="administrator")
        carry_out(server, "disable", account=OFF)
        Client(server, f"{ROMEO}/orchard")
        yield server


def filled_in(node: str, to: str = A) -> str:
    """The request that has a command done at once."""
    return adhoc.request(node, to, ADMIN, **FORMS.get(node.partition("#")[2], {}))


def state_of(server: Server) -> list[Any]:
    """All that a command could have changed, or said."""
    kinds = ("registered", "disabled", "online")
    return [
        carry_out(server, "list"),
        [carry_out(server, "accounts", kind=kind) for kind in kinds],
        [carry_out(server, "greeting", kind=kind) for kind in ("motd", "welcome")],
        carry_out(server, "administrators"),
        server.portions.are_left,
    ]


def from_elsewhere(server: Server, sender: str, request: str) -> list[str]:
    """The answers to a request that comes without a session of ours."""
    answers: list[str] = []

    class Other:
        def send(self, stanza: Stanza) -> None:
            answers.append(wire(stanza.element).decode())

    server.router.add(JID.parse(sender).domain, Other())
    iq = Stanza.read(parse(request.encode()))
    iq.stamp(JID.parse(sender), iq.to)
    with Handled():
        server.router.route(iq)
    return answers


def test_every_command_of_administrators_is_in_the_matrix() -> None:
    assert {command.node.partition("#")[2] for command in COMMANDS if command.fields is not None} == FORMS.keys()


def test_every_command_is_for_administrators_or_known_to_be_for_others(server: Server) -> None:
    offered: list[Command] = [command for offer in server.tables[COMMANDS_OFFERED] for command in offer(server)]
    assert {command.node for command in offered} == {*NODES, INVITING, *OTHERS}


# -- each of them is refused to


def test_row_210_an_administrator_of_another_domain(server: Server) -> None:
    refused(server, Client(server, f"{TYBALT}/x"), INVITING)


@pytest.mark.parametrize("role", ["member", "limited"])
def test_row_210_an_ordinary_account(server: Server, role: str) -> None:
    carry_out(server, "role", account=ROMEO, role=role)
    refused(server, Client(server, f"{ROMEO}/x"), INVITING)


def test_row_210_a_guest(server: Server) -> None:
    guest, _ = guests.admit(server, A, "192.0.2.1")
    refused(server, Client(server, f"{guest}/x"), INVITING, *OTHERS)


@pytest.mark.parametrize("sender", [f"{ELSEWHERE}/x", "other.example", f"juliet@{A}.other.example/x"])
def test_row_210_somebody_from_another_server(server: Server, sender: str) -> None:
    before = state_of(server)
    for node in (*NODES, INVITING, *OTHERS):
        for request in (adhoc.request(node, A), filled_in(node)):
            [answer] = from_elsewhere(server, sender, request)
            assert status(parse(answer.encode())) == "forbidden cancel", node
        assert state_of(server) == before, node


def test_row_210_what_a_component_sends_in_the_name_of_an_administrator(server: Server) -> None:
    """It may send requests in the name of accounts where that is granted (XEP-0356); it has not logged in as one."""
    juliet = Client(server, f"{JULIET}/x")
    before = state_of(server)
    for node in (*NODES, INVITING):
        iq = Stanza.read(parse(filled_in(node).encode()))
        iq.stamp(juliet.jid, iq.to)
        with Handled():
            server.router.route(iq)
        [answer] = juliet.received()
        assert status(parse(answer.encode())) == "forbidden cancel", node
        assert state_of(server) == before, node


def test_row_210_an_administrator_at_the_address_of_another_domain(server: Server) -> None:
    juliet = Client(server, f"{JULIET}/x")
    before = state_of(server)
    for node in NODES:
        for request in (adhoc.request(node, B), filled_in(node, B)):
            assert status(parse(juliet.sends(request)[-1].encode())) == "forbidden cancel", node
        assert state_of(server) == before, node


def test_row_54_an_administrator_names_what_is_at_another_domain(server: Server) -> None:
    """At her own address, with accounts of B in the form: as if they were not there."""
    juliet = Client(server, f"{JULIET}/x")
    before = state_of(server)
    for node in NAMING:
        form = {var: theirs(value) for var, value in FORMS[node].items()}
        answer = parse(juliet.sends(adhoc.request(f"{ADMIN}#{node}", A, ADMIN, **form))[-1].encode())
        assert status(answer).split()[0] in ("item-not-found", "not-acceptable"), node
        assert state_of(server) == before, node


@pytest.mark.parametrize("node", ["delete-user", "disable-user", "end-user-session", "change-user-password"])
def test_row_54_an_account_that_the_configuration_names_is_out_of_reach(tmp_path: Path, node: str) -> None:
    with hosting(tmp_path, server={"administrators": [ROMEO]}) as server:
        carry_out(server, "role", account=JULIET, role="administrator")
        romeo, juliet = Client(server, f"{ROMEO}/orchard"), Client(server, f"{JULIET}/x")
        before = state_of(server)
        answer = juliet.sends(filled_in(f"{ADMIN}#{node}"))[-1]
        assert status(parse(answer.encode())) == "forbidden auth"
        assert state_of(server) == before and romeo.closed_with is None


# -- and done for


@pytest.mark.parametrize("node", NODES)
def test_row_210_it_is_done_for_an_administrator_of_the_domain(server: Server, node: str) -> None:
    juliet = Client(server, f"{JULIET}/x")
    assert node in adhoc.listed(juliet, A)
    answer = juliet.sends(filled_in(node))[-1]
    assert status(parse(answer.encode())) == "completed"


def test_row_210_an_administrator_of_the_whole_server_has_them_at_each_domain(server: Server) -> None:
    prospero = Client(server, f"{OPERATOR}/x")
    assert set(NODES) <= set(adhoc.listed(prospero, A)) & set(adhoc.listed(prospero, B))


def test_lists_and_counts_are_of_the_domain_that_was_asked(server: Server) -> None:
    client = Client(server, f"{OPERATOR}/x")
    for domain, expected in ((A, [JULIET, OFF, ROMEO]), (B, [f"juliet@{B}", OPERATOR, f"romeo@{B}", TYBALT])):
        done = adhoc.execute(client, f"{ADMIN}#get-registered-users-list", domain, ADMIN, max_items="none")
        assert adhoc.values(done)["registereduserjids"] == expected
        done = adhoc.execute(client, f"{ADMIN}#get-registered-users-num", domain)
        assert adhoc.values(done)["registeredusersnum"] == [str(len(expected))]


def refused(server: Server, client: Client, *more: str) -> None:
    """Neither their forms nor what they do, nor that they are there."""
    before, listed = state_of(server), adhoc.listed(client, A)
    for node in (*NODES, *more):
        assert node not in listed
        for request in (adhoc.request(node, A), filled_in(node)):
            assert status(parse(client.sends(request)[-1].encode())) == "forbidden cancel", node
        about = f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>"
        assert client.asks(about, to=A) == "forbidden", node
        assert state_of(server) == before, node


def theirs(value: str | list[str]) -> str | list[str]:
    return value.replace(A, B) if isinstance(value, str) else [each.replace(A, B) for each in value]
