"""What administrators see of connections to other servers."""

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING

from handlers.admin.given import SHOWN, Administrator, unhurried
from xmpp.routing.others import LinkShown

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def listing(
    server: "Server", by: Administrator, text: str = "", after: str = "", most: int = SHOWN
) -> list[LinkShown]:
    """At most so many connections, or failures to make one, whose domain elsewhere has this text in it, by that and
    ours; `after`: those that come behind this one, as `place` names it. Yields."""
    return heapq.nsmallest(most, _matching(server, by, text.strip().casefold(), after), key=place)


def place(link: LinkShown) -> str:
    """Where a link stands in the list."""
    return f"{link.theirs} {link.ours}"


def _matching(server: "Server", by: Administrator, wanted: str, after: str) -> Iterator[LinkShown]:
    others = server.router.others
    for link in unhurried(others.links()) if others is not None else ():
        if not (by.may_at(link.ours) or by.may_at_service(server, link.ours)):
            continue
        if wanted in link.theirs and place(link) > after:
            yield link
