"""What accounts with the role `limited` may not do: they exchange nothing with people of other servers, also not
in what looks like an answer or a farewell, nor in private by way of a room here. (Nor do they make rooms, or invite
anybody to this server: that is looked at where it is done.)

It is looked at where stanzas leave the server or come from another: who talks to people here pays nothing for it.
"""

from typing import TYPE_CHECKING, Literal

from db import accounts
from handlers.admin.roles import is_limited
from handlers.contacts import strangers
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SUBSCRIBING = ("subscribe", "subscribed")
ANSWERING = frozenset({"error", "result"})
PARTING = frozenset({"unavailable", "unsubscribe", "unsubscribed"})
"""What goes both ways even so, but says nothing else: the end of what there was before the account was limited."""

feature = Feature("limited", optional=False)


@feature.step
def refuse_elsewhere(server: "Server", stanza: Stanza) -> Stanza | None:
    """SENT_ELSEWHERE: refuse what a limited account sends. Answers are the server's here, which are the same for all;
    those of a client were refused before."""
    sender = stanza.sender
    if sender is None or not sender.local or stanza.type in ANSWERING or not server.ownership.is_ours(sender):
        return None
    if stanza.kind != "presence" or stanza.type not in PARTING:
        _refuse_if_limited(server, sender.bare)
        return None
    return _bare(stanza) if is_limited(server, sender.bare) else None


@feature.step
def refuse_from_client_elsewhere(delivery: Delivery) -> None:
    """MESSAGE_SENT, PRESENCE_SENT, IQ_SENT: the same for what would be let pass there, or come too late: a request to
    somebody elsewhere before it stands in the roster; answers that nobody has asked for; and farewells to one that was
    never greeted."""
    stanza, server = delivery.stanza, delivery.server
    is_parting = stanza.kind == "presence" and stanza.type in (*SUBSCRIBING, "unavailable")
    if not is_parting and stanza.type not in ANSWERING:
        return
    if stanza.to is not None and not server.router.has(stanza.to.domain):
        _refuse_if_limited(server, delivery.account)


@feature.step
def keep_out(delivery: Delivery) -> Literal["stop"] | None:
    """CAME_FROM_ELSEWHERE: a limited account is not there for other servers."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if not account.local or not server.ownership.is_ours(account):
        return None
    if not accounts.exists(server.db, account) or not is_limited(server, account):
        return None
    if stanza.type in ANSWERING:  # to nothing that the account has asked for
        return STOP
    if stanza.kind == "presence" and stanza.type in PARTING:
        delivery.stanza = _bare(stanza)
        return None
    if stanza.kind == "presence":
        strangers.answer_for_nobody(server, account, stanza)
        return STOP
    raise StanzaError("service-unavailable")  # as for an account that does not exist


def _bare(stanza: Stanza) -> Stanza:
    """The same presence, without a word."""
    return Stanza.build("presence", type=stanza.type, to=stanza.to, sender=stanza.sender)


def _refuse_if_limited(server: "Server", account: JID) -> None:
    if is_limited(server, account):
        raise StanzaError("forbidden", "this account cannot reach people of other servers")
