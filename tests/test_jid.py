"""Addresses (RFC 7622): tables of what is accepted, as what, and what is refused; properties for everything else."""

import copy
import pickle
import sqlite3
import string
import sys
import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from lxml import etree
from precis_i18n import get_profile

from xmpp.data import jid, pictographs
from xmpp.data.jid import JID, LABORIOUS_CHARACTERS, LABORIOUS_EACH, AddressReader, MalformedJID, TooManyAddresses

# -- tables


@pytest.mark.parametrize(
    ("text", "local", "domain", "resource"),
    [
        # RFC 7622 section 3.5, table 1
        ("juliet@example.com", "juliet", "example.com", ""),
        ("juliet@example.com/foo", "juliet", "example.com", "foo"),
        ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
        ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
        ("foo\\20bar@example.com", "foo\\20bar", "example.com", ""),
        ("fussball@example.com", "fussball", "example.com", ""),
        ("fußball@example.com", "fußball", "example.com", ""),
        ("π@example.com", "π", "example.com", ""),
        ("Σ@example.com/foo", "σ", "example.com", "foo"),
        ("σ@example.com/foo", "σ", "example.com", "foo"),
        ("ς@example.com/foo", "ς", "example.com", "foo"),
        ("king@example.com/♚", "king", "example.com", "♚"),
        ("example.com", "", "example.com", ""),
        ("example.com/foobar", "", "example.com", "foobar"),
        ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
        # the first "/" and the first "@" divide
        ("example.com/a/b", "", "example.com", "a/b"),
        ("romeo@example.com//", "romeo", "example.com", "/"),
        ("romeo@example.com/@", "romeo", "example.com", "@"),
        # the localpart has no case and no width, the resourcepart has both
        ("Romeo@example.com/Orchard", "romeo", "example.com", "Orchard"),
        ("Ｒｏｍｅｏ@example.com/Ｏ", "romeo", "example.com", "Ｏ"),
        ("JOSE\u0301@example.com/e\u0301", "josé", "example.com", "é"),
        ("romeo@example.com/a\u00a0b", "romeo", "example.com", "a b"),
        # domains: case, trailing dot, A-labels, width, the ideographic full stop
        ("romeo@EXAMPLE.com", "romeo", "example.com", ""),
        ("example.com.", "", "example.com", ""),
        ("localhost", "", "localhost", ""),
        ("xn--mnchen-3ya.DE", "", "münchen.de", ""),
        ("MÜNCHEN.de", "", "münchen.de", ""),
        ("XN--fa-hia.de", "", "faß.de", ""),
        ("ｅｘａｍｐｌｅ．com", "", "example.com", ""),
        ("例え。jp", "", "例え.jp", ""),
        # literals
        ("romeo@127.0.0.1/x", "romeo", "127.0.0.1", "x"),
        ("romeo@[::1]/x", "romeo", "[::1]", "x"),
        ("[2001:DB8:0:0:0:0:0:1]", "", "[2001:db8::1]", ""),
    ],
)
def test_an_address_is_read_as_its_normalised_parts(text: str, local: str, domain: str, resource: str) -> None:
    address = JID.parse(text)
    assert (address.local, address.domain, address.resource) == (local, domain, resource)
    assert address == (f"{local}@" if local else "") + domain + (f"/{resource}" if resource else "")


ZWJ, TEXT, EMOJI = "\u200d", "\ufe0e", "\ufe0f"
WOMAN, MAN, GIRL, LAPTOP = "\U0001f469", "\U0001f468", "\U0001f467", "\U0001f4bb"
BLACK_FLAG = "\U0001f3f4"


def tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(letter)) for letter in text)


