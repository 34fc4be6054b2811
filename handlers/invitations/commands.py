"""XEP-0401: the commands (XEP-0050) by which people invite others: contacts, and for administrators people without an
account."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from handlers.admin import invitations as of_administrators
from handlers.admin.given import acting
from handlers.admin.groups import CHOSEN_FROM
from handlers.commands.administration import carry_out, is_administrator
from handlers.commands.command import Asked, Command
from handlers.invitations import feature, invitations, own
from xmpp.control import Refused
from xmpp.data import dataforms, timestamps
from xmpp.data.commands import Answers, Done
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
GROUP = Field("group", label="The group that whoever comes joins")
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
    return (USERNAME, dataforms.filled(ROSTER_SUBSCRIPTION, ("1",)), *_group(asked))


def _group(asked: Asked) -> Iterable[Field]:
    """One of those that there are here; no field where there are none, and any name where there are very many."""
    found = carry_out(asked, "groups", most=CHOSEN_FROM + 1)
    names = [each.name for each in found if each.domain == asked.at.domain]
    if len(found) > CHOSEN_FROM:
        yield GROUP
    elif names:
        yield replace(GROUP, type="list-single", values=("",), options={"": "None"} | {each: each for each in names})


def _invite(asked: Asked, answers: Answers) -> Done:
    """Section 4.1: at once, without a form."""
    link = invitations.invite_contact(asked.server, asked.asker)
    return _done(link.uri, link.page or "", link.invitation.expires)


def _create_account(asked: Asked, answers: Answers) -> Done:
    """Section 4.4, as an administrator does it elsewhere."""
    name = "".join(answers.get(USERNAME.var, ())).strip()
    group = "".join(answers.get(GROUP.var, ()))
    contact = dataforms.boolean(answers.get(ROSTER_SUBSCRIPTION.var, ()))
    try:
        by = acting(asked.server, asked.asker)
        made = of_administrators.invite(
            asked.server, by, name=name, domain=asked.at.domain, group=group, contact=contact
        )
    except Refused as refused:
        raise StanzaError("not-acceptable", str(refused)) from None
    return _done(made.uri, made.page, made.expires)


def _done(uri: str, page: str, expires: float) -> Done:
    given = zip(RESULT, (uri, page, timestamps.format_utc(expires)), strict=True)
    return Done(dataforms.answer(INVITATION, *(dataforms.filled(field, (value,)) for field, value in given if value)))
