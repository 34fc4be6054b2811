"""How a component's stream is written on the wire (XEP-0114): as a client's, in a namespace of its own.

Inside the server stanzas are written relative to the default namespace of their stream, so they are the same here.
"""

from xmpp.data import names
from xmpp.data.wire import quoted
from xmpp.stream.framing import ClientFraming, Opening


class ComponentFraming(ClientFraming):
    """A component, over TCP. There is no version and there are no features."""

    namespace = names.COMPONENT

    def opening(self, opening: Opening) -> bytes:
        """The <stream:stream> tag, in the name of the component's own domain."""
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='{self.namespace}' xmlns:stream='{names.STREAM}'"
            f" id='{opening.id}' from={quoted(opening.host)}>"
        ).encode()
