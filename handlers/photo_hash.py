"""XEP-0153, XEP-0398: the hash of an account's avatar in its presence, by which contacts learn of another one."""

from typing import TYPE_CHECKING

from handlers.current_avatar import hash_in_presence
from xmpp.jid import JID
from xmpp.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.server import Server

UPDATE = "{vcard-temp:x:update}x"
PHOTO = "{vcard-temp:x:update}photo"


def with_photo_hash(server: "Server", account: JID, stanza: Stanza) -> Stanza:
    """The presence of one of the account's sessions, with the hash of the account's avatar as its last child.

    For what is passed on; what is remembered stays as the client sent it. Presence with a type gets none, nor does
    one where the client says itself which photo it has, or that it has none. An element of the client's that says
    nothing is replaced (XEP-0398 section 4). Without an avatar the element is empty. No query, as a rule.
    """
    if stanza.type is not None:
        return stanza
    is_there = UPDATE in stanza.child_tags
    if is_there and any(each.find(PHOTO) is not None for each in stanza.children(UPDATE)):
        return stanza
    photo = hash_in_presence(server, account)
    if not photo:
        return stanza if is_there else stanza.with_last(b'<x xmlns="vcard-temp:x:update"/>', UPDATE)
    if is_there:
        stanza = stanza.without(lambda child: child.tag == UPDATE)
    return stanza.with_last(b'<x xmlns="vcard-temp:x:update"><photo>%b</photo></x>' % photo.encode(), UPDATE)
