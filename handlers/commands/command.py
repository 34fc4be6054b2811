"""A command (XEP-0050) at a domain or at an account, as a feature offers it: for whom it is, what has to be filled in,
and what it does."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from db import accounts
from handlers.contacts.access import is_at_home
from handlers.login.sasl import guests
from xmpp.data.commands import Answers, Done
from xmpp.data.dataforms import Field
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.feature import Addressee
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

class Asked(NamedTuple):
    """Who asks for a command, and where: `at` is a domain of ours, or the asker's own account. `asker` is the bare
    address of anybody, perhaps of somebody at another server."""

    server: "Server"
    iq: Stanza
    asker: JID
    at: JID

    @property
    def is_from_here(self) -> bool:
        """True for an account of the domain itself, or of the domain of the account; not for guests."""
        return (
            self.asker.domain == self.at.domain
            and is_at_home(self.server, self.asker)
            and accounts.exists(self.server.db, self.asker)
            and not guests.is_guest(self.server, self.asker)
        )


@dataclass(frozen=True)
class Command:
    """A command. `at`: where it is, SERVER for domains, OWN for each account, where it is for the owner alone.

    `is_for(asked)` says who may use it, and whom it is shown to. `fields(asked)` are those of the form that has to be
    filled in, None if there is none. `act(asked, answers)` does it; it may yield, and raises StanzaError if it does
    nothing. What is in `answers` fits the fields.
    """

    node: str
    name: str
    at: Iterable[Addressee]
    is_for: Callable[[Asked], bool]
    act: Callable[[Asked, Answers], Done | None]
    fields: Callable[[Asked], Sequence[Field]] | None = None
    form_type: str = ""
    instructions: str = "Fill in this form."


Offer = Callable[["Server"], Iterable[Command]]

COMMANDS_OFFERED = Table[Offer]("COMMANDS_OFFERED")
"""f(server) -> the commands of a feature. They are listed in the order of this table."""
