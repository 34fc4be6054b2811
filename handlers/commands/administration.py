"""XEP-0133: what administrators do, as commands at the domain that it is done to.

Each carries out what the command line and the page carry out (handlers/admin/administration.py), in the name of who
asks. What is about no account by name is about this domain alone, also where the administrator is one of all.
"""

from typing import Any

from handlers.admin import administration, roles
from handlers.commands.command import Asked
from xmpp.control import Refused
from xmpp.data.errors import StanzaError
from xmpp.routing.session import Session

ADMIN = "http://jabber.org/protocol/admin"
"""The namespace: of the nodes, and of the forms."""


def is_administrator(asked: Asked) -> bool:
    """True for somebody who has logged in here, and is an administrator of the domain. Not for what others send in his
    name (XEP-0356)."""
    return isinstance(asked.iq.origin, Session) and roles.reach(asked.server, asked.asker) in ("", asked.at)


def carry_out(asked: Asked, command: str, **arguments: Any) -> Any:
    """Carry out what an administrator asks for; returns its result. Yields; raises StanzaError."""
    try:
        return administration.carry_out(asked.server, command, by=asked.asker, **arguments)
    except Refused as refused:
        raise StanzaError(refused.condition, str(refused)) from None
