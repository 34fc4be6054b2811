"""How streams between servers are written on the wire: as a client's, in the namespace of servers.

Inside the server stanzas are written relative to the default namespace of their stream, so they are the same here.
"""

from xmpp.data import names
from xmpp.data.wire import quoted
from xmpp.federation.names import DIALBACK
from xmpp.stream.framing import LANGUAGE, ClientFraming, Opening


class ServerFraming(ClientFraming):
    """Another server, over TCP."""

    namespace = names.SERVER

    def opening(self, opening: Opening) -> bytes:
        """The <stream:stream> tag, with an id if the peer has opened the stream."""
        id = f" id='{opening.id}'" if opening.id else ""
        to = f" to={quoted(opening.peer)}" if opening.peer else ""
        return (
            f"<?xml version='1.0'?><stream:stream xmlns='{self.namespace}' xmlns:stream='{names.STREAM}'"
            f" xmlns:db='{DIALBACK}'{id} from={quoted(opening.host)}{to} version='1.0' xml:lang='{LANGUAGE}'>"
        ).encode()