@pytest.mark.parametrize(
    ("resource", "normal"),
    [
        # of Unicode 15, 16, 17, and none yet
        *(
            (emoji, emoji)
            for emoji in ("\U0001fae8", "\U0001fae9", "\U0001faea", "\U0001fadd", "\U0001fc00", "\U0001fffd")
        ),
        (f"{WOMAN}{ZWJ}{MAN}{ZWJ}{GIRL}", f"{WOMAN}{ZWJ}{MAN}{ZWJ}{GIRL}"),
        (f"Ann's {WOMAN}\U0001f3fd{ZWJ}{LAPTOP}!", f"Ann's {WOMAN}\U0001f3fd{ZWJ}{LAPTOP}!"),
        ("\U0001f1fa\U0001f1e6", "\U0001f1fa\U0001f1e6"),  # a flag is two letters
        *((BLACK_FLAG + tags(each) + "\U000e007f",) * 2 for each in ("gbeng", "gbsct", "gbwls")),
        # the style in which they are drawn makes no other address
        (f"\u2764{EMOJI}", "\u2764"),
        (f"\u2764{TEXT}", "\u2764"),
        (f"\u2764{EMOJI}{ZWJ}\U0001f525", f"\u2764{ZWJ}\U0001f525"),
        (f"\U0001f642{ZWJ}\u2194{EMOJI}", f"\U0001f642{ZWJ}\u2194"),
        (f"1{EMOJI}\u20e3", "1\u20e3"),
        (f"#{EMOJI}\u20e3", "#\u20e3"),
        (f"\u2194{EMOJI}\u0338", "\u21ae"),  # and hides nothing from normalisation
    ],
)
def test_a_resource_may_have_emoji_that_are_new_or_joined(resource: str, normal: str) -> None:
    assert JID.parse(f"example.com/{resource}").resource == normal
    assert JID.parse(f"example.com/{normal}").resource == normal


@pytest.mark.parametrize(
    "resource",
    [
        ZWJ,
        EMOJI,
        f"a{ZWJ}b",
        f"{WOMAN}{ZWJ}",
        f"{ZWJ}{WOMAN}",
        f"{WOMAN}{ZWJ}a",
        f"{WOMAN}{ZWJ}{ZWJ}{MAN}",
        f"{WOMAN}{EMOJI}{EMOJI}",
        f"a{EMOJI}",
        f"1{EMOJI}",
        "\u2764\ufe00",
        f"a{EMOJI}\u20e3",
        f"{BLACK_FLAG}{tags('gbeng')}",
        f"{BLACK_FLAG}{tags('usca')}\U000e007f",
        f"{WOMAN}{tags('gbeng')}\U000e007f",
        f"l{WOMAN}\u00b7l",  # nor does one stand for its neighbours
        "\U0001f02c\u0378",
        "\U0001fbfc",
        "\U000e0041",
    ],
)
def test_what_hides_between_emoji_or_elsewhere_is_refused(resource: str) -> None:
    with pytest.raises(MalformedJID, match="the resourcepart contains"):
        JID.parse(f"example.com/{resource}")


@pytest.mark.parametrize("emoji", ["\U0001fae8", "\u2764", f"{WOMAN}{ZWJ}{MAN}"])
def test_the_name_of_an_account_has_no_emoji(emoji: str) -> None:
    with pytest.raises(MalformedJID, match="the localpart contains"):
        JID.parse(f"a{emoji}@example.com")


