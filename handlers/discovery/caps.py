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

SOFTWARE = "urn:uuid:2f1b4b6c-7d5e-4f0a-9b53-6d0c7b1e8a47"  # an address of this software; to be its home page's

feature = Feature("caps", xep="0115", disco=[CAPS])


class Announced:
    """The `ver` attribute of what a server tells about itself now. A server has one."""

    def __init__(self) -> None:
        self.info: Info | None = None
        self.version = ""


@feature.stream_feature(when=State.AUTHENTICATED)
def announce(stream: Stream) -> etree._Element:
    """Section 6.3. Not before login: a stranger has no use for it."""
    attributes = {"hash": "sha-1", "node": SOFTWARE, "ver": _version(stream.server)}
    return etree.Element(f"{{{CAPS}}}c", attributes, nsmap={None: CAPS})


def node(server: "Server") -> str:
    """The node under which clients ask for what was hashed (section 6.2)."""
    return f"{SOFTWARE}#{_version(server)}"


def _version(server: "Server") -> str:
    announced, info = server.state(Announced), domain_info(server)
    if announced.info is not info:
        announced.info, announced.version = info, verification_string(info)
    return announced.version


def verification_string(info: Info) -> str:
    """The `ver` attribute for this information (section 5.1)."""
    return Hash.of(info, CAPS, "sha-1").value
