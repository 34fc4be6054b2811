"""What a domain says to each of its accounts once, when it comes online: the message of the day, and a welcome to new
ones (XEP-0133 sections 4.25 to 4.29)."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from db import accounts, greetings
from db.greetings import Greeting
from handlers.admin import announcements
from handlers.admin.given import Administrator, domains_of, note
from xmpp.control import Refused
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped
from xmpp.routing import portions
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

MOTD, WELCOME = "motd", "welcome"
KINDS = (MOTD, WELCOME)
LINE = "greetings"

feature = Feature("greetings", optional=False, needs=["presence"])


@feature.step
def greet(session: "Session") -> None:
    """SESSION_AVAILABLE: say what the account was not told yet."""
    _tell(session.server, session.account)


def show(server: "Server", by: Administrator, kind: str, domain: str = "") -> list[tuple[str, str]]:
    """What is said at a domain, or at all of them: (domain, text)."""
    _check_kind(kind)
    found = ((each, greetings.of_domain(server.db, each).get(kind)) for each in domains_of(server, by, domain))
    return [(each, greeting.text) for each, greeting in found if greeting is not None]


def put(
    server: "Server", by: Administrator, kind: str, text: str, domain: str = "", is_mended: bool = False
) -> None:
    """Have this be said at a domain, or at all of them. A message of the day is told at once to those who are online;
    to those who were told another one before, too, unless it `is_mended`."""
    _check_kind(kind)
    text = announcements.checked("text", text, announcements.MAX_TEXT)
    if not text:
        raise Refused("There has to be a text.")
    domains = domains_of(server, by, domain)
    with server.db.change():
        for each in domains:
            was = greetings.of_domain(server.db, each).get(kind)
            if was is not None and (is_mended or kind == WELCOME):
                greetings.put(server.db, each, kind, was._replace(text=text))
            else:
                greetings.put(server.db, each, kind, Greeting(random_id(), text, time.time()))
    for each in domains:
        note(by, kind, each, f"is {len(text)} characters now")
        if kind == MOTD:
            telling = _tell_those_online(server, each)
            server.portions.begin(f"{LINE} to {each}", telling, at_once=False, if_lost=portions.go_on,
                                  is_waited_for=False)  # fmt: skip


def remove(server: "Server", by: Administrator, kind: str, domain: str = "") -> None:
    """Have nothing of a kind be said any more."""
    _check_kind(kind)
    for each, _ in show(server, by, kind, domain):
        greetings.remove(server.db, each, kind)
        note(by, kind, each, "is gone")


def _tell_those_online(server: "Server", domain: str) -> Iterator[None]:
    for account in announcements.those_online(server, Administrator(domain=domain)):
        _tell(server, account)
        yield


def _tell(server: "Server", account: JID) -> None:
    said = greetings.of_domain(server.db, account.domain)
    if not said:
        return
    told = greetings.told(server.db, account)
    for kind, greeting in said.items():
        if told.get(kind) == greeting.id or (kind == WELCOME and not _is_new(server, account, greeting)):
            continue
        greetings.note_told(server.db, account, kind, greeting.id)
        content = f"<body>{escaped(greeting.text)}</body>".encode()
        sender = JID.parse(account.domain)
        server.router.route(Stanza.build("message", content, type="normal", id=random_id(), to=account, sender=sender))


def _is_new(server: "Server", account: JID, greeting: Greeting) -> bool:
    """True for an account that was made when new ones were welcomed already."""
    return accounts.since(server.db, account) >= int(greeting.since * 1000) / 1000


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise Refused(f"{kind!r} is no kind of greeting, expected {' or '.join(KINDS)}.")
