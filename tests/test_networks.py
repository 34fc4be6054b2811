"""What counts as one place."""

import pytest

from xmpp.data.networks import Networks, network


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_network_counts_as_one_place(address: str, place: str) -> None:
    assert network(address) == place


@pytest.mark.parametrize(
    ("address", "is_among"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("127.0.0.2", False),
        ("10.255.0.1", True),
        ("::ffff:10.255.0.1", True),
        ("11.0.0.1", False),
        ("2001:db8:1::1", True),
        ("2001:db8:2::1", False),
        ("fe80::1%eth0", True),
        ("::1", False),
    ],
)
def test_an_address_is_among_listed_networks(address: str, is_among: bool) -> None:
    assert (address in Networks(["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48", "fe80::/64"])) is is_among


@pytest.mark.parametrize("listed", ["localhost", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_what_is_no_network_cannot_be_listed(listed: str) -> None:
    with pytest.raises(ValueError):
        Networks([listed])
