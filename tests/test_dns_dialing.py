"""Finding and dialling the servers of a domain (RFC 6120 section 3.2, XEP-0368, RFC 8305), with a zone of one's own."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import permutations

import gevent
import pytest

from tests.harness import zone as zones
from tests.harness.listeners import dialer, is_being_dialled, listening, refusing, silent
from tests.harness.zone import Zone
from xmpp.data.networks import Networks
from xmpp.federation.dns import race, resolver
from xmpp.federation.dns.dialing import Dialer, NoSuchServer, Unreachable
from xmpp.federation.dns.failures import LookupFailed
from xmpp.federation.dns.settings import DialSettings

PLAIN, DIRECT = "_xmpp-server._tcp", "_xmpps-server._tcp"
PORT = 5269


@pytest.fixture
def zone() -> Iterator[Zone]:
    with Zone() as zone:
        yield zone


def served(zone: Zone, service: str, *records: str, domain: str = "b.test") -> None:
    """SRV records of a domain, as `priority weight port target`."""
    zone.add(f"{service}.{domain}", "SRV", *records)


def dialled(dialer: Dialer, domain: str = "b.test") -> list[str]:
    """Where all connections go that there are, with `tls://` in front of those that begin with TLS."""
    return [*each_dialled(dialer, domain)]


def each_dialled(dialer: Dialer, domain: str = "b.test") -> Iterator[str]:
    for sock, is_direct, where in dialer.dial(domain):
        sock.close()
        yield f"tls://{where}" if is_direct else where


def first(dialer: Dialer, domain: str = "b.test") -> str:
    """Where the first connection goes."""
    return next(each_dialled(dialer, domain))


def refusal(error: type[Exception], dialer: Dialer, domain: str = "b.test") -> str:
    with pytest.raises(error) as raised:
        first(dialer, domain)
    return str(raised.value)


# -- which hosts


def test_a_server_is_found_by_its_srv_record(zone: Zone) -> None:
    with listening("127.0.0.2") as port:
        served(zone, PLAIN, f"0 0 {port} xmpp.b.test.")
        zone.add("xmpp.b.test", "A", "127.0.0.2")
        assert dialled(dialer(zone)) == [f"127.0.0.2:{port}"]


def test_direct_tls_and_starttls_are_tried_by_priority(zone: Zone) -> None:
    with listening("127.0.0.2") as one, listening("127.0.0.3") as two, listening("127.0.0.4") as three:
        served(zone, PLAIN, f"0 0 {one} one.b.test.", f"20 0 {three} three.b.test.")
        served(zone, DIRECT, f"10 0 {two} two.b.test.")
        for n, name in enumerate(("one", "two", "three"), 2):
            zone.add(f"{name}.b.test", "A", f"127.0.0.{n}")
        assert dialled(dialer(zone)) == [f"127.0.0.2:{one}", f"tls://127.0.0.3:{two}", f"127.0.0.4:{three}"]


def test_no_direct_tls_is_said_by_a_dot_and_leaves_the_other(zone: Zone) -> None:
    with listening() as port:
        served(zone, DIRECT, "0 0 0 .")
        served(zone, PLAIN, f"0 0 {port} b.test.")
        zone.add("b.test", "A", "127.0.0.1")
        assert dialled(dialer(zone)) == [f"127.0.0.1:{port}"]


def test_only_direct_tls_is_said_by_a_dot_for_the_other(zone: Zone) -> None:
    with listening() as port:
        served(zone, DIRECT, f"0 0 {port} b.test.")
        served(zone, PLAIN, "0 0 0 .")
        zone.add("b.test", "A", "127.0.0.1")
        assert dialled(dialer(zone)) == [f"tls://127.0.0.1:{port}"]


@pytest.mark.parametrize("services", [[PLAIN], [DIRECT], [PLAIN, DIRECT]])
def test_a_domain_with_a_dot_alone_has_no_server(zone: Zone, services: Sequence[str]) -> None:
    """And its addresses are not even asked for."""
    for each in services:
        served(zone, each, "0 0 0 .")
    zone.add("b.test", "A", "127.0.0.1")
    assert refusal(NoSuchServer, dialer(zone)) == "its domain has no server for this"
    assert zone.queries["b.test", "A"] == 0


def test_without_srv_records_the_addresses_of_the_domain_are_dialled(zone: Zone) -> None:
    with listening("127.0.0.5", PORT):
        zone.add("b.test", "A", "127.0.0.5")
        assert dialled(dialer(zone)) == [f"127.0.0.5:{PORT}"]


def test_aliases_are_followed(zone: Zone) -> None:
    with listening("127.0.0.2") as port:
        served(zone, PLAIN, f"0 0 {port} xmpp.b.test.")
        zone.add("xmpp.b.test", "CNAME", "hoster.test.")
        zone.add("hoster.test", "CNAME", "machine.hoster.test.")
        zone.add("machine.hoster.test", "A", "127.0.0.2")
        assert dialled(dialer(zone)) == [f"127.0.0.2:{port}"]


def test_a_domain_is_asked_for_in_ascii(zone: Zone) -> None:
    with listening() as port:
        served(zone, PLAIN, f"0 0 {port} b.test.", domain="xn--bcher-kva.test")
        zone.add("b.test", "A", "127.0.0.1")
        assert dialled(dialer(zone), "bücher.test") == [f"127.0.0.1:{port}"]


def test_a_domain_that_does_not_exist_has_no_server(zone: Zone) -> None:
    assert refusal(NoSuchServer, dialer(zone)) == "its name has no address"


@pytest.mark.parametrize("domain", ["192.0.2.1", "[2001:db8::1]", "1.2", "x.onion", "localhost", "a..b", "x" * 64])
def test_what_is_no_name_in_dns_is_not_asked_for(zone: Zone, domain: str) -> None:
    refusal(NoSuchServer, dialer(zone), domain)
    assert not zone.queries


def test_a_name_that_is_too_long_with_its_service_has_no_server(zone: Zone) -> None:
    domain = ".".join(["x" * 60] * 4)
    assert refusal(NoSuchServer, dialer(zone), domain) == "its name is too long"


# -- failures are not "none"


@pytest.mark.parametrize("behaviour", [zones.SERVFAIL, zones.REFUSED])
@pytest.mark.parametrize("service", [PLAIN, DIRECT])
def test_a_failure_to_look_up_srv_records_does_not_lead_to_the_addresses(
    zone: Zone, service: str, behaviour: str
) -> None:
    zone.behave(behaviour, f"{service}.b.test")
    zone.add("b.test", "A", "127.0.0.1")
    reason = refusal(Unreachable, dialer(zone))
    assert reason == f"its name could not be looked up: the name server says {behaviour.upper()}"
    assert zone.queries["b.test", "A"] == 0


def test_name_servers_that_do_not_answer_are_no_answer(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "ROUNDS", (0.05, 0.05))
    zone.behave(zones.SILENT, f"{PLAIN}.b.test")
    zone.add("b.test", "A", "127.0.0.1")
    assert refusal(Unreachable, dialer(zone)) == "its name could not be looked up: no name server answers"
    while zone.queries[f"{PLAIN}.b.test", "SRV"] < 2:
        gevent.sleep(0)


def test_what_one_service_names_is_dialled_although_the_other_cannot_be_looked_up(zone: Zone) -> None:
    with listening() as port:
        served(zone, PLAIN, f"0 0 {port} b.test.")
        zone.add("b.test", "A", "127.0.0.1")
        zone.behave(zones.SERVFAIL, f"{DIRECT}.b.test")
        assert dialled(dialer(zone)) == [f"127.0.0.1:{port}"]


def test_a_host_whose_addresses_cannot_be_looked_up_is_unreachable(zone: Zone) -> None:
    served(zone, PLAIN, "0 0 5269 xmpp.b.test.")
    zone.behave(zones.SERVFAIL, "xmpp.b.test")
    reason = refusal(Unreachable, dialer(zone))
    assert reason == "its server's name could not be looked up: the name server says SERVFAIL"


def test_another_host_is_dialled_if_the_addresses_of_one_cannot_be_looked_up(zone: Zone) -> None:
    with listening("127.0.0.2") as port:
        served(zone, PLAIN, "0 0 5269 one.b.test.", f"5 0 {port} two.b.test.")
        zone.behave(zones.SERVFAIL, "one.b.test")
        zone.add("two.b.test", "A", "127.0.0.2")
        assert dialled(dialer(zone)) == [f"127.0.0.2:{port}"]


# -- connecting


def test_a_host_that_refuses_is_passed_over(zone: Zone) -> None:
    with refusing("127.0.0.2") as closed, listening("127.0.0.3") as port:
        served(zone, PLAIN, f"0 0 {closed} one.b.test.", f"5 0 {port} two.b.test.")
        zone.add("one.b.test", "A", "127.0.0.2")
        zone.add("two.b.test", "A", "127.0.0.3")
        assert dialled(dialer(zone)) == [f"127.0.0.3:{port}"]


def test_if_all_refuse_it_is_said(zone: Zone) -> None:
    with refusing() as closed:
        served(zone, PLAIN, f"0 0 {closed} b.test.")
        zone.add("b.test", "A", "127.0.0.1")
        assert refusal(Unreachable, dialer(zone)) == "its server refuses connections"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test waits for comes because somebody has given up."""
    monkeypatch.setattr(race, "CONNECT_SECONDS", 600.0)
    monkeypatch.setattr(resolver, "ROUNDS", (600.0,))
    monkeypatch.setattr(resolver, "MOST_SECONDS", 600.0)


