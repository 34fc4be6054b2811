"""XEP-0084: the avatar of an account, as it is in its nodes: metadata names an image, and the data is there for it."""

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

# By what a file begins with: what others say about it is not to be believed (XEP-0153 section 5)
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
    """An image; `declared` is what is said of its type."""

    image: bytes
    declared: str = ""

    @property
    def hash(self) -> str:
        """The SHA-1 of the image, in hexadecimal."""
        return sha1(self.image, usedforsecurity=False).hexdigest()

    @property
    def type(self) -> str:
        """Its media type: by its content, else as declared where that can be."""
        for signature, type in SIGNATURES:
            if signature.match(self.image):
                return type
        return self.declared if TYPE.fullmatch(self.declared) else PNG

    @property
    def encoded(self) -> str:
        """The image in base64."""
        return b64encode(self.image).decode()


def current(server: "Server", account: JID) -> Avatar | None:
    """The image that is in the nodes and is what its id says, of those that the metadata names: image/png first.

    None where there is no metadata or an empty one, or where all images are elsewhere (XEP-0398 section 3.1).
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
    """What stands in base64, where white space does not count. Raises ValueError."""
    try:
        return b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("this is not base64") from error


# -- for whom it is


def is_shown_to(server: "Server", account: JID, asker: JID) -> bool:
    """Whether somebody may read both nodes (XEP-0398 section 7)."""
    host = Account(server, account)
    nodes = [hosts.find(host, name) for name in (DATA_NODE, METADATA_NODE)]
    return all(
        node is not None
        and access.refusal_to_show_items(hosts.configuration_of(node), host.relation(node, asker)) is None
        for node in nodes
    )


def hash_in_presence(server: "Server", account: JID) -> str | None:
    """The hash that the account's presence carries; "" says that there is no avatar any more, None says nothing. No
    query, as a rule.

    Presence goes to whoever may see it: where the nodes are for fewer, it says nothing of the avatar.
    """
    hash = vcards.photo_hash(server.db, account)
    return None if hash and not _is_seen_with_presence(server, account) else hash


def _is_seen_with_presence(server: "Server", account: JID) -> bool:
    nodes = pubsub_nodes.of_account(server.db, account)
    return all(
        name in nodes and hosts.configuration_of(nodes[name]).access_model in SEEN_WITH_PRESENCE
        for name in (DATA_NODE, METADATA_NODE)
    )


# -- what items say


def _infos(payload: bytes) -> Sequence[etree._Element]:
    """What metadata says of images that are in the data node, and not elsewhere: image/png first, each id once."""
    metadata = parse(payload) if payload else None
    if metadata is None or metadata.tag != METADATA:
        return ()
    here = [info for info in metadata.iterchildren(INFO) if info.get("url") is None]
    by_id: dict[str | None, etree._Element] = {}
    for info in sorted(here, key=lambda info: info.get("type") != PNG):
        by_id.setdefault(info.get("id"), info)
    return list(by_id.values())[:MAX_INFOS]


def _image(payload: bytes | None) -> bytes:
    data = parse(payload) if payload else None
    if data is None or data.tag != DATA:
        return b""
    try:
        return decoded(data.text or "")
    except ValueError:
        return b""
