"""Addresses in requests: read, or refused with a StanzaError if malformed or too many."""

from lxml import etree

from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, AddressReader, MalformedJID, TooManyAddresses


def read(text: str, reader: AddressReader | None = None) -> JID:
    """The address that `text` spells. Raises StanzaError. Pass the same reader for all addresses of a request."""
    try:
        return (reader or AddressReader()).read(text)
    except TooManyAddresses as error:
        raise StanzaError("policy-violation", str(error)) from None
    except MalformedJID as error:
        raise StanzaError("jid-malformed", str(error)) from None


def required(element: etree._Element, missing: str) -> JID:
    """The address in the attribute `jid`. Raises StanzaError, with the text `missing` if there is no such attribute."""
    text = element.get("jid")
    if text is None:
        raise StanzaError("bad-request", missing)
    return read(text)
