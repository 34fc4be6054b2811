"""The command line: what it does, and the one sentence that it says where it cannot."""

import os
import signal
import socket
import sqlite3
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.harness.commandline import complaint, configured, running, succeeds, xserv
from tests.harness.rawclient import LoginFailed, RawClient, logged_in
from tests.harness.servers import PATIENCE, ROOT, RunningServer
from xmpp import __version__

VERSION_QUERY = "<query xmlns='jabber:iq:version'/>"
VERSION_NAME = "{jabber:iq:version}query/{jabber:iq:version}name"


def software_name(client: RawClient) -> str | None:
    return client.ask("get", VERSION_QUERY, to="localhost").findtext(VERSION_NAME)


def logged_in_over_tls(server: RunningServer, name: str, password: str) -> RawClient:
    client = RawClient(server.port)
    client.start_tls()
    client.authenticate(name, password)
    client.bind()
    return client


# -- what it prints


def test_alone_it_says_what_can_be_done() -> None:
    done = xserv()
    assert "Commands:" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_it_tells_its_version() -> None:
    assert succeeds("--version") == f"xserv, version {__version__}\n"


def test_the_example_configuration_can_be_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "example.toml"
    path.write_text(succeeds("config", "example"))
    assert succeeds("config", "check", path) == f"{path} is fine.\n"


def test_the_documentation_of_the_configuration_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == succeeds("config", "documentation")  # `make docs`


# -- mistakes


