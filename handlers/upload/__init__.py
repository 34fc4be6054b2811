"""XEP-0363: files that people upload over HTTP and send each other links to, at a service of its own.

slots opens a slot for a file, within quotas; files is what the HTTP side puts into slots and gives away; stores says
where the bytes are, removing lets them go.
"""

from typing import TYPE_CHECKING

from lxml import etree

from handlers.discovery import ping
from handlers.upload import commands, slots
from handlers.upload.announced import MAX_FILE_SIZE, PURPOSES, UPLOAD
from handlers.upload.settings import UploadSettings
from handlers.upload.stores import Uploads
from xmpp.data import commands as ad_hoc
from xmpp.data.disco import INFO, INFO_QUERY, ITEMS, ITEMS_QUERY, Form, Identity, Info
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import Feature, Subdomain

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SUBDOMAIN = Subdomain(
    "upload",
    label_setting="label",
    identity=Identity("store", "file", "HTTP File Upload"),
    disco=[INFO, ITEMS, UPLOAD, ad_hoc.NAMESPACE, ping.NAMESPACE],
)

feature = Feature("upload", xep="0363", settings=UploadSettings, subdomains=[SUBDOMAIN])

feature.iq_get(f"{{{UPLOAD}}}request", to=[SUBDOMAIN.service])(slots.give_slot)
feature.iq_set(ad_hoc.COMMAND, to=[SUBDOMAIN.service])(commands.execute)
feature.iq_get(ping.PING, to=[SUBDOMAIN.service])(ping.answer_for_server)


@feature.iq_get(INFO_QUERY, to=[SUBDOMAIN.service])
def describe(server: "Server", iq: Stanza) -> etree._Element:
    """The service: the largest file, and what files can be for; or one of its commands."""
    node = iq.only_child().get("node")
    if node:
        return commands.describe(node).element(node)
    purposes = (f"{PURPOSES}#{each}" for each in slots.offered_purposes(server))
    assert iq.to is not None
    most = str(server.settings_at(server.subdomains.home[iq.to.domain], UploadSettings).max_file_bytes)
    return Info(
        (SUBDOMAIN.identity,), SUBDOMAIN.disco | set(purposes), (Form(UPLOAD, ((MAX_FILE_SIZE, (most,)),)),)
    ).element()


@feature.iq_get(ITEMS_QUERY, to=[SUBDOMAIN.service])
def list_items(server: "Server", iq: Stanza) -> etree._Element:
    """Nobody is told what there is; at the node for that, the commands."""
    assert iq.to is not None
    node = iq.only_child().get("node")
    if node == ad_hoc.NAMESPACE:
        return commands.listed(iq.to)
    if node:
        raise StanzaError("item-not-found")
    return etree.Element(ITEMS_QUERY, nsmap={None: ITEMS})


@feature.step
def close_store(server: "Server") -> None:
    """SERVER_STOPPING: let go of threads and connections."""
    store = server.state(Uploads).store
    if store is not None:
        store.close()
