"""How a component's stream is written on the wire (XEP-0114): as a client's, in a namespace of its own.

Inside the server stanzas are written relative to the default namespace of their stream, so they are the same here.
"""

from collections.abc import Collection

from xmpp.data import names
from xmpp.data.wire import quoted
from xmpp.stream.framing import ClientFraming, Opening
from xmpp.stream.xml.nameguard import ProcessNames, XMLLimits
from xmpp.stream.xml.xmlfeed import XMLFeed


class ComponentFraming(ClientFraming):
    """A component, over TCP. There is no version and there are no features."""

    def opening(self, opening: Opening) -> bytes:
        """The <stream:stream> tag, in the name of the component's own domain."""
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='{names.COMPONENT}' xmlns:stream='{names.STREAM}'"
            f" id='{opening.id}' from={quoted(opening.host)}>"
        ).encode()

    def reader(self, limits: XMLLimits, process_names: ProcessNames, tags: Collection[str]) -> XMLFeed:
        """A reader of XML for one stream."""
        return XMLFeed(limits, process_names, tags, names.COMPONENT)
