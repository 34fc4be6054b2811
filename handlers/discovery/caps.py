"""XEP-0115: the server's capabilities as a hash in its stream features, so that clients need not ask again."""

from typing import TYPE_CHECKING

from lxml import etree

from handlers.discovery.caps_hashes import CAPS, Hash
from handlers.discovery.disco_info import domain_info
from xmpp.data.disco import Info
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SOFTWARE = "urn:uuid:2f1b4b6c-7d5e-4f0a-9b53-6d0c7b1e8a47"  # names this software until it has a home page

feature = Feature("caps", xep="0115", disco=[CAPS])


class OwnVersions:
    """The `ver` attribute that each domain of a server announces, and what it was computed from. A server has one."""

    def __init__(self) -> None:
        self.by_domain: dict[str, tuple[Info, str]] = {}


@feature.stream_feature(when=State.AUTHENTICATED)
@feature.stream_feature(when=State.BOUND)
def announce(stream: Stream) -> etree._Element:
    """Section 6.3. Only after login: a stranger has no use for it."""
    attributes = {"hash": "sha-1", "node": SOFTWARE, "ver": _version(stream.server, stream.host)}
    return etree.Element(f"{{{CAPS}}}c", attributes, nsmap={None: CAPS})


def node(server: "Server", domain: str) -> str:
    """The node at which clients ask for what was hashed (section 6.2)."""
    return f"{SOFTWARE}#{_version(server, domain)}"


def _version(server: "Server", domain: str) -> str:
    own, info = server.state(OwnVersions).by_domain, domain_info(server, domain)
    if domain not in own or own[domain][0] is not info:
        own[domain] = info, verification_string(info)
    return own[domain][1]


def verification_string(info: Info) -> str:
    """The `ver` attribute for this information (section 5.1)."""
    return Hash.of(info, CAPS, "sha-1").value
