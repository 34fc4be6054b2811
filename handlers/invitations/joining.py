"""What follows when somebody has made an account with an invitation: he has contacts, and is in a group."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db import groups as group_records
from db.invitations import Invitation
from handlers import groups
from handlers.contacts import mutual
from handlers.contacts.mutual import Entered
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

MOST_SECONDS = 2.0


@dataclass
class Joined:
    """What was stored with the account: what stands in rosters, and the id of the group that it is in. `missed`: the id
    of the one that had no room for it."""

    account: JID
    entered: Sequence[Entered] = ()
    group: int | None = None
    missed: int | None = None


def enter(server: "Server", invitation: Invitation, joined: Joined) -> None:
    """Store it, within the change that adds the account. A group that is full costs nobody the account: there may have
    been room when he was invited, and he can be put in later."""
    if invitation.is_contact and invitation.inviter is not None:
        joined.entered = mutual.enter(server, invitation.inviter, joined.account)
    if invitation.group is None:
        return
    if groups.is_full(server, invitation.group):
        joined.missed = invitation.group
        log.warning("account %s cannot join group %d: it is full", one_word(joined.account), invitation.group)
    elif group_records.add(server.db, invitation.group, joined.account):
        joined.group = invitation.group


def tell(server: "Server", invitation: Invitation, joined: Joined) -> None:
    """Tell the others, once all of that is stored. Yields until the group has the newcomer as a contact, but not for
    long: where very many join a large group it takes minutes, and the newcomer is to hear that there is an account."""
    mutual.tell(server, joined.entered)
    missed = group_records.get(server.db, joined.missed) if joined.missed is not None else None
    if missed is not None:
        _tell_that_it_is_full(server, invitation.inviter, joined.account, missed.name)
    if joined.group is not None:
        groups.connect(server, joined.group, joined.account)
        groups.wait(server, joined.group, MOST_SECONDS)


def _tell_that_it_is_full(server: "Server", inviter: JID | None, newcomer: JID, group: str) -> None:
    """Tell both of them, from their server; who is not online is told later. The command line reads the log."""
    whom = str(inviter) if inviter is not None else "whoever runs this server"
    _say(server, newcomer, f"You were invited into the group {group}, which is full: ask {whom} to put you in later.")
    if inviter is not None:
        _say(server, inviter, f"{newcomer} has come by your invitation, and is not in the group {group}: it is full.")


def _say(server: "Server", account: JID, text: str) -> None:
    content, sender = f"<body>{escaped(text)}</body>".encode(), JID.parse(account.domain)
    server.router.route(Stanza.build("message", content, type="normal", id=random_id(), to=account, sender=sender))