@pytest.mark.parametrize(
    ("configuration", "sentence"),
    [
        ("[lisen]\nport = 1", "there is no section [lisen], did you mean listen?"),
        ("[listen]\nprt = 1", "[listen] has no setting prt, did you mean port?"),
        ("[listen]\nstarttls_port = 1", "[listen] has no setting starttls_port, did you mean port?"),
        ("[listen]\ntls = 1", "[listen] has no setting tls, did you mean tls_port?"),
        ("[invite]\ndays = 1", "there is no section [invite], did you mean invitations?"),
        ("[server]\nadmins = []", "[server] has no setting admins, did you mean administrators?"),
        ("[sasl2]\nmechanisms = []", "[sasl2] has no setting mechanisms, did you mean that of [sasl]?"),
        ("[listen]\nport = 'high'", '[listen] port: expected a whole number from -1 to 65535, found "high".'),
        ("[server]\ndomains = []", "[server] domains: expected at least one domain, found []."),
        (
            "[server]\ndomains = ['Example.ORG']",
            "[server] domains: expected domains as they stand in addresses, such as example.org, "
            'found ["Example.ORG"].',
        ),
        ("[server]\ndomains = ['a@b']", '[server] domains: expected domains as they stand in addresses, such as b, '
                                        'found ["a@b"].'),
        (
            "[tls.certificates]\nlocalhost = '/nowhere/cert.pem'",
            "/nowhere/cert.pem: cannot be read: No such file or directory.",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_configuration_is_told_in_a_sentence(
    tmp_path: Path, configuration: str, sentence: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(configuration)
    expected = f"{path}: {sentence}"
    assert complaint("config", "check", path) == expected
    assert complaint("run", "--config", path, "--data", tmp_path / "data") == expected


def test_a_port_in_use_is_told_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        path = tmp_path / "mine.toml"
        path.write_text(f"[listen]\naddresses = ['127.0.0.1']\nport = {port}")
        told = complaint("run", "--config", path, "--data", tmp_path)
    assert told.startswith(f"{path}: [listen] port: cannot listen on 127.0.0.1:{port}: another program listens there")


def test_a_database_that_another_server_has_open_is_told_in_a_sentence(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        told = complaint("run", "--data", tmp_path)
    assert told == f"{tmp_path}/xserv.db is in use by another xserv (process {server.process.pid})"


def test_a_database_of_a_later_version_is_told_in_a_sentence(tmp_path: Path) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="swordfish\n")
    database = sqlite3.connect(tmp_path / "xserv.db")
    database.execute("PRAGMA user_version = 999")
    database.close()
    assert "has schema version 999, this xserv knows versions up to" in complaint("run", "--data", tmp_path)


def test_a_data_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    assert complaint("run", "--data", folder) == f"{folder}: this folder cannot be made: Not a directory."


def test_a_data_folder_whose_path_is_too_long_for_a_socket_is_told_in_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    configured(folder)
    told = complaint("run", "--data", folder)
    assert told == f"{folder}/control.sock: no socket can be made there: AF_UNIX path too long."


def test_a_mistake_in_the_arguments_has_a_status_of_its_own() -> None:
    assert xserv("run", "--prt", "1").returncode == 2


# -- accounts, while no server runs


def test_accounts_are_made_listed_and_removed(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    succeeds("user", "add", "romeo@localhost", *data, typed="swordfish\n")
    succeeds("user", "add", "juliet@localhost", *data, typed="swordfish\n")
    succeeds("user", "remove", "romeo@localhost", *data)
    [line] = succeeds("user", "list", *data).splitlines()
    assert line.split("\t")[0] == "juliet@localhost"


def test_what_was_stored_is_what_the_server_knows(tmp_path: Path) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="old one\n")
    succeeds("user", "passwd", "juliet@localhost", "--data", tmp_path, typed="new one\n")
    with running(tmp_path) as server:
        logged_in_over_tls(server, "juliet", "new one").close()
        with pytest.raises(LoginFailed):
            logged_in_over_tls(server, "juliet", "old one")


@pytest.mark.parametrize(
    ("arguments", "typed", "sentence"),
    [
        (["add", "juliet@localhost"], "other\n", "juliet@localhost exists."),
        (
            ["add", "juliet@elsewhere"],
            "other\n",
            "elsewhere is not among the domains known here (localhost), since there is no configuration: "
            "name the server's with --config, or put it at FOLDER/xserv.toml.",
        ),
        (["add", "juliet"], "other\n", "'juliet' is not the address of an account, expected NAME@DOMAIN."),
        (["add", "romeo@localhost"], "", "Expected the password on the first line of standard input."),
        (["passwd", "romeo@localhost"], "other\n", "romeo@localhost does not exist."),
        (["remove", "romeo@localhost"], "", "romeo@localhost does not exist."),
    ],
)
def test_what_cannot_be_done_to_accounts_is_told_in_a_sentence(
    tmp_path: Path, arguments: list[str], typed: str, sentence: str
) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="first\n")
    told = complaint("user", *arguments, "--data", tmp_path, typed=typed)
    assert told.replace(str(tmp_path), "FOLDER") == sentence


def test_adding_an_account_that_exists_changes_nothing(tmp_path: Path) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="first\n")
    complaint("user", "add", "juliet@localhost", "--data", tmp_path, typed="second\n")
    with running(tmp_path) as server:
        logged_in_over_tls(server, "juliet", "first").close()


def test_a_domain_that_the_configuration_does_not_have_names_the_configuration(tmp_path: Path) -> None:
    path = configured(tmp_path, "[server]\ndomains = ['capulet.example', 'montague.example']")
    told = complaint("user", "add", "juliet@localhost", "--data", tmp_path, typed="swordfish\n")
    assert told == (
        f"localhost is not among the domains of {path} (capulet.example, montague.example): "
        "add it there to [server] domains, or name the server's configuration with --config."
    )
    with running(tmp_path):
        told = complaint("user", "add", "juliet@localhost", "--data", tmp_path, typed="swordfish\n")
    assert told == "localhost is not served here; expected NAME@capulet.example or NAME@montague.example."


def test_a_server_that_runs_is_asked_which_domains_it_has(tmp_path: Path) -> None:
    elsewhere, data = tmp_path / "etc", tmp_path / "data"
    elsewhere.mkdir()
    path = configured(elsewhere, "[server]\ndomains = ['capulet.example']")
    with RunningServer("run", "--config", str(path), "--data", str(data)):
        succeeds("user", "add", "juliet@capulet.example", "--data", data, typed="swordfish\n")


def test_a_password_is_never_an_argument() -> None:
    assert xserv("user", "add", "juliet@localhost", "swordfish").returncode == 2


def test_accounts_are_imported_from_a_list(tmp_path: Path) -> None:
    listed = "juliet@localhost two words\n\nromeo@localhost swordfish\n"
    assert succeeds("user", "import", "-", "--data", tmp_path, typed=listed) == "2 accounts can log in now.\n"
    with running(tmp_path) as server:
        logged_in_over_tls(server, "juliet", "two words").close()


def test_a_tab_separates_address_and_password_as_well(tmp_path: Path) -> None:
    listed = "juliet@localhost\ttwo words\n\tromeo@localhost swordfish\n"
    assert succeeds("user", "import", "-", "--data", tmp_path, typed=listed) == "2 accounts can log in now.\n"
    with running(tmp_path) as server:
        logged_in_over_tls(server, "juliet", "two words").close()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("romeo@localhost", "expected an address, a space or a tab, and a password."),
        ("juliet@localhost again", "juliet@localhost is on line 1 too."),
        ("JULIET@localhost again", "juliet@localhost is on line 1 too."),
        (
            "romeo@elsewhere secret",
            "elsewhere is not among the domains known here (localhost), since there is no configuration: "
            "name the server's with --config, or put it at FOLDER/xserv.toml. Nothing was imported.",
        ),
        ("nurse@localhost secret", "nurse@localhost exists. Nothing was imported."),
    ],
)
def test_a_mistake_in_a_list_of_accounts_is_found_before_any_is_made(
    tmp_path: Path, line: str, sentence: str
) -> None:
    succeeds("user", "add", "nurse@localhost", "--data", tmp_path, typed="swordfish\n")
    path = tmp_path / "list"
    path.write_text(f"juliet@localhost swordfish\n{line}\n")
    told = complaint("user", "import", path, "--data", tmp_path)
    assert told.replace(f"at {tmp_path}", "at FOLDER") == f"{path}, line 2: {sentence}"
    assert len(succeeds("user", "list", "--data", tmp_path).splitlines()) == 1


