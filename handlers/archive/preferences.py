"""XEP-0441: an account says whose messages are to be archived."""

from typing import NamedTuple

from lxml import etree

from db import archives, rosters
from db.archives import Archive
from db.sqlite.database import Database
from xmpp.data import addresses
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, AddressReader

NAMESPACE = "urn:xmpp:mam:2"
PREFERENCES = f"{{{NAMESPACE}}}prefs"
DEFAULTS = ("always", "never", "roster")


class Preferences(NamedTuple):
    """The preferences that a client asks for."""

    by_default: str
    always: frozenset[JID]
    never: frozenset[JID]


def are_wanted(db: Database, account: JID, archive: Archive, contact: JID) -> bool:
    """True if messages to or from this address are archived. No query.

    An address in both lists, of which the XEP says nothing, is not archived: somebody has asked for that.
    """
    if contact in archive.never or contact.bare in archive.never:
        return False
    if archive.by_default == "always" or contact in archive.always or contact.bare in archive.always:
        return True
    return archive.by_default == "roster" and rosters.item(db, account, contact.bare) is not None


def requested(element: etree._Element, most: int) -> Preferences:
    """Read <prefs/>. A list that is left out is empty. Raises StanzaError if it is malformed, or names more than `most`
    addresses."""
    by_default = element.get("default", "")
    if by_default not in DEFAULTS:
        raise StanzaError("bad-request", f"the default is one of {', '.join(DEFAULTS)}")
    reader = AddressReader()
    preferences = Preferences(by_default, _listed(element, "always", reader), _listed(element, "never", reader))
    if len(preferences.always) + len(preferences.never) > most:
        raise StanzaError("resource-constraint", f"at most {most} addresses are listed")
    return preferences


def element(archive: archives.Archive) -> etree._Element:
    """The <prefs/> of an archive."""
    preferences = etree.Element(PREFERENCES, default=archive.by_default, nsmap={None: NAMESPACE})
    for name, jids in (("always", archive.always), ("never", archive.never)):
        listed = etree.SubElement(preferences, f"{{{NAMESPACE}}}{name}")
        for jid in sorted(jids):
            etree.SubElement(listed, f"{{{NAMESPACE}}}jid").text = jid
    return preferences


def _listed(element: etree._Element, name: str, reader: AddressReader) -> frozenset[JID]:
    return frozenset(
        addresses.read((jid.text or "").strip(), reader)
        for listed in element.iterchildren(f"{{{NAMESPACE}}}{name}")
        for jid in listed.iterchildren(f"{{{NAMESPACE}}}jid")
    )
