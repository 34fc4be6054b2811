"""What the servers of one domain, or of one network, may take of ours."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import gevent
import pytest

from tests.harness.federated import Directory, all_until, federated, federation_of, next_of, somebody
from tests.harness.peer_servers import KEY, PeerServer, PeerStream, agree
from tests.harness.streams import local_name
from xmpp.data.domains import registrable
from xmpp.data.errors import StanzaError
from xmpp.federation import verifying
from xmpp.federation.allowances import MOST_OF_DOMAIN, Allowances
from xmpp.federation.incoming import LONGEST_KEY
from xmpp.federation.settings import FederationSettings
from xmpp.federation.verifying import MOST_OF_NETWORK
from xmpp.server import Server
from xmpp.stream.listen_settings import ListenSettings

MESSAGE = "<message from='romeo@{}/x' to='juliet@a.example/x' type='chat' id='{}'><body>hi</body></message>"
PLAIN = ["c.example", "rooms.c.example", "d.example"]
LIMITS = FederationSettings(
    domain_bytes_per_second=100_000, domain_stanzas_per_second=10, address_bytes_per_second=200_000
)


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    limits = {"without_tls": PLAIN, "domain_connections": 2, "domain_stanzas_per_second": 10}
    with federated(tmp_path, directory, "a.example", federation=limits) as one:
        yield one


@pytest.fixture
def authority(directory: Directory) -> Iterator[PeerServer]:
    with PeerServer() as peer:
        directory.ports |= dict.fromkeys(PLAIN, peer.port)
        yield peer


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("example.org", "example.org"),
        ("rooms.example.org", "example.org"),
        ("a.b.c.example.org", "example.org"),
        ("xmpp.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("romeo.duckdns.org", "romeo.duckdns.org"),
        ("rooms.romeo.duckdns.org", "romeo.duckdns.org"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_the_domain_that_somebody_has_registered(domain: str, owner: str) -> None:
    assert registrable(domain) == owner


def test_a_domain_and_those_beneath_it_pay_together(server: Server) -> None:
    allowances = Allowances()
    assert allowances.pay(LIMITS, "c.example", "", 60_000, 0) == 0
    assert 0 < allowances.pay(LIMITS, "rooms.c.example", "", 60_000, 0) <= 0.2
    assert allowances.pay(LIMITS, "d.example", "", 60_000, 0) == 0
    assert allowances.pay(LIMITS, "d.example", "", 0, 30) > 1.5


def test_a_network_pays_for_all_domains_behind_it() -> None:
    allowances = Allowances()
    assert [allowances.pay(LIMITS, f"{name}.example", "192.0.2.1", 90_000, 0) for name in "cd"] == [0, 0]
    assert allowances.pay(LIMITS, "e.example", "192.0.2.1", 90_000, 0) > 0
    assert allowances.pay(LIMITS, "f.example", "192.0.2.2", 90_000, 0) == 0
    assert allowances.pay(LIMITS, "", "192.0.2.1", 10, 0) > 0  # before anybody has shown a domain


def test_row_60_what_is_paid_for_is_forgotten() -> None:
    allowances = Allowances()
    for number in range(50):
        allowances.pay(LIMITS, f"{number}.c{number}.example", f"192.0.2.{number}", 1_000, 1)
    assert len(allowances) == 100
    allowances.forget_needless(monotonic() + 1)
    assert len(allowances) == 0


def test_row_190_of_more_connections_than_a_domain_may_have_the_one_unused_longest_goes(
    server: Server, authority: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    with ExitStack() as opened:
        peers = [opened.enter_context(PeerStream.to(server)) for _ in range(4)]
        agree(peers[0], authority)
        agree(peers[1], authority, "rooms.c.example")
        agree(peers[2], authority, "d.example")  # has its own
        peers[0].send(MESSAGE.format("c.example", 1))
        next_of(juliet, "message")
        agree(peers[3], authority)
        assert peers[1].last_words() == ["policy-violation"]
        peers[0].send(MESSAGE.format("c.example", 2))
        next_of(juliet, "message")


def test_a_server_of_many_domains_is_talked_to_by_as_many_connections(tmp_path: Path, directory: Directory) -> None:
    """Others may use a connection for one pair of domains alone."""
    ours = ["a.example", "b.example", "e.example"]
    limits = {"without_tls": PLAIN, "domain_connections": 1}
    with (
        PeerServer() as authority,
        federated(tmp_path, directory, "a.example", federation=limits, server={"domains": ours}) as server,
        ExitStack() as opened,
    ):
        directory.ports |= dict.fromkeys(PLAIN, authority.port)
        peers = [opened.enter_context(PeerStream.to(server)) for _ in range(4)]
        for peer, domain in zip(peers, [*ours, "a.example"], strict=True):
            agree(peer, authority, ours=domain)
        assert peers[0].last_words() == ["policy-violation"]
        with PeerStream.to(server) as another:
            agree(another, authority, "d.example")
        peers[1].send("</stream:stream>")
        assert peers[1].last_words() == []


def test_row_190_what_a_domain_sends_too_fast_waits_and_nothing_is_lost(server: Server, authority: PeerServer) -> None:
    juliet, begun = somebody(server, "juliet@a.example/x"), monotonic()
    with PeerStream.to(server) as first, PeerStream.to(server) as second:
        agree(first, authority)
        agree(second, authority, "rooms.c.example")
        for peer, domain in ((first, "c.example"), (second, "rooms.c.example")):
            peer.send("".join(MESSAGE.format(domain, f"{domain} {number}") for number in range(13)))
            all_until(juliet, lambda stanza, last=f"{domain} 12": last in stanza)  # type: ignore[misc]
        second.send(MESSAGE.format("rooms.c.example", "last"))
        all_until(juliet, lambda stanza: 'id="last"' in stanza)
    assert monotonic() - begun > 1.3  # the first second is free


def test_row_191_one_network_does_not_take_all_verifications_of_keys(server: Server, authority: PeerServer) -> None:
    with PeerStream.to(server) as first, PeerStream.to(server) as second:
        for peer in (first, second):
            peer.opens()
        first.send(KEY.format("c.example", "a.example") * (MOST_OF_NETWORK - 1))
        asked = [authority.accepts() for _ in range(MOST_OF_NETWORK - 1)]
        second.send(KEY.format("d.example", "a.example"))
        asked.append(authority.accepts())
        second.send(KEY.format("d.example", "a.example") * 2)
        while keys_waiting(server) < 2:
            gevent.sleep(0.002)
        assert not authority.has_another  # they wait until one of the others is answered
        asked[0].hangs_up()
        asked.append(authority.accepts())
        assert keys_waiting(server) == 1


def keys_waiting(server: Server) -> int:
    """How many keys wait until they are verified."""
    return federation_of(server).verifying.waiting


def test_row_191_keys_that_wait_for_too_long_or_are_too_many_or_too_long_are_refused(
    server: Server, authority: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "WAIT_SECONDS", 0.01)
    with PeerStream.to(server) as peer:
        peer.opens()
        peer.send(KEY.format("c.example", "a.example") * MOST_OF_NETWORK)
        asked = [authority.accepts() for _ in range(MOST_OF_NETWORK)]
        too_late = peer.asks(KEY.format("d.example", "a.example"))
        assert local_name(too_late[0][0]) == "resource-constraint"
        too_long = peer.asks(KEY.format("d.example", "a.example").replace("some key", "k" * (LONGEST_KEY + 1)))
        assert local_name(too_long[0][0]) == "policy-violation"
        monkeypatch.setattr(verifying, "WAIT_SECONDS", 3_600.0)
        most = FederationSettings().pairs_per_stream
        peer.send(KEY.format("c.example", "a.example") * (most - MOST_OF_NETWORK))
        too_many = peer.asks(KEY.format("d.example", "a.example"))
        assert local_name(too_many[0][0]) == "resource-constraint"
        assert len(asked) == MOST_OF_NETWORK


def test_row_191_keys_whose_stream_has_ended_are_not_asked_about_any_more(
    server: Server, authority: PeerServer
) -> None:
    with PeerStream.to(server) as first, PeerStream.to(server) as second:
        for peer in (first, second):
            peer.opens()
        first.send(KEY.format("c.example", "a.example") * MOST_OF_NETWORK)
        asked = [authority.accepts() for _ in range(MOST_OF_NETWORK)]
        first.send(KEY.format("d.example", "a.example") * 30 + "</stream:stream>")
        assert first.last_words() == []
        second.send(KEY.format("c.example", "a.example"))
        while keys_waiting(server) < 31:
            gevent.sleep(0.002)
        asked[0].hangs_up()
        asked.append(authority.accepts())
        assert asked[-1].header == {}
        assert keys_waiting(server) == 0


def test_row_191_one_domain_does_not_take_all_verifications_of_keys() -> None:
    allowances = Allowances()
    with ExitStack() as under_way:
        for number in range(MOST_OF_DOMAIN):
            under_way.enter_context(allowances.verifying(f"{number}.c.example"))
        with pytest.raises(StanzaError), allowances.verifying("c.example"):
            pass
        under_way.enter_context(allowances.verifying("d.example"))
    allowances.forget_needless(monotonic())
    assert len(allowances) == 0


def test_row_07_strangers_have_as_few_places_on_the_port_for_servers_as_on_any(
    server: Server, authority: PeerServer
) -> None:
    most = ListenSettings().strangers_per_address
    with ExitStack() as opened:
        known = opened.enter_context(PeerStream.to(server))
        agree(known, authority)
        for _ in range(most):
            opened.enter_context(PeerStream.to(server)).opens()
        with PeerStream.to(server) as one_more, pytest.raises((StopIteration, OSError)):
            one_more.opens()
        known.hangs_up()
