"""What features do together with a login (XEP-0388), so that a client need not ask for it afterwards: each hooks a step
into these tables."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from lxml import etree

from handlers.login.sasl.attempts import Attempt
from handlers.login.sasl2.request import Request
from xmpp.routing.streams import Stream
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.session import Session


class LoggedIn:
    """Somebody has logged in on this stream, by `mechanism`, and is about to be told: `success` says so. Steps add to
    it what they have done; what is to be sent after it, they leave in `afterwards`."""

    def __init__(self, stream: Stream, request: Request, mechanism: str, success: etree._Element) -> None:
        self.stream = stream
        self.request = request
        self.mechanism = mechanism
        self.success = success
        self.session: Session | None = None
        """The session that the stream has by now, of a resource that was bound or resumed."""
        self.is_resumed = False
        self.afterwards: list[Callable[[], None]] = []


# f(stream) -> an element for <inline/>, None if this stream is not offered it
AUTHENTICATION_OFFERED = Table[Callable[[Stream], etree._Element | None]]("AUTHENTICATION_OFFERED")

# f(stream, request, mechanism) -> an attempt by a mechanism that only this profile has, None for another one. Raises
# SASLFailure.
ATTEMPTED = Table[Callable[[Stream, Request, str | None], Attempt | None]]("ATTEMPTED")

# After the login and before <success/> is sent. STOP: what comes after it in the table is not to be done any more.
AUTHENTICATED_INLINE = Table[Callable[[LoggedIn], Literal["stop"] | None]]("AUTHENTICATED_INLINE")
