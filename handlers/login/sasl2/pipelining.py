"""Logging in without waiting for what is offered (XEP-0509): a client that has been here sends <authenticate/> together
with its stream header, and with it the version of what it was offered then. If that is no longer so, it is told, and
tries again; nothing counts against it."""

from base64 import b64encode
from hashlib import sha256

from lxml import etree

from handlers.login.sasl.attempts import login_of
from handlers.login.sasl.exchange import WithoutPrejudice
from xmpp.data.wire import wire
from xmpp.routing.feature import Feature, State
from xmpp.routing.streams import Stream

NAMESPACE = "urn:xmpp:iap:0"
CONFIG_VERSION = f"{{{NAMESPACE}}}config-version"
MISMATCH = f"{{{NAMESPACE}}}config-version-mismatch"
SCHEME = "opaque"

feature = Feature("pipelining", xep="0509", needs=["sasl2"])


@feature.step
def offer_version(stream: Stream, features: list[bytes]) -> None:
    """OFFERED: the version is a hash of all that this stream is offered, as it is written."""
    if stream.state is not State.OPEN or not stream.is_secure:
        return
    value = b64encode(sha256(b"".join(features)).digest()).decode()
    login_of(stream).offer_version = value
    version = etree.Element(CONFIG_VERSION, {"scheme": SCHEME, "value": value}, {None: NAMESPACE})
    features.append(wire(version))


def refuse_another(stream: Stream, authenticate: etree._Element) -> None:
    """Raise WithoutPrejudice if the client names a version of what it was offered that is not the one of this stream.
    Whatever the scheme, versions are the same if they are written in the same way."""
    named = authenticate.find(CONFIG_VERSION)
    if named is not None and named.get("value") != login_of(stream).offer_version:
        raise WithoutPrejudice("aborted", "what is offered here has changed", application=etree.Element(MISMATCH))
