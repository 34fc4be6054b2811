"""One connection between two servers for several pairs of their domains (XEP-0220, "Multiplexing")."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from time import monotonic

import gevent
import pytest
from lxml import etree

from tests.harness.authority import Authority, Issued
from tests.harness.federated import (
    PATIENCE,
    Directory,
    all_until,
    federated,
    federation_of,
    next_of,
    settle,
    somebody,
    trusted,
    two_servers,
)
from tests.harness.in_process import Client
from tests.harness.peer_servers import BIDI, DIALBACK, PeerServer, PeerStream
from tests.harness.streams import local_name
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.federation import link_stream, sharing
from xmpp.federation.certificates import is_among_shown, shown_names
from xmpp.federation.dialback import Pair
from xmpp.federation.link_stream import LinkStream
from xmpp.running.handling import Handled
from xmpp.server import Server

A, B, C, D = "a.example", "b.example", "c.example", "d.example"
ROOMS = f"rooms.{A}"
FOREVER = 3_600.0  # longer than any test waits
CHAT = "<message to='{}' type='chat' id='{}'><body>hi</body></message>"
ANSWER = "<db:result from='{}' to='{}' type='{}'/>"
REFUSED = (
    "<db:result from='{}' to='{}' type='error'><error type='cancel'>"
    "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    plain = {"without_tls": trusted(C), "pairs_per_stream": 3}
    with federated(tmp_path, directory, A, federation=plain) as one:
        yield one


@pytest.fixture
def peer(directory: Directory) -> Iterator[PeerServer]:
    with PeerServer() as peer:
        directory.ports |= dict.fromkeys((C, f"rooms.{C}"), peer.port)
        yield peer


@pytest.fixture
def juliet(server: Server) -> Client:
    return somebody(server, f"juliet@{A}/x")


def says(server: Server, ours: str, theirs: str, id: str = "1") -> None:
    """Something is sent from one domain to the other."""
    sender, to = JID.parse(f"somebody@{ours}"), JID.parse(f"romeo@{theirs}")
    with Handled():
        federation_of(server).send(Stanza.build("message", b"<body>hi</body>", id=id, to=to, sender=sender))


def link_streams(server: Server) -> list[LinkStream]:
    return [stream for stream in federation_of(server).streams if isinstance(stream, LinkStream)]


def opened(juliet: Client, peer: PeerServer, features: str = DIALBACK) -> PeerStream:
    """The stream from a.example to c.example, on which Juliet's message has come."""
    juliet.sends(CHAT.format(f"romeo@{C}", 1))
    stream = peer.accepts()
    stream.answers(features)
    agrees(stream, A)
    assert stream.next().get("from") == f"juliet@{A}/x"
    return stream


def next_key(stream: PeerStream) -> etree._Element:
    """The next key of dialback; what comes before, such as pings, is passed over."""
    while local_name(asked := stream.next()) != "result":
        pass
    return asked


def agrees(stream: PeerStream, ours: str, theirs: str = C) -> None:
    """Find the key of this domain valid that comes next."""
    asked = next_key(stream)
    assert (asked.get("from"), asked.get("to"), bool(asked.text)) == (ours, theirs, True)
    stream.send(ANSWER.format(theirs, ours, "valid"))


def nothing_was_asked(juliet: Client, stream: PeerStream) -> None:
    """Nothing but pings has come on her stream before what she sends now."""
    juliet.sends(CHAT.format(f"romeo@{C}", "next"))
    while local_name(came := stream.next()) == "iq":
        pass
    assert (local_name(came), came.get("id")) == ("message", "next")


def all_end(server: Server) -> None:
    """Wait until the server has noticed the end of all its connections."""
    with gevent.Timeout(PATIENCE):
        while federation_of(server).streams:
            gevent.sleep(0)


def test_domains_of_ours_share_the_connection_with_a_server(tmp_path: Path) -> None:
    with two_servers(tmp_path) as servers:
        romeo = somebody(servers[1], f"romeo@{B}/y")
        juliet = somebody(servers[0], f"juliet@{A}/x")
        for ours in (A, ROOMS, f"pubsub.{A}"):
            for id in "12":
                says(servers[0], ours, f"{B}", id)
        settle(servers)
        juliet.sends(CHAT.format(f"romeo@{B}/y", 3))
        heard = all_until(romeo, lambda stanza: 'id="3"' in stanza)
        assert sum(stanza.startswith("<message") for stanza in heard) == 7
        [stream] = link_streams(servers[0])
        assert stream.says == {Pair(ours, B) for ours in (A, ROOMS, f"pubsub.{A}")}


