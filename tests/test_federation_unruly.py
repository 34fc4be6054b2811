"""Servers that do not keep to the rules, and people here who make use of that: nothing is lost without a word, and
nobody else is kept waiting; without TLS, with servers that the test plays."""

import logging
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.harness.federated import Directory, all_until, federated, federation_of, next_of, somebody
from tests.harness.peer_servers import DIALBACK, FEATURES, SM, PeerServer, PeerStream, agree
from xmpp.server import Server

CHAT = "<message to='{}' type='chat' id='{}'><body>{}</body></message>"
ERROR = (
    "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{}</text></stream:error>"
)


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    with federated(tmp_path, directory, "a.example", federation={"without_tls": ["c.example"]}) as one:
        yield one


@pytest.fixture
def peer(directory: Directory) -> Iterator[PeerServer]:
    """The server that is dialled for c.example."""
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        yield peer


def agreed(peer: PeerServer, features: str = DIALBACK) -> PeerStream:
    """The next stream that ours opens, up to where dialback has shown who it is."""
    stream = peer.accepts()
    stream.answers(features)
    stream.next()
    stream.send("<db:result from='c.example' to='a.example' type='valid'/>")
    return stream


def test_features_that_come_again_do_not_make_ours_forget_what_was_not_confirmed(
    server: Server, peer: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@c.example", "1", "hi"))
    stream = agreed(peer, DIALBACK + SM)
    while stream.next().get("id") != "1":
        pass
    stream.send(FEATURES.format(DIALBACK + SM))
    assert stream.last_words()[-1] == "policy-violation"
    assert "remote-server-timeout" in next_of(juliet, "message")


def test_what_a_server_says_is_one_line_of_the_log_and_does_not_name_it_to_people(
    server: Server, peer: PeerServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@c.example", "1", "hi"))
    stream = peer.accepts()
    stream.answers()
    stream.send(ERROR.format("C.Example has no time&#10;now"))
    told = all_until(juliet, lambda stanza: 'type="error"' in stanza)[-1]
    assert "that domain has no time now" in told
    assert "C.Example" not in told
    assert not [record for record in caplog.records if "\n" in record.getMessage()]


def test_a_server_may_send_where_ours_has_no_room_for_another_link(
    tmp_path: Path, directory: Directory, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = {"without_tls": ["c.example", "d.example"], "links": 1}
    with federated(tmp_path, directory, "a.example", federation=settings) as server, PeerServer() as peer:
        directory.ports |= {"c.example": peer.port, "d.example": peer.port}
        juliet = somebody(server, "juliet@a.example/x")
        juliet.sends(CHAT.format("romeo@d.example", "1", "hi"))
        keeps_waiting = peer.accepts()
        with PeerStream.to(server) as stream:
            agree(stream, peer, both=True)
            stream.send("<message from='romeo@c.example' to='juliet@a.example/x'><body>ho</body></message>")
            assert "ho" in next_of(juliet, "message")
            keeps_waiting.hangs_up()
    assert "Traceback" not in capfd.readouterr().err


def test_what_comes_back_from_a_connection_that_broke_comes_in_portions_and_in_order(
    server: Server, peer: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    server.portions.seconds = 0  # one at a time
    for number in range(50):
        juliet.sends(CHAT.format("romeo@c.example", number, "hi"))
    stream = agreed(peer, DIALBACK + SM)
    while stream.next().get("id") != "49":
        pass
    stream.hangs_up()
    came = all_until(juliet, lambda stanza: 'type="error"' in stanza)
    assert server.portions.are_left
    came += all_until(juliet, lambda stanza: 'id="49"' in stanza)
    errors = [stanza for stanza in came if 'type="error"' in stanza]
    assert [f'id="{number}"' in stanza for number, stanza in enumerate(errors)] == [True] * 50


def test_what_one_account_sends_does_not_take_the_room_of_what_waits_of_others(
    tmp_path: Path, directory: Directory
) -> None:
    plain = [f"{number}.example" for number in range(10)]
    with PeerServer() as silent, federated(
        tmp_path, directory, "a.example", federation={"without_tls": plain, "all_queued_stanzas": 10}
    ) as server:
        directory.ports |= dict.fromkeys(plain, silent.port)
        mallory, juliet = somebody(server, "mallory@a.example/x"), somebody(server, "juliet@a.example/x")
        told = [mallory.sends(CHAT.format(f"x@{domain}", "1", "hi")) for domain in plain]
        assert ["resource-constraint" in "".join(each) for each in told] == [False] * 2 + [True] * 8
        assert not juliet.sends(CHAT.format("romeo@0.example", "1", "hi"))


def test_servers_that_say_nothing_are_not_tried_one_after_the_other_without_end(
    tmp_path: Path, directory: Directory
) -> None:
    settings = {"without_tls": ["c.example"], "negotiation_seconds": 1}
    with PeerServer() as silent, federated(tmp_path, directory, "a.example", federation=settings) as server:
        directory.ports["c.example"] = silent.port
        directory.addresses = 20
        juliet = somebody(server, "juliet@a.example/x")
        juliet.sends(CHAT.format("romeo@c.example", "1", "hi"))
        assert "remote-server-timeout" in next_of(juliet, "message")
        assert directory.connections <= 2


def test_links_that_failed_make_room_for_others(tmp_path: Path, directory: Directory) -> None:
    with federated(tmp_path, directory, "a.example", federation={"links": 3, "without_tls": ["c.example"]}) as server:
        juliet = somebody(server, "juliet@a.example/x")
        for number in range(5):
            juliet.sends(CHAT.format(f"x@b{number}.example{number}", number, "hi"))
            assert "remote-server-not-found" in next_of(juliet, "message")
        assert len(list(federation_of(server).links())) == 3


def test_domains_beneath_one_owners_do_not_take_the_room_of_all_others(tmp_path: Path, directory: Directory) -> None:
    names = [f"{number}.c.example" for number in range(5)]
    settings = {"links": 20, "without_tls": [*names, "d.net"]}
    with federated(tmp_path, directory, "a.example", federation=settings) as server, PeerServer() as silent:
        directory.ports |= dict.fromkeys([*names, "d.net"], silent.port)
        juliet = somebody(server, "juliet@a.example/x")
        told = ["".join(juliet.sends(CHAT.format(f"x@{name}", "1", "hi"))) for name in [*names, "d.net"]]
        assert ["resource-constraint" in each for each in told] == [False, False, True, True, True, False]


def test_a_server_that_only_ever_says_that_nothing_has_arrived_is_given_up(server: Server, peer: PeerServer) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@c.example", "1", "hi"))
    stream = agreed(peer, DIALBACK + SM)
    while stream.next().tag != "{urn:xmpp:sm:3}r":
        pass
    [ours] = federation_of(server).streams
    since = ours.waits_since
    assert since is not None
    stream.send("<a xmlns='urn:xmpp:sm:3' h='0'/>")
    while stream.next().tag != "{urn:xmpp:sm:3}r":
        pass
    assert ours.waits_since == since
    federation_of(server).look_after(since + 31)
    assert "remote-server-timeout" in next_of(juliet, "message")


def test_what_all_servers_leave_unconfirmed_is_limited(tmp_path: Path, directory: Directory) -> None:
    settings = {"without_tls": ["c.example"], "all_unconfirmed_bytes": 65_536}
    with federated(tmp_path, directory, "a.example", federation=settings) as server, PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet = somebody(server, "juliet@a.example/x")
        juliet.sends(CHAT.format("romeo@c.example", "1", "hi"))
        stream = agreed(peer, DIALBACK + SM)
        while stream.next().get("id") != "1":
            pass
        for number in range(2, 200):
            juliet.sends(CHAT.format("romeo@c.example", number, "hi"))
        federation_of(server).look_after(monotonic())
        assert "remote-server-timeout" in all_until(juliet, lambda stanza: 'id="199"' in stanza)[-1]
