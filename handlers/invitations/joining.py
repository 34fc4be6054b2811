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
from xmpp.data.jid import JID
from xmpp.running.logs import one_word

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)


@dataclass
class Joined:
    """What was stored with the account: what stands in rosters, and the id of the group that it is in."""

    account: JID
    entered: Sequence[Entered] = ()
    group: int | None = None


def enter(server: "Server", invitation: Invitation, joined: Joined) -> None:
    """Store it, within the change that adds the account. A group that is full costs nobody the account."""
    if invitation.is_contact and invitation.inviter is not None:
        joined.entered = mutual.enter(server, invitation.inviter, joined.account)
    if invitation.group is None:
        return
    if groups.is_full(server, invitation.group):
        log.warning("account %s cannot join group %d: it is full", one_word(joined.account), invitation.group)
    elif group_records.add(server.db, invitation.group, joined.account):
        joined.group = invitation.group


def tell(server: "Server", joined: Joined) -> None:
    """Tell the others, once all of that is stored. Yields until the group has the newcomer as a contact."""
    mutual.tell(server, joined.entered)
    if joined.group is not None:
        groups.connect(server, joined.group, joined.account)
        groups.wait(server, joined.group)
