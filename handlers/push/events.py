"""Which stanzas are worth waking a device for. XEP-0357 leaves that to the server.

What somebody would want to know now: a message to read, also in a room, an invitation, a call, a subscription request.
What only tells of a state is not: presence, chat states, receipts, markers, events of nodes.
"""

from lxml import etree

from handlers.messages.forwarding import FORWARDED_MESSAGE
from handlers.messages.payloads import CARBON_RECEIVED, DIRECT_INVITATION, MUC_INVITE, MUC_USER
from xmpp.data import names
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

COPIED = f"{CARBON_RECEIVED}/{FORWARDED_MESSAGE}"  # not <sent/>: what one has sent oneself is no news
CALL = "{urn:xmpp:jingle-message:0}"  # XEP-0353: propose, and what ends the ringing again
JINGLE = "{urn:xmpp:jingle:1}jingle"
OMEMO = frozenset({"{eu.siacs.conversations.axolotl}encrypted", "{urn:xmpp:omemo:2}encrypted"})
ALWAYS = frozenset({DIRECT_INVITATION, "{jabber:x:encrypted}x", "{urn:xmpp:openpgp:0}openpgp"})


def event_in(stanza: Stanza, account: JID) -> etree._Element | None:
    """The element in a stanza that is worth waking a device of the account for: the message, taken out of its carbon
    copy, the subscription request or the call. None if nothing is.

    The element is to be read while the stanza is handled, and not kept.
    """
    element = stanza.element
    if stanza.kind == "message":
        message = _carried(element) if stanza.sender == account else element
        return message if is_worth_reading(message) else None
    if stanza.kind == "presence":
        return element if stanza.type == "subscribe" else None
    return element if _is_jingle_call(element) else None


def is_worth_reading(message: etree._Element) -> bool:
    """Whether there is something to read in a message, or to answer."""
    return message.get("type") not in ("error", "headline") and any(_has_news(child) for child in message)


def _carried(message: etree._Element) -> etree._Element:
    """The message that a carbon copy holds; `message` itself if it is none."""
    copied = message.find(COPIED)
    return message if copied is None else copied


def _has_news(child: etree._Element) -> bool:
    tag = str(child.tag)
    if tag == names.BODY:
        return bool(child.text)
    if tag in OMEMO:
        return child.find("{*}payload") is not None  # without one it only carries keys (XEP-0384)
    if tag == MUC_USER:
        return child.find(MUC_INVITE) is not None
    return tag in ALWAYS or tag.startswith(CALL)


def _is_jingle_call(iq: etree._Element) -> bool:
    jingle = iq.find(JINGLE)
    return iq.get("type") == "set" and jingle is not None and jingle.get("action") == "session-initiate"
