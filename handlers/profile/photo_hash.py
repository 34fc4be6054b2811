"""XEP-0153, XEP-0398: the hash of an account's avatar in its presence tells contacts of a new avatar."""

from typing import TYPE_CHECKING

from handlers.profile.current_avatar import hash_in_presence
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

UPDATE = "{vcard-temp:x:update}x"
PHOTO = "{vcard-temp:x:update}photo"


def with_photo_hash(server: "Server", account: JID, stanza: Stanza) -> Stanza:
    """Available presence of the account, to be passed on, with the hash of its avatar as the last child; presence of
    any other type as it is. No query, as a rule.

    A hash of the client's own is replaced, unless it says that it has no photo (XEP-0398 section 4): nobody could fetch
    its image. <photo/> is empty if the account has no avatar any more, and missing if it never had one (XEP-0153
    section 4.1).
    """
    if stanza.type is not None:
        return stanza
    own = list(stanza.children(UPDATE)) if UPDATE in stanza.child_tags else []
    said = [(photo.text or "").strip().lower() for x in own for photo in x.iterchildren(PHOTO)]
    hash = "" if "" in said else hash_in_presence(server, account)
    if own:
        if len(own) == 1 and said == ([] if hash is None else [hash]):
            return stanza
        stanza = stanza.without(lambda child: child.tag == UPDATE)
    return stanza.with_last(update(hash), UPDATE)


def update(hash: str | None) -> bytes:
    """The element of presence that tells the hash of a photo: "" if there is none any more, None if there never was."""
    if hash is None:
        return b'<x xmlns="vcard-temp:x:update"/>'
    photo = b"<photo>%b</photo>" % hash.encode() if hash else b"<photo/>"
    return b'<x xmlns="vcard-temp:x:update">%b</x>' % photo
