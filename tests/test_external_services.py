"""XEP-0215: clients are told of STUN and TURN servers, with credentials that end, and nobody else is."""

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.discovery.external_services import ExternalService, credentials
from tests.harness.in_process import Client, add_accounts, configuration, server_in, xml
from xmpp.config.configuration import ConfigError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.timestamps import parse as parse_time
from xmpp.data.wire import parse
from xmpp.server import Server

NAMESPACE = "urn:xmpp:extdisco:2"
SERVICES = f"<services xmlns='{NAMESPACE}'/>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"

STUN = {"type": "stun", "host": "stun.localhost", "port": 3478}
TURN = {"type": "turn", "host": "turn.localhost", "port": 3478, "secret": "north", "lifetime": 600}
TURNS = {**TURN, "type": "turns", "port": 5349, "transport": "tcp", "name": "Relay"}
FTP = {"type": "ftp", "host": "::1", "transport": "tcp", "username": "guest", "password": "guest"}
ALL = [STUN, TURN, {**TURN, "port": 3479}, TURNS, FTP]

ROMEO, JULIET = JID.parse("romeo@localhost"), JID.parse("juliet@localhost")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, external_services={"services": ALL}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def services(client: Client, query: str = SERVICES) -> list[dict[str, Any]]:
    """The attributes of the services in the answer."""
    return [dict(service.attrib) for service in parse(client.asks(query, to="localhost").encode())]


def asks_credentials(client: Client, *attributes: str) -> str:
    named = "".join(f"<service {each}/>" for each in attributes)
    return client.asks(f"<credentials xmlns='{NAMESPACE}'>{named}</credentials>", to="localhost")


# -- what is told


def test_all_services_are_told(romeo: Client) -> None:
    told = services(romeo)
    assert [(each["type"], each["host"], each.get("port"), each["transport"], each.get("name")) for each in told] == [
        ("stun", "stun.localhost", "3478", "udp", None),
        ("turn", "turn.localhost", "3478", "udp", None),
        ("turn", "turn.localhost", "3479", "udp", None),
        ("turns", "turn.localhost", "5349", "tcp", "Relay"),
        ("ftp", "::1", None, "tcp", None),
    ]


def test_who_needs_no_credentials_gets_none(romeo: Client) -> None:
    assert services(romeo)[0].keys() == {"type", "host", "port", "transport"}


def test_fixed_credentials_are_told_as_they_are(romeo: Client) -> None:
    assert services(romeo)[4] == {
        "type": "ftp", "host": "::1", "transport": "tcp", "restricted": "true", "username": "guest",
        "password": "guest",
    }  # fmt: skip


def test_credentials_end_when_they_say(romeo: Client) -> None:
    before = int(time.time())
    turn = services(romeo)[1]
    after = time.time()
    assert turn["restricted"] == "true"
    assert before + 600 <= parse_time(turn["expires"]) <= after + 600
    assert turn["username"].partition(":")[0] == str(int(parse_time(turn["expires"])))


def test_services_of_one_type(romeo: Client) -> None:
    answer = romeo.asks(f"<services xmlns='{NAMESPACE}' type='turn'/>", to="localhost")
    assert parse(answer.encode()).get("type") == "turn"
    assert [service.get("port") for service in parse(answer.encode())] == ["3478", "3479"]
    nothing = xml(f"<services xmlns='{NAMESPACE}' type='nntp'/>")
    assert romeo.asks(f"<services xmlns='{NAMESPACE}' type='nntp'/>", to="localhost") == nothing


def test_credentials_for_one_service(romeo: Client) -> None:
    told = parse(asks_credentials(romeo, "host='turn.localhost' type='turn'").encode())
    assert [service.get("port") for service in told] == ["3478", "3479"]
    assert all(service.get("password") for service in told)
    told = parse(asks_credentials(romeo, "host='turn.localhost' type='turn' port='3479'").encode())
    assert [service.get("port") for service in told] == ["3479"]