def test_so_do_domains_of_theirs_at_the_same_address(tmp_path: Path) -> None:
    with two_servers(tmp_path) as servers:
        for theirs in (B, f"rooms.{B}", f"pubsub.{B}"):
            says(servers[0], A, theirs)
        settle(servers)
        [stream] = link_streams(servers[0])
        assert stream.says == {Pair(A, theirs) for theirs in (B, f"rooms.{B}", f"pubsub.{B}")}


def test_another_pair_is_asked_for_on_the_same_stream(server: Server, juliet: Client, peer: PeerServer) -> None:
    with opened(juliet, peer) as stream:
        says(server, ROOMS, C)
        agrees(stream, ROOMS)
        assert stream.next().get("from") == f"somebody@{ROOMS}"
        assert not peer.has_another


@pytest.mark.parametrize("features", ["", "<dialback xmlns='urn:xmpp:features:dialback'/>"])
def test_a_server_that_may_hang_up_instead_of_answering_is_dialled(
    server: Server, juliet: Client, peer: PeerServer, features: str
) -> None:
    with opened(juliet, peer, features) as stream:
        says(server, ROOMS, C)
        with peer.accepts() as another:
            another.answers(features)
            agrees(another, ROOMS)
            assert another.next().get("from") == f"somebody@{ROOMS}"
            nothing_was_asked(juliet, stream)


def test_a_server_that_does_not_want_that_is_dialled_at_once_and_not_asked_again(
    server: Server, juliet: Client, peer: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_stream, "ANSWER_SECONDS", FOREVER)
    with opened(juliet, peer) as stream:
        says(server, ROOMS, C)
        assert next_key(stream).get("from") == ROOMS
        stream.send(REFUSED.format(C, ROOMS))
        with peer.accepts() as another:
            another.answers()
            agrees(another, ROOMS)
            assert another.next().get("from") == f"somebody@{ROOMS}"
        says(server, f"pubsub.{A}", C)
        with peer.accepts() as third:
            third.answers()
            agrees(third, f"pubsub.{A}")
            nothing_was_asked(juliet, stream)


def test_as_soon_as_one_pair_is_agreed_on_the_next_is_asked_for(
    server: Server, juliet: Client, peer: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_stream, "ANSWER_SECONDS", FOREVER)
    monkeypatch.setattr(link_stream, "ASKED_AT_ONCE", 1)
    with opened(juliet, peer) as stream:
        for ours in (ROOMS, f"pubsub.{A}"):
            says(server, ours, C)
        assert next_key(stream).get("from") == ROOMS
        nothing_was_asked(juliet, stream)
        stream.send(ANSWER.format(C, ROOMS, "valid"))
        agrees(stream, f"pubsub.{A}")


@pytest.mark.parametrize("features", [DIALBACK, DIALBACK + BIDI])
def test_one_that_does_not_answer_in_time_is_dialled_and_its_late_answer_counts(
    server: Server, juliet: Client, peer: PeerServer, monkeypatch: pytest.MonkeyPatch, features: str
) -> None:
    with opened(juliet, peer, features) as stream:
        monkeypatch.setattr(link_stream, "ANSWER_SECONDS", 0.01)
        says(server, ROOMS, C)
        assert next_key(stream).get("from") == ROOMS
        with peer.accepts() as another:
            stream.send(ANSWER.format(C, ROOMS, "valid"))
            another.answers()
            agrees(another, ROOMS)
            assert another.next().get("from") == f"somebody@{ROOMS}"
            juliet.sends(CHAT.format(f"romeo@{C}", 2))
            assert stream.next().get("id") == "2"
            if features != DIALBACK:  # the other server may use that stream for the pair
                stream.send(f"<message from='romeo@{C}' to='juliet@{A}/x'><body>ho</body></message>")
                stream.send(f"<message from='romeo@{C}' to='nobody@{ROOMS}' id='3'><body>ho</body></message>")
                assert "ho" in next_of(juliet, "message")
                juliet.sends(CHAT.format(f"romeo@{C}", 4))
                assert local_name(stream.next()) == "message"


