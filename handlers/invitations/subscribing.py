"""XEP-0379: a request to subscribe that comes with an invitation is approved without asking, once, and answered with
the same request."""

import logging
from typing import TYPE_CHECKING, Literal

from db import invitations as records
from db import rosters
from db.invitations import CONTACT, AlreadySpent, Invitation
from handlers.contacts import subscriptions
from handlers.invitations import feature, invitations
from handlers.invitations.preauth import PREAUTH
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, Delivery, concerns
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)


@feature.step
@concerns(PREAUTH)
def approve_invited(delivery: Delivery) -> Literal["stop"] | None:
    """PRESENCE_RECEIVED, before the account would be asked. Without a good token it is asked (section 4.1)."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    assert stanza.sender is not None
    contact = stanza.sender.bare
    invitation = _invitation(server, account, stanza) if stanza.type == "subscribe" else None
    if invitation is None or _is_let_in(server, account, contact):
        return None
    try:
        with server.db.change():
            records.spend(server.db, invitation.id)
            subscriptions.approve(server, account, contact)
    except AlreadySpent:
        return None
    log.info("%s was let in by %s with invitation %d", one_word(contact), one_word(account), invitation.id)
    return STOP


def _invitation(server: "Server", account: JID, request: Stanza) -> Invitation | None:
    """The invitation of the account that comes with a request, if it can be used."""
    element = request.child(PREAUTH)
    invitation, problem = invitations.look_up(server, element.get("token", "") if element is not None else "")
    if problem or invitation is None or invitation.kind != CONTACT or invitation.inviter != account:
        return None
    return invitation


def _is_let_in(server: "Server", account: JID, contact: JID) -> bool:
    """True for who is let in anyway, and so uses nothing up."""
    item = rosters.item(server.db, account, contact)
    return item is not None and (item.is_subscriber or item.approved)
