"""Settings for dialling: how they are written, and what is wrong with others; which addresses are public."""

import pytest

from assembly import sections
from xmpp.config.configuration import ConfigError, Configuration
from xmpp.data.networks import Networks
from xmpp.federation.dns.names import in_dns, is_public
from xmpp.federation.dns.settings import DialSettings, NameServer, Route


def given(**values: object) -> DialSettings:
    return Configuration.load(None, sections()).with_values({"dialling": values})[DialSettings]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1", NameServer("127.0.0.1", 53)),
        ("127.0.0.1:5353", NameServer("127.0.0.1", 5353)),
        ("::1", NameServer("::1", 53)),
        ("[::1]", NameServer("::1", 53)),
        ("[::1]:5353", NameServer("::1", 5353)),
    ],
)
def test_a_name_server_is_an_address_and_maybe_a_port(written: str, meant: NameServer) -> None:
    assert given(nameservers=[written]).name_servers == (meant,)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.0.2.1", Route("192.0.2.1", 5269, False)),
        ("192.0.2.1:5000", Route("192.0.2.1", 5000, False)),
        ("tls://192.0.2.1", Route("192.0.2.1", 5270, True)),
        ("tls://[2001:db8::1]:443", Route("2001:db8::1", 443, True)),
        ("2001:db8::1", Route("2001:db8::1", 5269, False)),
        ("XMPP.example.org", Route("xmpp.example.org", 5269, False)),
        ("tls://xmpp.bücher.example:5000", Route("xmpp.xn--bcher-kva.example", 5000, True)),
    ],
)
def test_a_route_is_a_host_and_maybe_a_port(written: str, meant: Route) -> None:
    settings = given(routes={"Bücher.example": written})
    assert settings.route("xn--bcher-kva.example") == meant
    assert settings.route("example.org") is None


@pytest.mark.parametrize(
    "values",
    [
        {"nameservers": ["dns.example.org"]},
        {"nameservers": ["127.0.0.1:0"]},
        {"nameservers": ["127.0.0.1:65536"]},
        {"nameservers": [""]},
        {"routes": {"example.org": "192.0.2.1:"}},
        {"routes": {"example.org": ""}},
        {"routes": {"example.org": "https://192.0.2.1"}},
        {"routes": {"example.org": "[192.0.2.1"}},
        {"routes": {"exa mple": "192.0.2.1"}},
        {"private_addresses": ["10.0.0.1/8"]},
        {"private_addresses": ["home"]},
        {"dial_seconds": 0},
    ],
)
def test_what_is_wrong_is_said(values: dict[str, object]) -> None:
    with pytest.raises(
        ConfigError, match=r"\[dialling\] (nameservers|routes|private_addresses|dial_seconds): expected"
    ):
        given(**values)


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
    ],
)
def test_a_domain_as_dns_has_it(domain: str, name: str) -> None:
    assert in_dns(domain) == name


@pytest.mark.parametrize(
    "domain", ["", ".", "a..b", "a b", "a\\.b", "-a", "x" * 64, "[nonsense]", "a/b", "ä" * 60, "a\0b"]
)
def test_what_is_no_domain(domain: str) -> None:
    with pytest.raises(ValueError):
        in_dns(domain)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "217.70.184.50", "2606:4700::1", "2a00:1450::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address, Networks(()))


PRIVATE = [
    "127.0.0.1", "127.255.0.9", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.251", "239.1.2.3", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::127.0.0.1", "2002:7f00:1::", "2001::1", "3fff::1", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_all_others_are_not_however_they_are_written(address: str) -> None:
    assert not is_public(address, Networks(()))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd12::1"])
def test_but_for_networks_that_are_set(address: str) -> None:
    assert is_public(address, Networks(("10.0.0.0/8", "fd12::/16")))
    assert not is_public(address, Networks(("192.168.0.0/16", "fd13::/16")))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "::ffff:0.0.0.0"])
def test_nobody_and_many_are_never_dialled(address: str) -> None:
    assert not is_public(address, Networks(("0.0.0.0/0", "::/0")))
