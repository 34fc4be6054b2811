"""What a client asks for when it logs in (XEP-0388): the <authenticate/> element as data."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from handlers.login.sasl.attempts import decoded, encoded
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from handlers.login.sasl2.upgrades import Upgrade

NAMESPACE = "urn:xmpp:sasl:2"
AUTHENTICATE = f"{{{NAMESPACE}}}authenticate"
RESPONSE = f"{{{NAMESPACE}}}response"
ABORT = f"{{{NAMESPACE}}}abort"
INITIAL_RESPONSE = f"{{{NAMESPACE}}}initial-response"
USER_AGENT = f"{{{NAMESPACE}}}user-agent"
SOFTWARE, DEVICE = f"{{{NAMESPACE}}}software", f"{{{NAMESPACE}}}device"

NEXT, TASK_DATA = f"{{{NAMESPACE}}}next", f"{{{NAMESPACE}}}task-data"

MEANWHILE = frozenset({RESPONSE, ABORT})  # all else ends the stream (section "During Authentication")
DURING_TASKS = frozenset({NEXT, TASK_DATA, ABORT})
UUID_4 = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
MOST_CHARACTERS = 100
"""Of the name of a software, and of a device: people are shown them."""


@dataclass(frozen=True)
class UserAgent:
    """A client as it describes itself, to its own server alone. `id` stays the same for an installation; "" if it has
    not said any."""

    id: str = ""
    software: str = ""
    device: str = ""


class Request:
    """One <authenticate/>: `element` holds what else is to be done together with the login. `claimed`: who has to log
    in, if the header of the stream says so."""

    def __init__(self, element: etree._Element, claimed: JID | None) -> None:
        """Raises SASLFailure for a user agent that is malformed."""
        self.element = element
        self.claimed = claimed
        self.user_agent = _user_agent(element.find(USER_AGENT))
        self.upgrade: Upgrade | None = None
        """What is to be done before the login succeeds."""

    def allows(self, tag: str) -> bool:
        """True if such an element may come while the client logs in."""
        return tag in (MEANWHILE if self.upgrade is None else DURING_TASKS)

    def initial_response(self) -> bytes | None:
        """The first message of the mechanism; None if it is to be asked for. Raises SASLFailure."""
        element = self.element.find(INITIAL_RESPONSE)
        return None if element is None else data(element)


def data(element: etree._Element) -> bytes:
    """What an element says in base64; an empty one says b"". Raises SASLFailure."""
    return decoded("".join(encoded(element).split()))


def _user_agent(element: etree._Element | None) -> UserAgent:
    if element is None:
        return UserAgent()
    return UserAgent(_id(element.get("id")), _text(element, SOFTWARE), _text(element, DEVICE))


def _id(text: str | None) -> str:
    if text is None:
        return ""
    if not UUID_4.fullmatch(text):
        raise SASLFailure("malformed-request", "the id of a user agent is a random UUID, of version 4")
    return text.lower()


def _text(element: etree._Element, tag: str) -> str:
    return " ".join((element.findtext(tag) or "").split())[:MOST_CHARACTERS]
