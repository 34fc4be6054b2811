"""XEP-0153: the hash of an account's photo in its presence, by which contacts learn of another photo."""

from typing import TYPE_CHECKING

from db import vcards
from xmpp.jid import JID
from xmpp.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.server import Server

UPDATE = "{vcard-temp:x:update}x"


def with_photo_hash(server: "Server", account: JID, stanza: Stanza) -> Stanza:
    """The presence of one of the account's sessions, with the hash of the account's photo as its last child.

    For what is passed on; what is remembered stays as the client sent it. Presence with a type gets none, nor does
    one where the client has put in an element of its own. Without a photo the element is empty. No query.
    """
    if stanza.type is not None or UPDATE in stanza.child_tags:
        return stanza
    photo = vcards.photo_hash(server.db, account)
    if not photo:
        return stanza.with_last(b'<x xmlns="vcard-temp:x:update"/>', UPDATE)
    return stanza.with_last(b'<x xmlns="vcard-temp:x:update"><photo>%b</photo></x>' % photo.encode(), UPDATE)
