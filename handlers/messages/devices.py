"""Which of an account's sessions get a stanza (RFC 6121 section 8.5)."""

from xmpp.data.errors import StanzaError
from xmpp.routing.delivery import Delivery
from xmpp.routing.feature import Feature

feature = Feature("devices", rfc="6121", optional=False)


@feature.step
def choose_for_message(delivery: Delivery) -> None:
    """MESSAGE_RECEIVED. What nobody gets and is not refused goes on: chat and normal messages to be kept, headlines and
    errors to whoever wants copies of them."""
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
        return  # for nobody else
    delivery.chosen = [session for session in server.online.available(delivery.account) if session.priority >= 0]


@feature.step
def choose_for_presence(delivery: Delivery) -> None:
    """PRESENCE_RECEIVED: presence and errors, also for a session of negative priority (section 8.5.2.1.2)."""
    stanza, server = delivery.stanza, delivery.server
    assert stanza.to is not None
    if stanza.to.is_bare:
        delivery.chosen = server.online.available(delivery.account)
        return
    session = server.online.session(stanza.to)
    delivery.chosen = () if session is None else (session,)


@feature.step
def choose_for_iq(delivery: Delivery) -> None:
    """IQ_RECEIVED: the session of a full address; what is for the bare address is the server's to answer."""
    to = delivery.stanza.to
    assert to is not None
    if to.is_bare:
        return
    session = delivery.server.online.session(to)
    if session is None:
        raise StanzaError("service-unavailable")
    delivery.chosen = (session,)
