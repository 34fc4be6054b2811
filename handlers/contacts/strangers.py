"""People of other servers whom an account here does not know: how many accounts they may address, and whether they are
heard.

An account knows its contacts, whom it has written to, and the rooms that it is in. To those nothing here applies. What
a stranger sends costs the same few look-ups whether the account exists or not, and reads nothing that may be large.
"""

import logging
import time
from collections.abc import Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Literal

from db import accounts, rosters, strangers
from handlers.commands.command import Asked, Command
from xmpp.config.configuration import setting
from xmpp.data.commands import Answers
from xmpp.data.dataforms import Field
from xmpp.data.distinct import Distinct
from xmpp.data.domains import registrable
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import OWN, SERVER, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

log = logging.getLogger(__name__)

ACCEPT, REFUSE = "accept", "refuse"
HOUR = 3600.0
REMEMBERED = 200_000  # addresses, of all domains; some 40 MB
REACHES_PEOPLE = frozenset({None, "subscribe", "probe"})  # presence; that of the other types changes nothing here


@dataclass(frozen=True)
class StrangersSettings:
    """People of other servers whom an account here neither has as a contact nor has written to."""

    messages: str = setting(ACCEPT, "Whether their messages are delivered: accept, or refuse, as if nobody were there. "
                            "They may still ask to become contacts. An account can choose for itself.",
                            choices=(ACCEPT, REFUSE))  # fmt: skip
    hourly_addressees: int = setting(300, "How many accounts the people of one domain, and of those beneath it, may "
                                     "address in an hour that do not know them.",
                                     minimum=1, maximum=100_000)  # fmt: skip
    hourly_first_messages: int = setting(300, "How many conversations they may begin with such accounts.",
                                         minimum=1, maximum=100_000)  # fmt: skip
    hourly_requests: int = setting(100, "How often they may ask to become contacts.",
                                   minimum=1, maximum=100_000)  # fmt: skip


feature = Feature("strangers", settings=StrangersSettings, optional=False, needs=["roster"])

COMMAND = "xserv:strangers"
TITLE = "Messages of strangers"
AS_THE_SERVER = "default"


class Approaches(Distinct):
    """What strangers have tried within the last hour, by domain. A server has one."""

    def __init__(self) -> None:
        super().__init__(HOUR, REMEMBERED)


# -- steps


@feature.step
def keep_out(delivery: Delivery) -> Literal["stop"] | None:
    """CAME_FROM_ELSEWHERE: refuse what is too much of strangers, or what the account does not want of them."""
    server, account, stanza = delivery.server, delivery.account, delivery.stanza
    if not _may_be_unwanted(stanza) or not account.local or not server.ownership.is_ours(account):
        return None
    assert stanza.sender is not None
    if not _goes_on(server, account, stanza):
        if is_known(server, account, stanza):
            return None
        if stanza.kind == "message" and rule(server, account) == REFUSE:
            raise StanzaError("service-unavailable")  # as for an account that does not exist
        if not _is_within_limits(server, account, stanza):
            if stanza.kind == "presence" and stanza.type != "subscribe":
                return STOP
            raise StanzaError("resource-constraint", "your server has approached too many people here; try again later")
    if not accounts.exists(server.db, account):
        answer_for_nobody(server, account, stanza)
    return None


@feature.step
def note_written(server: "Server", stanza: Stanza) -> None:
    """SENT_ELSEWHERE: whom an account writes to, or asks to do something, such as to send it events, is no stranger."""
    sender, to = stanza.sender, stanza.to
    is_approach = stanza.type == "set" if stanza.kind == "iq" else stanza.kind == "message" and stanza.type != "error"
    if is_approach and sender is not None and to is not None and sender.local and server.ownership.is_ours(sender):
        with suppress(*server.storage_errors):  # the message itself is not lost
            strangers.note_written(server.db, sender.bare, to.bare, time.time())


# -- who is known, and how much the others may