# -- a server as a process


def test_ending_it_closes_every_stream_with_system_shutdown(tmp_path: Path) -> None:
    with RunningServer.demo() as server, RawClient(server.port) as stranger:
        stranger.open()
        name, password = "juliet", server.wait_for("Account juliet@localhost").split()[-1]
        with logged_in(server.port, name, password) as client:
            assert server.terminate() == 0
            for each in (stranger, client):
                ending = each.ending()
                assert ending.condition == "system-shutdown"
                assert ending.has_closing_tag


def test_the_next_thing_to_do_is_printed(tmp_path: Path) -> None:
    folder = tmp_path / "our server"
    folder.mkdir()
    with running(folder) as server:
        address = f"http://localhost:{server.port_for('HTTP')}"
        next_thing = server.wait_for("Next:")
        assert f"xserv user add NAME@localhost --data '{folder}', and log in with" in next_thing
        assert next_thing.endswith(f" an XMPP client, or with a browser at {address}.\n")
        with urlopen(address, timeout=PATIENCE) as page:
            assert b"Chat at localhost" in page.read()


def test_a_browser_is_named_only_where_there_is_something_for_it(tmp_path: Path) -> None:
    configured(tmp_path, "[pages]\nenabled = false\n[web_client]\nenabled = false")
    with running(tmp_path) as server:
        assert server.wait_for("Next:").endswith(" an XMPP client.\n")


def test_a_hangup_reloads_the_configuration_and_drops_nobody(tmp_path: Path) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="swordfish\n")
    configured(tmp_path, "[version]\nname = 'before'")
    with running(tmp_path) as server, logged_in_over_tls(server, "juliet", "swordfish") as client:
        assert software_name(client) == "before"
        configured(tmp_path, "[version]\nname = 'after'\n[server]\ndomains = ['localhost', 'more.example']")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("[server] domains has changed, which takes a restart")
        server.wait_for("reloaded")
        assert software_name(client) == "after"


@pytest.mark.parametrize("mistake", ["[version]\nnam = 'after'", "[tls.certificates]\nlocalhost = '/nowhere.pem'"])
def test_a_bad_configuration_is_not_taken_over(tmp_path: Path, mistake: str) -> None:
    succeeds("user", "add", "juliet@localhost", "--data", tmp_path, typed="swordfish\n")
    configured(tmp_path, "[version]\nname = 'before'")
    with running(tmp_path) as server, logged_in_over_tls(server, "juliet", "swordfish") as client:
        configured(tmp_path, mistake)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("not reloaded, everything stays as it was")
        assert software_name(client) == "before"
        assert server.terminate() == 0


