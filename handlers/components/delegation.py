"""XEP-0355: requests of some namespaces are answered by components, in place of this server (in its admin mode: what is
delegated, the configuration says)."""

import logging
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from lxml import etree

from handlers.components.grants import domains_of
from handlers.discovery.disco_info import Nested
from handlers.messages import forwarding
from xmpp.config.component_settings import check_domain
from xmpp.config.configuration import REQUIRED, setting
from xmpp.data import names
from xmpp.data.disco import INFO, INFO_QUERY, Info
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.data.wire import wire
from xmpp.routing.components import Components
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature
from xmpp.running.lines import LimitedLines

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

NAMESPACE = "urn:xmpp:delegation:2"
DELEGATION = f"{{{NAMESPACE}}}delegation"
FORWARDED_IQ = f"{{{forwarding.NAMESPACE}}}forwarded/{names.IQ}"
DOMAIN_NODE, ACCOUNT_NODE = "::", ":bare:"
MOST_FEATURES = 200  # to announce of one namespace
SECONDS = 60.0  # for a component's answer
ANSWERS = ("result", "error")  # the XEP has results alone; but then nobody could be told that an item is not there


def _check_namespace(namespace: str) -> None:
    if not namespace or namespace.startswith(NAMESPACE):
        raise ValueError("expected a namespace of requests, and not that of delegation itself")


@dataclass(frozen=True)
class Delegated:
    """A namespace that is delegated. It is so for the accounts of the domain that the component is beneath, or, if it
    is beneath none, for all."""

    namespace: str = setting(REQUIRED, "The namespace of the requests.", check=_check_namespace)
    component: str = setting(REQUIRED, "The domain of the component that answers them.", check=check_domain)
    attributes: tuple[str, ...] = setting((), "Only requests whose payload has all these attributes.")


@dataclass(frozen=True)
class DelegationSettings:
    """Requests to this server and to its accounts that components answer (XEP-0355): a component sees all that is in
    them."""

    delegated: tuple[Delegated, ...] = setting((), "The namespaces, each a table of its own; the first that fits is "
                                               "taken.")  # fmt: skip

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """All that is delegated, whatever else has to fit."""
        return frozenset(each.namespace for each in self.delegated)

    def of(self, component: str) -> Sequence[Delegated]:
        """What is delegated to a component."""
        return [each for each in self.delegated if each.component == component]


feature = Feature(
    "delegation",
    xep="0355",
    disco=[NAMESPACE],
    settings=DelegationSettings,
    optional=False,
    announced_if=lambda settings: bool(settings.delegated),
)


@feature.step
def advertise(server: "Server", component: JID) -> None:
    """COMPONENT_ATTACHED: each domain of ours says which namespaces are the component's."""
    delegated = server.settings(DelegationSettings).of(component)
    attached = server.state(Components).attached.get(component)
    if not delegated or attached is None:
        return
    element = etree.Element(DELEGATION, nsmap={None: NAMESPACE})
    for each in delegated:
        child = etree.SubElement(element, f"{{{NAMESPACE}}}delegated", namespace=each.namespace)
        for name in each.attributes:
            etree.SubElement(child, f"{{{NAMESPACE}}}attribute", name=name)
    content = wire(element)
    for domain in domains_of(server, component):
        attached.tell(Stanza.build("message", content, id=random_id(), to=component, sender=JID.parse(domain)))


@feature.step
def pass_on(delivery: Delivery) -> Literal["stop"] | None:
    """REQUEST_RECEIVED: have a component answer what is delegated to it, unless it has sent that itself."""
    server, iq = delivery.server, delivery.stanza
    settings = server.settings(DelegationSettings)
    if not settings.namespaces or iq.to is None or iq.to.is_full or not server.ownership.serves(iq.to.domain):
        return None
    payload: Any = iq.only_child()
    namespace = etree.QName(payload).namespace or ""
    if namespace not in settings.namespaces:
        return None
    for each in _fitting(server, settings, iq.to.domain, namespace, payload):
        if iq.sender is None or iq.sender.domain != each.component:
            _ask(server, JID.parse(each.component), iq)
            return STOP
    return None


