"""Tables of what happens at nodes, for features that keep something in them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmpp.data.jid import JID
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

# f(server, account, node): a request may have changed a node of an account. Once for each; may still refuse it.
NODE_CHANGED = Table[Callable[["Server", JID, str], None]]("NODE_CHANGED")

# f(server, account, node, id, payload): something was published at a node of an account, by whomever. An empty id and
# None if some was retracted, which is said once for all of it.
ITEM_PUBLISHED = Table[Callable[["Server", JID, str, str, bytes | None], None]]("ITEM_PUBLISHED")
