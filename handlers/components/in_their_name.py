"""XEP-0356 sections "Message Permission" and "IQ permission": components that may do so send messages and requests in
the name of accounts, by the same rules that the accounts have to keep."""

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from lxml import etree

from handlers.components.grants import grant_of, is_managed
from handlers.components.privileges import NAMESPACE, PRIVILEGE, feature
from handlers.messages import forwarding
from xmpp.data import names
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza, Unreadable
from xmpp.data.wire import wire
from xmpp.routing.delivery import STOP, Delivery, concerns

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

PRIVILEGED_IQ = f"{{{NAMESPACE}}}privileged_iq"
FORWARDED = f"{{{forwarding.NAMESPACE}}}forwarded"
SECONDS = 60.0  # for the answer to a request in somebody's name
_AS_CLIENTS = f"{{{names.CLIENT}}}"
_AS_COMPONENTS = f"{{{names.COMPONENT}}}"


# -- messages


@feature.step
@concerns(PRIVILEGE)
def send_message(delivery: Delivery) -> Literal["stop"] | None:
    """COMPONENT_SENT: send a message in the name of an account, or of a domain of ours itself."""
    server, outer = delivery.server, delivery.stanza
    if outer.kind != "message" or outer.type == "error" or outer.to is None or not _is_ours(server, outer.to):
        return None
    grant = grant_of(server, outer.sender, outer.to)
    if grant is None or grant.message == "none":
        raise StanzaError("forbidden", "this component may not send messages in the name of others")
    message = _message_in(outer)
    if message.sender is None or not (message.sender == outer.to or _may_be_named(server, message.sender, outer.to)):
        raise StanzaError("forbidden", f"expected a message from an account at {outer.to}, without a resource")
    _send(server, message)
    return STOP


def _is_ours(server: "Server", domain: JID) -> bool:
    return domain.is_bare and not domain.local and server.ownership.serves(domain)


def _may_be_named(server: "Server", sender: JID, domain: JID) -> bool:
    return sender.domain == domain and is_managed(server, sender)


def _message_in(outer: Stanza) -> Stanza:
    """The message that is forwarded. Libraries write it in the namespace of components, too."""
    found = [
        message
        for privilege in outer.children(PRIVILEGE)
        for forwarded in privilege.iterchildren(FORWARDED)
        for message in forwarded
        if message.tag in (names.MESSAGE, f"{_AS_COMPONENTS}message")
    ]
    if len(found) != 1:
        raise StanzaError("bad-request", "expected one message in <forwarded/> in <privilege/>")
    return _apart(found[0])


def _send(server: "Server", message: Stanza) -> None:
    sender = message.sender
    assert sender is not None
    if message.to is None and not sender.local:
        raise StanzaError("bad-request", "the message needs an addressee")
    message.stamp(sender, message.to if message.to is not None else sender)
    if sender.local:
        delivery = Delivery(server, sender, message)
        if not server.tables.sent["message"].run(delivery):
            return
        message = delivery.stanza
    server.router.route(message)


# -- requests


@feature.step
@concerns(PRIVILEGED_IQ)
def send_request(delivery: Delivery) -> Literal["stop"] | None:
    """COMPONENT_SENT: send a request in the name of an account; its answer goes back to the component."""
    server, outer = delivery.server, delivery.stanza
    if outer.kind != "iq" or not outer.is_request or outer.to is None:
        return None
    account = outer.to
    grant = grant_of(server, outer.sender, account.domain)
    if grant is None or not is_managed(server, account):
        raise StanzaError("forbidden")
    request = _request_in(outer)
    payload: Any = request.only_child()
    assert request.type is not None
    if not grant.may_ask(etree.QName(payload).namespace or "", request.type):
        raise StanzaError("forbidden", "this component may not send that in the name of others")
    to = request.to if request.to is not None else account
    content = wire(payload)
    checked = Stanza.build("iq", content, type=request.type, id=request.id, to=to, sender=account)
    if server.tables.sent["iq"].run(Delivery(server, account, checked)):
        on_reply = partial(_answered, server, outer.kept(), request.id)
        server.requests.ask(request.type, content, to=to, sender=account, seconds=SECONDS, on_reply=on_reply)
    return STOP


def _request_in(outer: Stanza) -> Stanza:
    """The request in <privileged_iq/>, which is of the same type and of the same account. Raises StanzaError."""
    inside = [*outer.only_child()]
    if [each.tag for each in inside] != [names.IQ]:
        raise StanzaError("forbidden", "expected an iq of jabber:client in <privileged_iq/>")
    request = _apart(inside[0])
    if request.type != outer.type:
        raise StanzaError("forbidden", "expected the same type of both requests")
    if request.sender is not None and request.sender != outer.to:
        raise StanzaError("forbidden", "expected no `from`, or the account that the request is for")
    if not request.id:
        raise StanzaError("bad-request", "an iq needs an id")
    return request


def _answered(server: "Server", outer: Stanza, id: str | None, answer: Stanza | None) -> None:
    """Pass the answer on, as the answer to what the component has sent."""
    if answer is None:
        server.router.refuse(outer, StanzaError("remote-server-timeout", "there was no answer"))
        return
    element = deepcopy(answer.element)
    element.set("id", id or "")
    inner = forwarding.forwarded(wire(element))
    server.router.route(outer.result(b'<privilege xmlns="%b">%b</privilege>' % (NAMESPACE.encode(), inner)))


def _apart(element: etree._Element) -> Stanza:
    """A stanza that stood inside of another one. Raises StanzaError."""
    copy = deepcopy(element)
    for each in copy.iter(f"{_AS_COMPONENTS}*"):
        each.tag = str(each.tag).replace(_AS_COMPONENTS, _AS_CLIENTS)
    try:
        return Stanza.from_wire(wire(copy))
    except Unreadable:
        raise StanzaError("jid-malformed", "the address of a stanza inside is none") from None
