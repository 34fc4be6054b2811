"""XEP-0398: an account's avatar (XEP-0084) is the photo of its vCard (XEP-0153), and the other way round.

The image is kept once, in the nodes of XEP-0084: the photo of a new vCard is published there, and put back into the
vCard for askers who may read the nodes. So both are equal, whichever was set last.
"""

import logging
from typing import TYPE_CHECKING

from lxml import etree

from db import pubsub_nodes, vcards
from handlers.contacts import presence
from handlers.profile import current_avatar
from handlers.profile.current_avatar import DATA_NODE, METADATA_NODE, Avatar
from handlers.pubsub import publishing
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.wire import parse, wire
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

NAMESPACE = "vcard-temp"
PHOTO = "{vcard-temp}PHOTO"
PHOTO_TYPE = "{vcard-temp}TYPE"
PHOTO_DATA = "{vcard-temp}BINVAL"
EMPTY = b'<vCard xmlns="vcard-temp"/>'
NO_AVATAR = "current"  # the id of empty metadata, which has no hash to be called after

feature = Feature(
    "avatars",
    xep="0398",
    account_disco=["urn:xmpp:pep-vcard-conversion:0"],
    optional=False,
    needs=["presence", "pubsub"],
)


# -- from the nodes to the vCard, and to presence


def with_photo(server: "Server", account: JID, asker: JID, vcard: etree._Element | None) -> etree._Element | None:
    """The kept vCard with the avatar as its photo, if the asker may see that. The photo replaces the empty <PHOTO/>
    that `take_photo` has left, or comes last. A vCard is made if there is none; None if there is no avatar either."""
    avatar = current_avatar.current(server, account) if current_avatar.is_shown_to(server, account, asker) else None
    place = None if vcard is None else vcard.find(PHOTO)
    if avatar is None:
        if vcard is not None and place is not None and not len(place):
            vcard.remove(place)
        return vcard
    if vcard is None:
        vcard = etree.Element(f"{{{NAMESPACE}}}vCard", nsmap={None: NAMESPACE})
    if place is None:
        place = etree.SubElement(vcard, PHOTO)
    vcard.replace(place, _photo(avatar))
    return vcard


@feature.step
def tell_of_avatar(server: "Server", account: JID, node: str, item_id: str, payload: bytes | None) -> None:
    """ITEM_PUBLISHED: if the avatar has changed, presence is sent again with its hash."""
    if node not in (DATA_NODE, METADATA_NODE):
        return
    avatar = current_avatar.current(server, account)
    hash = avatar.hash if avatar else ""
    # The data of a new avatar comes first and replaces the old data. The avatar changes when the metadata follows.
    if not hash and node == DATA_NODE and payload is not None:
        return
    if hash != (vcards.photo_hash(server.db, account) or ""):
        vcards.put_photo_hash(server.db, account, hash)
        presence.broadcast_again(server, account)


def _photo(avatar: Avatar) -> etree._Element:
    photo = etree.Element(PHOTO, nsmap={None: NAMESPACE})
    etree.SubElement(photo, PHOTO_TYPE).text = avatar.type
    etree.SubElement(photo, PHOTO_DATA).text = avatar.encoded
    return photo


# -- from the vCard to the nodes


@feature.step
def adopt(session: "Session") -> None:
    """SESSION_BOUND: publish a photo that was kept in the vCard by a version without nodes."""
    server, account = session.server, session.account
    if not vcards.photo_hash(server.db, account) or METADATA_NODE in pubsub_nodes.of_account(server.db, account):
        return
    vcard = parse(vcards.get(server.db, account) or EMPTY)
    try:
        with server.db.change():
            take_photo(server, account, vcard)
            vcards.put(server.db, account, wire(vcard))
    except StanzaError as error:
        log.warning("the photo of %s stays in its vCard: %s", account, error)


def take_photo(server: "Server", account: JID, vcard: etree._Element) -> None:
    """Publish the photo of a new vCard as the avatar, unless it is the same, and leave an empty <PHOTO/> in its place.
    A vCard without a photo removes the avatar. Raises StanzaError if the photo is malformed or too big."""
    photo = vcard.find(PHOTO)
    image = b"" if photo is None else image_in(photo)
    shown = current_avatar.current(server, account)
    if image:
        assert photo is not None
        if shown is None or shown.image != image:
            _publish(server, account, Avatar(image, photo.findtext(PHOTO_TYPE, "").strip()))
        photo.clear()
    elif shown is not None:
        _publish_metadata(server, account, NO_AVATAR)


def image_in(photo: etree._Element) -> bytes:
    """The image in the photo of a vCard; b"" if there is none. Raises StanzaError if it is malformed."""
    try:
        return current_avatar.decoded(photo.findtext(PHOTO_DATA, ""))
    except ValueError:
        raise StanzaError("bad-request", "the photo is not base64") from None


def _publish(server: "Server", account: JID, avatar: Avatar) -> None:
    """Publish the data, then the metadata (XEP-0084 section 3.1). Nodes that are made for that are open, as everybody
    may read a vCard."""
    data = etree.Element(current_avatar.DATA, nsmap={None: DATA_NODE})
    data.text = avatar.encoded
    publishing.publish_for(server, account, DATA_NODE, avatar.hash, wire(data), access_model="open")
    info = etree.Element(current_avatar.INFO, bytes=str(len(avatar.image)), id=avatar.hash, type=avatar.type)
    _publish_metadata(server, account, avatar.hash, info)


def _publish_metadata(server: "Server", account: JID, id: str, *infos: etree._Element) -> None:
    metadata = etree.Element(current_avatar.METADATA, nsmap={None: METADATA_NODE})
    metadata.extend(infos)
    publishing.publish_for(server, account, METADATA_NODE, id, wire(metadata), access_model="open")
