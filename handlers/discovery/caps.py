"""XEP-0115: the server's capabilities as a hash in its stream features, so that clients need not ask again."""

from functools import lru_cache

from lxml import etree

from handlers.discovery.caps_hashes import CAPS, Hash
from handlers.discovery.disco_info import domain_info
from xmpp.data.disco import Info
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream

SOFTWARE = "urn:uuid:2f1b4b6c-7d5e-4f0a-9b53-6d0c7b1e8a47"  # an address of this software; to be its home page's

feature = Feature("caps", xep="0115", disco=[CAPS])


@feature.stream_feature(when=State.AUTHENTICATED)
def announce(stream: Stream) -> etree._Element:
    """Section 6.3. Not before login: a stranger has no use for it."""
    version = verification_string(domain_info(stream.server))
    attributes = {"hash": "sha-1", "node": SOFTWARE, "ver": version}
    return etree.Element(f"{{{CAPS}}}c", attributes, nsmap={None: CAPS})


def node(info: Info) -> str:
    """The node under which clients ask for what was hashed (section 6.2)."""
    return f"{SOFTWARE}#{verification_string(info)}"


@lru_cache(maxsize=16)  # one entry for each configuration since the start
def verification_string(info: Info) -> str:
    """The `ver` attribute for this information (section 5.1)."""
    return Hash.of(info, CAPS, "sha-1").value
