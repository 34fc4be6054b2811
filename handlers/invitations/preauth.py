"""XEP-0445: whoever was invited shows that on the stream, and may then make an account, be registration open or not."""

import time
from typing import TYPE_CHECKING, Any

import gevent
from lxml import etree

from handlers.invitations import feature, invitations
from handlers.login.sasl.settings import SASLSettings
from handlers.login.throttle import LoginThrottle
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import STREAM, State
from xmpp.routing.streams import Stream, stream_of

if TYPE_CHECKING:
    from db.invitations import Invitation
    from xmpp.routing.servers import Server

NAMESPACE = "urn:xmpp:pars:0"
PREAUTH = f"{{{NAMESPACE}}}preauth"
STREAM_FEATURE = "urn:xmpp:ibr-token:0"


@feature.stream_feature(when=State.OPEN)
def offer(stream: object) -> etree._Element:
    """Section 3."""
    return etree.Element(f"{{{STREAM_FEATURE}}}register", nsmap={None: STREAM_FEATURE})


@feature.iq_set(PREAUTH, to=[STREAM])
def show(server: "Server", iq: Stanza) -> None:
    """Section 4: look at the token; from now on the stream has its invitation. Yields for as long as failures before it
    cause: a right one waits as well, or who guesses could hang up on any answer that takes longer."""
    stream, throttle, now = stream_of(iq), server.state(LoginThrottle), time.monotonic()
    if stream.account is not None:
        raise StanzaError("unexpected-request")
    found = invitations.look_up(server, iq.only_child().get("token", ""))
    is_good = not found.problem and found.invitation is not None and _is_for(server, stream, found.invitation)
    delay = throttle.delay(stream.peer, None, now)
    if not is_good:
        throttle.failed(stream.peer, None, now)  # before the wait, so that attempts side by side count
    gevent.sleep(min(delay, server.settings(SASLSettings).max_delay_seconds))
    if not is_good or found.invitation is None:
        stream.invitation = None
        raise StanzaError("item-not-found", "the provided token is invalid or expired")
    stream.invitation = found.invitation


def shown_on(stream: Stream) -> "Invitation | None":
    """The invitation that somebody has shown on a stream; None if there is none."""
    shown: Any = stream.invitation
    return shown  # type: ignore[no-any-return]


def _is_for(server: "Server", stream: Stream, invitation: "Invitation") -> bool:
    return invitation.domain == stream.host and invitations.lets_register(server, invitation)
