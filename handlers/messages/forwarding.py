"""XEP-0297: a message inside of another one."""

from xmpp.data import names

NAMESPACE = "urn:xmpp:forward:0"
FORWARDED_MESSAGE = f"{{{NAMESPACE}}}forwarded/{names.MESSAGE}"
"""Where it stands in what it is wrapped in."""


def forwarded(message: bytes, delay: str = "") -> bytes:
    """The element that holds a message as it is written in a stream; `delay` is the <delay/> that says when it was
    sent."""
    # In there jabber:client is no longer the default namespace.
    inner = message.replace(b"<message", b'<message xmlns="%b"' % names.CLIENT.encode(), 1)
    return b'<forwarded xmlns="%b">%b%b</forwarded>' % (NAMESPACE.encode(), delay.encode(), inner)
