"""XEP-0356 section "Presence Permission": components that may do so are sent the presence of accounts, and that of
their contacts. Neither of them notices it."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from db import rosters
from handlers.components.grants import PrivilegeSettings, attached_with_grants, domains_of
from handlers.components.privileges import feature
from handlers.contacts import presence
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.components import Components
from xmpp.routing.delivery import Delivery

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

REMEMBERED = 10_000  # addresses


class LastPassedOn:
    """What components were sent of each contact elsewhere: it comes once for each account that has the contact, and
    they are sent it once (section "Business Rules"). A server has one."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[tuple[str, JID], int] = OrderedDict()

    def is_new(self, component: str, stanza: Stanza) -> bool:
        """Note a presence stanza without an addressee; False if the component was sent just that before."""
        assert stanza.sender is not None
        key, found = (component, stanza.sender), hash(stanza.wire())
        if self._hashes.pop(key, None) == found:
            self._hashes[key] = found
            return False
        self._hashes[key] = found
        if len(self._hashes) > REMEMBERED:
            self._hashes.popitem(last=False)
        return True

    def forget(self, component: str) -> None:
        """The component has forgotten it itself."""
        for key in [key for key in self._hashes if key[0] == component]:
            del self._hashes[key]


@feature.step
def show_all(server: "Server", component: JID) -> None:
    """COMPONENT_ATTACHED: send it the presence of all who are available."""
    grant = server.settings(PrivilegeSettings).by_component.get(component)
    attached = server.state(Components).attached.get(component)
    if grant is None or grant.presence == "none" or attached is None:
        return
    server.state(LastPassedOn).forget(component)
    attached.tell_all(_all_presence(server, component))


def _all_presence(server: "Server", component: JID) -> Iterator[Stanza | None]:
    domains = domains_of(server, component)
    for session in server.online:
        is_shown = session.is_available and session.account.domain in domains
        yield presence.current_presence(server, session).addressed(component) if is_shown else None


@feature.step
def show(server: "Server", stanza: Stanza, is_initial: bool) -> None:
    """PRESENCE_SAID: send it to the components that see the account come and go, and what it says in between to those
    that see all that contacts do."""
    assert stanza.sender is not None
    comes_or_goes = is_initial or stanza.type == "unavailable"
    for grant, component, attached in attached_with_grants(server, stanza.sender.domain):
        if grant.presence == "roster" or (grant.presence == "managed_entity" and comes_or_goes):
            attached.tell(stanza.addressed(component))


@feature.step
def pass_on(delivery: Delivery) -> None:
    """PRESENCE_RECEIVED: send what an account hears of its contacts elsewhere to the components that may hear it."""
    server, stanza, account = delivery.server, delivery.stanza, delivery.account
    if stanza.type not in (None, "unavailable") or stanza.sender is None:
        return
    for grant, component, attached in attached_with_grants(server, account.domain):
        if grant.presence != "roster" or stanza.sender.domain == component:
            continue
        item = rosters.item(server.db, account, stanza.sender.bare)
        if item is None or not item.is_subscribed_to:
            return
        plain = stanza.sent_by(stanza.sender)
        if server.state(LastPassedOn).is_new(component, plain):
            attached.tell(plain.addressed(component))
