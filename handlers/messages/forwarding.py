"""XEP-0297: a stanza inside of another one."""

from xmpp.data import names
from xmpp.data.wire import standing_alone

NAMESPACE = "urn:xmpp:forward:0"
FORWARDED_MESSAGE = f"{{{NAMESPACE}}}forwarded/{names.MESSAGE}"
"""The path from a wrapper, such as a carbon's <sent/>, to the message in it."""


def forwarded(stanza: bytes, delay: str = "") -> bytes:
    """The <forwarded/> with a stanza, given as it is written in a stream, and the <delay/> that says when it was
    sent."""
    # Inside of <forwarded/>, jabber:client is no longer the default namespace.
    return b'<forwarded xmlns="%b">%b%b</forwarded>' % (NAMESPACE.encode(), delay.encode(), standing_alone(stanza))
