"""XEP-0077 before login: people without an account make one, where that is open to everybody, or if they were invited
(XEP-0445)."""

from typing import TYPE_CHECKING

from lxml import etree

from handlers.invitations import feature as invitations_feature
from handlers.invitations import invitations, preauth
from handlers.login import register, registration_form
from handlers.login.register import REMOVE, RegisterSettings
from handlers.login.registration_form import QUERY
from xmpp.data.errors import StanzaError
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import STREAM, Feature, State
from xmpp.routing.streams import Stream, stream_of

if TYPE_CHECKING:
    from db.invitations import Invitation
    from xmpp.routing.servers import Server

STREAM_FEATURE = "http://jabber.org/features/iq-register"

feature = Feature("newcomers", xep="0077", optional=False, needs=["accounts", "sasl"])


@feature.stream_feature(when=State.OPEN)
def offer_registration(stream: Stream) -> etree._Element | None:
    """Section 8. Where only those can register who were invited, it stands beside what says so (XEP-0445 section 3)."""
    has_invitations = invitations_feature in stream.server.registry.features
    if not has_invitations and not register.is_open(stream.server, stream.host):
        return None
    return etree.Element(f"{{{STREAM_FEATURE}}}register", nsmap={None: STREAM_FEATURE})


@feature.iq_get(QUERY, to=[STREAM])
def ask_for_details(server: "Server", iq: Stanza) -> etree._Element:
    """Section 3.1: which fields are needed for an account."""
    invitation = _invitation(server, stream_of(iq), "service-unavailable")
    least = server.settings(RegisterSettings).min_password_length
    instructions = f"Choose a username, and a password of at least {least} characters."
    reserved = invitation.reserved if invitation is not None else None
    if reserved is not None:
        instructions = f"Your username is {reserved.local}. Choose a password of at least {least} characters."
    return registration_form.query(instructions, (reserved.local or "") if reserved is not None else "")


@feature.iq_set(QUERY, to=[STREAM])
def make_account(server: "Server", iq: Stanza) -> None:
    """Section 3.1: make an account. Yields."""
    stream = stream_of(iq)
    invitation = _invitation(server, stream, "not-allowed")
    if stream.account is not None or iq.only_child().find(REMOVE) is not None:
        raise StanzaError("unexpected-request")
    # section 3.1
    account, password = register.account_and_password(server, iq, stream.host, incomplete="not-acceptable")
    if invitation is not None:
        invitations.make_account(server, invitation.id, account, password, stream.peer)
    else:
        register.make(server, account, password, stream.peer)


def _invitation(server: "Server", stream: Stream, refusal: str) -> "Invitation | None":
    """The invitation of a stream, which need not have one where everybody may register. Raises StanzaError."""
    invitation = preauth.shown_on(stream)
    if invitation is None and not register.is_open(server, stream.host):
        raise StanzaError(refusal, "one has to be invited")
    return invitation
