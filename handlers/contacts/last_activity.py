"""XEP-0012: for how long an account has been offline, and the server running."""

import logging
import time
from typing import TYPE_CHECKING

from lxml import etree

from db import accounts, last_activity
from handlers.contacts.access import shows_itself
from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.feature import ADDRESS, OWN, SERVER, Feature
from xmpp.running.logs import log_refusal

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

NAMESPACE = "jabber:iq:last"
QUERY = f"{{{NAMESPACE}}}query"
STATUS = f"{{{names.CLIENT}}}status"

feature = Feature("last_activity", xep="0012", disco=[NAMESPACE], account_disco=[NAMESPACE])


@feature.iq_get(QUERY, to=[SERVER])
def tell_uptime(server: "Server", iq: Stanza) -> etree._Element:
    """For how long the server has been running (section 5)."""
    return _answer(time.time() - server.started_at)


@feature.iq_get(QUERY, to=[OWN, ADDRESS])
def tell_last_activity(server: "Server", iq: Stanza) -> etree._Element:
    """How long ago the account's last session ended, with its last status; 0 while it is online (section 3)."""
    assert iq.to is not None and iq.sender is not None
    if not shows_itself(server, iq.to, iq.sender):
        raise StanzaError("forbidden")
    if server.online.sessions(iq.to):
        return _answer(0)
    last = last_activity.get(server.db, iq.to)
    if last is None:
        raise StanzaError("item-not-found", "it has never been online")
    return _answer(time.time() - last.at, last.status)


@feature.step
def hide_clients(delivery: Delivery) -> None:
    """IQ_RECEIVED: refuse a query to a client from an asker who may not see its presence (section 4), with the same
    answer for an account that does not exist."""
    iq = delivery.stanza
    if iq.type != "get" or iq.payload is None or iq.payload.tag != QUERY:
        return
    assert iq.sender is not None
    if not shows_itself(delivery.server, delivery.account, iq.sender):
        raise StanzaError("forbidden")


@feature.step
def note_status(delivery: Delivery) -> None:
    """PRESENCE_SENT: keep the status of unavailable presence."""
    stanza = delivery.stanza
    if stanza.type == "unavailable" and stanza.to is None:
        _put(delivery.server, delivery.account, stanza.element.findtext(STATUS, default=""))


@feature.step
def note_end(session: "Session") -> None:
    """SESSION_ENDED, with the session's presence as it was: keep when the account's last session has ended."""
    db, account = session.server.db, session.account
    if session.server.online.sessions(account):
        return
    if accounts.identity(db, account) != session.identity:
        return  # the account was removed
    last = last_activity.get(db, account)
    # A session that breaks off while it is available leaves no status
    _put(session.server, account, "" if last is None or session.is_available else last.status)


def _put(server: "Server", account: JID, status: str) -> None:
    try:
        last_activity.put(server.db, account, time.time(), status)
    except server.storage_errors as error:  # the end of the session or of its presence must go on
        log_refusal(log, error, "cannot store that %s has left", account)


def _answer(seconds: float, status: str = "") -> etree._Element:
    query = etree.Element(QUERY, seconds=str(max(0, int(seconds))))
    query.text = status or None
    return query