def test_one_server_serves_several_domains(tmp_path: Path) -> None:
    configured(tmp_path, "[server]\ndomains = ['capulet.example', 'montague.example']")
    listed = "juliet@capulet.example swordfish\nromeo@montague.example swordfish\n"
    succeeds("user", "import", "-", "--data", tmp_path, typed=listed)
    with running(tmp_path) as server:
        for name, domain in (("juliet", "capulet.example"), ("romeo", "montague.example")):
            client = RawClient(server.port, domain=domain)
            client.start_tls()
            client.authenticate(name, "swordfish")
            client.bind("garden")
            assert client.jid == f"{name}@{domain}/garden"
            client.close()


# -- the demo


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "localhost.example"])
def test_a_demo_listens_on_loopback_addresses_only(address: str) -> None:
    told = complaint("demo", "--address", address)
    assert told == f"A demo listens on loopback addresses only, such as 127.0.0.1 or ::1, not on {address}."


@pytest.mark.parametrize("option", ["--port", "--tls-port", "--http-port", "--https-port"])
def test_a_demo_whose_port_is_taken_names_the_option_that_helps(option: str) -> None:
    ports = {"--port": "0", "--tls-port": "0", "--http-port": "0", "--https-port": "0"}
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports[option] = str(other.getsockname()[1])
        told = complaint("demo", *(each for pair in ports.items() for each in pair))
    assert told == (
        f"{option}: cannot listen on 127.0.0.1:{ports[option]}: another program listens there; stop it, or set another "
        f"port. With {option} 0 the system chooses one."
    )


def test_a_demo_ignores_the_addresses_of_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "open.toml"
    path.write_text("[listen]\naddresses = ['0.0.0.0']")
    with RunningServer.demo("--config", str(path)) as server:
        assert all("127.0.0.1" in line for line in server.said if line.startswith("Listening"))


def test_a_demo_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with RunningServer.demo() as server:
        assert os.listdir(tmp_path)
        assert server.terminate() == 0
    assert not os.listdir(tmp_path)


def test_the_people_of_a_demo_know_each_other() -> None:
    with RunningServer.demo() as server:
        said = server.wait_for("Account juliet"), server.wait_for("Account romeo")
        passwords = [line.split()[-1] for line in said]
        with (
            logged_in(server.port, "juliet", passwords[0]) as juliet,
            logged_in(server.port, "romeo", passwords[1]) as romeo,
        ):
            for client, contact, name in ((juliet, "romeo", "Romeo"), (romeo, "juliet", "Juliet")):
                [item] = client.ask("get", "<query xmlns='jabber:iq:roster'/>")[0]
                assert dict(item.attrib) == {"jid": f"{contact}@localhost", "name": name, "subscription": "both"}
                client.send("<presence/>")
            romeo.comes_before_pong()
            seen = [stanza.get("type") for stanza in juliet.comes_before_pong() if stanza.get("from") == romeo.jid]
            assert seen == [None]
            assert server.terminate() == 0


def test_a_demo_leaves_the_contacts_of_its_people_to_them(tmp_path: Path) -> None:
    with RunningServer.demo("--data", str(tmp_path)) as server:
        password = server.wait_for("Account juliet").split()[-1]
        with logged_in(server.port, "juliet", password) as juliet:
            item = "<item jid='romeo@localhost' subscription='remove'/>"
            juliet.ask("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")
        assert server.terminate() == 0
    with RunningServer.demo("--data", str(tmp_path)) as server, logged_in(server.port, "juliet", password) as juliet:
        assert len(juliet.ask("get", "<query xmlns='jabber:iq:roster'/>")[0]) == 0


def test_a_demo_with_a_data_folder_keeps_it(tmp_path: Path) -> None:
    with RunningServer.demo("--data", str(tmp_path)) as server:
        password = server.wait_for("Account juliet@localhost").split()[-1]
        assert server.terminate() == 0
    with RunningServer.demo("--data", str(tmp_path)) as server:
        logged_in(server.port, "juliet", password).close()


def test_a_demo_serves_the_domain_that_is_asked_for() -> None:
    with RunningServer.demo("--domain", "verona.example") as server:
        assert "juliet@verona.example" in server.wait_for("Account juliet")
