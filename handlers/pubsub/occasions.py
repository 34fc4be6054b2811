"""Tables of what happens at nodes, for features that keep something in them."""

from collections.abc import Callable
from typing import Any

from xmpp.jid import JID
from xmpp.routing.tables import Table

# f(server, account, node): a request may have changed a node of an account. Once for each; may still refuse it.
NODE_CHANGED = Table[Callable[[Any, JID, str], None]]("NODE_CHANGED")

# f(server, account, node, id, payload): something was published at a node of an account, by whomever. An empty id and
# None if some was retracted, which is said once for all of it.
ITEM_PUBLISHED = Table[Callable[[Any, JID, str, str, bytes | None], None]]("ITEM_PUBLISHED")