@pytest.mark.usefixtures("patience")
def test_a_host_that_does_not_answer_is_not_waited_for(zone: Zone) -> None:
    """The next address is dialled beside it, although the first one may still answer."""
    with silent("127.0.0.2") as port, listening("127.0.0.3", port):
        served(zone, PLAIN, f"0 0 {port} b.test.")
        zone.add("b.test", "A", "127.0.0.2", "127.0.0.3")
        connections = dialer(zone, dial_seconds=300).dial("b.test")
        found = next(connections)
        assert found.where == f"127.0.0.3:{port}"
        found.sock.close()
        while is_being_dialled(port):  # nor does anybody go on who is not wanted any more
            gevent.sleep(0)


@pytest.mark.usefixtures("patience")
def test_what_had_not_answered_is_dialled_again_if_the_connection_is_of_no_use(zone: Zone) -> None:
    with ExitStack() as at_first, listening("127.0.0.3") as port:
        at_first.enter_context(silent("127.0.0.2", port))
        served(zone, PLAIN, f"0 0 {port} b.test.")
        zone.add("b.test", "A", "127.0.0.2", "127.0.0.3")
        connections = each_dialled(dialer(zone, dial_seconds=300))
        assert next(connections) == f"127.0.0.3:{port}"
        at_first.close()
        with listening("127.0.0.2", port):
            assert list(connections) == [f"127.0.0.2:{port}"]


