"""XEP-0386: a resource is bound together with the login, and what a client wants of its session is switched on."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lxml import etree

from db import accounts
from handlers.login import bind
from handlers.login.sasl2.inline import LoggedIn
from handlers.login.sasl2.request import UserAgent
from xmpp.data.errors import StanzaError, StreamError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID, MalformedJID
from xmpp.routing.feature import Feature
from xmpp.routing.streams import Stream
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

NAMESPACE = "urn:xmpp:bind:0"
BIND, TAG = f"{{{NAMESPACE}}}bind", f"{{{NAMESPACE}}}tag"
MOST_CHARACTERS = 64
"""Of the tag: it is a part of the address that others see."""

feature = Feature("bind2", xep="0386", needs=["sasl2", "bind"])

# f(server) -> what a client may have switched on when it binds, as `var` says it
BIND_OFFERED = Table[Callable[["Server"], str]]("BIND_OFFERED")

# f(session, bind, bound): once the session has begun, with what the client asks for and what it is answered
BOUND_INLINE = Table[Callable[["Session", etree._Element, etree._Element], None]]("BOUND_INLINE")


@feature.step
def offer(stream: Stream) -> etree._Element:
    """AUTHENTICATION_OFFERED: with what can be switched on."""
    offered = etree.Element(BIND, nsmap={None: NAMESPACE})
    inline = etree.SubElement(offered, f"{{{NAMESPACE}}}inline")
    for var in stream.server.tables[BIND_OFFERED]:
        etree.SubElement(inline, f"{{{NAMESPACE}}}feature", var=var(stream.server))
    return offered


@feature.step
def bind_inline(logged_in: LoggedIn) -> None:
    """AUTHENTICATED_INLINE: begin a session, in place of an earlier one of the same client. If it cannot begin, the
    client is let in without one, and learns the reason when it binds a resource by itself."""
    stream, request = logged_in.stream, logged_in.request.element.find(BIND)
    account, identity = stream.account, stream.identity
    assert account is not None and identity is not None
    if request is None or accounts.identity(stream.server.db, account) != identity:
        return
    _end_earlier(stream.server, account, logged_in.request.user_agent)
    try:
        session = bind.begin_session(stream, _address(account, request.findtext(TAG)), identity)
    except StanzaError:
        return
    session.keep(logged_in.request.user_agent)
    logged_in.session = session
    bound = etree.SubElement(logged_in.success, f"{{{NAMESPACE}}}bound", nsmap={None: NAMESPACE})
    for step in stream.server.tables[BOUND_INLINE]:
        step(session, request, bound)


def _end_earlier(server: "Server", account: JID, user_agent: UserAgent) -> None:
    """End what this installation of a client has left behind: it knows nothing of it any more."""
    for session in server.online.sessions(account):
        earlier = session.state(UserAgent)
        if earlier is not None and earlier.id and earlier.id == user_agent.id:
            session.close(StreamError("conflict", "this client has logged in again"))


def _address(account: JID, tag: str | None) -> JID:
    """A resource that nobody can guess, behind the name that the client gives itself if there can be such a
    resource."""
    random = random_id()
    prefix = " ".join((tag or "").split())[:MOST_CHARACTERS]
    try:
        return account.with_resource(f"{prefix}/{random}" if prefix else random)
    except MalformedJID:
        return account.with_resource(random)
