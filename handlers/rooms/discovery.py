"""XEP-0045 sections 6 and 7.12: what can be found out about the rooms of a service, and about each; and XEP-0307."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lxml import etree

from db import rooms
from handlers.rooms import activity, hat_commands, room_vcard
from handlers.rooms import configuration as configurations
from handlers.rooms.announced import ARCHIVED_FEATURES, MODERATED_FEATURES, ROOM_FEATURES, UNIQUE
from handlers.rooms.room import NOBODY, Room
from handlers.rooms.rooms_here import open_to
from handlers.rooms.telling import MUC
from xmpp.data import commands, resultsets
from xmpp.data.dataforms import FieldType
from xmpp.data.disco import ITEMS, ITEMS_QUERY, Form, Identity, Info
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.resultsets import PageRequest
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

ROOM_INFO = "http://jabber.org/protocol/muc#roominfo"
OWN_NICK = "x-roomuser-item"
TRAFFIC = f"{MUC}#traffic"
MAX_PAGE = 100
MOST_CONTACTS = 20
OLDER_AVATAR = "{http://modules.prosody.im/mod_vcard_muc}avatar#sha1"
"""As it was before XEP-0486, with one hash, or empty: Gajim 1.7 and others look for nothing else."""
TYPES: Mapping[str, FieldType] = {
    "muc#roominfo_subjectmod": "boolean",
    "muc#roominfo_avatarhash": "text-multi",
    "muc#roominfo_contactjid": "jid-multi",
    "muc#roomconfig_changesubject": "boolean",
    "muc#roomconfig_allowinvites": "boolean",
}


# -- the service


def list_rooms(server: "Server", iq: Stanza) -> etree._Element:
    """6.3: the public rooms of a service, page by page in the order of their addresses, which are the cursors."""
    assert iq.to is not None
    if iq.only_child().get("node"):
        raise StanzaError("item-not-found")
    asked, service = _page_asked_for(iq), iq.to
    most = MAX_PAGE if asked.max is None else min(asked.max, MAX_PAGE)
    if asked.before is None:
        found = rooms.public(server.db, service, asked.after or "", most + 1)
    else:
        found = rooms.public_backwards(server.db, service, asked.before, most + 1)
    is_whole, found = len(found) <= most, found[:most]
    if asked.before is not None:
        found.reverse()
    query = etree.Element(ITEMS_QUERY, nsmap={None: ITEMS})
    for jid, configuration in found:
        name = configurations.from_text(configuration).roomname or jid.local
        etree.SubElement(query, f"{{{ITEMS}}}item", jid=jid, name=name)
    if not is_whole or iq.only_child().find(resultsets.SET) is not None:
        first, last = (found[0][0], found[-1][0]) if found else (None, None)
        query.append(resultsets.page(first=first, last=last, count=rooms.count_public(server.db, service)))
    return query


def make_unique_name(server: "Server", iq: Stanza) -> etree._Element:
    """XEP-0307: the name of a room that nobody has made."""
    unique = etree.Element(f"{{{UNIQUE}}}unique", nsmap={None: UNIQUE})
    unique.text = random_id().lower()
    return unique


def _page_asked_for(iq: Stanza) -> PageRequest:
    try:
        asked = resultsets.asked_in(iq.only_child())
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None
    if asked.index:
        raise StanzaError("feature-not-implemented", "pages are asked for by what comes before or after a room")
    return asked


# -- a room


def describe_room(server: "Server", iq: Stanza) -> etree._Element:
    """6.4: what a room is like; or, by the node for that, the nick that is reserved for the asker (7.12), or that
    nothing is kept back of what is said there (17.1.1)."""
    assert iq.sender is not None
    room, node = _room(server, iq), iq.only_child().get("node")
    if node == OWN_NICK:
        nick = room.affiliations.get(iq.sender.bare, NOBODY).nick
        return Info((Identity("conference", "text", nick),) if nick else (), frozenset()).element(node)
    if node == TRAFFIC:
        raise StanzaError("service-unavailable", "whatever is said to this room is passed on")
    if node:
        return hat_commands.describe(room, iq.sender, node).element(node)
    name = room.configuration.roomname or room.address.local
    features = frozenset([*ROOM_FEATURES, *_of_other_features(server, room), *_kinds(room)])
    return Info((Identity("conference", "text", name),), features, (_more(room, iq.sender),)).element()


def _of_other_features(server: "Server", room: Room) -> tuple[str, ...]:
    """What a room can do by other features of the server, if those are on."""
    on = {feature.name for feature in server.registry.features}
    archived = ARCHIVED_FEATURES if "archive" in on and room.configuration.enablearchiving else ()
    return (*(MODERATED_FEATURES if "moderation" in on else ()), *archived)


def answer_ping(server: "Server", iq: Stanza) -> None:
    """XEP-0199: the empty result, where there is such a room; who is in it, or is known there, makes no difference."""
    _room(server, iq)


def list_items_of_room(server: "Server", iq: Stanza) -> etree._Element:
    """6.5: nobody is told who is in a room. At the node for that, the commands that the asker may use."""
    assert iq.sender is not None
    room, node = _room(server, iq), iq.only_child().get("node")
    if node == commands.NAMESPACE:
        return hat_commands.listed(room, iq.sender)
    if node:
        raise StanzaError("item-not-found")
    return etree.Element(ITEMS_QUERY, nsmap={None: ITEMS})


def _room(server: "Server", iq: Stanza) -> Room:
    assert iq.to is not None and iq.sender is not None
    return open_to(server, iq.to, iq.sender.bare)


def _kinds(room: Room) -> list[str]:
    """4.2: of each two kinds of rooms the one that it is."""
    configured = room.configuration
    return [
        "muc_public" if configured.publicroom else "muc_hidden",
        "muc_persistent" if configured.persistentroom else "muc_temporary",
        "muc_membersonly" if configured.membersonly else "muc_open",
        "muc_semianonymous" if configured.is_anonymous else "muc_nonanonymous",
        "muc_moderated" if configured.moderatedroom else "muc_unmoderated",
        "muc_passwordprotected" if configured.passwordprotectedroom else "muc_unsecured",
    ]


def _more(room: Room, asker: JID) -> Form:
    """What is for everybody; and what goes on in the room, which strangers do not learn of one that is hidden."""
    configured = room.configuration
    told = {
        "muc#roominfo_description": configured.roomdesc,
        "muc#roominfo_lang": configured.lang,
        "muc#roominfo_subjectmod": _boolean(configured.changesubject),
        "muc#maxhistoryfetch": str(configured.historylength),
        "muc#roomconfig_roomname": configured.roomname,
        "muc#roomconfig_changesubject": _boolean(configured.changesubject),
        "muc#roomconfig_allowinvites": _boolean(configured.allowinvites),
        "muc#roomconfig_allowpm": configured.allowpm,
        "muc#roominfo_slow_mode_duration": str(configured.slow_mode_duration),
    }
    values: dict[str, tuple[str, ...]] = {var: (value,) if value else () for var, value in told.items()}
    values |= {var: hashes for var, hashes in _hashes(room, asker) if hashes or var == OLDER_AVATAR}
    if configured.publicroom or _is_in_the_know(room, asker):
        values["muc#roominfo_subject"] = (room.subject.text,)
        values["muc#roominfo_occupants"] = (str(len(room.occupants)),)
        if configured.pubsub:
            values["muc#roomconfig_pubsub"] = (configured.pubsub,)
        if not configured.is_anonymous:
            values["muc#roominfo_contactjid"] = tuple(room.owners()[:MOST_CONTACTS])
    messages_per_hour = activity.of(room)
    if messages_per_hour is not None:
        values[activity.FIELD] = (messages_per_hour,)
    return Form(ROOM_INFO, tuple(values.items()), TYPES)


def _hashes(room: Room, asker: JID) -> Iterator[tuple[str, tuple[str, ...]]]:
    """By which a client knows whether it has its avatar, and its list of hats."""
    hashes = room_vcard.hashes_for(room, asker)
    yield "muc#roominfo_avatarhash", hashes
    yield OLDER_AVATAR, hashes[:1]
    yield "hats#hash", hat_commands.hash_for(room, asker)


def _is_in_the_know(room: Room, asker: JID) -> bool:
    return asker in room.by_session or room.affiliation(asker.bare) in ("owner", "admin", "member")


def _boolean(value: bool) -> str:
    return "1" if value else "0"
