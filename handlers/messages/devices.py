"""Which of an account's sessions get a stanza (RFC 6121 section 8.5)."""

from xmpp.data.errors import StanzaError
from xmpp.routing.delivery import Delivery
from xmpp.routing.feature import Feature

feature = Feature("devices", rfc="6121", optional=False)


@feature.step
def choose_for_message(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED: choose the sessions for a message.

    If none is chosen and the message is not refused here, later steps keep a chat or normal message, and copy others.
    """
    stanza, server = delivery.stanza, delivery.server
    assert stanza.to is not None
    if stanza.to.is_full:
        session = server.online.session(stanza.to)
        if session is not None:
            delivery.chosen = (session,)
            return
        if stanza.type == "normal":
            raise StanzaError("service-unavailable")  # section 8.5.3.2.1: only a chat goes on elsewhere
    if stanza.type == "groupchat":
        raise StanzaError("service-unavailable")
    if stanza.type == "error" or (stanza.type == "headline" and stanza.to.is_full):
        return  # no other session gets it
    delivery.chosen = [session for session in server.online.available(delivery.account) if session.priority >= 0]


@feature.step
def choose_for_presence(delivery: Delivery) -> None:
    """PRESENCE_RECEIVED: the addressed session, or all available ones, whatever their priority (section 8.5.2.1.2)."""
    stanza, server = delivery.stanza, delivery.server
    assert stanza.to is not None
    if stanza.to.is_bare:
        delivery.chosen = server.online.available(delivery.account)
        return
    session = server.online.session(stanza.to)
    delivery.chosen = () if session is None else (session,)


@feature.step
def choose_for_iq(delivery: Delivery) -> None:
    """IQ_RECEIVED: the session of a full address; the server itself answers what is for a bare one."""
    to = delivery.stanza.to
    assert to is not None
    if to.is_bare:
        return
    session = delivery.server.online.session(to)
    if session is None:
        raise StanzaError("service-unavailable")
    delivery.chosen = (session,)