def test_every_pictograph_that_is_known_is_a_symbol_that_has_one_form_only() -> None:
    """So those that are not known yet can be let in: a newer table changes nothing."""
    known = [character for character in map(chr, range(0x3300)) if pictographs.replaced(character) != character]
    known += [character for character in map(chr, range(0x1F000, 0x1FFFE)) if unicodedata.category(character) != "Cn"]
    assert {unicodedata.normalize("NFC", each) == each and not unicodedata.combining(each) for each in known} == {True}
    assert {get_profile("OpaqueString").enforce(each) == each for each in known} == {True}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the domainpart is empty"),
        ("@example.com", "the localpart is empty"),
        ("@", "the localpart is empty"),
        ("/", "the domainpart is empty"),
        ("/foobar", "the domainpart is empty"),
        ("juliet@", "the domainpart is empty"),
        ("juliet@/foo", "the domainpart is empty"),
        ("example.com/", "the resourcepart is empty"),
        ("juliet@example.com/", "the resourcepart is empty"),
        ("juliet@capulet@example.com", "the domainpart contains '@'"),
        ("juliet@@example.com", "the domainpart contains '@'"),
        ('"juliet"@example.com', "the localpart contains one of"),
        ("a&b@example.com", "the localpart contains one of"),
        ("a'b@example.com", "the localpart contains one of"),
        ("a:b@example.com", "the localpart contains one of"),
        ("a<b@example.com", "the localpart contains one of"),
        ("a>b@example.com", "the localpart contains one of"),
        ("foo bar@example.com", "the localpart contains U+0020"),
        ("henry\u2163@example.com", "the localpart contains U+2173"),
        ("♚@example.com", "the localpart contains U+265A"),
        ("a\u0007@example.com", "the localpart contains U+0007"),
        ("a\u200bb@example.com", "the localpart contains U+200B"),
        ("a\u0378@example.com", "the localpart contains U+0378"),
        ("\u0660\u06f0@example.com", "the localpart is not allowed"),
        ("\u05d0a@example.com", "the localpart is not allowed"),
        ("juliet@example.com/\u0000", "the resourcepart contains U+0000"),
        ("juliet@example.com/\u202e", "the resourcepart contains U+202E"),
        ("juliet@example.com/\u30fb", "the resourcepart contains U+30FB"),
        ("juliet@example.com/\u0660\u06f0", "the resourcepart contains U+0660"),
        ("juliet@example.com/l\u00b7ll\u00b7a", "the resourcepart contains U+00B7"),
        ("juliet@example.com/\ud800", "the resourcepart is not allowed"),
        ("example..com", "the domainpart is not a domain name"),
        (".example.com", "the domainpart is not a domain name"),
        ("example.com..", "the domainpart is not a domain name"),
        (".", "the domainpart is not a domain name"),
        ("-example.com", "the domainpart is not a domain name"),
        ("example-.com", "the domainpart is not a domain name"),
        ("ab--c.com", "the domainpart is not a domain name"),
        ("exam ple.com", "the domainpart is not a domain name"),
        ("exam_ple.com", "the domainpart is not a domain name"),
        ("xn--.com", "the domainpart is not a domain name"),
        ("xn--zzzzzz-.com", "the domainpart is not a domain name"),
        ("♚.com", "the domainpart is not a domain name"),
        ("example.com:5222", "the domainpart is not a domain name"),
        ("::1", "the domainpart is not a domain name"),
        ("[::1", "the domainpart is not an IPv6 address"),
        ("[]", "the domainpart is not an IPv6 address"),
        ("[127.0.0.1]", "the domainpart is not an IPv6 address"),
        ("[fe80::1%eth0]", "the domainpart is not an IPv6 address"),
        ("[::1].com", "the domainpart is not an IPv6 address"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(MalformedJID) as refusal:
        JID.parse(text)
    assert str(refusal.value).startswith(complaint)


@pytest.mark.parametrize("character", ["a", "é", "字", "😀"])
def test_a_part_has_at_most_1023_bytes(character: str) -> None:
    many = jid.MAX_PART_BYTES // len(character.encode())
    assert JID.parse("example.com/" + character * many).resource == character * many
    with pytest.raises(MalformedJID, match=r"the resourcepart has 10.. bytes"):
        JID.parse("example.com/" + character * (many + 1))


def test_the_length_is_counted_after_normalisation() -> None:
    assert JID.parse("Ａ" * jid.MAX_PART_BYTES + "@example.com").local == "a" * jid.MAX_PART_BYTES


@pytest.mark.parametrize(
    ("domain", "complaint"),
    [
        ("a" * 64 + ".com", "a label of more than 63"),
        ("ä" * 60 + ".com", "not a domain name"),  # 60 characters, but more than 63 when encoded for DNS
        (".".join(["a" * 63] * 4), "not a domain name"),
    ],
)
def test_a_domain_that_dns_could_not_name_is_refused(domain: str, complaint: str) -> None:
    with pytest.raises(MalformedJID, match=complaint):
        JID.parse(domain)


@pytest.mark.parametrize(
    "text",
    [
        "admin@example.com/x",  # the plain one, to be told apart from all below
        "ａｄｍｉｎ@example.com/x",
        "ADMIN@EXAMPLE.COM./x",
        "admin@ｅｘａｍｐｌｅ。com/x",
    ],
)
def test_security_row_49_other_spellings_are_the_same_address(text: str) -> None:
    assert JID.parse(text) is JID.parse("admin@example.com/x")


@pytest.mark.parametrize(
    "text",
    [
        "@example.com",
        "admin＠example.com@example.com",
        "admin／x@example.com",
        "admin\u200d@example.com",
        "admin\u00ad@example.com",
        "\u202eadmin@example.com",
        "ad\u2028min@example.com",
        "admin@exam\u2044ple.com",
        "admin@example.com\u0000.org",
        "admin@[::1%@example.com]",
        "a" * 1024 + "@example.com",
        "example.com/" + "a" * 1024,
        "a" * 10_000_000,
    ],
)
def test_security_row_49_tricks_are_refused(text: str) -> None:
    with pytest.raises(MalformedJID):
        JID.parse(text)


def test_security_row_49_separators_in_the_resource_stay_in_the_resource() -> None:
    address = JID.parse("romeo@example.com/admin@example.com/x")
    assert (address.bare, address.resource) == ("romeo@example.com", "admin@example.com/x")


@pytest.mark.parametrize(
    "parts", [("a/b", "c", ""), ("a@b", "c", ""), ("a", "b/c", ""), ("", "b@c", ""), ("a", "", "")]
)
def test_security_row_49_a_part_cannot_smuggle_in_another(parts: tuple[str, str, str]) -> None:
    with pytest.raises(MalformedJID):
        JID.of(*parts)


# -- the object


def test_an_address_knows_its_bare_form() -> None:
    full, bare = JID.parse("romeo@example.com/orchard"), JID.parse("romeo@example.com")
    assert full.bare is bare and bare.bare is bare
    assert full.is_full and not full.is_bare
    assert bare.is_bare and not bare.is_full
    assert JID.parse("example.com/x").bare == "example.com"


def test_the_same_text_gives_the_same_object() -> None:
    address = JID.parse("romeo@example.com/orchard")
    assert JID.parse("romeo@example.com/orchard") is address
    assert JID.parse(address) is address
    assert JID.of("ROMEO", "example.com", "orchard") is address
    assert address.bare.with_resource("orchard") is address
    assert address.with_resource("orchard") is address


def test_an_address_is_its_text() -> None:
    address = JID.parse("romeo@example.com/orchard")
    assert address == "romeo@example.com/orchard" and hash(address) == hash("romeo@example.com/orchard")
    element = etree.Element("message")
    element.set("to", address)
    assert element.get("to") == address
    with sqlite3.connect(":memory:") as database:
        assert database.execute("select ?", (address,)).fetchone() == ("romeo@example.com/orchard",)


def test_an_address_cannot_be_changed() -> None:
    address = JID.parse("romeo@example.com")
    with pytest.raises(AttributeError):
        address.local = "juliet"
    assert address.local == "romeo"


def test_a_copy_is_the_same_object() -> None:
    address = JID.parse("romeo@example.com/orchard")
    assert copy.copy(address) is copy.deepcopy(address) is pickle.loads(pickle.dumps(address)) is address


def test_a_resource_must_be_given_where_one_is_asked_for() -> None:
    with pytest.raises(MalformedJID, match="the resourcepart is empty"):
        JID.parse("romeo@example.com").with_resource("")


def test_security_row_60_the_cache_is_bounded_and_takes_no_long_address() -> None:
    def cached() -> int:
        return jid._parsed_once.cache_info().currsize

    for number in range(jid.CACHE_SIZE + 10):
        JID.parse(f"u{number}.example.com")
    assert cached() == jid.CACHE_SIZE
    jid._parsed_once.cache_clear()
    assert JID.parse("example.com/" + "x" * jid.MAX_CACHED_CHARACTERS).bare is JID.parse("example.com")
    assert cached() == 1


@pytest.mark.parametrize("repeated", ["\u30fb", "\u0660", "\u06f0", "\u0628\u200c", "\u2764\u200d\u2764"])
def test_security_row_60_the_work_grows_with_the_length_and_not_with_its_square(repeated: str) -> None:
    # The end makes the first four allowed, and the search for it long. 1.6 times the length, 2.56 times its square.
    short, long = (work("example.com/" + repeated * (many // len(repeated)) + "\u0628\u30a2") for many in (200, 320))
    assert long < 2 * short


def work(text: str) -> int:
    """How many calls it takes to parse an address that is too long for the cache."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        JID.parse(text)
    finally:
        sys.setprofile(None)
    return calls


# -- properties

any_text = st.text(st.characters())  # lone surrogates too
def test_of_one_stanza_only_so_much_is_read_that_is_not_plain() -> None:
    reader = AddressReader()
    for number in range(4_000):
        assert reader.read(f"{number}@plain.example") == f"{number}@plain.example"
    each = LABORIOUS_EACH + len("ü@é.example")
    for _ in range(LABORIOUS_CHARACTERS // each):
        assert reader.read("Ü@é.example") == "ü@é.example"
    with pytest.raises(TooManyAddresses):
        reader.read("ü@é.example")


near_address = st.text(st.sampled_from("aAbZ09-._@/:[]%<&\"' éßΣς\u0301\u0660\u06f0\u30fb\u30a2\u05d0\u200d．。＠Ａxn"))
ascii_text = st.text(string.printable, max_size=40)
label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(lambda text: text[2:4] != "--")
domain = st.lists(label, min_size=1, max_size=4).map(".".join)


def parsed_or_none(text: str) -> JID | None:
    try:
        return JID.parse(text)
    except MalformedJID:
        return None


@settings(deadline=None)
@given(any_text | near_address)
@example("xn--" + "a" * 59)
def test_any_text_is_an_address_or_malformed_and_parsing_it_again_changes_nothing(text: str) -> None:
    address = parsed_or_none(text)
    if address is not None:
        assert JID.parse(str(address)) == address
        assert JID.of(address.local, address.domain, address.resource) == address
        assert address.bare == JID.of(address.local, address.domain)
        assert max(len(part.encode()) for part in (address.local, address.domain, address.resource)) <= 1023


@settings(deadline=None)
@given(any_text | near_address | ascii_text)
def test_localparts_are_those_of_the_precis_profile_without_the_excluded_characters(text: str) -> None:
    assert part_of(text, "local") == enforced("UsernameCaseMapped", text, excluded="\"&'/:<>@")


@settings(deadline=None)
@given(any_text | near_address | ascii_text)
def test_resourceparts_are_those_of_the_precis_profile(text: str) -> None:
    assume(not has_emoji(text))
    assert part_of(text, "resource") == enforced("OpaqueString", text, excluded="")


@settings(deadline=None)
@given(local=st.text("abz09!#$%()*+,-.;=?[\\]^_`{|}~", min_size=1), domain=domain, resource=ascii_text)
def test_plain_addresses_are_read_as_the_rules_would_have_it(local: str, domain: str, resource: str) -> None:
    # A trailing dot or a capital letter takes an address the long way.
    the_long_way = parsed_or_none(f"{local}@{domain}./{resource}")
    assert parsed_or_none(f"{local}@{domain}/{resource}") == the_long_way
    assert JID.parse(f"{local.upper()}@{domain.upper()}") == JID.parse(f"{local}@{domain}") == f"{local}@{domain}"


def has_emoji(text: str) -> bool:
    """Whether a text may have an emoji that the profile does not let in."""
    is_drawn_somehow = pictographs.without_variations(text) != text
    return is_drawn_somehow or any(unicodedata.category(each) == "Cn" or each == ZWJ for each in text)


def part_of(text: str, name: str) -> str | None:
    try:
        address = JID.of(text, "example.com") if name == "local" else JID.of("", "example.com", text)
    except MalformedJID:
        return None
    return getattr(address, name) or None


def enforced(profile: str, text: str, excluded: str) -> str | None:
    try:
        result = get_profile(profile).enforce(text)
    except UnicodeError:
        return None
    return None if set(result) & set(excluded) else result
