"""XEP-0133: the feature that offers administrators their commands."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from handlers.commands import of_accounts, of_domains
from handlers.commands.command import Command
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

COMMANDS = (*of_accounts.COMMANDS, *of_domains.COMMANDS)
"""Not among them: the password of a user is kept by nobody; the domains that are denied or allowed stand in the
configuration; to restart the process, or to stop it, is for whoever looks after the machine."""

feature = Feature("service_administration", xep="0133", needs=["commands", "greetings"])


@feature.step
def offer_commands(server: "Server") -> Iterable[Command]:
    """COMMANDS_OFFERED."""
    return COMMANDS