@pytest.mark.parametrize(
    "named",
    [
        "host='turn.localhost' type='stun'",
        "host='elsewhere' type='turn'",
        "host='turn.localhost' type='turn' port='1'",
        "host='stun.localhost' type='stun'",  # needs none
    ],
)
def test_credentials_that_there_are_none_of(romeo: Client, named: str) -> None:
    assert asks_credentials(romeo, named) == "item-not-found"


@pytest.mark.parametrize("named", [[], ["host='turn.localhost'"], ["type='turn'"], ["host='a' type='b'"] * 2])
def test_credentials_are_asked_for_by_host_and_type_of_one_service(romeo: Client, named: list[str]) -> None:
    assert asks_credentials(romeo, *named) == "bad-request"


# -- whom


def test_it_is_announced_only_where_there_are_services(server: Server, romeo: Client) -> None:
    assert f'<feature var="{NAMESPACE}">' in romeo.asks(INFO, to="localhost")
    server.reload(configuration())
    assert NAMESPACE not in romeo.asks(INFO, to="localhost")
    assert romeo.asks(SERVICES, to="localhost") == "service-unavailable"


def test_services_are_the_servers_and_nobody_elses(romeo: Client) -> None:
    assert romeo.asks(SERVICES) == "service-unavailable"
    assert romeo.asks(SERVICES, to="juliet@localhost") == "service-unavailable"


@pytest.mark.parametrize("stranger", ["mallory@elsewhere/x", "elsewhere", "localhost"])
@pytest.mark.parametrize("request_", [SERVICES, f"<credentials xmlns='{NAMESPACE}'/>"])
def test_strangers_are_refused(server: Server, stranger: str, request_: str) -> None:
    answers: list[Stanza] = []

    class Elsewhere:
        def send(self, stanza: Stanza) -> None:
            answers.append(stanza)

    iq = parse(f"<iq type='get' id='q' from='{stranger}' to='localhost'>{request_}</iq>".encode())
    server.router.route(Stanza.read(iq, origin=Elsewhere()))
    [answer] = answers
    assert b"<forbidden " in answer.wire()


# -- credentials


def turn(**changes: Any) -> ExternalService:
    return ExternalService(**{**TURN, **changes})


def test_the_password_is_the_hmac_of_the_username() -> None:
    given = credentials(turn(), ROMEO, 1_000_000.5)
    assert given is not None
    assert given.username.startswith("1000600:") and given.expires == 1_000_600
    expected = hmac.new(b"north", given.username.encode(), hashlib.sha1).digest()
    assert given.password == b64encode(expected).decode()


def test_the_username_says_nothing_but_is_ones_own() -> None:
    names = [credentials(turn(), account, now) for account, now in ((ROMEO, 1), (ROMEO, 2), (JULIET, 1))]
    first, second, other = [name.username.partition(":")[2] for name in names if name is not None]
    assert first == second != other
    assert "romeo" not in first


# -- settings


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"password": "x"}, "services #1: expected both a username and a password, or none."),
        ({"username": "x"}, "services #1: expected both a username and a password, or none."),
        ({"username": "x", "password": "y", "secret": "z"}, "#1: expected either a secret, or a username and a passw"),
        ({"type": "a b"}, 'services #1 type: expected a type such as stun or turn, found "a b".'),
        ({"host": "turn:user@host/"}, 'services #1 host: expected the name or the IP address of a host alone; its'),
        ({"port": 0}, 'services #1 port: expected a whole number from 1 to 65535, or "", found 0.'),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration(external_services={"services": [{**STUN, **changes}]})
    assert message in str(caught.value)


def test_secrets_are_not_shown() -> None:
    shown = repr(configuration(external_services={"services": [TURN, FTP]}))
    assert "turn.localhost" in shown and "north" not in shown and "password='guest'" not in shown
