"""Server dialback (XEP-0220): the keys by which a server that we dial can ask us whether that was us."""

import hmac
from hashlib import sha256
from typing import NamedTuple

from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.wire import quoted, wire
from xmpp.federation.names import DIALBACK


class Pair(NamedTuple):
    """A domain of ours and one of theirs: what may be said in the name of one to the other is agreed for each pair."""

    ours: str
    theirs: str


def key(secret: bytes, receiving: str, originating: str, stream_id: str) -> str:
    """The key for a stream (XEP-0185 section 3): nothing has to be remembered to recognise it."""
    text = f"{receiving} {originating} {stream_id}"
    return hmac.new(sha256(secret).hexdigest().encode(), text.encode(), sha256).hexdigest()


def is_key(secret: bytes, receiving: str, originating: str, stream_id: str, given: str) -> bool:
    """True if that is the key. Takes as long for any other."""
    return hmac.compare_digest(key(secret, receiving, originating, stream_id).encode(), given.encode())


def written(
    name: str, pair: Pair, *, type: str = "", id: str = "", text: str = "", error: StanzaError | None = None
) -> bytes:
    """A <db:result/> or <db:verify/> from us. `error`: what went wrong, if the type is error (section 2.5)."""
    head = f"<db:{name} from={quoted(pair.ours)} to={quoted(pair.theirs)}"
    head += f" id={quoted(id)}" if id else ""
    head += f" type='{type}'" if type else ""
    if error is not None:
        return head.encode() + b">" + wire(error.element()) + f"</db:{name}>".encode()
    return f"{head}>{text}</db:{name}>".encode() if text else f"{head}/>".encode()


def error_condition(element: etree._Element) -> str:
    """The condition of the error in a <db:result/> or <db:verify/>, as people read it."""
    for child in element.iter():
        tag = str(child.tag)
        if tag.startswith(f"{{{names.STANZA_ERRORS}}}"):
            return tag.partition("}")[2]
    return "unknown error"


def is_dialback(tag: str) -> bool:
    """True if that is an element of dialback."""
    return tag.startswith(f"{{{DIALBACK}}}")
