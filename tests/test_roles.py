"""Who is an administrator: by the configuration, or by a role that belongs to the account and not to its name."""

from pathlib import Path

import pytest

from db import accounts as account_records
from handlers.admin.administration import carry_out
from handlers.admin.roles import administrators, is_administrator
from handlers.login import accounts, register
from tests.harness.commandline import complaint, succeeds
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import enter, told
from xmpp.control import Refused
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")


def test_an_account_is_given_the_role_and_loses_it(server: Server) -> None:
    assert not is_administrator(server, JULIET)
    carry_out(server, "role", account=JULIET, role="administrator")
    assert is_administrator(server, JULIET) and not is_administrator(server, ROMEO)
    carry_out(server, "role", account=JULIET, role="member")
    assert not is_administrator(server, JULIET)


def test_the_role_is_not_left_to_whoever_has_the_name_later(server: Server) -> None:
    carry_out(server, "role", account=JULIET, role="administrator")
    accounts.remove(server, JULIET)
    add_accounts(server, "juliet")
    assert account_records.exists(server.db, JULIET)
    assert not is_administrator(server, JULIET)
    assert list(administrators(server)) == []


def test_whoever_the_configuration_names_is_an_administrator_without_a_role(tmp_path: Path) -> None:
    with server_in(tmp_path, server={"administrators": ("romeo@localhost", "nobody@localhost")}) as server:
        add_accounts(server, "romeo", "juliet")
        carry_out(server, "role", account=JULIET, role="administrator")
        assert is_administrator(server, ROMEO)
        assert list(administrators(server)) == [JULIET, ROMEO]
        with pytest.raises(Refused, match=r"by the configuration: take it out of \[server\] administrators"):
            carry_out(server, "role", account=ROMEO, role="member")


@pytest.mark.parametrize("role", ["owner", "", "Administrator"])
def test_there_are_no_other_roles(server: Server, role: str) -> None:
    with pytest.raises(Refused, match="is no role, expected member, limited or administrator"):
        carry_out(server, "role", account=JULIET, role=role)


def test_the_role_counts_where_administrators_may_make_rooms(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"creators": "administrators"}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        assert told(enter(romeo, "romeo")) == ["romeo error not-allowed cancel"]
        carry_out(server, "role", account=ROMEO, role="administrator")
        assert "201" in told(enter(romeo, "romeo"))[0]


def test_the_command_line_gives_the_role_and_lists_it(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    succeeds("user", "add", JULIET, *data, typed="secret\n")
    assert succeeds("user", "role", JULIET, "administrator", *data) == f"{JULIET} is an administrator now.\n"
    assert succeeds("user", "list", *data).rstrip("\n").split("\t")[3:] == ["administrator", ""]
    assert complaint("user", "role", ROMEO, "administrator", *data) == f"{ROMEO} does not exist."


def test_row_38_nobody_registers_the_name_of_an_administrator(tmp_path: Path) -> None:
    with server_in(tmp_path, server={"administrators": ["boss@localhost"]}) as server:
        with pytest.raises(StanzaError, match="conflict"):
            register.make(server, JID.parse("boss@localhost"), "a long password", "192.0.2.1")
        register.make(server, JID.parse("nobody@localhost"), "a long password", "192.0.2.1")
