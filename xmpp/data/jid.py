"""Addresses (RFC 7622): parsed and normalised where they come in; from there on, equal addresses are equal text."""

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NoReturn, Self

import idna
from precis_i18n import get_profile
from precis_i18n.context import context_rule_error
from precis_i18n.derived import CONTEXTJ, CONTEXTO, FREE_PVAL, PVALID, derived_property
from precis_i18n.profile import Profile

from xmpp.data import pictographs

MAX_PART_BYTES = 1023
MAX_LABEL_BYTES = 63  # of a domain name (RFC 1035 section 2.3.4)
MAX_CHARACTERS = 3 * MAX_PART_BYTES + len("@/")  # looked at before any work is done
CACHE_SIZE = 16_384
MAX_CACHED_CHARACTERS = 200  # with CACHE_SIZE: some 8 MB of ordinary addresses, 50 MB of the worst

LABORIOUS_CHARACTERS = 6_000
"""How many characters of addresses that are not plain are read of one stanza: up to 25 ms of work, some 200 addresses
of ordinary length."""
LABORIOUS_EACH = 12  # what an address costs in addition to its characters, in characters

_MARKUP = frozenset('&<>"')


class MalformedJID(ValueError):
    """Text that is not an address (RFC 7622 section 3); the message says what is wrong with it."""


class TooManyAddresses(MalformedJID):
    """The addresses of one stanza would take too long to read."""


class JID(str):
    """A normalised address: text that knows its parts.

    It hashes, compares, stores and serialises like its text. The same text gives the same object as long as the cache
    has it, so it cannot be changed. A part that is absent is "". `bare` is the address without its resource, or itself
    if it has none. `is_plain`: it needs no escaping in XML, since none of & < > " is in it.
    """

    __slots__ = ("bare", "domain", "is_plain", "local", "resource")

    local: str
    domain: str
    resource: str
    bare: "JID"
    is_plain: bool

    def __new__(cls, local: str, domain: str, resource: str) -> Self:
        """Join parts that are normalised already; everybody outside this file calls `parse` or `of`."""
        jid = super().__new__(cls, _joined(local, domain, resource))
        fill = object.__setattr__
        fill(jid, "local", local)
        fill(jid, "domain", domain)
        fill(jid, "resource", resource)
        fill(jid, "bare", JID.parse(_joined(local, domain, "")) if resource else jid)
        fill(jid, "is_plain", _MARKUP.isdisjoint(resource))  # the other parts never have any of it
        return jid

    @staticmethod
    def parse(text: str) -> "JID":
        """The address that `text` spells; raises MalformedJID."""
        if text.__class__ is JID:
            return text
        if len(text) <= MAX_CACHED_CHARACTERS:
            return _parsed_once(text)
        if len(text) <= MAX_CHARACTERS:
            return _parsed(text)
        raise MalformedJID(f"an address of {len(text)} characters is too long")

    @staticmethod
    def of(local: str, domain: str, resource: str = "") -> "JID":
        """The address made of these parts, not yet normalised; "" leaves one out. Raises MalformedJID."""
        for name, part in (("localpart", local), ("domainpart", domain)):
            if "@" in part or "/" in part:
                raise MalformedJID(f"the {name} contains '@' or '/'")
        return JID.parse(_joined(local, domain, resource))

    def with_resource(self, resource: str) -> "JID":
        """The full address of this account's resource; raises MalformedJID, also when `resource` is empty."""
        return JID.parse(self.bare + "/" + resource)

    @property
    def is_bare(self) -> bool:
        """True if there is no resourcepart."""
        return not self.resource

    @property
    def is_full(self) -> bool:
        """True if there is a resourcepart."""
        return bool(self.resource)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an address cannot be changed: {name}")

    def __reduce__(self) -> tuple[Callable[[str], "JID"], tuple[str]]:
        return JID.parse, (str(self),)  # copied or unpickled, it is the one in the cache again


class AddressReader:
    """Reads the addresses that one stanza lists, up to a limit: to normalise them takes up to 4 microseconds a
    character, and a stanza has room for a second of that."""

    def __init__(self) -> None:
        self._left = LABORIOUS_CHARACTERS

    def read(self, text: str) -> JID:
        """The address that `text` spells; raises MalformedJID, and TooManyAddresses beyond LABORIOUS_CHARACTERS."""
        if _plain_parts(text) is None:
            self._left -= LABORIOUS_EACH + len(text)
            if self._left < 0:
                raise TooManyAddresses("too many addresses at once that are not in ASCII and lower case")
        return JID.parse(text)


Parts = tuple[str, str, str]


def _parsed(text: str) -> JID:
    parts = _plain_parts(text) or _normalised_parts(text)
    normal = _joined(*parts)
    return JID(*parts) if normal == text else JID.parse(normal)  # all spellings share one object


_parsed_once = lru_cache(maxsize=CACHE_SIZE)(_parsed)


def _joined(local: str, domain: str, resource: str) -> str:
    return (local + "@" if local else "") + domain + ("/" + resource if resource else "")


