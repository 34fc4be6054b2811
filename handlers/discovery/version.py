"""XEP-0092: which software this is."""

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from xmpp import __version__
from xmpp.config.configuration import setting
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import SERVER, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "jabber:iq:version"
QUERY = f"{{{NAMESPACE}}}query"


@dataclass(frozen=True)
class VersionSettings:
    """What the server says when it is asked for its software."""

    name: str = setting("xserv", "The name of the software.")
    version: str = setting("", "Its version; empty for the one that runs.")
    show_system: bool = setting(False, "Whether to tell the operating system, which may help attackers.")


feature = Feature("version", xep="0092", disco=[NAMESPACE], settings=VersionSettings)


@feature.iq_get(QUERY, to=[SERVER])
def tell_version(server: "Server", iq: Stanza) -> etree._Element:
    """Name and version, and the operating system if the configuration says so."""
    return software(server)


def software(server: "Server") -> etree._Element:
    """The <query/> that says which software this is."""
    settings = server.settings(VersionSettings)
    told = {"name": settings.name, "version": settings.version or __version__}
    if settings.show_system:
        told["os"] = f"{platform.system()} {platform.release()}"
    query = etree.Element(QUERY, nsmap={None: NAMESPACE})
    for name, text in told.items():
        etree.SubElement(query, f"{{{NAMESPACE}}}{name}").text = text
    return query
