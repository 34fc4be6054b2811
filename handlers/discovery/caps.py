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


class OwnVersion:
    """The `ver` attribute that a server announces, and what it was computed from. A server has one."""

    def __init__(self) -> None:
        self.info: Info | None = None
        self.version = ""


@feature.stream_feature(when=State.AUTHENTICATED)
def announce(stream: Stream) -> etree._Element:
    """Section 6.3. Only after login: a stranger has no use for it."""
    attributes = {"hash": "sha-1", "node": SOFTWARE, "ver": _version(stream.server)}
    return etree.Element(f"{{{CAPS}}}c", attributes, nsmap={None: CAPS})


def node(server: "Server") -> str:
    """The node at which clients ask for what was hashed (section 6.2)."""
    return f"{SOFTWARE}#{_version(server)}"


def _version(server: "Server") -> str:
    own, info = server.state(OwnVersion), domain_info(server)
    if own.info is not info:
        own.info, own.version = info, verification_string(info)
    return own.version


def verification_string(info: Info) -> str:
    """The `ver` attribute for this information (section 5.1)."""
    return Hash.of(info, CAPS, "sha-1").value