def rule(server: "Server", account: JID) -> str:
    """Whether the account wants to hear of strangers: as it has chosen, else as the server's setting says."""
    return strangers.rule(server.db, account) or server.settings(StrangersSettings).messages


def is_known(server: "Server", account: JID, stanza: Stanza) -> bool:
    """True if whoever has sent a stanza is no stranger to the account."""
    assert stanza.sender is not None and stanza.to is not None
    sender = stanza.sender.bare
    if rosters.item(server.db, account, sender) is not None or strangers.has_written(server.db, account, sender):
        return True
    session = server.online.session(stanza.to) if stanza.to.is_full else None
    return session is not None and any(to.bare == sender for to in session.directed)


def _may_be_unwanted(stanza: Stanza) -> bool:
    if stanza.kind == "message":
        return stanza.type not in ("error", "groupchat")  # who is in no room hears none
    return stanza.kind == "presence" and stanza.type in REACHES_PEOPLE


def _goes_on(server: "Server", account: JID, stanza: Stanza) -> bool:
    """True for a message in a conversation that was begun within the hour: to know that reads no row."""
    assert stanza.sender is not None
    if stanza.kind != "message" or rule(server, account) == REFUSE:
        return False
    approaches, domain, now = server.state(Approaches), registrable(stanza.sender.domain), monotonic()
    is_begun = approaches.has((domain, "messages"), (stanza.sender.bare, account), now)
    return is_begun and approaches.has((domain, "addressees"), account, now)


def _is_within_limits(server: "Server", account: JID, stanza: Stanza) -> bool:
    assert stanza.sender is not None
    settings, domain = server.settings(StrangersSettings), registrable(stanza.sender.domain)
    pair = (stanza.sender.bare, account)
    if stanza.type == "subscribe" and not _counts(server, domain, "requests", pair, settings.hourly_requests):
        return False
    if stanza.kind == "message" and not _counts(server, domain, "messages", pair, settings.hourly_first_messages):
        return False
    return _counts(server, domain, "addressees", account, settings.hourly_addressees)


def _counts(server: "Server", domain: str, what: str, thing: Hashable, most: int) -> bool:
    approaches, now = server.state(Approaches), monotonic()
    if approaches.admits((domain, what), thing, most, now):
        return True
    if approaches.admits((domain, "logged"), what, 1, now):
        log.warning("%s has had its %d %s of strangers for this hour ([strangers] hourly_...)", domain, most, what)
    return False


def answer_for_nobody(server: "Server", account: JID, stanza: Stanza) -> None:
    """Answer for an account that does not exist as for any other that does not know who asks."""
    answer = {"subscribe": "unavailable", "probe": "unsubscribed"}.get(stanza.type or "")
    if stanza.kind == "presence" and answer is not None and stanza.sender is not None:
        server.router.route(Stanza.build("presence", type=answer, to=stanza.sender.bare, sender=account))


# -- an account chooses, by a command (XEP-0050)


@feature.step
def offer_choice(server: "Server") -> Iterable[Command]:
    """COMMANDS_OFFERED: whether the account wants to hear of strangers."""
    return (CHOOSE,)


def _fields(asked: Asked) -> tuple[Field, ...]:
    of_server = asked.server.settings(StrangersSettings).messages
    options = {AS_THE_SERVER: f"As is usual here ({of_server})", ACCEPT: "Accept", REFUSE: "Refuse"}
    now = strangers.rule(asked.server.db, asked.asker) or AS_THE_SERVER
    return (Field("messages", "list-single", TITLE, (now,), required=True, options=options),)


def _choose(asked: Asked, answers: Answers) -> None:
    [chosen] = answers["messages"]
    strangers.set_rule(asked.server.db, asked.asker, "" if chosen == AS_THE_SERVER else chosen)


CHOOSE = Command(
    COMMAND,
    TITLE,
    at=(SERVER, OWN),
    is_for=lambda asked: asked.is_from_here,
    act=_choose,
    fields=_fields,
    form_type=COMMAND,
    instructions="Who are neither your contacts nor have heard from you, and are at another server.",
)
