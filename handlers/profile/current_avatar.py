"""XEP-0084: the current avatar of an account, as its two nodes have it: metadata names an image, data holds it."""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING

from lxml import etree

from db import pubsub_nodes, vcards
from handlers.pubsub import access, hosts, retrieval
from handlers.pubsub.hosts import Account
from xmpp.data.jid import JID
from xmpp.data.wire import parse

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

DATA_NODE = "urn:xmpp:avatar:data"
METADATA_NODE = "urn:xmpp:avatar:metadata"
DATA = f"{{{DATA_NODE}}}data"
METADATA = f"{{{METADATA_NODE}}}metadata"
INFO = f"{{{METADATA_NODE}}}info"
PNG = "image/png"
MAX_INFOS = 10  # each costs a query and a hash
SEEN_WITH_PRESENCE = ("open", "presence")

# What files of each type begin with: the declared type is not to be believed (XEP-0153 section 5)
SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb".{4}ftypavif", re.DOTALL), "image/avif"),
)
TYPE = re.compile(r"(image|video)/[A-Za-z0-9.+-]{1,60}")


@dataclass(frozen=True)
class Avatar:
    """An image, and the media type that it was declared with."""

    image: bytes
    declared: str = ""

    @property
    def hash(self) -> str:
        """The SHA-1 of the image, in hexadecimal."""
        return sha1(self.image, usedforsecurity=False).hexdigest()

    @property
    def type(self) -> str:
        """Its media type: by its content, else the declared one if that is a media type of an image or video."""
        for signature, type in SIGNATURES:
            if signature.match(self.image):
                return type
        return self.declared if TYPE.fullmatch(self.declared) else PNG

    @property
    def encoded(self) -> str:
        """The image in base64."""
        return b64encode(self.image).decode()


def current(server: "Server", account: JID) -> Avatar | None:
    """The first image that the metadata names, image/png before others, and that is in the data node under its hash.

    None if there is none: the metadata is missing or empty, or all images are elsewhere (XEP-0398 section 3.1).
    """
    last = retrieval.last_item(server, account, METADATA_NODE)
    for info in _infos(last[1]) if last else ():
        id = info.get("id", "")
        image = _image(retrieval.item_of(server, account, DATA_NODE, id))
        if image:
            avatar = Avatar(image, info.get("type", ""))
            if avatar.hash == id.lower():
                return avatar
    return None


def decoded(text: str) -> bytes:
    """The bytes of a text in base64; white space does not count. Raises ValueError."""
    try:
        return b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("this is not base64") from error


# -- for whom it is


def is_shown_to(server: "Server", account: JID, asker: JID) -> bool:
    """True if the asker may read both nodes (XEP-0398 section 7)."""
    host = Account(server, account)
    nodes = [hosts.find(host, name) for name in (DATA_NODE, METADATA_NODE)]
    return all(
        node is not None
        and access.refusal_to_show_items(hosts.configuration_of(node), host.relation(node, asker)) is None
        for node in nodes
    )


def hash_in_presence(server: "Server", account: JID) -> str | None:
    """The hash for the account's presence: "" if it has no avatar any more; None if presence is to say nothing, since
    there never was an avatar, or not everybody who sees the presence may read the nodes. No query, as a rule."""
    hash = vcards.photo_hash(server.db, account)
    if not hash:
        return hash
    nodes = pubsub_nodes.of_account(server.db, account)
    is_seen_with_presence = all(
        name in nodes and hosts.configuration_of(nodes[name]).access_model in SEEN_WITH_PRESENCE
        for name in (DATA_NODE, METADATA_NODE)
    )
    return hash if is_seen_with_presence else None


# -- what items say


def _infos(payload: bytes) -> Sequence[etree._Element]:
    """The <info/> elements of images in the data node (those with a `url` are elsewhere): image/png first, each id
    once."""
    metadata = parse(payload) if payload else None
    if metadata is None or metadata.tag != METADATA:
        return ()
    here = [info for info in metadata.iterchildren(INFO) if info.get("url") is None]
    by_id: dict[str | None, etree._Element] = {}
    for info in sorted(here, key=lambda info: info.get("type") != PNG):
        by_id.setdefault(info.get("id"), info)
    return list(by_id.values())[:MAX_INFOS]


def _image(payload: bytes | None) -> bytes:
    """The image in an item of the data node; b"" if it holds none."""
    data = parse(payload) if payload else None
    if data is None or data.tag != DATA:
        return b""
    try:
        return decoded(data.text or "")
    except ValueError:
        return b""
