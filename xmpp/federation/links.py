"""The links to all other domains: how many there may be, and which ones go if there are too many.

Who has a domain can have any number beneath it (`registrable`), and people here can make names up: so all that is one
owner's has a part of the room, and what is used least makes room for what is new.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from time import monotonic
from typing import TYPE_CHECKING

from xmpp.data.domains import registrable
from xmpp.data.errors import StanzaError
from xmpp.federation.dialback import Pair
from xmpp.federation.link import Link, needless

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation

OWNER_SHARE = 10  # of all links, those to one owner's domains may be the tenth part
AT_ONCE = 100  # the hundredth part makes room at once: to find out which ones takes some milliseconds
FAILURES_SHOWN = 1_000  # that are over; administrators see them for a while
IN_USE_SECONDS = 30.0  # a link on which something was sent since then is not closed to make room


class Links:
    """All links by their pair."""

    def __init__(self, federation: "Federation") -> None:
        self._federation = federation
        self._links: dict[Pair, Link] = {}
        self._of_owners = Counter[str]()

    def __iter__(self) -> Iterator[Link]:
        return iter(tuple(self._links.values()))

    def get(self, pair: Pair) -> Link | None:
        """The link of a pair, if there is one."""
        return self._links.get(pair)

    def of(self, pair: Pair) -> Link:
        """The link of a pair, which is made if there is none. Raises StanzaError if there is no room for it."""
        link = self._links.get(pair)
        return self._new(pair) if link is None else link

    def _new(self, pair: Pair) -> Link:
        most, owner = self._federation.settings.links, registrable(pair.theirs)
        if self._of_owners[owner] >= max(1, most // OWNER_SHARE):
            self._make_room(link for link in self if registrable(link.pair.theirs) == owner)
        elif len(self._links) >= most:
            self._make_room(self)
        link = self._links[pair] = Link(self._federation, pair)
        self._of_owners[owner] += 1
        return link

    def _make_room(self, links: Iterable[Link]) -> None:
        """Forget or close some of those that are used least, failures first. Raises StanzaError if all are in use."""
        found = list(links)
        since = monotonic() - IN_USE_SECONDS
        spare = [link for link in found if link.is_spare(since)]
        if not spare:
            raise StanzaError("resource-constraint", "this server talks to too many others already")
        for link in nsmallest(len(found) // AT_ONCE + 1, spare, key=lambda it: (it.stream is not None, it.used_at)):
            link.close(None)
            self._forget(link)

    def _forget(self, link: Link) -> None:
        if self._links.get(link.pair) is not link:
            return  # it was forgotten meanwhile
        owner = registrable(link.pair.theirs)
        del self._links[link.pair]
        self._of_owners[owner] -= 1
        if not self._of_owners[owner]:
            del self._of_owners[owner]

    def look_after(self, now: float) -> None:
        """Close those that are idle or do not confirm, and forget what is not needed."""
        for link in self:
            link.look_after(now)
        for pair in needless(self, now, FAILURES_SHOWN):
            self._forget(self._links[pair])
