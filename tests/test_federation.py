"""What people on different servers have of each other (RFC 6120, RFC 6121), over links without TLS."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import gevent
import pytest
from gevent import socket

from handlers.admin import links
from handlers.admin.given import Administrator
from tests.harness.federated import (
    LOOPBACK,
    PATIENCE,
    Directory,
    Servers,
    all_until,
    federated,
    federation_of,
    next_of,
    somebody,
    two_servers,
)
from tests.harness.peer_servers import DIALBACK, SM, PeerServer, PeerStream, agree, condition_of
from xmpp.federation.incoming import IncomingStream
from xmpp.federation.stream import ServerStream
from xmpp.server import Server
from xmpp.stream.places import Places
from xmpp.stream.transport import SocketTransport

CHAT = "<message to='{}' type='chat' id='{}'><body>{}</body></message>"
GONE = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with two_servers(tmp_path) as both:
        yield both


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    """One server, for a.example, which knows c.example as one that may do without TLS."""
    with federated(tmp_path, directory, "a.example", federation={"without_tls": ["c.example"]}) as one:
        yield one


def test_a_message_arrives_and_so_does_the_answer(servers: Servers) -> None:
    juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
    juliet.sends(CHAT.format("romeo@b.example/y", "1", "hi"))
    assert 'from="juliet@a.example/x"' in next_of(romeo, "message")
    romeo.sends(CHAT.format("juliet@a.example/x", "1", "ho"))
    assert "ho" in next_of(juliet, "message")


def test_many_messages_arrive_in_order(servers: Servers) -> None:
    juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
    for number in range(50):
        juliet.sends(CHAT.format("romeo@b.example/y", number, number))
    came: list[str] = []
    with gevent.Timeout(30):
        while len(came) < 50:
            came += [stanza for stanza in romeo.received() if stanza.startswith("<message")]
            gevent.sleep(0.002)
    assert [f'id="{number}"' in stanza for number, stanza in enumerate(came)] == [True] * 50
    assert not federation_of(servers[0]).queued


def test_long_messages_arrive_though_dialback_has_no_features_after_it(servers: Servers) -> None:
    """What is announced before is what holds then (XEP-0478)."""
    juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
    juliet.sends(CHAT.format("romeo@b.example/y", "1", "x" * 100_000))
    assert "x" * 100_000 in next_of(romeo, "message")


def test_a_stanza_has_as_many_elements_as_a_client_may_send(servers: Servers) -> None:
    juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
    juliet.sends(f"<message to='romeo@b.example/y'><x xmlns='urn:example:long'>{'<y/>' * 500}</x></message>")
    assert next_of(romeo, "message").count("<y>") == 500


def test_subscriptions_and_presence_pass_both_ways(servers: Servers) -> None:
    juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
    juliet.sends("<presence to='romeo@b.example' type='subscribe'/>")
    assert 'type="subscribe"' in next_of(romeo, "presence")
    romeo.sends("<presence to='juliet@a.example' type='subscribed'/>")
    all_until(juliet, lambda stanza: 'from="romeo@b.example/y"' in stanza)
    romeo.sends("<presence><show>away</show></presence>")
    assert "away" in next_of(juliet, "presence")


def test_an_account_that_does_not_exist_is_answered_for(servers: Servers) -> None:
    juliet = somebody(servers[0], "juliet@a.example/x")
    juliet.sends(CHAT.format("nobody@b.example", "1", "hi"))
    assert "service-unavailable" in next_of(juliet, "message")


# -- what cannot be reached


def test_who_writes_to_a_domain_that_is_not_there_is_told(server: Server) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@nowhere.example", "1", "hi"))
    answer = next_of(juliet, "message")
    assert 'type="error"' in answer
    assert 'from="romeo@nowhere.example"' in answer
    assert "remote-server-not-found" in answer


def test_who_writes_to_a_server_that_does_not_answer_is_told_at_once_the_next_time(
    server: Server, directory: Directory
) -> None:
    with PeerServer() as gone:
        directory.ports["c.example"] = gone.port
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@c.example", "1", "hi"))
    assert "remote-server-timeout" in next_of(juliet, "message")
    assert "remote-server-timeout" in "".join(juliet.sends(CHAT.format("romeo@c.example", "2", "hi")))
    assert directory.dialled == ["c.example"]


def test_errors_answers_probes_and_good_byes_never_come_back(server: Server, directory: Directory) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    for kind, type in (("message", "error"), ("iq", "result"), ("presence", "unavailable"), ("presence", "probe")):
        juliet.sends(f"<{kind} type='{type}' id='1' to='romeo@nowhere.example'/>")
    juliet.sends(CHAT.format("romeo@nowhere.example", "2", "hi"))
    assert 'id="2"' in next_of(juliet)
    assert directory.dialled == ["nowhere.example"]


def test_no_more_waits_for_a_server_than_the_settings_allow(tmp_path: Path, directory: Directory) -> None:
    settings = {"queue_stanzas": 2, "without_tls": ["c.example"]}
    with federated(tmp_path, directory, "a.example", federation=settings) as server, PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet = somebody(server, "juliet@a.example/x")
        for number in (1, 2):
            assert not juliet.sends(CHAT.format("romeo@c.example", number, "hi"))
        assert "resource-constraint" in "".join(juliet.sends(CHAT.format("romeo@c.example", 3, "hi")))


@pytest.mark.parametrize("fails", ["closes the stream", "hangs up", "answers nonsense"])
def test_where_one_address_fails_the_next_carries_what_waits(server: Server, directory: Directory, fails: str) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    directory.addresses = 2
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
        with peer.accepts() as broken:
            if fails != "hangs up":
                broken.answers()
                broken.next()
                broken.send("</stream:stream>" if fails == "closes the stream" else "<x>")
        assert dialled(server, directory, peer).next().get("id") == "1"
    assert directory.dialled == ["c.example"]


def test_a_server_that_is_not_to_be_talked_to_is_not_dialled(tmp_path: Path, directory: Directory) -> None:
    with federated(tmp_path, directory, "a.example", federation={"denied": ["c.example"]}) as server:
        juliet = somebody(server, "juliet@a.example/x")
        for domain in ("c.example", "rooms.c.example"):
            assert "forbidden" in "".join(juliet.sends(CHAT.format(f"romeo@{domain}", 3, "hi")))
        with PeerStream.to(server) as peer:
            assert condition_of(peer.opens(sender="rooms.c.example")) == "policy-violation"
    assert directory.dialled == []


def test_a_server_that_is_not_to_be_talked_to_any_more_is_told_so_at_once(server: Server, directory: Directory) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer, PeerStream.to(server) as theirs:
        directory.ports["c.example"] = peer.port
        agree(theirs, peer)
        juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
        ours = dialled(server, directory, peer)
        assert ours.next().get("id") == "1"

        denying = {"denied": ["c.example"], "without_tls": ["c.example"]}
        server.reload(server.configuration.with_values({"federation": denying}))
        federation_of(server).look_after(monotonic())
        for stream in (ours, theirs):
            assert "policy-violation" in stream.last_words()
    assert "forbidden" in "".join(juliet.sends(CHAT.format("romeo@c.example", 3, "hi")))


def test_with_a_list_only_those_on_it_are_talked_to(tmp_path: Path, directory: Directory) -> None:
    listed = {"mode": "listed", "allowed": ["c.example"]}
    with federated(tmp_path, directory, "a.example", federation=listed) as server:
        juliet = somebody(server, "juliet@a.example/x")
        assert "forbidden" in "".join(juliet.sends(CHAT.format("romeo@d.example", 3, "hi")))
        juliet.sends(CHAT.format("romeo@c.example", 4, "hi"))
        assert "remote-server-not-found" in next_of(juliet, "message")


# -- a server that we have dialled


def dialled(server: Server, directory: Directory, peer: PeerServer, features: str = DIALBACK) -> PeerStream:
    """The stream that ours opens to c.example, up to where dialback has shown who it is."""
    directory.ports["c.example"] = peer.port
    stream = peer.accepts()
    stream.answers(features)
    key = stream.next()
    assert (key.get("from"), key.get("to")) == ("a.example", "c.example")
    stream.send("<db:result from='c.example' to='a.example' type='valid'/>")
    return stream


def test_what_a_server_has_not_confirmed_comes_back_when_it_is_gone(server: Server, directory: Directory) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        for number in (1, 2, 3):
            juliet.sends(CHAT.format("romeo@c.example", number, "hi"))
        stream = dialled(server, directory, peer, DIALBACK + SM)
        while stream.next().tag != "{urn:xmpp:sm:3}r":
            pass
        stream.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")
        assert stream.next().get("id") == "2"
        stream.hangs_up()
        came = all_until(juliet, lambda stanza: 'id="3"' in stanza)
    assert [f'id="{number}"' in "".join(came) for number in (1, 2, 3)] == [False, True, True]
    assert all("remote-server-timeout" in stanza for stanza in came)


@pytest.mark.parametrize(
    "said",
    [
        "<presence to='romeo@c.example/y' type='unavailable' id='1'/>",
        "<presence to='romeo@c.example/y' type='unsubscribe' id='1'/>",
        "<presence to='romeo@c.example/y' type='probe' id='1'/>",
        "<iq to='romeo@c.example/y' type='result' id='1'/>",
        f"<iq to='romeo@c.example/y' type='error' id='1'>{GONE}</iq>",
        f"<message to='romeo@c.example/y' type='error' id='1'>{GONE}</message>",
    ],
)
def test_what_nobody_would_think_of_saying_again_is_said_again_if_it_was_not_confirmed(
    server: Server, directory: Directory, said: str
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.received()
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends(said)
        first = dialled(server, directory, peer, DIALBACK + SM)
        while first.next().get("id") != "1":
            pass
        first.hangs_up()
        second = dialled(server, directory, peer, DIALBACK + SM)
        while (again := second.next()).get("id") != "1":
            pass
        assert f"type='{again.get('type')}'" in said
        second.hangs_up()
        while federation_of(server).streams:
            gevent.sleep(0.002)
        juliet.sends(CHAT.format("romeo@c.example", "2", "hi"))
        third = dialled(server, directory, peer, DIALBACK)
        assert third.next().get("id") == "2"  # it was said twice, and that is enough


def test_nobody_is_gone_who_has_shown_presence_since(server: Server, directory: Directory) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends("<presence to='romeo@c.example/y' type='unavailable' id='1'/>")
        juliet.sends("<presence to='romeo@c.example/y' id='2'/>")
        first = dialled(server, directory, peer, DIALBACK + SM)
        while first.next().get("id") != "2":
            pass
        first.hangs_up()
        assert 'id="2"' in all_until(juliet, lambda stanza: 'type="error"' in stanza)[-1]
        juliet.sends(CHAT.format("romeo@c.example", "3", "hi"))
        second = dialled(server, directory, peer, DIALBACK)
        assert second.next().get("id") == "3"


def test_a_server_that_finds_that_we_are_not_who_we_say_is_not_tried_again(
    server: Server, directory: Directory
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
        stream = peer.accepts()
        stream.answers()
        stream.next()
        stream.send("<db:result from='c.example' to='a.example' type='invalid'/>")
        assert "internal-server-error" in next_of(juliet, "message")
        assert not peer.has_another


def test_row_12_an_answer_of_dialback_that_nobody_asked_for_has_no_effect(server: Server, directory: Directory) -> None:
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet = somebody(server, "juliet@a.example/x")
        juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
        stream = dialled(server, directory, peer)
        assert stream.next().get("id") == "1"
        stream.send("<db:result from='d.example' to='a.example' type='valid'/>")
        stream.send("<db:result from='c.example' to='a.example' type='valid'/>")
        stream.send("<message from='mallory@c.example' to='juliet@a.example/x'><body>x</body></message>")
        assert stream.last_words()[-1] == "invalid-from"
        assert not [stanza for stanza in juliet.received() if "mallory" in stanza]


def test_a_server_without_encryption_is_not_sent_anything(tmp_path: Path, directory: Directory) -> None:
    """It is `without_tls` that lets the other tests do without it."""
    with federated(tmp_path, directory, "a.example") as server, PeerServer() as peer, PeerStream.to(server) as other:
        directory.ports["c.example"] = peer.port
        other.opens(sender="c.example")
        refused = other.asks("<db:result from='c.example' to='a.example'>key</db:result>")
        assert refused.get("type") == "error"


# -- a server that has dialled us


@pytest.mark.parametrize(
    ("to", "sender", "condition"),
    [
        ("x.example", "c.example", "host-unknown"),
        ("a.example", "a.example", "policy-violation"),
        ("a.example", "rooms.a.example", "policy-violation"),
        ("a.example", "a@@b", "improper-addressing"),
    ],
)
def test_row_13_headers_that_cannot_be_are_refused(server: Server, to: str, sender: str, condition: str) -> None:
    with PeerStream.to(server) as peer:
        assert condition_of(peer.opens(to, sender)) == condition


def test_a_stanza_needs_a_pair_that_was_agreed_on(server: Server) -> None:
    with PeerStream.to(server) as peer:
        peer.opens()
        peer.send("<message from='romeo@c.example' to='juliet@a.example'/>")
        assert peer.last_words() == ["invalid-from"]


# -- links that nobody uses


def confirmed_streams(server: Server) -> list[ServerStream]:
    """Its streams, once the other ends have confirmed all that was sent."""
    streams = [stream for stream in federation_of(server).streams if not stream.is_closing]
    with gevent.Timeout(30):
        while any(stream.waits_since is not None for stream in streams):
            gevent.sleep(0.002)
    return streams


def test_a_link_that_is_not_used_is_closed_and_made_again_when_it_is(servers: Servers) -> None:
    juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
    for _ in range(2):
        juliet.sends(CHAT.format("romeo@b.example/y", "1", "hi"))
        next_of(romeo, "message")
        [stream] = confirmed_streams(servers[0])
        federation_of(servers[0]).look_after(monotonic() + 1_000)
        assert stream.is_closing


def test_it_is_kept_while_people_from_there_are_in_rooms_here(servers: Servers) -> None:
    juliet, romeo = somebody(servers[0], "juliet@a.example/x"), somebody(servers[1], "romeo@b.example/y")
    juliet.sends("<presence to='hall@rooms.a.example/j'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    juliet.asks(
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>",
        type="set",
        to="hall@rooms.a.example",
    )
    romeo.sends("<presence to='hall@rooms.a.example/r'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    all_until(romeo, lambda stanza: 'code="110"' in stanza)
    [stream] = [each for each in confirmed_streams(servers[0]) if each.ours == "rooms.a.example"]
    federation_of(servers[0]).look_after(monotonic() + 1_000)
    assert not stream.is_closing


def test_a_server_that_does_not_confirm_is_given_up_and_who_wrote_is_told_once(
    server: Server, directory: Directory
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
        theirs = dialled(server, directory, peer, DIALBACK + SM)
        [stream] = federation_of(server).streams
        while stream.waits_since is None:
            gevent.sleep(0.002)
        federation_of(server).look_after(monotonic() + 20)
        assert not stream.is_closing
        federation_of(server).look_after(monotonic() + 40)
        with gevent.Timeout(30):
            while federation_of(server).streams:
                gevent.sleep(0.002)
        told, pong = juliet.sends("<iq type='get' id='p' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert "remote-server-timeout" in told
        assert "result" in pong
        theirs.hangs_up()


@pytest.mark.parametrize("how", ["hangs up", "misbehaves", "says nothing", "says good-bye"])
def test_the_log_says_why_a_connection_has_ended_unless_that_was_wanted(
    server: Server, directory: Directory, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level("INFO", "xmpp.federation")
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
        stream = dialled(server, directory, peer, DIALBACK + SM)
        while stream.next().tag != "{urn:xmpp:sm:3}r":
            pass
        if how == "says nothing":
            federation_of(server).look_after(monotonic() + 40)
        elif how == "misbehaves":
            stream.send("<message from='romeo@d.example' to='juliet@a.example'/>")
        elif how == "says good-bye":
            stream.send("<a xmlns='urn:xmpp:sm:3' h='1'/></stream:stream>")
        if how != "misbehaves":
            stream.hangs_up()
        with gevent.Timeout(30):
            while not all(each.is_closing for each in federation_of(server).streams):
                gevent.sleep(0.002)
    said = [each.partition("the connection with ")[2] for each in caplog.messages if "the connection with " in each]
    expected = {
        "hangs up": "was lost",
        "misbehaves": "was closed: invalid-from: not known as d.example to a.example here",
        "says nothing": "was lost: the other server does not say what it has got",
    }
    assert said == ([f"c.example {expected[how]}"] if how in expected else [])


def test_more_than_a_server_takes_is_not_sent_to_it(server: Server, directory: Directory) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends(CHAT.format("romeo@c.example", 1, "x" * 20_000))
        juliet.sends(CHAT.format("romeo@c.example", 2, "hi"))
        stream = dialled(server, directory, peer, DIALBACK + limits)
        assert stream.next().get("id") == "2"
        first = next_of(juliet, "message")
        assert 'id="1"' in first
        assert "policy-violation" in first
        again = "".join(juliet.sends(CHAT.format("romeo@c.example", 3, "x" * 20_000)))
        assert "10000 bytes" in again


# -- a server that acknowledges nothing


@pytest.fixture
def peer(directory: Directory) -> Iterator[PeerServer]:
    """The server of c.example."""
    with PeerServer() as one:
        directory.ports["c.example"] = one.port
        yield one


def next_ping(stream: PeerStream) -> str:
    """The id of the next ping that comes to c.example; what comes before that is read."""
    while (each := stream.next()).find("{urn:xmpp:ping}ping") is None:
        pass
    return str(each.get("id"))


def answer(server: Server, peer: PeerServer, id: str) -> None:
    """The answer comes on a stream of the other server's own."""
    stream = PeerStream.to(server)
    agree(stream, peer)
    stream.asks("<enable xmlns='urn:xmpp:sm:3'/>")
    stream.send(f"<iq type='result' id='{id}' from='c.example' to='a.example'/>")
    stream.asks("<r xmlns='urn:xmpp:sm:3'/>")


