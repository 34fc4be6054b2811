"""Notices that everybody logs in from one private address: a proxy stands there, and nobody has told the server.

Then one person's wrong passwords slow down all others, and a program that bans addresses shuts all of them out.
"""

import logging
from ipaddress import ip_address

from xmpp.data.jid import JID
from xmpp.data.networks import network, unmapped

log = logging.getLogger(__name__)

SUSPICIOUS = 10  # people from one address, and nobody from another


class OneAddress:
    """Whether all logins since the start came from one private address. A server has one."""

    def __init__(self) -> None:
        self._address: str | None = None
        self._accounts: set[JID] = set()
        self._is_over = False  # somebody has come from elsewhere, or it has been said

    def note(self, peer: str, account: JID) -> None:
        """Somebody has logged in."""
        if self._is_over:
            return
        if self._address is None:
            self._address = network(peer)
        if self._address != network(peer) or not unmapped(ip_address(peer)).is_private:
            self._is_over = True
        else:
            self._accounts.add(account)
            if len(self._accounts) >= SUSPICIOUS:
                self._say(peer)
        if self._is_over:
            self._accounts.clear()

    def _say(self, peer: str) -> None:
        self._is_over = True
        log.warning(
            "all %d people who have logged in came from %s: if a proxy stands there, it has to say for whom, "
            "or one person's wrong passwords slow down everybody (docs/proxies.md)", SUSPICIOUS, peer,
        )  # fmt: skip
