"""XEP-0115: the server's capabilities as a hash in its stream features, so that clients need not ask again."""

from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha1
from typing import Any

from lxml import etree

from handlers.disco_info import Info, domain_info
from xmpp.routing.feature import Feature, State

NAMESPACE = "http://jabber.org/protocol/caps"
SOFTWARE = "urn:uuid:2f1b4b6c-7d5e-4f0a-9b53-6d0c7b1e8a47"  # an address of this software; to be its home page's

feature = Feature("caps", xep="0115", disco=[NAMESPACE])


@feature.stream_feature(when=State.AUTHENTICATED)
def announce(stream: Any) -> etree._Element:
    """Section 6.3. Not before login: a stranger has no use for it."""
    version = verification_string(domain_info(stream.server))
    attributes = {"hash": "sha-1", "node": SOFTWARE, "ver": version}
    return etree.Element(f"{{{NAMESPACE}}}c", attributes, nsmap={None: NAMESPACE})


def node(info: Info) -> str:
    """The node under which clients ask for what was hashed (section 6.2)."""
    return f"{SOFTWARE}#{verification_string(info)}"


@lru_cache(maxsize=16)  # one entry for each configuration since the start
def verification_string(info: Info) -> str:
    """The `ver` attribute for this information (section 5.1)."""
    hashed = "".join(part + "<" for part in _parts(info))
    return b64encode(sha1(hashed.encode(), usedforsecurity=False).digest()).decode()


def _parts(info: Info) -> Iterator[str]:
    # Sorting text by code points gives the order of its UTF-8 bytes, which "i;octet" asks for.
    for identity in sorted(info.identities, key=lambda one: (one.category, one.type, one.lang)):
        yield f"{identity.category}/{identity.type}/{identity.lang}/{identity.name}"
    yield from sorted(info.features)
    for form in sorted(info.forms):
        yield form.form_type
        for var, values in sorted(form.fields):
            yield var
            yield from sorted(values)