@pytest.mark.parametrize("answer", [REFUSED.format(C, ROOMS), ANSWER.format(C, ROOMS, "invalid") + "</stream:stream>"])
def test_a_server_that_refuses_a_pair_or_hangs_up_is_dialled_for_that_pair_from_then_on(
    server: Server, juliet: Client, peer: PeerServer, answer: str
) -> None:
    with opened(juliet, peer) as stream:
        says(server, ROOMS, C)
        assert next_key(stream).get("from") == ROOMS
        stream.send(answer)
    with peer.accepts() as another:
        another.answers()
        agrees(another, ROOMS)
        assert another.next().get("from") == f"somebody@{ROOMS}"
    all_end(server)
    with opened(juliet, peer) as stream:
        says(server, ROOMS, C, "2")
        with peer.accepts() as another:
            another.answers()
            agrees(another, ROOMS)
            assert another.next().get("id") == "2"
            nothing_was_asked(juliet, stream)


def test_no_more_pairs_are_asked_for_than_the_settings_allow(server: Server, juliet: Client, peer: PeerServer) -> None:
    with opened(juliet, peer) as stream:
        for ours in (ROOMS, f"pubsub.{A}"):
            says(server, ours, C)
            agrees(stream, ours)
        says(server, f"upload.{A}", C)
        with peer.accepts() as another:
            another.answers()
            agrees(another, f"upload.{A}")


def test_who_wants_a_connection_waits_for_one_that_is_being_made(
    server: Server, juliet: Client, peer: PeerServer
) -> None:
    juliet.sends(CHAT.format(f"romeo@{C}", 1))
    with peer.accepts() as stream:
        says(server, ROOMS, C)
        stream.answers()
        agrees(stream, A)
        agrees(stream, ROOMS)
        while (heard := stream.next()).get("from") != f"somebody@{ROOMS}":
            assert heard.get("from") == f"juliet@{A}/x"
        assert not peer.has_another


def test_those_that_wait_do_not_wait_for_each_other_where_no_connection_is_shared(
    server: Server, peer: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "ANSWER_SECONDS", FOREVER)
    for ours in (A, ROOMS, f"pubsub.{A}"):
        says(server, ours, C)
    with peer.accepts() as first:
        first.answers("")
        agrees(first, A)
        with peer.accepts() as second, peer.accepts() as third:  # both are there, and nobody has answered yet
            for stream in (second, third):
                stream.answers("")
                assert next_key(stream).get("from") != A


def test_many_pairs_at_once_make_no_more_connections_than_they_need(tmp_path: Path) -> None:
    with two_servers(tmp_path, federation={"pairs_per_stream": 3}) as servers:
        ours, theirs = (trusted(domain) for domain in (A, B))
        for pair in product(ours, theirs[:2]):
            says(servers[0], *pair)
        settle(servers)
        assert sorted(len(stream.says) for stream in link_streams(servers[0])) == [2, 3, 3]


def test_what_was_not_confirmed_comes_back_for_each_pair_and_each_is_dialled_again(
    server: Server, juliet: Client, peer: PeerServer
) -> None:
    features = DIALBACK + "<sm xmlns='urn:xmpp:sm:3'/>"
    juliet.sends(CHAT.format(f"romeo@{C}", 1))
    with peer.accepts() as stream:
        stream.answers(features)
        agrees(stream, A)
        juliet.sends(CHAT.format(f"romeo@rooms.{C}", 2))
        agrees(stream, A, f"rooms.{C}")
        peer.accepts().hangs_up()  # that there is a stream to the same address is known once it is connected to
        while stream.next().get("id") != "2":
            pass
        stream.hangs_up()
    told = all_until(juliet, lambda stanza: 'id="2"' in stanza)
    assert ['id="1"' in "".join(told), "".join(told).count("<remote-server-timeout")] == [True, 2]
    juliet.sends(CHAT.format(f"romeo@rooms.{C}", 3))
    with peer.accepts() as stream:
        stream.answers(features)
        agrees(stream, A, f"rooms.{C}")
        while stream.next().get("id") != "3":
            pass


