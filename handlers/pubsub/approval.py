"""XEP-0060 section 8.6: the form that asks owners to approve a subscription."""

from collections.abc import Iterator

from db.pubsub_nodes import Node
from handlers.pubsub.hosts import Host
from xmpp.data import dataforms
from xmpp.data.dataforms import Field
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire

SUBSCRIBE_AUTHORIZATION = "http://jabber.org/protocol/pubsub#subscribe_authorization"
NODE, SUBSCRIBER, ALLOW = "pubsub#node", "pubsub#subscriber_jid", "pubsub#allow"


def fields(node: str = "", subscriber: str = "") -> tuple[Field, ...]:
    """The fields of the form, filled in with the name of the node and the address of the subscriber."""
    return (
        Field(NODE, "text-single", "Node", values=(node,), required=True),
        Field(SUBSCRIBER, "jid-single", "Who wants to subscribe", values=(subscriber,), required=True),
        Field(ALLOW, "boolean", "Whether they may", values=("0",)),
    )


def ask_owners(host: Host, node: Node, jid: JID) -> Iterator[None]:
    """Send the form to all owners, but those who have blocked whoever asks; the first answer decides (12.12). In
    steps."""
    form = wire(dataforms.form(SUBSCRIBE_AUTHORIZATION, fields(node.name, jid), title="Subscription request"))
    is_unheard = host.unheard_by(node)
    for owner in host.owners(node):
        if not is_unheard(owner):
            asked = Stanza.build("message", form, type="normal", id=random_id(), to=owner, sender=host.address)
            host.server.router.route(asked)
        yield
