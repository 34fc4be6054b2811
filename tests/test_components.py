"""XEP-0114: components connect with a secret, and exchange stanzas for their domain."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import socket

import assembly
from db import rosters
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
from xmpp.components.stream import handshake as expected_handshake
from xmpp.config.datafolder import DataFolder
from xmpp.data.jid import JID
from xmpp.server import Server

BODY = "<body>hi</body>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_components(tmp_path) as server:
        yield server


@pytest.fixture
def romeo(server: Server) -> Client:
    return online(server, "romeo@localhost/orchard")


@pytest.fixture
def bridge(server: Server) -> Iterator[Component]:
    with Component.attached(server) as bridge:
        yield bridge


# -- the handshake


def test_the_handshake_is_that_of_the_examples_algorithm() -> None:
    assert expected_handshake("id", "secret") == "2555325ab8349486fb4f5bb190bf753b87a5bbc8"


def test_our_header_names_the_component_and_an_id_that_cannot_be_guessed(server: Server) -> None:
    with Component(server) as one, Component(server) as other:
        one.opens()
        other.opens()
        assert one.header["from"] == BRIDGE
        assert len(one.header["id"]) == 32
        assert one.header["id"] != other.header["id"]
        assert one.header.keys() == {"from", "id"}


def test_who_knows_the_secret_is_attached(server: Server) -> None:
    with Component(server) as bridge:
        bridge.opens()
        assert bridge.shakes_hands(SECRET) == "handshake"
        assert domain_of(server).stream is not None


@pytest.mark.parametrize("secret", ["another secret", "", SECRET.upper()])
def test_who_does_not_know_it_is_not_authorized(server: Server, secret: str) -> None:
    with Component(server) as bridge:
        bridge.opens()
        assert bridge.shakes_hands(secret) == "not-authorized"
        assert bridge.last_words() == []
    assert domain_of(server).stream is None


def test_the_secret_of_one_component_is_none_of_anothers(tmp_path: Path) -> None:
    secrets = {BRIDGE: SECRET, OTHER: "s" * 20}
    with server_with_components(tmp_path, components={"secrets": secrets}) as server, Component(server, OTHER) as other:
        other.opens()
        assert other.shakes_hands(SECRET) == "not-authorized"


@pytest.mark.parametrize("digest", ["upper", "empty"])
def test_the_handshake_is_in_lower_case(server: Server, digest: str) -> None:
    with Component(server) as bridge:
        bridge.opens()
        text = handshake(bridge.header["id"], SECRET).upper() if digest == "upper" else ""
        bridge.send(f"<handshake>{text}</handshake>")
        assert bridge.last_words() == ["not-authorized"]


@pytest.mark.parametrize(
    ("header", "condition"),
    [
        (HEADER.replace("{}", "nobody.localhost"), "host-unknown"),
        (HEADER.replace("{}", "localhost"), "host-unknown"),
        (HEADER.replace("{}", "a@@b"), "improper-addressing"),
        (HEADER.replace(" to='{}'", ""), "improper-addressing"),
        (HEADER.replace("component:accept", "client"), "invalid-namespace"),
        (HEADER.replace("component:accept", "component:connect"), "invalid-namespace"),
    ],
)
def test_a_header_that_will_not_do_is_answered_with_a_header_and_an_error(
    server: Server, header: str, condition: str
) -> None:
    with Component(server) as bridge:
        bridge.opens(header)
        assert bridge.header["id"]
        assert bridge.last_words() == [condition]


@pytest.mark.parametrize("stanza", ["<message from='bridge.localhost' to='romeo@localhost'/>", "<handshake/>"])
def test_nothing_is_taken_before_the_handshake(server: Server, romeo: Client, stanza: str) -> None:
    with Component(server) as bridge:
        bridge.opens()
        bridge.send(stanza)
        assert bridge.last_words() == ["not-authorized"]
    assert romeo.received() == []


def test_a_second_handshake_ends_the_stream(bridge: Component) -> None:
    bridge.send(f"<handshake>{handshake(bridge.header['id'], SECRET)}</handshake>")
    assert bridge.last_words() == ["not-authorized"]


def test_a_component_that_is_connected_already_is_a_conflict(server: Server, bridge: Component) -> None:
    with Component(server) as second:
        second.opens()
        assert second.shakes_hands() == "conflict"
        assert second.last_words() == []
    assert bridge.comes_before_pong() == []


def test_it_replaces_the_older_connection_where_that_is_set(tmp_path: Path) -> None:
    with (
        server_with_components(tmp_path, components={"replace": True}) as server,
        Component.attached(server) as first,
        Component.attached(server) as second,
    ):
        assert first.last_words() == ["conflict"]
        online(server, "romeo@localhost/orchard").sends(f"<message to='a@{BRIDGE}'>{BODY}</message>")
        assert BODY in second.next()


def test_it_can_connect_again_once_it_is_gone(server: Server, bridge: Component) -> None:
    bridge.closes()
    with Component.attached(server) as again:
        again.hangs_up()
    with Component.attached(server) as again:
        assert again.comes_before_pong() == []


def test_several_components_are_attached_at_a_time(server: Server, bridge: Component, romeo: Client) -> None:
    with Component.attached(server, OTHER) as other, Component.attached(server, ELSEWHERE) as bot:
        for each in (bridge, other, bot):
            romeo.sends(f"<message to='someone@{each.domain}' type='chat'>{BODY}</message>")
            assert f'to="someone@{each.domain}"' in each.next()


def test_components_write_to_each_other(server: Server, bridge: Component) -> None:
    with Component.attached(server, ELSEWHERE) as bot:
        bridge.send(f"<message from='a@{BRIDGE}' to='b@{ELSEWHERE}'>{BODY}</message>")
        assert bot.next() == f'<message from="a@{BRIDGE}" to="b@{ELSEWHERE}">{BODY}</message>'


# -- stanzas


def test_messages_go_both_ways(bridge: Component, romeo: Client) -> None:
    assert romeo.sends(f"<message to='nurse@{BRIDGE}' type='chat' id='m'>{BODY}</message>") == []
    assert bridge.next() == (
        f'<message from="romeo@localhost/orchard" id="m" to="nurse@{BRIDGE}" type="chat">{BODY}</message>'
    )
    bridge.send(f"<message from='nurse@{BRIDGE}/kitchen' to='romeo@localhost' type='chat' id='n'>{BODY}</message>")
    assert bridge.comes_before_pong() == []
    assert romeo.received() == [
        f'<message from="nurse@{BRIDGE}/kitchen" id="n" to="romeo@localhost" type="chat">{BODY}</message>'
    ]


def test_requests_are_answered_both_ways(bridge: Component, romeo: Client) -> None:
    ping = "<ping xmlns='urn:xmpp:ping'/>"
    answer = bridge.asks(f"<iq type='get' id='p' from='{BRIDGE}' to='localhost'>{ping}</iq>")
    assert answer == f'<iq from="localhost" id="p" to="{BRIDGE}" type="result"></iq>'
    romeo.sends(f"<iq type='get' id='q' to='{BRIDGE}'>{ping}</iq>")
    assert 'id="q"' in bridge.next()
    bridge.send(f"<iq type='result' id='q' from='{BRIDGE}' to='romeo@localhost/orchard'/>")
    assert bridge.comes_before_pong() == []
    assert romeo.received() == [f'<iq from="{BRIDGE}" id="q" to="romeo@localhost/orchard" type="result"></iq>']


def test_its_people_are_contacts_as_those_of_another_server(bridge: Component, server: Server, romeo: Client) -> None:
    nurse = f"nurse@{BRIDGE}"
    romeo.sends("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    romeo.sends(f"<presence to='{nurse}' type='subscribe'/>")
    assert bridge.next() == f'<presence from="romeo@localhost" to="{nurse}" type="subscribe"></presence>'
    bridge.send(f"<presence from='{nurse}' to='romeo@localhost' type='subscribed'/>")
    bridge.send(f"<presence from='{nurse}/kitchen' to='romeo@localhost'><show>away</show></presence>")
    bridge.send(f"<presence from='{nurse}' to='romeo@localhost' type='subscribe'/>")
    assert bridge.next() == f'<presence from="romeo@localhost" to="{nurse}" type="unavailable"></presence>'
    assert any("<show>away</show>" in stanza for stanza in romeo.received())
    romeo.sends(f"<presence to='{nurse}' type='subscribed'/>")
    assert 'type="subscribed"' in bridge.next()
    assert bridge.next().startswith('<presence from="romeo@localhost/orchard"')
    item = rosters.item(server.db, JID.parse("romeo@localhost"), JID.parse(nurse))
    assert item is not None
    assert item.subscription == "both"


def test_what_the_blocked_send_does_not_arrive(bridge: Component, romeo: Client) -> None:
    romeo.sends(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{BRIDGE}'/></block></iq>")
    answer = bridge.asks(f"<message from='nurse@{BRIDGE}' to='romeo@localhost' type='chat'>{BODY}</message>")
    assert "service-unavailable" in answer
    assert romeo.received() == []


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        ("<message to='nobody@localhost' type='chat'><body>hi</body></message>", "service-unavailable"),
        ("<message to='someone@nowhere.example'><body>hi</body></message>", "remote-server-not-found"),
        ("<message to='a@@b'><body>hi</body></message>", "jid-malformed"),
        ("<iq type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", "bad-request"),
        ("<iq type='get' id='1' to='localhost'/>", "bad-request"),
        ("<iq type='what' id='1' to='localhost'/>", "bad-request"),
        ("<presence type='what' to='romeo@localhost'/>", "bad-request"),
        ("<iq type='get' id='1' to='localhost'><unknown xmlns='u:x'/></iq>", "service-unavailable"),
        ("<iq type='get' id='1' to='romeo@localhost'><query xmlns='jabber:iq:roster'/></iq>", "forbidden"),
    ],
)
def test_a_stanza_that_cannot_be_handled_is_answered(bridge: Component, stanza: str, condition: str) -> None:
    answer = bridge.asks(stanza.replace(" to=", f" from='a@{BRIDGE}/x' to="))
    assert 'type="error"' in answer
    assert f'to="a@{BRIDGE}/x"' in answer
    assert f"<{condition} " in answer


def test_an_error_from_a_component_is_not_answered(bridge: Component) -> None:
    bridge.send(f"<message type='error' from='a@{BRIDGE}' to='nobody@localhost'/>")
    bridge.send(f"<iq type='result' id='x' from='a@{BRIDGE}' to='a@@b'/>")
    assert bridge.comes_before_pong() == []


# -- what people see of it


def test_a_component_is_among_the_items_of_the_domain_it_is_beneath_or_of_all(tmp_path: Path) -> None:
    secrets = dict.fromkeys(("bridge.a.example", "x.bridge.b.example", "bot.test"), SECRET)
    domains = {"domains": ["localhost", "a.example", "b.example", "bridge.b.example"]}
    with server_with_components(tmp_path, components={"secrets": secrets}, server=domains) as server:
        romeo = Client(server, "romeo@localhost/orchard")

        def components_of(domain: str) -> list[str]:
            items = romeo.asks("<query xmlns='http://jabber.org/protocol/disco#items'/>", to=domain)
            return [each for each in secrets if f'jid="{each}"' in items]

        assert components_of("localhost") == ["bot.test"]
        assert components_of("a.example") == ["bridge.a.example", "bot.test"]
        assert components_of("b.example") == ["bot.test"]
        assert components_of("bridge.b.example") == ["x.bridge.b.example", "bot.test"]


def test_it_takes_the_place_of_a_service_of_ours_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = {"rooms.localhost": SECRET}
    with server_with_components(tmp_path, components={"secrets": secrets}) as server:
        assert "rooms.localhost is answered by a component, so there is no service rooms there" in caplog.text
        romeo = Client(server, "romeo@localhost/orchard")
        items = romeo.asks("<query xmlns='http://jabber.org/protocol/disco#items'/>", to="localhost")
        assert items.count("rooms.localhost") == 1
        with Component.attached(server, "rooms.localhost") as rooms:
            romeo.sends("<iq type='get' id='1' to='rooms.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
            assert 'id="1"' in rooms.next()


def test_a_server_without_components_opens_no_port_for_them(tmp_path: Path) -> None:
    file = tmp_path / "xserv.toml"
    file.write_text("[components]\nport = 0")
    with assembly.opened_server(DataFolder(tmp_path / "data"), assembly.read_configuration(file)) as server:
        assert len(server.listeners) == 1
    file.write_text(f"[components]\nport = 0\nsecrets = {{'{BRIDGE}' = '{SECRET}'}}")
    with assembly.opened_server(DataFolder(tmp_path / "other"), assembly.read_configuration(file)) as server:
        assert listener_of(server).domains.keys() == {BRIDGE}


def test_a_component_is_told_that_the_server_stops(tmp_path: Path) -> None:
    with server_with_components(tmp_path) as server:
        bridge = Component.attached(server)
        server.stop()
        assert bridge.last_words() == ["system-shutdown"]


def test_who_wrote_what_still_waits_when_the_server_stops_is_told(server: Server, romeo: Client) -> None:
    romeo.sends(f"<message to='nurse@{BRIDGE}' id='m'>{BODY}</message>")
    server.stop()
    [error] = [stanza for stanza in romeo.received() if stanza.startswith("<message")]
    assert "<service-unavailable " in error


# -- while it is away


def test_what_comes_while_it_is_away_for_a_moment_waits_for_it(server: Server, romeo: Client) -> None:
    for number in range(3):
        assert romeo.sends(f"<message to='nurse@{BRIDGE}' id='{number}'>{BODY}</message>") == []
    with Component.attached(server) as bridge:
        assert [f'id="{number}"' in bridge.next() for number in range(3)] == [True] * 3
        assert domain_of(server).waiting == 0


def test_what_waits_for_too_long_goes_back(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"waiting_seconds": 1}) as server:
        romeo = online(server, "romeo@localhost/orchard")
        romeo.sends(f"<message to='nurse@{BRIDGE}' id='m'>{BODY}</message>")
        romeo.sends(f"<presence to='nurse@{BRIDGE}' type='unavailable'/>")
        wait_until(lambda: domain_of(server).waiting == 0)
        [error] = romeo.received()
        assert '<error type="wait"><service-unavailable ' in error
        assert 'id="m"' in error
        assert f'from="nurse@{BRIDGE}"' in error
        [at_once] = romeo.sends(f"<message to='nurse@{BRIDGE}' id='n'>{BODY}</message>")
        assert '<error type="wait"><service-unavailable ' in at_once
        assert romeo.sends(f"<presence to='nurse@{BRIDGE}' type='unavailable'/>") == []
        with Component.attached(server) as bridge:
            assert bridge.comes_before_pong() == []


@pytest.mark.parametrize("limit", [{"waiting_stanzas": 2}, {"waiting_bytes": 10_000}])
def test_so_much_waits_and_the_newest_goes_back(tmp_path: Path, limit: dict[str, int]) -> None:
    with server_with_components(tmp_path, components=limit) as server:
        romeo = online(server, "romeo@localhost/orchard")
        message = f"<message to='nurse@{BRIDGE}' id='{{}}'><body>{'x' * 4_500}</body></message>"
        assert romeo.sends(message.format(1)) == []
        assert romeo.sends(message.format(2)) == []
        [error] = romeo.sends(message.format(3))
        assert '<error type="wait"><resource-constraint ' in error
        with Component.attached(server) as bridge:
            assert 'id="1"' in bridge.next()
            assert 'id="2"' in bridge.next()
            assert bridge.comes_before_pong() == []


def test_what_it_had_no_chance_to_read_waits_for_its_next_connection_in_order(server: Server, romeo: Client) -> None:
    bridge = Component.attached(server)
    stream = domain_of(server).stream
    assert stream is not None
    stream.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    body = f"<body>{'x' * 100_000}</body>"
    sent = 40
    for number in range(sent):
        romeo.sends(f"<message to='nurse@{BRIDGE}' id='{number}'>{body}</message>")
    with Component.attached(server, OTHER) as other:
        assert other.comes_before_pong() == []  # the loop has had its turns
    before = domain_of(server).waiting
    assert 0 < before < sent
    bridge.hangs_up()
    assert domain_of(server).waiting > before  # what was in the outbox, too
    waiting = domain_of(server).waiting
    with Component.attached(server) as again:
        for number in range(sent - waiting, sent):
            assert f'id="{number}"' in again.next()
        assert again.comes_before_pong() == []


def test_those_who_wrote_what_it_may_not_have_read_are_told(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"confirm_seconds": 3600}) as server:
        romeo = online(server, "romeo@localhost/orchard")
        bridge = Component.attached(server)
        romeo.sends(f"<message to='nurse@{BRIDGE}' id='m'>{BODY}</message>")
        assert 'id="m"' in bridge.next()
        bridge.hangs_up()
        [error] = romeo.received()
        assert "the connection to that component broke, so this may not have arrived" in error
        with Component.attached(server) as again:
            assert again.comes_before_pong() == []


def test_who_has_answered_a_ping_has_read_all_before_it(tmp_path: Path) -> None:
    with server_with_components(tmp_path, components={"confirm_seconds": 1}) as server:
        romeo = online(server, "romeo@localhost/orchard")
        bridge = Component.attached(server)
        stream = domain_of(server).stream
        assert stream is not None
        romeo.sends(f"<message to='nurse@{BRIDGE}' id='m'>{BODY}</message>")
        assert 'id="m"' in bridge.next()
        assert len(stream.left().doubtful) == 1
        bridge.answers_a_ping()
        assert bridge.comes_before_pong() == []
        assert 'id="m"' not in str([each.stanza for each in stream.left().doubtful])
        bridge.hangs_up()
        assert not [stanza for stanza in romeo.received() if 'id="m"' in stanza]
