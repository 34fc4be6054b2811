"""Which components are attached (XEP-0114), and the tables of what they send and of their coming."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Step
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

COMPONENT_SENT = Table[Step]("COMPONENT_SENT")
"""For every stanza that a component sends, before it is routed; `account` is the component's domain."""

COMPONENT_ATTACHED = Table[Callable[["Server", JID], None]]("COMPONENT_ATTACHED")
"""f(server, component): it has shown its secret, and is sent stanzas from now on."""


class Attached(Protocol):
    """A component that is attached, for what the server itself tells it: if it does not arrive, nobody else hears."""

    def tell(self, stanza: Stanza) -> None:
        """Send it a stanza; left out if too much waits already. Does not yield."""

    def tell_all(self, stanzas: Iterator[Stanza | None]) -> None:
        """Send it what may be a lot: it is fetched as the component reads, behind what else is sent. None
        sends nothing. Does not yield."""


class Components:
    """The components that are attached now, by domain. A server has one."""

    def __init__(self) -> None:
        self.attached: dict[str, Attached] = {}
