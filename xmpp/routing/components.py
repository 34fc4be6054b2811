"""Which components are attached (XEP-0114), and the tables of what they send and of their coming."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmpp.data.jid import JID
from xmpp.routing.delivery import Step
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

COMPONENT_SENT = Table[Step]("COMPONENT_SENT")
"""For every stanza that a component sends, before it is routed; `account` is the component's domain."""

COMPONENT_ATTACHED = Table[Callable[["Server", JID], None]]("COMPONENT_ATTACHED")
"""f(server, component): it has shown its secret, and is sent stanzas from now on."""


class Components:
    """The domains of the components that are attached now. A server has one."""

    def __init__(self) -> None:
        self.attached: set[str] = set()
