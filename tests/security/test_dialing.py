"""What somebody could have the server dial, or look up, by names that are his (docs/security.md)."""

from collections.abc import Iterator
from contextlib import ExitStack

import gevent
import pytest
from gevent import socket

from tests.harness import zone as zones
from tests.harness.listeners import dialer, listening
from tests.harness.zone import HOST, Zone
from xmpp.federation.dns import dialing, resolver
from xmpp.federation.dns.dialing import Dialer, NoSuchServer, Unreachable
from xmpp.federation.dns.failures import NoAnswer
from xmpp.federation.dns.settings import NameServer

PLAIN, DIRECT = "_xmpp-server._tcp", "_xmpps-server._tcp"
PORT = 5269


@pytest.fixture
def zone() -> Iterator[Zone]:
    with Zone() as zone:
        yield zone


def attempt(dialer: Dialer, domain: str = "evil.test") -> list[str]:
    """Where all the connections go that there are."""
    found = []
    for sock, _, where in dialer.dial(domain):
        sock.close()
        found.append(where)
    return found


def flood(found: Dialer, names: list[str]) -> "list[gevent.Greenlet[..., None]]":
    """Dial all of them, each for itself."""

    def dial(name: str) -> None:
        with pytest.raises((NoSuchServer, Unreachable)):
            attempt(found, name)

    return [gevent.spawn(dial, name) for name in names]


# -- row 180: machines that are not on the internet


@pytest.mark.parametrize(
    ("type", "address"),
    [
        ("A", "127.0.0.1"),
        ("A", "127.8.8.8"),
        ("A", "0.0.0.0"),
        ("AAAA", "::1"),
        ("AAAA", "::ffff:127.0.0.1"),
        ("AAAA", "::"),
        ("AAAA", "64:ff9b::7f00:1"),
        ("AAAA", "2002:7f00:1::1"),
    ],
)
@pytest.mark.parametrize("way", ["by the record", "by an alias", "by the domain"])
def test_row_180_no_record_leads_to_this_machine(zone: Zone, type: str, address: str, way: str) -> None:
    with listening("::") as port:  # IPv4 too
        if way == "by the domain":
            zone.add("evil.test", type, address)
        else:
            zone.add(f"{PLAIN}.evil.test", "SRV", f"0 0 {port} inside.evil.test.")
        if way == "by an alias":
            zone.add("inside.evil.test", "CNAME", "elsewhere.test.")
        zone.add("elsewhere.test" if way == "by an alias" else "inside.evil.test", type, address)
        with pytest.raises(NoSuchServer, match="no public address"):
            attempt(dialer(zone, private_addresses=()))


def test_row_180_nor_to_the_local_network_though_loopback_is_allowed(zone: Zone) -> None:
    zone.add("evil.test", "A", "10.0.0.1", "192.168.0.1", "169.254.169.254", "172.16.0.1", "100.64.0.1")
    zone.add("evil.test", "AAAA", "fd00::1", "fe80::1")
    with pytest.raises(NoSuchServer, match="no public address"):
        attempt(dialer(zone))


def test_row_180_nor_does_a_record_that_names_an_address_itself(zone: Zone) -> None:
    with listening() as port:
        zone.add(f"{PLAIN}.evil.test", "SRV", f"0 0 {port} 127.0.0.1.", f"0 0 {port} localhost.")
        with pytest.raises((NoSuchServer, Unreachable)):
            attempt(dialer(zone))


# -- row 181: many hosts that others have


def test_row_181_a_domain_has_so_many_addresses_dialled_and_no_more(zone: Zone) -> None:
    with ExitStack() as opened:
        port = opened.enter_context(listening("127.0.1.1"))
        for n in range(2, 31):
            opened.enter_context(listening(f"127.0.1.{n}", port))
        zone.add(f"{PLAIN}.evil.test", "SRV", f"0 0 {port} many.evil.test.", f"1 0 {port} more.evil.test.")
        zone.add("many.evil.test", "A", *(f"127.0.1.{n}" for n in range(1, 16)))
        zone.add("more.evil.test", "A", *(f"127.0.1.{n}" for n in range(16, 31)))
        assert attempt(dialer(zone)) == [f"127.0.1.{n}:{port}" for n in range(1, 21)]