def test_the_next_priority_waits_until_all_of_the_one_before_have_failed(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "CONNECT_SECONDS", 0.5)
    with silent("127.0.0.2") as port, listening("127.0.0.3") as other:
        served(zone, PLAIN, f"0 0 {port} one.b.test.", f"5 0 {other} two.b.test.")
        zone.add("one.b.test", "A", "127.0.0.2")
        zone.add("two.b.test", "A", "127.0.0.3")
        assert dialled(dialer(zone)) == [f"127.0.0.3:{other}"]
        assert [name for name, type in zone.queries if type == "A"] == ["one.b.test", "two.b.test"]


@pytest.mark.parametrize("failures", [*permutations([errno.ENETUNREACH, errno.ECONNREFUSED, None])])
def test_the_most_telling_reason_is_said(failures: Sequence[int | None]) -> None:
    """Not that there is no way to an IPv6 address, which is so on many machines."""
    tried = race.Tried(Networks(()))
    for number in failures:
        tried.failed(OSError(number, "") if number else LookupFailed("no name server answers"))
    assert str(tried.reason()) == "its server refuses connections"


def test_if_an_address_does_not_answer_it_is_said(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "CONNECT_SECONDS", 0.1)
    with silent() as port:
        served(zone, PLAIN, f"0 0 {port} b.test.")
        zone.add("b.test", "A", "127.0.0.1")
        assert refusal(Unreachable, dialer(zone)) == "its server does not answer"


def test_all_of_it_has_a_time(zone: Zone) -> None:
    with silent() as port:
        found = dialer(zone, dial_seconds=1, routes={"b.test": f"127.0.0.1:{port}"})
        assert refusal(Unreachable, found) == "its server does not answer"
        assert found.under_way == 0


def test_if_dns_does_not_answer_in_time_it_is_said(zone: Zone) -> None:
    zone.behave(zones.SILENT, f"{PLAIN}.b.test")
    assert refusal(Unreachable, dialer(zone, dial_seconds=1)) == "its name could not be looked up in time"


def test_no_address_is_dialled_twice(zone: Zone) -> None:
    with listening("127.0.0.2") as port:
        served(zone, PLAIN, f"0 0 {port} one.b.test.", f"0 0 {port} two.b.test.", f"5 0 {port} three.b.test.")
        served(zone, DIRECT, f"9 0 {port} one.b.test.")
        for name in ("one", "two", "three"):
            zone.add(f"{name}.b.test", "A", "127.0.0.2")
        assert dialled(dialer(zone)) == [f"127.0.0.2:{port}", f"tls://127.0.0.2:{port}"]


def test_ipv6_goes_first_and_families_take_turns(zone: Zone) -> None:
    with ExitStack() as opened:
        port = opened.enter_context(listening("::1"))
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            opened.enter_context(listening(address, port))
        served(zone, PLAIN, f"0 0 {port} b.test.")
        zone.add("b.test", "A", "127.0.0.2", "127.0.0.3", "127.0.0.4")
        zone.add("b.test", "AAAA", "::1")
        assert dialled(dialer(zone)) == [f"[::1]:{port}", *(f"127.0.0.{n}:{port}" for n in (2, 3, 4))]


