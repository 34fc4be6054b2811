"""XEP-0390: the server's capabilities as a hash in its stream features, by a better way of hashing than XEP-0115's."""

from typing import TYPE_CHECKING

from lxml import etree

from handlers.discovery.caps_hashes import CAPS2, Hash
from handlers.discovery.disco_info import domain_info
from xmpp.data.disco import Info
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

HASHES = "urn:xmpp:hashes:2"
HASH = f"{{{HASHES}}}hash"
REMEMBERED = 3  # section 6.1: clients may still ask for what was announced before

feature = Feature("caps2", xep="0390", disco=[CAPS2])


class Announced:
    """What a server has told about itself lately; it can change with the configuration. A server has one."""

    def __init__(self) -> None:
        self.lately: list[tuple[Hash, Info]] = []


@feature.stream_feature(when=State.AUTHENTICATED)
def announce(stream: Stream) -> etree._Element:
    """Section 5.2."""
    hash, _ = _lately(stream.server)[0]
    element = etree.Element(f"{{{CAPS2}}}c", nsmap={None: CAPS2})
    etree.SubElement(element, HASH, algo=hash.algorithm, nsmap={None: HASHES}).text = hash.value
    return element


def information(server: "Server", node: str) -> Info | None:
    """What the domain tells under this node (section 5.5), or None: what it announces now, or did lately."""
    return next((info for hash, info in _lately(server) if hash.node == node), None)


def _lately(server: "Server") -> list[tuple[Hash, Info]]:
    """What the domain tells, with its hash; the newest, which it tells now, first."""
    announced, info = server.state(Announced), domain_info(server)
    if not announced.lately or announced.lately[0][1] is not info:
        before = [each for each in announced.lately if each[1] != info]
        announced.lately = [(Hash.of(info, CAPS2, "sha-256"), info), *before][:REMEMBERED]
    return announced.lately
