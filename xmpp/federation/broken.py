"""What becomes of stanzas that may not have arrived, when the stream they were sent on has ended.

Their senders are told, but for what nobody would think of saying again. That is said once more on the next stream; if
it arrives twice, it means the same. It is presence without which somebody who is gone would be there for good, somebody
who is there would not be seen, and two rosters would contradict each other; and answers, which nobody is told of if
they are lost: whoever has asked would wait for ever, or believe that a message has arrived which came back.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.federation.failures import timeout
from xmpp.routing.undelivered import give_all_back

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation

log = logging.getLogger(__name__)

PRESENCE_SAID_AGAIN = frozenset({"unavailable", "unsubscribe", "unsubscribed", "subscribed", "probe"})
ANSWERS = frozenset({"result", "error"})


class Broken:
    """Says again what may be said again, once: or a server that always hangs up would be dialled for ever."""

    def __init__(self, federation: "Federation") -> None:
        self._federation = federation

    def take(self, stanzas: Sequence[Stanza]) -> None:
        """Say again, or give back, what may not have arrived; in the order in which it was sent. The links that sent it
        have no stream any more."""
        again = [each for each in _without_overtaken(stanzas) if not each.is_said_again]
        for stanza in again:  # first: what senders do when they are told is newer
            stanza.is_said_again = True
        refused = [error for stanza in again if (error := self._refused(stanza)) is not None]
        if refused:
            text = "%d stanzas that may not have arrived are not said again: %s"
            self._federation.lines.unreachable.say(log.info, text, len(refused), refused[0])
        failure = timeout("the connection to its server broke, so this may not have arrived")
        told = [stanza for stanza in stanzas if not _may_be_said_again(stanza)]
        give_all_back(self._federation.server, told, failure, line=object())

    def _refused(self, stanza: Stanza) -> StanzaError | None:
        """Say a stanza again; returns why that cannot be."""
        try:
            self._federation.pass_on(stanza)
        except StanzaError as error:
            return error
        return None


def _may_be_said_again(stanza: Stanza) -> bool:
    return stanza.type in ANSWERS or (stanza.kind == "presence" and stanza.type in PRESENCE_SAID_AGAIN)


def _without_overtaken(stanzas: Sequence[Stanza]) -> list[Stanza]:
    """Those that may be said again, but for the end of presence that was shown anew since: that may have arrived."""
    shown, found = set[tuple[JID | None, JID | None]](), list[Stanza]()
    for stanza in reversed(stanzas):
        pair = stanza.sender, stanza.to
        if stanza.kind == "presence" and stanza.type is None:
            shown.add(pair)
        elif _may_be_said_again(stanza) and (stanza.type != "unavailable" or pair not in shown):
            found.append(stanza)
    return found[::-1]