def test_a_connection_is_idle_when_none_of_its_pairs_is_needed(tmp_path: Path) -> None:
    with two_servers(tmp_path) as servers:
        juliet, romeo = somebody(servers[0], f"juliet@{A}/x"), somebody(servers[1], f"romeo@{B}/y")
        juliet.sends(f"<presence to='hall@{ROOMS}/j'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        juliet.sends(f"<iq type='set' id='1' to='hall@{ROOMS}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                     "<x xmlns='jabber:x:data' type='submit'/></query></iq>")  # fmt: skip
        for ours in (A, ROOMS):
            says(servers[0], ours, B)
            settle(servers)
        romeo.sends(f"<presence to='hall@{ROOMS}/r'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        all_until(romeo, lambda stanza: 'code="110"' in stanza)
        settle(servers)
        [stream] = link_streams(servers[0])
        assert stream.says == {Pair(A, B), Pair(ROOMS, B)}
        federation_of(servers[0]).look_after(monotonic() + 10_000)
        assert not stream.is_closing
        romeo.sends(f"<presence to='hall@{ROOMS}/r' type='unavailable'/>")
        settle(servers)
        federation_of(servers[0]).look_after(monotonic() + 10_000)
        assert stream.is_closing


# -- certificates


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def streams_to(folder: Path, authority: Authority, issued: Issued, *pairs: Pair) -> int:
    """How many connections a.example makes for messages of these pairs to b.example, which has this certificate; what
    it is refused counts."""
    directory, own = Directory(), authority.issue(A, f"*.{A}")
    with (
        federated(folder / "a", directory, A, own, authority) as first,
        federated(folder / "b", directory, B, issued, authority) as second,
    ):
        for pair in pairs:
            says(first, *pair)
            settle((first, second))
        return directory.connections if len(link_streams(first)) > 1 else 1


def test_the_names_in_a_certificate_tell_which_domains_it_is_not_for(authority: Authority) -> None:
    shown = shown_names(authority.issue(B, f"*.{C}", "bücher.example").der)
    assert all(is_among_shown(shown, domain) for domain in (B, f"rooms.{C}", "bücher.example"))
    assert not any(is_among_shown(shown, domain) for domain in (f"rooms.{B}", C))
    for unclear in (authority.issue(B, xmpp_addresses=[C]).der, (b"no certificate",), ()):
        assert is_among_shown(shown_names(unclear), C)


def test_a_certificate_for_both_domains_is_enough_to_share(tmp_path: Path, authority: Authority) -> None:
    issued = authority.issue(B, f"rooms.{B}")
    pairs = Pair(A, B), Pair(ROOMS, B), Pair(A, f"rooms.{B}"), Pair(ROOMS, f"rooms.{B}")
    assert streams_to(tmp_path, authority, issued, *pairs) == 1


def test_a_domain_of_ours_for_which_another_certificate_is_shown_has_a_connection_of_its_own(
    tmp_path: Path, authority: Authority
) -> None:
    """That of d.example is signed by itself, so that dialback has to be enough for the other server."""
    directory = Directory()
    ours, lenient = {"domains": [A, D]}, {"dialback": [D]}
    with (
        federated(tmp_path / "a", directory, A, authority.issue(A), authority, server=ours) as first,
        federated(tmp_path / "b", directory, B, authority.issue(B), authority, federation=lenient) as second,
    ):
        directory.ports[D] = directory.ports[A]
        for domain in (A, D):
            says(first, domain, B)
            settle((first, second))
        assert {stream.ours: stream.says for stream in link_streams(first)} == {A: {Pair(A, B)}, D: {Pair(D, B)}}


def test_a_connection_without_tls_is_not_shared_for_a_domain_that_must_have_it(
    tmp_path: Path, authority: Authority, directory: Directory, peer: PeerServer
) -> None:
    """The same server is that of c.example, which may do without, and of d.example."""
    directory.ports[D] = peer.port
    plain = {"without_tls": [C]}
    with federated(tmp_path, directory, A, authority.issue(A), authority, federation=plain) as server:
        juliet = somebody(server, f"juliet@{A}/x")
        with opened(juliet, peer) as stream:
            juliet.sends(CHAT.format(f"romeo@{D}", 2))
            with peer.accepts() as another:
                another.answers()
                assert "offers no encryption" in next_of(juliet, "message")
            nothing_was_asked(juliet, stream)


def test_row_197_who_leads_anothers_domain_to_his_server_is_not_sent_what_is_for_that(
    tmp_path: Path, authority: Authority
) -> None:
    """The records of rooms.b.example lead to the server of b.example, which has no certificate for it."""
    directory = Directory()
    with (
        federated(tmp_path / "a", directory, A, authority.issue(A), authority) as first,
        federated(tmp_path / "b", directory, B, authority.issue(B), authority) as second,
    ):
        juliet = somebody(first, f"juliet@{A}/x")
        says(first, A, B)
        settle((first, second))
        juliet.sends(CHAT.format(f"hall@rooms.{B}", 1))
        assert "not valid for its name" in next_of(juliet, "message")
        assert [stream.says for stream in link_streams(first) if stream.is_open] == [{Pair(A, B)}]
