"""XEP-0356: components that may act in the name of accounts are told what they may do, as soon as they are attached."""

import logging
from typing import TYPE_CHECKING

from lxml import etree

from handlers.components.grants import NONE, Grant, PrivilegeSettings, domains_of
from xmpp.config.component_settings import ComponentsSettings
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.components import Components
from xmpp.routing.feature import Addressee, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

NAMESPACE = "urn:xmpp:privilege:2"
PRIVILEGE = f"{{{NAMESPACE}}}privilege"

MANAGED = Addressee("MANAGED")  # an account, for a component that may act in its name

feature = Feature("privileges", xep="0356", settings=PrivilegeSettings, optional=False)


@feature.step
def advertise(server: "Server", component: JID) -> None:
    """COMPONENT_ATTACHED: each domain of ours says what the component may do for its accounts."""
    grant = server.settings(PrivilegeSettings).by_component.get(component)
    attached = server.state(Components).attached.get(component)
    if grant is None or attached is None:
        return
    content = wire(_advertised(grant))
    for domain in domains_of(server, component):
        attached.tell(Stanza.build("message", content, id=random_id(), to=component, sender=JID.parse(domain)))


@feature.step
def warn_of_unknown(server: "Server") -> None:
    """SERVER_STARTED: rights that nobody can have are a mistake of the configuration."""
    known = server.settings(ComponentsSettings).secrets
    for grant in server.settings(PrivilegeSettings).granted:
        if grant.component not in known:
            log.warning("[privileges] granted: there is no component %s in [components] secrets", grant.component)


def _advertised(grant: Grant) -> etree._Element:
    privilege = etree.Element(PRIVILEGE, nsmap={None: NAMESPACE})
    for access, type in (("roster", grant.roster), ("message", grant.message), ("presence", grant.presence)):
        if type != NONE:
            perm = _perm(privilege, access, type)
            if access == "roster":
                perm.set("push", "true" if grant.hears_of_rosters else "false")
    if grant.iq:
        perm = _perm(privilege, "iq")
        for namespace, type in grant.iq.items():
            etree.SubElement(perm, f"{{{NAMESPACE}}}namespace", ns=namespace, type=type)
    return privilege


def _perm(privilege: etree._Element, access: str, type: str = "") -> etree._Element:
    perm = etree.SubElement(privilege, f"{{{NAMESPACE}}}perm", access=access)
    if type:
        perm.set("type", type)
    return perm
