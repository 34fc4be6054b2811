"""What administrators see of connections to other servers."""

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING

from handlers.admin.given import SHOWN, Administrator, unhurried
from xmpp.control import Refused
from xmpp.routing.others import LinkShown, OtherDomains

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def listing(
    server: "Server", by: Administrator, text: str = "", after: str = "", most: int = SHOWN
) -> list[LinkShown]:
    """At most so many connections, or failures to make one, whose domain elsewhere has this text in it, by that and
    ours; `after`: those that come behind this one, as `place` names it. Yields. Raises Refused if there can be none."""
    others = server.router.others
    if others is None:
        raise Refused(
            "This server does not talk to others. It does where one of its domains can be found from elsewhere, or "
            '[federation] mode = "open" says so.'
        )
    return heapq.nsmallest(most, _matching(server, others, by, text.strip().casefold(), after), key=place)


def place(link: LinkShown) -> str:
    """Where a link stands in the list."""
    return f"{link.theirs} {link.ours}"


def _matching(
    server: "Server", others: OtherDomains, by: Administrator, wanted: str, after: str
) -> Iterator[LinkShown]:
    for link in unhurried(others.links()):
        if not (by.may_at(link.ours) or by.may_at_service(server, link.ours)):
            continue
        if wanted in link.theirs and place(link) > after:
            yield link
