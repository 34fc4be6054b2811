"""XEP-0401: the commands (XEP-0050) by which people invite others: contacts, and for administrators people without an
account."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from handlers.admin import invitations as of_administrators
from handlers.admin.given import acting
from handlers.commands.administration import is_administrator
from handlers.commands.command import Answers, Asked, Command, Done
from handlers.invitations import feature, invitations, own
from xmpp.control import Refused
from xmpp.data import dataforms, timestamps
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.routing.feature import SERVER

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

INVITE = "urn:xmpp:invite#invite"
CREATE_ACCOUNT = "urn:xmpp:invite#create-account"
INVITATION = "urn:xmpp:invite#invitation"
USERNAME = Field("username", label="Username; empty to leave it to whoever comes")
ROSTER_SUBSCRIPTION = Field("roster-subscription", "boolean", "Whether you become contacts")
RESULT = (
    Field("uri", label="Address for apps"),
    Field("landing-url", label="Page for browsers, to send to whoever is invited"),
    Field("expire", label="Good until"),
)


@feature.step
def offer(server: "Server") -> Iterable[Command]:
    """COMMANDS_OFFERED: these two, and those about what somebody has made before."""
    yield Command(INVITE, "Invite user", [SERVER], own.is_for, _invite)
    yield Command(
        CREATE_ACCOUNT, "Create account", [SERVER], _is_administrator, _create_account,
        fields=_asked_for, form_type=CREATE_ACCOUNT,
        instructions="This makes a link with which somebody makes an account, and chooses the password.",
    )  # fmt: skip
    yield from own.COMMANDS


def _is_administrator(asked: Asked) -> bool:
    return asked.is_from_here and is_administrator(asked)


def _asked_for(asked: Asked) -> tuple[Field, ...]:
    return (USERNAME, dataforms.filled(ROSTER_SUBSCRIPTION, ("1",)))


def _invite(asked: Asked, answers: Answers) -> Done:
    """Section 4.1: at once, without a form."""
    link = invitations.invite_contact(asked.server, asked.asker)
    return _done(link.uri, link.page or "", link.invitation.expires)


def _create_account(asked: Asked, answers: Answers) -> Done:
    """Section 4.4, as an administrator does it elsewhere."""
    name = "".join(answers.get(USERNAME.var, ())).strip()
    contact = dataforms.boolean(answers.get(ROSTER_SUBSCRIPTION.var, ()))
    try:
        by = acting(asked.server, asked.asker)
        made = of_administrators.invite(asked.server, by, name=name, domain=asked.at.domain, contact=contact)
    except Refused as refused:
        raise StanzaError("not-acceptable", str(refused)) from None
    return _done(made.uri, made.page, made.expires)


def _done(uri: str, page: str, expires: float) -> Done:
    given = zip(RESULT, (uri, page, timestamps.format_utc(expires)), strict=True)
    return Done(dataforms.answer(INVITATION, *(dataforms.filled(field, (value,)) for field, value in given if value)))