def test_row_181_and_so_many_names_looked_up_and_no_more(zone: Zone) -> None:
    zone.add(f"{PLAIN}.evil.test", "SRV", *(f"0 0 25 victim{n}.test." for n in range(25)))
    zone.add(f"{DIRECT}.evil.test", "SRV", *(f"1 0 443 victim{n}.test." for n in range(25, 50)))
    with pytest.raises(NoSuchServer):
        attempt(dialer(zone))
    assert len([name for name, type in zone.queries if type == "A"]) == 20


# -- row 182: names without end


def test_row_182_names_that_are_made_up_keep_nobody_waiting(zone: Zone) -> None:
    """The name servers of the one who makes them up never answer."""
    names = [f"n{n}.evil.test" for n in range(300)]
    zone.behave(zones.HELD, *(f"{PLAIN}.{name}" for name in names))
    with listening("127.0.0.2") as port:
        zone.add(f"{PLAIN}.good.test", "SRV", f"0 0 {port} xmpp.good.test.")
        zone.add("xmpp.good.test", "A", "127.0.0.2")
        found = dialer(zone)
        making_up = flood(found, names)
        while zone.most_at_once < dialing.MOST_OF_KIND:
            gevent.sleep(0)
        assert attempt(found, "good.test") == [f"127.0.0.2:{port}"]
        assert zone.most_at_once == dialing.MOST_OF_KIND + 1
        gevent.killall(making_up)


def test_row_182_more_than_so_many_are_refused_at_once(zone: Zone) -> None:
    names = [f"n{n}.evil.test" for n in range(dialing.MOST_OF_KIND + dialing.MOST_WAITING_OF_KIND + 100)]
    zone.behave(zones.SILENT, *(f"{service}.{name}" for service in (PLAIN, DIRECT) for name in names))
    making_up = flood(dialer(zone), names)
    gevent.joinall(making_up[-100:])
    assert [each.ready() for each in making_up] == [False] * (len(names) - 100) + [True] * 100
    gevent.killall(making_up)


# -- row 60


def test_row_60_names_that_are_made_up_are_remembered_within_bounds(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is known of others is not forgotten for them."""
    monkeypatch.setattr(resolver, "NOTHING_REMEMBERED", 10)
    zone.add("good.test", "A", "127.0.0.2")
    found = resolver.Resolver(lambda: [NameServer(HOST, zone.port)])
    found.ask("good.test", "A").get()
    for n in range(50):
        found.ask(f"n{n}.evil.test", "A").get()
    found.ask("n49.evil.test", "A").get()
    found.ask("n0.evil.test", "A").get()
    found.ask("good.test", "A").get()
    asked = [zone.queries[name, "A"] for name in ("n49.evil.test", "n0.evil.test", "good.test")]
    assert asked == [1, 2, 1]


# -- row 183: answers that somebody has forged


def test_row_183_a_forged_answer_leads_nowhere(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    zone.add("good.test", "A", "127.0.0.2")
    zone.behave(zones.WRONG_ID, "good.test")
    found = resolver.Resolver(lambda: [NameServer(HOST, zone.port)])
    with monkeypatch.context() as briefly:
        briefly.setattr(resolver, "ROUNDS", (0.2,))
        with pytest.raises(NoAnswer):
            found.ask("good.test", "A").get()
    zone.behave(zones.FORGED_FIRST, "good.test")
    assert found.ask("good.test", "A").get().records == ("127.0.0.2",)


def test_row_183_each_question_has_a_port_and_an_id_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "ROUNDS", (0.1,) * 20)
    monkeypatch.setattr(resolver, "MOST_SECONDS", 600.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        with pytest.raises(NoAnswer):
            resolver.Resolver(lambda: [NameServer(*server.getsockname())]).ask("good.test", "A").get()
        seen = [server.recvfrom(1000) for _ in range(20)]
    assert len({data[:2] for data, _ in seen}) > 15
    assert len({port for _, (_, port) in seen}) > 15


# -- row 57


def test_row_57_no_text_is_looked_up(zone: Zone) -> None:
    with pytest.raises(NoSuchServer):
        attempt(dialer(zone))
    assert {type for _, type in zone.queries} == {"SRV", "A", "AAAA"}