def test_it_is_pinged_and_what_was_sent_before_an_answer_has_arrived(
    server: Server, directory: Directory, peer: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
    stream = dialled(server, directory, peer)
    answer(server, peer, next_ping(stream))
    for number in (2, 3):
        juliet.sends(CHAT.format("romeo@c.example", number, "hi"))
    federation_of(server).look_after(monotonic() + 10)
    next_ping(stream)
    stream.hangs_up()
    came = all_until(juliet, lambda stanza: 'id="3"' in stanza)
    assert [f'id="{number}"' in "".join(came) for number in (1, 2, 3)] == [False, True, True]


def test_one_that_has_answered_and_does_not_any_more_is_given_up(
    server: Server, directory: Directory, peer: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
    stream = dialled(server, directory, peer)
    answer(server, peer, next_ping(stream))
    juliet.sends(CHAT.format("romeo@c.example", 2, "hi"))
    federation_of(server).look_after(monotonic() + 10)
    federation_of(server).look_after(monotonic() + 100)
    assert 'id="2"' in next_of(juliet, "message")
    assert stream.last_words() == []


def test_one_that_never_answers_is_believed_to_have_what_was_sent(
    server: Server, directory: Directory, peer: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@c.example", 1, "hi"))
    stream = dialled(server, directory, peer)
    next_ping(stream)
    [link] = federation_of(server).streams
    federation_of(server).look_after(monotonic() + 100)
    assert not link.is_closing
    assert [shown.waiting for shown in federation_of(server).links()] == [0]
    juliet.sends(CHAT.format("romeo@c.example", 2, "hi"))
    assert stream.next().get("id") == "2"
    stream.hangs_up()
    with gevent.Timeout(30):
        while federation_of(server).streams:
            gevent.sleep(0.002)
    assert not [stanza for stanza in juliet.received() if "error" in stanza]


# -- what administrators see


def test_administrators_see_connections_and_what_is_wrong(server: Server, directory: Directory) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        for number in (1, 2):
            juliet.sends(CHAT.format("romeo@c.example", number, "hi"))
        stream = dialled(server, directory, peer, DIALBACK + SM)
        while stream.next().get("id") != "2":
            pass
        juliet.sends(CHAT.format("romeo@nowhere.example", 3, "hi"))
        next_of(juliet, "message")
        connected, failed = links.listing(server, Administrator())
        assert connected[:3] == ("a.example", "c.example", "connected")
        assert (connected.waiting, connected.problem, failed.peer) == (2, "", "")
        assert failed[:3] == ("a.example", "nowhere.example", "failed")
        assert failed.problem == "no such server"
        assert links.listing(server, Administrator(), "nowhere") == [failed]
        assert links.listing(server, Administrator(), after=links.place(connected)) == [failed]
        assert links.listing(server, Administrator(), most=1) == [connected]
        stream.hangs_up()


def test_an_ipv4_address_is_shown_as_one_on_a_socket_for_both(server: Server) -> None:
    place = Places().take("192.0.2.1", most=1, most_strangers=1)
    assert place is not None
    with PeerServer() as peer, socket.create_connection((LOOPBACK, peer.port)) as sock:
        shown = IncomingStream(
            federation_of(server), SocketTransport(sock, PATIENCE), "::ffff:192.0.2.1", place, has_tls=False
        )
        assert shown.peer == "192.0.2.1"


def test_a_failure_is_shown_for_an_hour_and_then_forgotten(server: Server) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends(CHAT.format("romeo@nowhere.example", 1, "hi"))
    next_of(juliet, "message")
    federation = federation_of(server)
    for seconds, expected in ((0, 1), (1_000, 1), (4_000, 0)):
        federation.look_after(monotonic() + seconds)
        assert len(links.listing(server, Administrator())) == expected
