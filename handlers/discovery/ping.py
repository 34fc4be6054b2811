"""XEP-0199: answer pings, for the server and for accounts."""

from typing import TYPE_CHECKING

from handlers.contacts.access import refuse_strangers
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import ACCOUNT, SERVER, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "urn:xmpp:ping"
PING = f"{{{NAMESPACE}}}ping"

feature = Feature("ping", xep="0199", disco=[NAMESPACE], account_disco=[NAMESPACE])


@feature.iq_get(PING, to=[SERVER])
def answer_for_server(server: "Server", iq: Stanza) -> None:
    """The empty result."""


@feature.iq_get(PING, to=[ACCOUNT])
def answer_for_account(server: "Server", iq: Stanza) -> None:
    """The empty result. A stranger must not learn by a ping which accounts exist, and is refused."""
    assert iq.to is not None and iq.sender is not None
    refuse_strangers(server, iq.to, iq.sender)
