"""What accounts with the role `limited` may not do: they exchange nothing with people of other servers. (Nor do they
make rooms, or invite anybody to this server: that is looked at where it is done.)

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
PARTING = frozenset({"error", "result", "unavailable", "unsubscribe", "unsubscribed"})
"""What goes both ways even so: answers, and the end of what there was before the account was limited."""

feature = Feature("limited", optional=False)


@feature.step
def refuse_elsewhere(server: "Server", stanza: Stanza) -> None:
    """SENT_ELSEWHERE: refuse what a limited account sends."""
    sender = stanza.sender
    if sender is None or not sender.local or stanza.type in PARTING or not server.ownership.is_ours(sender):
        return
    _refuse_if_limited(server, sender.bare)


@feature.step
def refuse_contacts_elsewhere(delivery: Delivery) -> None:
    """PRESENCE_SENT: the same for a request to somebody elsewhere, before it stands in the roster."""
    to, server = delivery.stanza.to, delivery.server
    if delivery.stanza.type in SUBSCRIBING and to is not None and not server.router.has(to.domain):
        _refuse_if_limited(server, delivery.account)


@feature.step
def keep_out(delivery: Delivery) -> Literal["stop"] | None:
    """CAME_FROM_ELSEWHERE: a limited account is not there for other servers."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if not account.local or stanza.type in PARTING or not server.ownership.is_ours(account):
        return None
    if not accounts.exists(server.db, account) or not is_limited(server, account):
        return None
    if stanza.kind == "presence":
        strangers.answer_for_nobody(server, account, stanza)
        return STOP
    raise StanzaError("service-unavailable")  # as for an account that does not exist


def _refuse_if_limited(server: "Server", account: JID) -> None:
    if is_limited(server, account):
        raise StanzaError("forbidden", "this account cannot reach people of other servers")
