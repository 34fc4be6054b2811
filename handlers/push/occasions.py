"""Tables of push notifications, for features that know more of what is worth waking a device for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

# f(session, stanza): whether the device of a session that hibernates is woken for what it is sent; STOP: it is not.
DEVICE_WOKEN = Table[Callable[["Session", Stanza], Literal["stop"] | None]]("DEVICE_WOKEN")
# f(server, account): a device of an account has enabled push.
PUSH_ENABLED = Table[Callable[["Server", JID], None]]("PUSH_ENABLED")
