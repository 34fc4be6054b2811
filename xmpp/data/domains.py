"""Which domains are one owner's: whoever has a domain has as many beneath it as they like."""

# Labels before the two letters of a country that are nobody's own, as in example.co.uk.
_OF_COUNTRIES = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})
# Where names are given away to many, among them people who have a server at home.
_GIVEN_AWAY = frozenset(
    {"ddns.net", "dedyn.io", "duckdns.org", "dynu.net", "dynv6.net", "eu.org", "freeddns.org", "freemyip.com",
     "hopto.org", "mooo.com", "myftp.org", "no-ip.org", "noip.me", "selfhost.eu", "spdns.de", "zapto.org"}
)  # fmt: skip


def registrable(domain: str) -> str:
    """The domain that somebody has registered, which this one is, or is beneath.

    The list of all suffixes that people register beneath (publicsuffix.org) has ten thousand lines and changes every
    week. This goes by the last two labels and knows the commonest exceptions; of others, neighbours count as one.
    """
    labels = domain.rsplit(".", 3)
    if len(labels) < 3 or labels[-1].isdecimal() or domain.endswith("]"):  # of an IPv4 address the first part counts
        return domain
    last_two = f"{labels[-2]}.{labels[-1]}"
    is_suffix = last_two in _GIVEN_AWAY or (len(labels[-1]) == 2 and labels[-2] in _OF_COUNTRIES)
    return f"{labels[-3]}.{last_two}" if is_suffix else last_two
