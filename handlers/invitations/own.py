"""Commands (XEP-0050) by which people see which invitations they have made, and take them back."""

import logging
from collections.abc import Mapping

from db import invitations as records
from db.invitations import CONTACT, RESET, Invitation
from handlers.commands.command import Asked, Command
from handlers.invitations import invitations
from handlers.invitations.invitations import OPEN
from xmpp.data import dataforms, timestamps
from xmpp.data.commands import Answers, Done
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.routing.feature import SERVER
from xmpp.running.logs import one_word

log = logging.getLogger(__name__)

FORM_TYPE = "xserv:invitations"
MOST = 200
"""Invitations in a list: the newest. Who takes some of them back sees others."""
NUMBER = Field("number", label="Number")
PURPOSE = Field("purpose", label="What it is for")
MADE = Field("made", label="Made at")
EXPIRES = Field("expires", label="Good until")
STATE = Field("state", label="What has become of it")


def is_for(asked: Asked) -> bool:
    """True for whoever may make some."""
    return asked.is_from_here and invitations.may_invite_contacts(asked.server, asked.asker)


def _list(asked: Asked, answers: Answers) -> Done:
    own = records.of_inviter(asked.server.db, asked.asker, MOST)
    if not own:
        return Done(note="You have made no invitations.")
    fields = [NUMBER, PURPOSE, MADE, EXPIRES, STATE]
    return Done(dataforms.report(FORM_TYPE, fields, map(_row, own), title="Your invitations, the newest first"))


def _row(invitation: Invitation) -> Mapping[str, str]:
    return {
        NUMBER.var: str(invitation.id),
        PURPOSE.var: _purpose(invitation),
        MADE.var: timestamps.format_utc(invitation.created),
        EXPIRES.var: timestamps.format_utc(invitation.expires),
        STATE.var: _state(invitation),
    }


def _purpose(invitation: Invitation) -> str:
    if invitation.kind == CONTACT:
        return "a contact of yours"
    if invitation.kind == RESET:
        return f"another password of {invitation.resets}"
    return f"the account {invitation.reserved}" if invitation.reserved else f"an account at {invitation.domain}"


def _state(invitation: Invitation) -> str:
    state, left = invitations.state(invitation), invitation.uses_left
    return f"{state}, {left} times" if state == OPEN and left > 1 else state


def _which(asked: Asked) -> tuple[Field, ...]:
    own = records.of_inviter(asked.server.db, asked.asker, MOST)
    options = {str(each.id): _in_short(each) for each in own if invitations.state(each) == OPEN}
    if not options:
        raise StanzaError("item-not-found", "none of your invitations is open")
    return (Field("invitations", "list-multi", "The invitations", required=True, options=options),)


def _in_short(invitation: Invitation) -> str:
    made = timestamps.format_utc(invitation.created)
    return f"{invitation.id}: {_purpose(invitation)}, {_state(invitation)}, made at {made}"


def _revoke(asked: Asked, answers: Answers) -> None:
    """Only what the form has offered, and so the asker's own, can be chosen."""
    for number in answers["invitations"]:
        records.remove(asked.server.db, int(number))
        log.info("invitation %s was taken back by %s", number, one_word(asked.asker))


COMMANDS = (
    Command(f"{FORM_TYPE}:list", "List my invitations", [SERVER], is_for, _list),
    Command(
        f"{FORM_TYPE}:revoke", "Take invitations back", [SERVER], is_for, _revoke, _which, FORM_TYPE,
        instructions="Their links are good for nothing any more. Whoever has come by one stays.",
    ),
)  # fmt: skip
