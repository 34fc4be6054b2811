"""Announcements: what the server says to all of its people, each in a message from their own domain."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from db import accounts, suspensions
from handlers.admin.given import Administrator, domains_of, note
from xmpp.control import Refused
from xmpp.data.ids import random_id
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import escaped
from xmpp.routing import portions

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

LINE = "announcements"  # one after the other; those to one domain have a line of their own
MOST = 5  # that are not done yet
MAX_SUBJECT = 200  # characters
MAX_TEXT = 5_000
NOT_IN_XML = frozenset(chr(code) for code in range(32)) - {"\t", "\n", "\r"} | {"\ufffe", "\uffff"}


def announce(
    server: "Server",
    by: Administrator,
    text: str,
    subject: str = "",
    online_only: bool = False,
    domain: str = "",
    wait: bool = True,
) -> None:
    """Send a message to every account where the administrator is one, or at one `domain`, or only to those that are
    online. Who is not online gets it later, as any message. Disabled accounts, and those that are to be removed, are
    left out.

    It goes out in portions; `wait`: yields until all of it has gone out.
    """
    text, subject = checked("text", text, MAX_TEXT), checked("subject", subject, MAX_SUBJECT)
    if not text:
        raise Refused("An announcement has a text.")
    if domain:
        [domain] = domains_of(server, by, domain)
        by = by._replace(domain=domain)
    line = f"{LINE} to {by.domain}" if by.domain else LINE
    if server.portions.length(line) >= MOST:
        raise Refused(f"{MOST} announcements are still on their way: wait until they have gone out.")
    content = f"<subject>{escaped(subject)}</subject>" if subject else ""
    content += f"<body>{escaped(text)}</body>"
    whom = "to-those-online" if online_only else "to-all"
    note(by, "announcement", whom, f"of {len(text)} characters was sent")
    told = those_online(server, by) if online_only else _all(server, by)
    sending = _send(server, told, content.encode(), random_id())
    server.portions.begin(line, sending, at_once=False, if_lost=portions.go_on, is_waited_for=False)
    if wait:
        server.portions.wait(line)


def _send(server: "Server", accounts_told: Iterator[JID], content: bytes, id: str) -> Iterator[None]:
    for account in accounts_told:
        if suspensions.suspension(server.db, account) is None:
            domain = JID.parse(account.domain)
            server.router.route(Stanza.build("message", content, type="normal", id=id, to=account, sender=domain))
        yield


def _all(server: "Server", by: Administrator) -> Iterator[JID]:
    return (account for account, _ in accounts.in_order(server.db, domain=by.domain))


def those_online(server: "Server", by: Administrator) -> Iterator[JID]:
    """Those that are available now, each once."""
    for account in sorted({session.account for session in server.online if by.may_at(session.account.domain)}):
        if server.online.available(account):
            yield account


def checked(what: str, text: str, most: int) -> str:
    """What the server is to say, as messages can have it. Raises Refused."""
    text = text.replace("\r\n", "\n").strip()
    if len(text) > most:
        raise Refused(f"The {what} of an announcement may have {most} characters.")
    if not NOT_IN_XML.isdisjoint(text) or any("\ud800" <= each <= "\udfff" for each in text):
        raise Refused(f"The {what} of an announcement has a character in it that no message can have.")
    return text
