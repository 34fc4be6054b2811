"""XEP-0297: a message inside of another one."""

from xmpp.data import names

NAMESPACE = "urn:xmpp:forward:0"
FORWARDED_MESSAGE = f"{{{NAMESPACE}}}forwarded/{names.MESSAGE}"
"""The path from a wrapper, such as a carbon's <sent/>, to the message in it."""


def forwarded(message: bytes, delay: str = "") -> bytes:
    """The <forwarded/> with a message, given as it is written in a stream, and the <delay/> that says when it was
    sent."""
    # Inside of <forwarded/>, jabber:client is no longer the default namespace.
    inner = message.replace(b"<message", b'<message xmlns="%b"' % names.CLIENT.encode(), 1)
    return b'<forwarded xmlns="%b">%b%b</forwarded>' % (NAMESPACE.encode(), delay.encode(), inner)