@feature.step
def ask_what_to_announce(server: "Server", component: JID) -> None:
    """COMPONENT_ATTACHED: ask what it wants to be announced, at a node for each namespace (section "Nesting"). That is
    the same for all of our domains, so only a component that all of them delegate to is asked."""
    if domains_of(server, component) != list(server.domains):
        return
    for each in server.settings(DelegationSettings).of(component):
        for separator in (DOMAIN_NODE, ACCOUNT_NODE):
            node = f"{NAMESPACE}{separator}{each.namespace}"
            query = etree.Element(INFO_QUERY, node=node, nsmap={None: INFO})
            server.requests.ask(
                "get",
                wire(query),
                to=component,
                sender=JID.parse(server.default_domain),
                seconds=SECONDS,
                on_reply=partial(_note_what_to_announce, server, each.namespace, separator),
            )


def _note_what_to_announce(server: "Server", namespace: str, separator: str, answer: Stanza | None) -> None:
    payload = answer.payload if answer is not None and answer.type == "result" else None
    if payload is None or payload.tag != INFO_QUERY:
        return
    try:
        info = Info.read(payload)
    except ValueError as error:
        log.warning("what is to be announced of %s is ill-formed: %s", namespace, error)
        return
    if len(info.features) > MOST_FEATURES:
        log.warning("more than %d features are to be announced of %s", MOST_FEATURES, namespace)
        return
    nested = server.state(Nested)
    if separator == DOMAIN_NODE:
        nested.domain = {**nested.domain, namespace: info}
    else:
        nested.account = {**nested.account, namespace: info}


def _fitting(
    server: "Server", settings: DelegationSettings, domain: str, namespace: str, payload: etree._Element
) -> Iterator[Delegated]:
    for each in settings.delegated:
        is_complete = all(payload.get(name) is not None for name in each.attributes)
        if each.namespace == namespace and is_complete and domain in domains_of(server, each.component):
            yield each
            return


def _ask(server: "Server", component: JID, iq: Stanza) -> None:
    if component not in server.state(Components).attached:
        raise StanzaError("service-unavailable")
    assert iq.to is not None
    request = iq.kept()
    request.origin = None  # its session may have ended, or may have been resumed, when the answer comes
    content = b'<delegation xmlns="%b">%b</delegation>' % (NAMESPACE.encode(), forwarding.forwarded(request.wire()))
    on_reply = partial(_answered, server, request)
    sender = JID.parse(iq.to.domain)
    server.requests.ask("set", content, to=component, sender=sender, seconds=SECONDS, on_reply=on_reply)


class WrongAnswers(LimitedLines):
    """The lines about components that do not answer as they should. A server has one."""


def _answered(server: "Server", request: Stanza, answer: Stanza | None) -> None:
    """Give the asker the answer that is inside of the component's, if it is one to that request."""
    inner = None if answer is None or answer.type != "result" else answer.element.find(f"{DELEGATION}/{FORWARDED_IQ}")
    reply = None if inner is None else _reply(request, inner)
    if reply is None:
        if answer is not None:
            lines = server.state(WrongAnswers)
            lines.say(log.info, "%s does not answer a delegated request as it should", answer.sender)
        server.router.refuse(request, StanzaError("service-unavailable"))
    else:
        server.router.route(reply)


def _reply(request: Stanza, inner: etree._Element) -> Stanza | None:
    copy = deepcopy(inner)
    try:
        reply = Stanza.from_wire(wire(copy))
    except Unreadable:
        return None
    is_right = reply.type in ANSWERS and reply.id == request.id and reply.to == request.sender
    if not is_right or reply.sender not in (None, request.to):
        return None
    assert request.to is not None and request.sender is not None
    return reply.sent_by(request.to).addressed(request.sender)
