"""What administrators see of the clients of an account, and how they take access from one: by command and on the page.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts as account_records
from db import devices
from db.devices import Device
from db.sqlite.database import Database
from handlers.admin.administration import carry_out
from tests.harness import administrators, in_process
from tests.harness.administrators import ROMEO, Administrator
from tests.harness.commandline import complaint, succeeds
from tests.harness.fast import given, opened, tries
from tests.harness.sasl2 import PHONE, bind, secured_server
from tests.harness.streams import JULIET
from web.site import Site
from xmpp.control import Refused
from xmpp.server import Server

THEN = 1_700_000_000.0  # 2023-11-14


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path) as server:
        yield server


site, juliet = administrators.site, administrators.juliet


def device(id: str, **more: bool) -> Device:
    return Device(id, "Quill", "A <b>phone</b>", THEN, THEN, **more)


def test_a_client_is_logged_out_its_token_is_void_and_it_is_said_whether_it_can_come_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "handlers.admin.administration")
    token = given(server)
    [client] = carry_out(server, "devices", account=JULIET)
    with opened(server) as stream:
        stream.tries_token(token, inline=bind())
        stream.receives()
        assert carry_out(server, "revoke-device", account=JULIET, id=client.id) == ["password"]
        assert stream.last_words() == ["not-authorized"]
    assert tries(server, token) == "not-authorized"
    assert carry_out(server, "devices", account=JULIET) == []
    assert caplog.messages == [f"account {JULIET} had a client revoked by the administrator"]
    given(server)
    server.db.connection.execute("UPDATE device SET by_password = 0")
    assert carry_out(server, "revoke-device", account=JULIET, id=client.id) == []


def test_row_233_an_account_has_its_own_clients_alone(server: Server) -> None:
    given(server, agent=PHONE)
    with pytest.raises(Refused, match="has no client nobody"):
        carry_out(server, "revoke-device", account=JULIET, id="nobody")
    with pytest.raises(Refused, match="does not exist"):
        carry_out(server, "devices", account="nobody@localhost")


def test_the_command_line_lists_and_revokes(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    succeeds("user", "add", JULIET, *data, typed="secret\n")
    assert succeeds("user", "devices", JULIET, *data) == ""
    with Database(tmp_path / "xserv.db") as db:
        devices.put(db, JULIET, device("one", by_password=True), 9)
        devices.put(db, JULIET, device("two", by_certificate=True)._replace(software="a\x9bb"), 9)
        devices.put(db, JULIET, device("three"), 9)
    one, _, two = succeeds("user", "devices", JULIET, *data).splitlines()
    assert one.split("\t") == ["one", "Quill", "A <b>phone</b>", "2023-11-14", "2023-11-14", "password"]
    assert "\x9b" not in two
    assert "knows the password" in succeeds("user", "devices", JULIET, "--revoke", "one", *data)
    assert "has logged in with a certificate" in succeeds("user", "devices", JULIET, "--revoke", "two", *data)
    assert "cannot log in any more" in succeeds("user", "devices", JULIET, "--revoke", "three", *data)
    assert complaint("user", "devices", JULIET, "--revoke", "two", *data) == f"{JULIET} has no client two."


def test_the_page_of_a_person_shows_them_and_revokes(site: Site, juliet: Administrator) -> None:
    juliet.goes(f"/admin/person?account={ROMEO}")
    assert "None that is remembered." in juliet.text
    devices.put(site.server.db, ROMEO, device("one", by_password=True), 9)
    devices.put(site.server.db, ROMEO, device("two", by_certificate=True), 9)
    juliet.goes(f"/admin/person?account={ROMEO}")
    shown = [row[:2] + row[4:5] for row in juliet.rows if row[0] == "Quill"]
    assert shown == [["Quill", "A <b>phone</b>", "password"], ["Quill", "A <b>phone</b>", "certificate"]]
    devices.put(site.server.db, ROMEO, device("three"), 9)
    devices.put(site.server.db, ROMEO, device("four", by_password=True, by_certificate=True), 9)
    for id, said in {
        "one": "It knows the password, and can log in",
        "two": "It has a certificate, and can log in",
        "three": "cannot log in any more",
        "four": "It knows the password and has a certificate",
    }.items():
        juliet.goes(f"/admin/person/device?account={ROMEO}&id={id}")
        assert devices.device(site.server.db, ROMEO, id) is not None
        juliet.sends()
        assert said in juliet.done
        assert devices.device(site.server.db, ROMEO, id) is None
    juliet.goes(f"/admin/person/device?account={ROMEO}&id=two")
    assert juliet.sends().status == 409 and "has no client two" in juliet.problem
    assert account_records.exists(site.server.db, ROMEO)


def test_a_client_that_says_nothing_of_itself_is_known_by_its_resource(site: Site, juliet: Administrator) -> None:
    in_process.Client(site.server, f"{ROMEO}/orchard")
    juliet.goes(f"/admin/person?account={ROMEO}")
    [found] = [row for row in juliet.rows if row[:2] == ["unknown", "orchard"]]
    assert found[3] == "now"
    assert ["Last seen", "now"] in juliet.rows
