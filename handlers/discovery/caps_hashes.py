"""Hashes of service discovery information, as XEP-0115 (section 5.1) and XEP-0390 (section 4.1) compute them.

What XEP-0115 hashes can be read in more than one way: an attacker can move parts of one answer and get another with the
same hash. So a hash of XEP-0115 proves an answer only if it `is_unambiguous`. XEP-0390 has no such flaw.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from lxml import etree

from xmpp.data import dataforms
from xmpp.data.disco import Form, Identity, Info

CAPS = "http://jabber.org/protocol/caps"
CAPS2 = "urn:xmpp:caps"

_REPORTED, _ITEM = f"{{{dataforms.NAMESPACE}}}reported", f"{{{dataforms.NAMESPACE}}}item"
_PART, _FIELD_OR_IDENTITY, _FORM, _SECTION = "\x1f", "\x1e", "\x1d", "\x1c"  # characters that XML cannot contain

# By their names in XEP-0300, the preferred ones first. SHA-1 is what all clients send, and its collisions are of no use
# here (XEP-0115 section 9.2); MD5 and the like count as unknown.
ALGORITHMS: dict[str, Callable[[bytes], Any]] = {
    "sha-256": hashlib.sha256,
    "sha3-256": hashlib.sha3_256,
    "sha-512": hashlib.sha512,
    "sha3-512": hashlib.sha3_512,
    "blake2b-256": partial(hashlib.blake2b, digest_size=32),
    "blake2b-512": hashlib.blake2b,
    "sha-384": hashlib.sha384,
    "sha-224": hashlib.sha224,
    "sha-1": partial(hashlib.sha1, usedforsecurity=False),
}


class Hash(NamedTuple):
    """A hash as an entity announces it: by which XEP (CAPS or CAPS2), its algorithm, and its value in Base64."""

    scheme: str
    algorithm: str
    value: str

    @classmethod
    def of(cls, info: Info, scheme: str, algorithm: str) -> "Hash":
        """The hash of this information; the algorithm is one of ALGORITHMS."""
        parts = _parts(info) if scheme == CAPS else _sections(info)
        digest = ALGORITHMS[algorithm]("".join(parts).encode()).digest()
        return cls(scheme, algorithm, b64encode(digest).decode())

    @property
    def node(self) -> str:
        """The node at which the information is found (XEP-0390 section 4.3)."""
        return f"{CAPS2}#{self.algorithm}.{self.value}"

    def is_proven_by(self, query: etree._Element, info: Info) -> bool:
        """True if this is the hash of the answer `query`, which was read as `info`, and of no other answer."""
        if self != Hash.of(info, self.scheme, self.algorithm):
            return False
        return is_unambiguous(info) if self.scheme == CAPS else _is_all(query, info)


def is_unambiguous(info: Info) -> bool:
    """True if no other answer has the same input by XEP-0115, such as one with a feature in place of an identity.

    "<" ends a part, and nothing else says where identities end and forms begin. But all is sorted: features that were
    moved into the first form would come after the others, and its FORM_TYPE before its fields.
    """
    if any("<" in part.removesuffix("<") for part in _parts(info)) or not all(map(_is_no_feature, info.identities)):
        return False
    if not info.forms:
        return True
    first = min(info.forms)
    return first.form_type <= max(info.features, default="") or any(var < first.form_type for var, _ in first.fields)


def _is_no_feature(identity: Identity) -> bool:
    category, type, lang = identity.category, identity.type, identity.lang
    return bool(category and type) and ":" not in category and "/" not in category + type + lang


def _is_all(query: etree._Element, info: Info) -> bool:
    """True if the answer holds only what is hashed (XEP-0390 section 4.1, first steps)."""
    has_tables = next(query.iter(_REPORTED, _ITEM), None) is not None
    return len(query) == len(info.identities) + len(info.features) + len(info.forms) and not has_tables


def _parts(info: Info) -> Iterator[str]:
    """XEP-0115 section 5.1."""
    # Sorting text by code points gives the order of its UTF-8 bytes, which "i;octet" asks for.
    for identity in sorted(info.identities, key=lambda one: (one.category, one.type, one.lang)):
        yield f"{identity.category}/{identity.type}/{identity.lang}/{identity.name}<"
    for feature in sorted(info.features):
        yield feature + "<"
    for form in sorted(info.forms):
        yield form.form_type + "<"
        for var, values in sorted(form.fields):
            yield var + "<"
            yield from (value + "<" for value in sorted(values))


def _sections(info: Info) -> Iterator[str]:
    """XEP-0390 section 4.1."""
    yield _joined(feature + _PART for feature in info.features) + _SECTION
    yield _joined(map(_identity, info.identities)) + _SECTION
    yield _joined(map(_form, info.forms)) + _SECTION


def _identity(identity: Identity) -> str:
    parts = (identity.category, identity.type, identity.lang, identity.name)
    return "".join(part + _PART for part in parts) + _FIELD_OR_IDENTITY


def _form(form: Form) -> str:
    fields = (("FORM_TYPE", (form.form_type,)), *form.fields)
    return (
        _joined(var + _PART + _joined(value + _PART for value in values) + _FIELD_OR_IDENTITY for var, values in fields)
        + _FORM
    )


def _joined(strings: Iterable[str]) -> str:
    return "".join(sorted(strings))
