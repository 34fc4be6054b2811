"""XEP-0153, XEP-0398: the hash of an account's avatar in its presence, by which contacts learn of another one."""

from typing import TYPE_CHECKING

from lxml import etree

from handlers.profile.current_avatar import hash_in_presence
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

UPDATE = "{vcard-temp:x:update}x"
PHOTO = "{vcard-temp:x:update}photo"


def with_photo_hash(server: "Server", account: JID, stanza: Stanza) -> Stanza:
    """The presence of one of the account's sessions, with the hash of the account's avatar as its last child.

    For what is passed on; what is remembered stays as the client sent it. Presence with a type gets none. What a client
    says itself stays where it is that it has no photo, or what the account has; all else gives way (XEP-0398 section
    4), so that no hash goes round of an image that is not to be had. The element is empty as long as the account has
    never had an avatar, and its <photo/> once it has none any more (XEP-0153 section 4.1). No query, as a rule.
    """
    if stanza.type is not None:
        return stanza
    own = list(stanza.children(UPDATE)) if UPDATE in stanza.child_tags else []
    said = [_hash_in(photo) for x in own for photo in x.iterchildren(PHOTO)]
    hash = "" if "" in said else hash_in_presence(server, account)
    if own:
        if len(own) == 1 and said == ([] if hash is None else [hash]):
            return stanza
        stanza = stanza.without(lambda child: child.tag == UPDATE)
    return stanza.with_last(_element(hash), UPDATE)


def _hash_in(photo: etree._Element) -> str:
    return (photo.text or "").strip().lower()


def _element(hash: str | None) -> bytes:
    if hash is None:
        return b'<x xmlns="vcard-temp:x:update"/>'
    photo = b"<photo>%b</photo>" % hash.encode() if hash else b"<photo/>"
    return b'<x xmlns="vcard-temp:x:update">%b</x>' % photo
