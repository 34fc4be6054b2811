"""What the log says of other servers, so that nobody can fill it: neither whoever makes up names of domains, nor a
server that comes and goes, or speaks for very many domains."""

from collections import OrderedDict

from xmpp.data.domains import registrable
from xmpp.running.lines import LimitedLines

MOST_OWNERS = 1_000  # whose lines are counted


class Lines:
    """`unreachable`: those about servers that people here cannot talk to. `strangers`: those about connections of whom
    nobody knows who they are."""

    def __init__(self) -> None:
        self.unreachable, self.strangers = LimitedLines(), LimitedLines()
        self._of_owners: OrderedDict[str, LimitedLines] = OrderedDict()

    def of(self, domain: str) -> LimitedLines:
        """Those about connections with this domain, whose server has shown that it is; all of its owner's together."""
        owner = registrable(domain)
        lines = self._of_owners.setdefault(owner, LimitedLines())
        self._of_owners.move_to_end(owner)
        while len(self._of_owners) > MOST_OWNERS:
            self._of_owners.popitem(last=False)
        return lines
