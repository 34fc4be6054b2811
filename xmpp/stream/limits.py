"""What a client may send, before and after login, and how the client is told (XEP-0478)."""

from lxml import etree

from xmpp.config.settings import StreamSettings
from xmpp.stream.xml.xmlfeed import XMLLimits

NAMESPACE = "urn:xmpp:stream-limits:0"


def before_login(settings: StreamSettings) -> XMLLimits:
    """What a client may send before it has logged in."""
    return XMLLimits(
        stanza_bytes=settings.login_stanza_bytes,
        elements=settings.login_stanza_elements,
        depth=8,
        attributes=16,
        names=20,
    )


def after_login(settings: StreamSettings) -> XMLLimits:
    """What a client may send once it has logged in."""
    return XMLLimits(
        stanza_bytes=settings.stanza_bytes,
        elements=settings.stanza_elements,
        depth=settings.stanza_depth,
        attributes=settings.stanza_attributes,
        names=settings.new_names,
    )


def feature(limits: XMLLimits) -> etree._Element:
    """The stream feature that tells the client of these limits (XEP-0478)."""
    element = etree.Element(f"{{{NAMESPACE}}}limits", nsmap={None: NAMESPACE})
    etree.SubElement(element, f"{{{NAMESPACE}}}max-bytes").text = str(limits.stanza_bytes)
    return element
