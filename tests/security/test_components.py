"""Components that speak for others, strangers at the port for components, and components that cost others something."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket

from tests.harness.comparisons import noted_comparisons
from tests.harness.components import (
    BRIDGE,
    ELSEWHERE,
    HEADER,
    OTHER,
    SECRET,
    Component,
    domain_of,
    handshake,
    listener_of,
    server_with_components,
    wait_until,
)
from tests.harness.in_process import Client, online
from xmpp.server import Server

MESSAGE = "<message from='{}' to='romeo@localhost' type='chat'><body>hi</body></message>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_components(tmp_path) as server:
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    return online(server, "romeo@localhost/orchard")


def messages(client: Client) -> list[str]:
    return [stanza for stanza in client.received() if stanza.startswith("<message")]


# -- speaking for others


@pytest.mark.parametrize(
    "sender",
    [
        "localhost",
        "juliet@localhost",
        OTHER,
        f"a@{ELSEWHERE}",
        f"sub.{BRIDGE}",
        "xbridge.localhost",
        f"{BRIDGE}.example",
        "somebody@montague.example",
    ],
)
@pytest.mark.parametrize(
    "stanza",
    [
        MESSAGE,
        "<presence from='{}' to='romeo@localhost'/>",
        "<iq from='{}' to='localhost' type='get' id='1'><x xmlns='u:x'/></iq>",
    ],
)
def test_row_53_a_component_speaks_for_its_own_domain_alone(
    server: Server, romeo: Client, sender: str, stanza: str
) -> None:
    with Component.attached(server) as bridge:
        bridge.send(stanza.format(sender) + MESSAGE.format(f"nurse@{BRIDGE}"))
        assert bridge.last_words() == ["invalid-from"]
    assert romeo.received() == [], "nothing that comes after it is taken either"


@pytest.mark.parametrize("sender", [BRIDGE, f"nurse@{BRIDGE}", f"nurse@{BRIDGE}/x", f"nurse@{BRIDGE.upper()}"])
def test_row_53_it_speaks_for_all_who_are_there(server: Server, romeo: Client, sender: str) -> None:
    with Component.attached(server) as bridge:
        bridge.send(MESSAGE.format(sender))
        assert bridge.comes_before_pong() == []
    [message] = messages(romeo)
    assert f'from="{sender.lower()}"' in message


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='romeo@localhost'><body>hi</body></message>",
        "<message from='' to='romeo@localhost'><body>hi</body></message>",
        "<message from='a@@b' to='romeo@localhost'><body>hi</body></message>",
        f"<message from='{BRIDGE}'><body>hi</body></message>",
        f"<presence from='{BRIDGE}'/>",
    ],
)
def test_row_53_each_stanza_says_from_whom_it_is_and_to_whom(server: Server, romeo: Client, stanza: str) -> None:
    with Component.attached(server) as bridge:
        bridge.send(stanza)
        assert bridge.last_words() == ["improper-addressing"]
    assert romeo.received() == []


def test_row_53_a_component_that_is_not_attached_any_more_says_nothing(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"replace": True}) as server:
        romeo = online(server, "romeo@localhost/orchard")
        with Component.attached(server) as first, Component.attached(server):
            first.send(MESSAGE.format(BRIDGE))
            assert first.last_words() == ["conflict"]
        assert messages(romeo) == []


# -- the secret


def test_row_10_the_secret_is_compared_in_constant_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = noted_comparisons(monkeypatch)
    with Component(server) as bridge:
        bridge.opens()
        expected = handshake(bridge.header["id"], SECRET)
        assert bridge.shakes_hands("another") == "not-authorized"
    assert [other for _, other in compared] == [expected.encode()]


def test_row_29_a_handshake_is_good_for_its_own_stream_alone(server: Server) -> None:
    with Component(server) as heard, Component(server) as bridge:
        heard.opens()
        bridge.opens()
        bridge.send(f"<handshake>{handshake(heard.header['id'], SECRET)}</handshake>")
        assert bridge.last_words() == ["not-authorized"]


def test_row_55_no_secret_is_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with Component(server) as bridge:
        bridge.opens()
        bridge.shakes_hands("another")
        tried = handshake(bridge.header["id"], "another")
        expected = handshake(bridge.header["id"], SECRET)
    assert "it has another secret for the component bridge.localhost" in caplog.text
    assert not [secret for secret in (SECRET, tried, expected) if secret in caplog.text]


# -- strangers


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>", "restricted-xml"),
        ("<handshake>" + "x" * 20_000, "policy-violation"),
        ("<handshake>" + "<a>" * 40, "policy-violation"),
        ("<x xmlns='u:x'/>", "unsupported-stanza-type"),
        ("<a", None),
    ],
)
def test_row_05_a_stranger_fills_no_memory(server: Server, data: str, condition: str | None) -> None:
    with Component(server) as stranger:
        stranger.opens()
        stranger.send(data)
        if condition:
            assert stranger.last_words() == [condition]
    with Component.attached(server) as bridge:
        assert bridge.comes_before_pong() == []


def test_row_05_a_component_has_a_limit_too(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"stanza_bytes": 10_000}) as server:
        with Component.attached(server) as bridge:
            bridge.send(MESSAGE.format(BRIDGE).replace("hi", "x" * 20_000))
            assert bridge.last_words() == ["policy-violation"]
        with Component.attached(server) as bridge:
            bridge.send(MESSAGE.format(BRIDGE).replace("hi", "x" * 9_000))
            assert bridge.comes_before_pong() == []


def test_row_06_its_stanzas_have_as_many_elements_and_nest_as_deep_as_a_clients(tmp_path: Path) -> None:
    limits = {"stanza_elements": 500, "stanza_depth": 20}
    with server_with_components(tmp_path, streams=limits) as server:
        romeo = online(server, "romeo@localhost/orchard")
        with Component.attached(server) as bridge:
            bridge.send(MESSAGE.format(BRIDGE).replace("hi", "hi</body>" + "<x xmlns='u:x'/>" * 400 + "<body>"))
            assert bridge.comes_before_pong() == []
            assert len(messages(romeo)) == 1
            bridge.send(MESSAGE.format(BRIDGE).replace("hi", "<x xmlns='u:x'>" * 30 + "</x>" * 30))
            assert bridge.last_words() == ["policy-violation"]
        with Component.attached(server) as bridge:
            bridge.send(MESSAGE.format(BRIDGE).replace("hi", "<x xmlns='u:x'/>" * 600))
            assert bridge.last_words() == ["policy-violation"]
    assert messages(romeo) == []


def test_row_07_who_does_not_shake_hands_in_time_is_told_so(tmp_path: Path) -> None:
    with (
        server_with_components(tmp_path, streams={"login_seconds": 1}) as server,
        Component(server) as silent,
        Component.attached(server) as bridge,
    ):
        silent.opens()
        assert silent.last_words() == ["connection-timeout"]
        assert bridge.comes_before_pong() == []


def test_row_101_strangers_have_so_many_places_and_components_their_own(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"strangers": 3}) as server:
        bridge, other = Component.attached(server), Component.attached(server, OTHER)
        strangers = [Component(server) for _ in range(3)]
        for stranger in strangers:
            stranger.opens()
        with Component(server) as one_more:
            assert one_more.last_words() == []  # closed at once
        strangers[0].send("<x")
        for stranger in strangers:
            stranger.gone()
        wait_until(lambda: len(listener_of(server).streams) == 2)
        with Component.attached(server, ELSEWHERE) as bot:
            assert bot.comes_before_pong() == bridge.comes_before_pong() == other.comes_before_pong() == []


def test_row_101_who_only_lingers_makes_room(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"strangers": 2}, streams={"close_seconds": 60}) as server:
        lingering = [Component(server) for _ in range(2)]
        for each in lingering:
            each.opens(HEADER.replace("{}", "nobody.localhost"))
        with Component.attached(server) as bridge:
            assert bridge.comes_before_pong() == []
        for each in lingering:
            each.gone()


# -- one component costs no other


def test_row_30_one_that_does_not_read_costs_its_own_senders_alone(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"waiting_stanzas": 20, "waiting_bytes": 4_000_000}) as server:
        romeo, juliet = (online(server, f"{name}@localhost/x") for name in ("romeo", "juliet"))
        stuck = Component.attached(server)
        narrow(server)
        with Component.attached(server, OTHER) as other:
            refused = 0
            for number in range(100):
                came = romeo.sends(f"<message to='a@{BRIDGE}' id='{number}'><body>{'x' * 50_000}</body></message>")
                refused += any("<resource-constraint " in stanza for stanza in came)
                romeo.sends(f"<message to='b@{OTHER}'><body>{number}</body></message>")
                assert f"<body>{number}</body>" in other.next()
                romeo.sends(f"<message to='juliet@localhost/x'><body>{number}</body></message>")
                assert f"<body>{number}</body>" in messages(juliet)[-1]
            assert refused > 0
            assert domain_of(server).waiting <= 20
        stuck.hangs_up()


def narrow(server: Server) -> None:
    """Have the kernel take little for the bridge."""
    stream = domain_of(server).stream
    assert stream is not None
    stream.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)


def test_row_30_what_it_does_not_read_in_time_goes_back(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"waiting_seconds": 1}) as server:
        romeo = online(server, "romeo@localhost/orchard")
        stuck = Component.attached(server)
        narrow(server)
        for number in range(10):
            romeo.sends(f"<message to='a@{BRIDGE}' id='{number}'><body>{'x' * 50_000}</body></message>")
        assert domain_of(server).waiting > 0
        wait_until(lambda: domain_of(server).waiting == 0)
        errors = messages(romeo)
        assert errors
        assert all('<error type="wait"><service-unavailable ' in error for error in errors)
        stuck.hangs_up()


def test_row_111_a_flood_from_one_component_starves_nobody(server: Server) -> None:
    flooding, over = Component.attached(server), False

    def flood() -> None:
        chunk = f"<message type='error' from='{BRIDGE}' to='nobody@localhost'><body>no answer</body></message>" * 1000
        while not over:
            flooding.send(chunk)

    flooder = gevent.spawn(flood)
    try:
        with Component.attached(server, OTHER) as other:
            for _ in range(30):  # each is answered while more of the flood waits to be read
                assert other.comes_before_pong() == []
    finally:
        over = True
        flooder.join()
    assert flooding.comes_before_pong() == []


def test_row_111_thousands_that_go_back_are_told_in_portions(tmp_path: Path, small_portions: None) -> None:
    with server_with_components(tmp_path, components={"waiting_seconds": 1}) as server:
        romeo = online(server, "romeo@localhost/orchard")
        for number in range(50):
            romeo.sends(f"<message to='a@{BRIDGE}' id='{number}'><body>hi</body></message>")
        turns = list[int]()
        wait_until(lambda: domain_of(server).waiting == 0)
        while sum(turns) < 50:
            turns.append(len(messages(romeo)))
            gevent.sleep(0.0001)
        assert max(turns) < 50
        assert sum(turns) == 50


def test_row_103_one_that_breaks_off_in_the_middle_of_a_stanza_breaks_nothing(server: Server, romeo: Client) -> None:
    bridge = Component.attached(server)
    bridge.send(MESSAGE.format(BRIDGE)[:-5])
    bridge.hangs_up()
    assert messages(romeo) == []
    with Component.attached(server) as again:
        again.send(MESSAGE.format(BRIDGE))
        assert again.comes_before_pong() == []
    assert len(messages(romeo)) == 1
