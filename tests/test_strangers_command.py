"""An account chooses whether it wants to hear of strangers, by a command (XEP-0050) at its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import strangers
from handlers.contacts.strangers import COMMAND, rule
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
COMMANDS = "http://jabber.org/protocol/commands"
DISCO = "http://jabber.org/protocol/disco"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "juliet")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, f"{JULIET}/balcony")


def command(content: str = "", node: str = COMMAND) -> str:
    return f"<command xmlns='{COMMANDS}' node='{node}' action='execute'>{content}</command>"


def choice(value: str) -> str:
    kind = f"<field var='FORM_TYPE' type='hidden'><value>{COMMAND}</value></field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{kind}<field var='messages'><value>{value}</value></field></x>"


def run(client: Client, content: str, type: str = "set", to: str = "localhost") -> str:
    [answer] = client.sends(f"<iq type='{type}' id='1' to='{to}'>{content}</iq>")
    return answer


def shown(client: Client) -> str | None:
    """What the form says that was chosen."""
    form = parse(run(client, command()).encode())
    return form.findtext(".//{jabber:x:data}field[@var='messages']/{jabber:x:data}value")


def test_it_is_found_where_commands_are(juliet: Client) -> None:
    assert f'<feature var="{COMMANDS}"' in run(juliet, f"<query xmlns='{DISCO}#info'/>", "get")
    assert COMMAND in run(juliet, f"<query xmlns='{DISCO}#items' node='{COMMANDS}'/>", "get")
    assert "command-list" in run(juliet, f"<query xmlns='{DISCO}#info' node='{COMMANDS}'/>", "get")
    assert "command-node" in run(juliet, f"<query xmlns='{DISCO}#info' node='{COMMAND}'/>", "get")
    for about in ("info", "items"):
        assert "item-not-found" in run(juliet, f"<query xmlns='{DISCO}#{about}' node='nothing'/>", "get")


def test_it_is_found_at_the_own_account_too(server: Server, juliet: Client) -> None:
    add_accounts(server, "romeo")
    romeo = Client(server, "romeo@localhost/orchard")
    at_node = f"<query xmlns='{DISCO}#{{}}' node='{{}}'/>"
    listed = run(juliet, at_node.format("items", COMMANDS), "get", str(JULIET))
    assert f'jid="{JULIET}"' in listed and COMMAND in listed
    assert "command-node" in run(juliet, at_node.format("info", COMMAND), "get", str(JULIET))
    assert "command-list" in run(juliet, at_node.format("info", COMMANDS), "get", str(JULIET))
    assert 'status="executing"' in run(juliet, command(), to=str(JULIET))
    assert f'<feature var="{COMMANDS}"' in run(juliet, f"<query xmlns='{DISCO}#info'/>", "get", str(JULIET))
    assert COMMAND not in run(romeo, at_node.format("items", COMMANDS), "get", str(JULIET))
    assert "item-not-found" not in run(romeo, command(), to=str(JULIET))
    assert 'type="error"' in run(romeo, command(), to=str(JULIET))
    assert shown(juliet) == "default"


def test_what_is_chosen_counts_until_it_is_left_to_the_server_again(server: Server, juliet: Client) -> None:
    assert shown(juliet) == "default"
    assert 'status="completed"' in run(juliet, command(choice("refuse")))
    assert rule(server, JULIET) == "refuse"
    assert shown(juliet) == "refuse"
    assert 'status="completed"' in run(juliet, command(choice("default")))
    assert (strangers.rule(server.db, JULIET), rule(server, JULIET)) == ("", "accept")


@pytest.mark.parametrize("value", ["never", ""])
def test_there_is_no_other_choice(server: Server, juliet: Client, value: str) -> None:
    assert "bad-request" in run(juliet, command(choice(value)))
    assert strangers.rule(server.db, JULIET) == ""


def test_nothing_else_is_a_command(juliet: Client) -> None:
    assert "item-not-found" in run(juliet, command(node="other"))


def test_it_is_for_the_accounts_of_the_domain(tmp_path: Path) -> None:
    with server_in(tmp_path, server={"domains": ["localhost", "b.example"]}) as server:
        add_accounts(server, "juliet")
        assert "forbidden" in run(Client(server, f"{JULIET}/balcony"), command(choice("refuse")), to="b.example")
        assert strangers.rule(server.db, JULIET) == ""
