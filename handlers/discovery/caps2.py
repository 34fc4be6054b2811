"""XEP-0390: the server's capabilities as a hash in its stream features; unlike that of XEP-0115 it is unambiguous."""

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


class OwnHashes:
    """The hashes that each domain of a server has announced lately, the current one first: each configuration can have
    another. A server has one."""

    def __init__(self) -> None:
        self.by_domain: dict[str, list[tuple[Hash, Info]]] = {}


@feature.stream_feature(when=State.AUTHENTICATED)
@feature.stream_feature(when=State.BOUND)
def announce(stream: Stream) -> etree._Element:
    """Section 5.2."""
    hash, _ = _announced(stream.server, stream.host)[0]
    element = etree.Element(f"{{{CAPS2}}}c", nsmap={None: CAPS2})
    etree.SubElement(element, HASH, algo=hash.algorithm, nsmap={None: HASHES}).text = hash.value
    return element


def information(server: "Server", domain: str, node: str) -> Info | None:
    """What the domain says about itself at this node (section 5.5); None unless it announces the node, or did
    lately."""
    return next((info for hash, info in _announced(server, domain) if hash.node == node), None)


def _announced(server: "Server", domain: str) -> list[tuple[Hash, Info]]:
    own, info = server.state(OwnHashes).by_domain, domain_info(server, domain)
    announced = own.get(domain, [])
    if not announced or announced[0][1] is not info:
        before = [each for each in announced if each[1] != info]
        own[domain] = [(Hash.of(info, CAPS2, "sha-256"), info), *before][:REMEMBERED]
    return own[domain]
