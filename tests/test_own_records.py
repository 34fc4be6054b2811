"""`xserv config dns`: what other servers find for our domains, and what is missing."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.harness.commandline import complaint, configured, xserv
from tests.harness.zone import SERVFAIL, Zone
from xmpp.federation.dns.resolver import Resolver
from xmpp.federation.dns.settings import NameServer
from xmpp.federation.own_records import Found, look_up


@pytest.fixture
def zone() -> Iterator[Zone]:
    with Zone() as zone:
        yield zone


def found(zone: Zone, name: str, port: int = 5269) -> Found:
    return look_up(name, "a.test", port, Resolver(lambda: (NameServer("127.0.0.1", zone.port),)))


def test_records_are_said_with_where_they_lead(zone: Zone) -> None:
    zone.add("_xmpp-server._tcp.a.test", "SRV", "0 5 5269 host.a.test.")
    zone.add("_xmpps-server._tcp.a.test", "SRV", "1 5 5270 host.a.test.")
    zone.add("host.a.test", "A", "192.0.2.1")
    said = found(zone, "a.test")
    assert said == ("a.test: SRV records lead to host.a.test:5269, host.a.test:5270 (TLS).", False)


def test_a_host_without_an_address_is_no_way(zone: Zone) -> None:
    zone.add("_xmpp-server._tcp.a.test", "SRV", "0 5 5269 host.a.test.")
    assert found(zone, "a.test").is_missing


def test_a_service_that_nobody_finds_is_said_with_the_record_for_it(zone: Zone) -> None:
    text, is_missing = found(zone, "rooms.a.test")
    assert is_missing
    assert text.endswith("\n_xmpp-server._tcp.rooms.a.test. 3600 IN SRV 0 5 5269 a.test.")


def test_that_record_leads_to_the_machine_that_the_domain_itself_is_at(zone: Zone) -> None:
    zone.add("_xmpps-server._tcp.a.test", "SRV", "0 5 5270 tls.a.test.")
    zone.add("_xmpp-server._tcp.a.test", "SRV", "1 5 5269 host.a.test.")
    assert found(zone, "rooms.a.test").text.endswith("SRV 0 5 5269 host.a.test.")


def test_addresses_will_do_at_the_usual_port(zone: Zone) -> None:
    zone.add("rooms.a.test", "AAAA", "2001:db8::1")
    assert not found(zone, "rooms.a.test").is_missing
    text, is_missing = found(zone, "rooms.a.test", port=15269)
    assert is_missing
    assert "listens at 15269" in text


def test_a_name_server_that_fails_is_not_taken_for_no_records(zone: Zone) -> None:
    zone.behave(SERVFAIL, "_xmpp-server._tcp.a.test")
    zone.add("a.test", "A", "192.0.2.1")
    text, is_missing = found(zone, "a.test")
    assert is_missing
    assert "SERVFAIL" in text


def test_nothing_is_looked_up_for_a_server_that_does_not_talk_to_others(tmp_path: Path) -> None:
    assert "does not talk to others" in complaint("config", "dns", "--data", tmp_path)


# -- the command

SERVICES = ("pubsub", "rooms", "upload")
CONFIGURATION = """
server_port = {port}
[server]
domains = ["a.test", "b.test"]
[federation]
mode = "open"
[dialling]
nameservers = ["{nameserver}"]
"""


def listing(zone: Zone, folder: Path, port: int = 5269) -> subprocess.CompletedProcess[str]:
    """What the command prints for two domains and their services; from a thread, since the name server is here."""
    configured(folder, CONFIGURATION.format(port=port, nameserver=zone.address))
    return gevent.get_hub().threadpool.apply(xserv, ("config", "dns", "--data", folder))


def test_each_domain_is_listed_with_its_services_and_how_many_are_missing(zone: Zone, tmp_path: Path) -> None:
    for name in ("a.test", "rooms.a.test"):
        zone.add(f"_xmpp-server._tcp.{name}", "SRV", "0 5 15269 host.a.test.")
    zone.add("_xmpp-server._tcp.upload.a.test", "SRV", "0 5 15269 gone.a.test.")
    zone.add("host.a.test", "A", "192.0.2.1")
    zone.add("pubsub.a.test", "A", "192.0.2.1")
    done = listing(zone, tmp_path, 15269)
    add = "Add to its zone:\n_xmpp-server._tcp.{0}. 3600 IN SRV 0 5 15269 {1}."
    nothing = "{0}: neither SRV records nor addresses, so nobody finds it. " + add
    assert done.stdout.splitlines() == "\n".join(
        (
            "a.test: SRV records lead to host.a.test:15269.",
            "pubsub.a.test: no SRV records, so its addresses (192.0.2.1) are dialled at port 5269, and this server "
            f"listens at 15269. {add.format('pubsub.a.test', 'host.a.test')}",
            "rooms.a.test: SRV records lead to host.a.test:15269.",
            "upload.a.test: SRV records lead to gone.a.test:15269, but gone.a.test has no address.",
            *(nothing.format(name, "b.test") for name in ("b.test", *(f"{each}.b.test" for each in SERVICES))),
        )
    ).splitlines()
    assert (done.returncode, done.stderr) == (1, "Error: 6 of these cannot be reached by other servers.\n")


def test_where_all_are_found_nothing_is_wrong(zone: Zone, tmp_path: Path) -> None:
    names = [each for domain in ("a.test", "b.test") for each in (domain, *(f"{part}.{domain}" for part in SERVICES))]
    for name in names:
        zone.add(name, "A", "192.0.2.1")
    done = listing(zone, tmp_path)
    dialled = "no SRV records, so its addresses (192.0.2.1) are dialled at port 5269."
    assert done.stdout.splitlines() == [f"{name}: {dialled}" for name in names]
    assert (done.returncode, done.stderr) == (0, "")