def point(place: int, address: str) -> race.EndPoint:
    return race.EndPoint(place, race.IPV6 if ":" in address else race.IPV4, address, PORT, False)


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        ([(0, "::1"), (0, "::2"), (0, "1.1.1.1"), (0, "2.2.2.2")], ["::1", "1.1.1.1", "::2", "2.2.2.2"]),
        ([(0, "1.1.1.1"), (0, "2.2.2.2"), (1, "::1"), (1, "3.3.3.3")], ["1.1.1.1", "::1", "2.2.2.2", "3.3.3.3"]),
        ([(0, "::1"), (0, "::2"), (1, "::3"), (1, "1.1.1.1")], ["::1", "1.1.1.1", "::2", "::3"]),
    ],
)
def test_families_take_turns_over_all_hosts_and_the_first_host_goes_first(
    addresses: list[tuple[int, str]], order: list[str]
) -> None:
    waiting, found, before = [point(*each) for each in addresses], list[str](), ""
    while waiting:
        chosen = race.next_of(waiting, before)
        waiting.remove(chosen)
        before = chosen.type
        found.append(chosen.address)
    assert found == order


@pytest.mark.usefixtures("patience")
def test_a_slow_answer_about_one_family_is_not_waited_for(zone: Zone) -> None:
    """The zone holds the answer until the connection is there."""
    with listening("127.0.0.2") as port:
        served(zone, PLAIN, f"0 0 {port} b.test.")
        zone.add("b.test", "A", "127.0.0.2")
        zone.behave(zones.HELD, "b.test", type="AAAA")
        assert first(dialer(zone, dial_seconds=300)) == f"127.0.0.2:{port}"


# -- what an administrator sets


def test_a_route_takes_the_place_of_dns(zone: Zone) -> None:
    with listening("127.0.0.2") as one, listening("127.0.0.3") as two:
        routes = {"b.test": f"127.0.0.2:{one}", "Bücher.test": f"tls://127.0.0.3:{two}"}
        found = dialer(zone, routes=routes, private_addresses=())
        assert dialled(found) == [f"127.0.0.2:{one}"]
        assert dialled(found, "xn--bcher-kva.test") == dialled(found, "bücher.test") == [f"tls://127.0.0.3:{two}"]
        assert not zone.queries


def test_a_route_may_name_a_host(zone: Zone) -> None:
    with listening("127.0.0.2") as port:
        zone.add("machine.test", "A", "127.0.0.2")
        found = dialer(zone, routes={"b.test": f"machine.test:{port}"}, private_addresses=())
        assert dialled(found) == [f"127.0.0.2:{port}"]


@pytest.mark.parametrize("domain", ["192.0.2.1", "[2001:db8::1]", "x.onion"])
def test_with_a_route_a_domain_may_be_anything(zone: Zone, domain: str) -> None:
    with listening("127.0.0.2") as port:
        assert dialled(dialer(zone, routes={domain: f"127.0.0.2:{port}"}), domain) == [f"127.0.0.2:{port}"]


def test_another_setting_holds_for_the_next_dial(zone: Zone) -> None:
    chosen = [DialSettings(nameservers=(zone.address,))]
    found = Dialer(lambda: chosen[-1])
    with listening("127.0.0.2") as port:
        refusal(NoSuchServer, found)
        chosen.append(DialSettings(routes={"b.test": f"127.0.0.2:{port}"}))
        assert dialled(found) == [f"127.0.0.2:{port}"]


# -- many at once


def test_who_dials_the_same_domain_at_once_shares_the_look_up(zone: Zone) -> None:
    with listening("127.0.0.2") as port:
        served(zone, PLAIN, f"0 0 {port} xmpp.b.test.")
        zone.add("xmpp.b.test", "A", "127.0.0.2")
        zone.behave(zones.HELD, f"{PLAIN}.b.test")
        found = dialer(zone)
        several = [gevent.spawn(first, found) for _ in range(10)]
        while not zone.queries[f"{PLAIN}.b.test", "SRV"]:
            gevent.sleep(0)
        zone.release()
        gevent.joinall(several, raise_error=True)
        assert {each.value for each in several} == {f"127.0.0.2:{port}"}
        assert set(zone.queries.values()) == {1}


def test_a_dial_that_is_broken_off_leaves_nothing_behind(zone: Zone) -> None:
    with silent("127.0.0.2") as port, listening("127.0.0.3") as other:
        served(zone, PLAIN, f"0 0 {port} one.b.test.")
        zone.add("one.b.test", "A", "127.0.0.2")
        served(zone, PLAIN, f"0 0 {other} two.c.test.", domain="c.test")
        zone.add("two.c.test", "A", "127.0.0.3")
        found = dialer(zone)
        broken_off = gevent.spawn(first, found)
        while not zone.queries["one.b.test", "A"]:
            gevent.sleep(0)
        broken_off.kill()
        assert found.under_way == 0
        assert first(found, "c.test") == f"127.0.0.3:{other}"
