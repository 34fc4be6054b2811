"""XEP-0198 section 4: what a session that is over was sent, and never acknowledged, takes one other way."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from handlers import accounts, blocking, delay, offline, stanza_ids
from handlers.acknowledgements import Unacknowledged
from handlers.payloads import CARBON_RECEIVED, CARBON_SENT, ONE_TO_ONE
from xmpp.errors import StanzaError
from xmpp.jid import JID
from xmpp.routing.delivery import Delivery, Path
from xmpp.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.server import Server

log = logging.getLogger(__name__)

# What is to be had in another way: copies, results of an archive, events.
SECOND_HAND = frozenset(
    {CARBON_SENT, CARBON_RECEIVED, "{urn:xmpp:mam:2}result", "{http://jabber.org/protocol/pubsub#event}event"}
)
# What others have got waits for the one who has not, although somebody is there.
KEEP = Path((accounts.refuse_unknown, blocking.refuse_from_blocked, offline.drop_retracted, offline.keep))


def send_another_way(server: "Server", account: JID, stanzas: Iterable[Unacknowledged]) -> None:
    """Give each stanza its other way: to another device, to those kept, back to its sender, or none."""
    for each in stanzas:
        stanza = Stanza.from_wire(each.stanza)
        try:
            if stanza.kind == "message":
                _send_message(server, account, each, stanza)
            elif stanza.is_request:
                raise StanzaError("service-unavailable")
        except StanzaError as error:
            server.router.refuse(stanza, error)
        except server.storage_errors as error:
            log.error("cannot keep what %s did not acknowledge: %s", account, error)
            server.router.refuse(stanza, StanzaError("resource-constraint", "the server cannot store this now"))


def _send_message(server: "Server", account: JID, each: Unacknowledged, stanza: Stanza) -> None:
    if stanza.type == "groupchat":
        raise StanzaError("recipient-unavailable")  # the room removes who is no longer there
    if stanza.type not in ONE_TO_ONE or not SECOND_HAND.isdisjoint(stanza.child_tags):
        return
    if stanza.child_tags <= offline.PASSING:  # that somebody was typing then
        return
    # The resource is gone, so this is for the account now (RFC 6121 section 8.5.3.2.1).
    repeat = delay.stamped(stanza, account.domain, each.at).addressed(account)
    if each.devices <= 1:
        _deliver(server, account, repeat)
    elif not each.is_kept and stanza_ids.id_by(stanza, account) is None:  # where it has an id, it is in the archive
        _keep(server, account, repeat)


def _deliver(server: "Server", account: JID, repeat: Stanza) -> None:
    delivery = Delivery(server, account, repeat)
    if not server.tables.redelivered.run(delivery):
        return
    delivery.stanza.devices = len(delivery.chosen)
    for session in delivery.chosen:
        session.send(delivery.stanza)


def _keep(server: "Server", account: JID, repeat: Stanza) -> None:
    try:
        KEEP.run(Delivery(server, account, repeat))
    except StanzaError:
        pass  # somebody has got it, so its sender hears of no error