# Most addresses are ASCII in lower case, on which every rule below is the identity: printable ASCII is valid, has
# no width, case or direction to map, and is in NFC (RFC 8264 section 8); domain labels are letters, digits and
# hyphens, none at either end nor at both the third and fourth place, where "xn--" would be (RFC 5890 section 2.3.1).
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(rf"(?:([!#-%(-.0-9;=?\[-~]+)@)?({_LABEL}(?:\.{_LABEL})*)(?:/([ -~]+))?")
_MAX_PLAIN_CHARACTERS = 253  # the length of a domain name (RFC 1035); so no part needs counting


def _plain_parts(text: str) -> Parts | None:
    """The parts of an address that is plainly normal already; None for all others, malformed or not."""
    match = _PLAIN.fullmatch(text) if len(text) <= _MAX_PLAIN_CHARACTERS else None
    return (match[1] or "", match[2], match[3] or "") if match else None


def _normalised_parts(text: str) -> Parts:
    rest, slash, resource = text.partition("/")
    local, at, domain = rest.partition("@")
    return (
        _localpart(local) if at else "",
        _domainpart(domain if at else rest),
        _resourcepart(resource) if slash else "",
    )


_USERNAME = get_profile("UsernameCaseMapped")
_OPAQUE_STRING = get_profile("OpaqueString")
_EXCLUDED_FROM_LOCALPART = frozenset("\"&'/:<>@")


def _localpart(text: str) -> str:
    """RFC 7622 section 3.3."""
    local = _enforced("localpart", text, _USERNAME, (PVALID,))
    if not _EXCLUDED_FROM_LOCALPART.isdisjoint(local):
        raise MalformedJID("the localpart contains one of \" & ' / : < > @")
    return local


def _resourcepart(text: str) -> str:
    """RFC 7622 section 3.4, and all emoji, even new and joined ones."""
    plain = pictographs.without_variations(text)
    return _enforced("resourcepart", plain, _OPAQUE_STRING, (PVALID, FREE_PVAL), as_judged=pictographs.replaced)


def _domainpart(text: str) -> str:
    """RFC 7622 section 3.2; an IPv4 address passes as a domain name."""
    if not text:
        raise MalformedJID("the domainpart is empty")
    if "@" in text:
        raise MalformedJID("the domainpart contains '@'")
    if text.startswith("["):
        return _ipv6_literal(text)
    mapped = _mapped_domain(text)
    # A label encoded for DNS is longer than itself; idna would count last, after rules of quadratic cost.
    if any(len(label) > MAX_LABEL_BYTES for label in mapped.split(".")):
        raise MalformedJID(f"the domainpart has a label of more than {MAX_LABEL_BYTES} characters")
    try:
        return idna.decode(idna.encode(mapped)).removesuffix(".")  # encode counts the bytes, decode gives U-labels
    except idna.IDNAError as error:
        raise MalformedJID(f"the domainpart is not a domain name: {error}") from None


def _mapped_domain(text: str) -> str:
    """RFC 5895 section 2: width, case and the ideographic full stop, which IDNA2008 itself would refuse."""
    mapped = _USERNAME.case_mapping_rule(_USERNAME.width_mapping_rule(text))
    return _USERNAME.normalization_rule(mapped).replace("\u3002", ".")


def _ipv6_literal(text: str) -> str:
    # ipaddress takes a zone ("%eth0") of any characters at all; an address of the network has none.
    try:
        if text.endswith("]") and "%" not in text:
            return f"[{IPv6Address(text[1:-1])}]"
    except ValueError:
        pass
    raise MalformedJID("the domainpart is not an IPv6 address in brackets")


def _enforced(
    part: str, text: str, profile: Profile, allowed: tuple[str, ...], as_judged: Callable[[str], str] = str
) -> str:
    """The text after PRECIS enforcement (RFC 8264 section 7). Raises MalformedJID.

    Its length is limited after mapping (RFC 7622). Then the characters of `as_judged(text)` are checked.
    """
    if not text:
        raise MalformedJID(f"the {part} is empty")
    try:
        prepared = profile.idempotence_check(profile.apply_five_rules(text))
        size = len(prepared.encode())
    except UnicodeEncodeError as error:
        raise MalformedJID(f"the {part} is not allowed: {error.reason}") from None
    if size > MAX_PART_BYTES:
        raise MalformedJID(f"the {part} has {size} bytes, {MAX_PART_BYTES} are allowed")
    _refuse_disallowed(part, as_judged(prepared), profile, allowed)
    return prepared


# The code points whose rule looks at their neighbours (RFC 5892 appendix A.1 to A.6).
_JUDGED_BY_PLACE = frozenset("\u200c\u200d\u00b7\u0375\u05f3\u05f4")


def _refuse_disallowed(part: str, text: str, profile: Profile, allowed: tuple[str, ...]) -> None:
    # Not Profile.enforce: it applies the rules that read the whole text (appendix A.7 to A.9) again for each
    # occurrence, and an address of 1 KB, all U+30FB, keeps it busy for a third of a second.
    judged: set[str] = set()
    for position, character in enumerate(text):
        if character in judged:
            continue
        verdict, reason = derived_property(ord(character), profile.base.ucd)
        if verdict in (CONTEXTJ, CONTEXTO):
            reason = context_rule_error(text, position, profile.base.ucd)
        if verdict not in allowed and reason:
            raise MalformedJID(f"the {part} contains U+{ord(character):04X}, which is not allowed: {reason}")
        if character not in _JUDGED_BY_PLACE:
            judged.add(character)
