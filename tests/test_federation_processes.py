"""Whole servers that federate, started as their administrators start them: where they are, from settings; certificates
and the authority that is trusted, from files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness.authority import Authority
from tests.harness.commandline import complaint
from tests.harness.ports import free_port
from tests.harness.rawclient import RawClient
from tests.harness.servers import RunningServer

DOMAINS, PUBLIC = ("a.test", "b.test"), ("a.example.org", "b.example.org")
CONFIGURATION = """
[server]
domains = ["{domain}"]
[listen]
addresses = ["127.0.0.1"]
port = 0
tls_port = 0
https_port = -1
http_port = 0
server_port = {server_port}
server_tls_port = -1
[tls]
certificates = {{"{domain}" = "{certificate}"}}
[federation]
mode = "{mode}"
authorities = "{authority}"
[dialling]
routes = {{"{other}" = "127.0.0.1:{other_port}"}}
[register]
enabled = true
open = true
[sasl]
iterations = 4096
"""


def configured(
    folder: Path, number: int, ports: tuple[int, int], authority: Authority, mode: str, domains: Sequence[str] = DOMAINS
) -> Path:
    domain, other = domains[number], domains[1 - number]
    data = folder / domain
    data.mkdir()
    (data / "xserv.toml").write_text(
        CONFIGURATION.format(
            domain=domain,
            other=other,
            server_port=ports[number],
            other_port=ports[1 - number],
            certificate=authority.issue(domain, f"*.{domain}").write(data / "certificate"),
            authority=authority.write_root(folder / "root.pem"),
            mode=mode,
        )
    )
    return data


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[RunningServer]]:
    authority, ports = Authority(), (free_port(), free_port())
    folders = [configured(tmp_path, number, ports, authority, "open") for number in (0, 1)]
    first, second = (RunningServer("run", "--data", str(folder)) for folder in folders)
    with first, second:
        yield [first, second]


def somebody(server: RunningServer, domain: str, name: str) -> RawClient:
    """Somebody new, who is logged in and available."""
    client = RawClient(server.port, domain=domain)
    client.start_tls()
    client.register(name, "secret of mine")
    client.authenticate(name, "secret of mine")
    client.bind("x")
    client.send("<presence/>")
    client.receive()
    return client


def test_messages_pass_both_ways_and_a_server_that_is_gone_is_told_of(servers: list[RunningServer]) -> None:
    with somebody(servers[0], "a.test", "juliet") as juliet, somebody(servers[1], "b.test", "romeo") as romeo:
        juliet.send("<message to='romeo@b.test/x' type='chat' id='1'><body>hi</body></message>")
        assert romeo.receive().get("from") == "juliet@a.test/x"
        romeo.send("<message to='juliet@a.test/x' type='chat' id='1'><body>hi</body></message>")
        assert juliet.receive().get("from") == "romeo@b.test/x"
        assert servers[1].terminate() == 0
        juliet.send("<message to='romeo@b.test/x' type='chat' id='2'><body>hi</body></message>")
        error = juliet.receive()
        assert (error.get("id"), error.get("type")) == ("2", "error")


def test_where_others_can_find_the_domain_their_servers_are_listened_for(tmp_path: Path) -> None:
    data = configured(tmp_path, 0, (free_port(), free_port()), Authority(), "auto", PUBLIC)
    with RunningServer("run", "--data", str(data)) as server:
        assert server.port_for("servers, STARTTLS")


@pytest.mark.parametrize(("mode", "domains"), [("auto", DOMAINS), ("closed", PUBLIC)])
def test_where_nobody_elsewhere_could_find_the_domain_or_none_may_no_server_is_listened_for(
    tmp_path: Path, mode: str, domains: Sequence[str]
) -> None:
    ours, theirs = domains
    data = configured(tmp_path, 0, (free_port(), free_port()), Authority(), mode, domains)
    with RunningServer("run", "--data", str(data)) as server, somebody(server, ours, "juliet") as juliet:
        assert not [line for line in server.said if "servers" in line]
        juliet.send(f"<message to='romeo@{theirs}' type='chat' id='1'><body>hi</body></message>")
        error = juliet.receive()
        assert error.find(".//{*}remote-server-not-found") is not None
        assert error.findtext(".//{*}text") == "this server does not talk to others"
        assert "does not talk to others" in complaint("federation", "list", "--data", data)


def test_people_elsewhere_see_go_who_sleeps_when_the_server_stops(servers: list[RunningServer]) -> None:
    with somebody(servers[0], "a.test", "juliet") as juliet, somebody(servers[1], "b.test", "romeo") as romeo:
        romeo.send("<presence to='juliet@a.test' type='subscribe'/>")
        assert juliet.receive().get("type") == "subscribe"
        juliet.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        assert juliet.receive().tag == "{urn:xmpp:sm:3}enabled"
        juliet.send("<presence to='romeo@b.test' type='subscribed'/>")
        while romeo.receive().get("from") != "juliet@a.test/x":
            pass
        juliet.close()
        assert servers[0].terminate() == 0
        gone = romeo.receive()
        assert (gone.get("from"), gone.get("type")) == ("juliet@a.test/x", "unavailable")
