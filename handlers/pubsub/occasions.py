"""Tables that run when something happens at the nodes of accounts, for features that keep something there."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmpp.data.jid import JID
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

# f(server, account, node): a request may have changed the items of an account's node. Runs once for each request, and a
# step may still refuse it.
NODE_CHANGED = Table[Callable[["Server", JID, str], None]]("NODE_CHANGED")

# f(server, account, node, id, payload): an item was published at an account's node, by a client or by the server. Runs
# once with "" and None if items were removed, however many.
ITEM_PUBLISHED = Table[Callable[["Server", JID, str, str, bytes | None], None]]("ITEM_PUBLISHED")
