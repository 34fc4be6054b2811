"""What tests of the stream reader feed it with, and how they tell what comes out."""

from collections.abc import Iterator

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import wire
from xmpp.stream.xml.nameguard import ProcessNames, XMLLimits
from xmpp.stream.xml.xmlfeed import StreamEnd, StreamHeader, XMLFeed

LIMITS = XMLLimits(stanza_bytes=262_144, depth=64, elements=10_000, attributes=64, names=1_000)


HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a.example'>"


def new_feed(
    limits: XMLLimits = LIMITS, process_names: ProcessNames | None = None, namespace: str = names.CLIENT
) -> XMLFeed:
    return XMLFeed(limits, process_names or ProcessNames(), names.STANZA_TAGS, namespace)


def opened_feed(
    limits: XMLLimits = LIMITS,
    process_names: ProcessNames | None = None,
    header: bytes = HEADER,
) -> XMLFeed:
    feed = new_feed(limits, process_names)
    list(feed.read(header))
    return feed


def told(feed: XMLFeed, data: bytes) -> list[object]:
    """The events of these bytes in a form that compares: elements as bytes, an error as its condition."""
    return list(_told(feed, data))


def _told(feed: XMLFeed, data: bytes) -> Iterator[object]:
    try:
        for event in feed.read(data):
            yield event if isinstance(event, StreamHeader | StreamEnd) else wire(event)
    except StreamError as error:
        yield error.condition


def stanzas(feed: XMLFeed, data: bytes) -> Iterator[etree._Element]:
    """The elements of these bytes, each in its tree for its turn."""
    for event in feed.read(data):
        assert isinstance(event, etree._Element)
        yield event


def canonical(element: etree._Element) -> object:
    """What counts in an element: prefixes do not."""
    return (
        element.tag,
        dict(element.attrib),
        element.text or "",
        [(canonical(child), child.tail or "") for child in element],
    )


EVER_NEW = {
    "element names": "<n{}/>",
    "attribute names": "<x n{}='1'/>",
    "prefixes": "<n{}:x xmlns:n{}='u:u'/>",
    "default namespaces": "<x xmlns='u:{}'/>",
    "prefixed namespaces": "<x xmlns:p='u:{}'/>",
    "namespaces after a space": "<x xmlns ='u:{}'/>",
    "namespaces between spaces": "<x xmlns\n=\t'u:{}'/>",
    "prefixed namespaces between spaces": "<x xmlns:p = 'u:{}'/>",
    "namespaces in double quotes": '<x xmlns="u:{}"/>',
    "namespaces behind a > in a value": "<x a='>' xmlns='u:{}'/>",
    "namespaces behind other quotes": "<x a='\"' b=\"'>\" xmlns='u:{}'/>",
    "namespaces behind something like one": "<x a='xmlns=' xmlns='u:{}' b='1'/>",
    "namespaces with entities": "<x xmlns='u:&#97;{}'/>",
    "names in other scripts": "<é{}/>",
}


def flood(template: str, start: int = 0, count: int = 1_000) -> bytes:
    return "".join(template.replace("{}", f"{number}q") for number in range(start, start + count)).encode()
