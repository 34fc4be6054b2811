"""The lxml trees in which stanzas grow. A parser takes some 11 KiB and most clients are silent most of the time, so a
stream has one only while it is read, and streams with the usual header take turns.

Between two stanzas a tree is as it was in the beginning. That nothing of one stream is left for the next one to find is
what XMLFeed sees to: a tree comes back only when each stanza that ended has been taken out and none is under way.
"""

from collections.abc import Collection, Iterator

from lxml import etree

from xmpp.errors import StreamError
from xmpp.wire import ROOT, hardened

SPARE_TREES = 16


class Trees:
    """Those that no stream uses just now. `tags` are the elements that may grow in them, in Clark notation."""

    def __init__(self, tags: Collection[str]) -> None:
        self._tags = tags
        self._spare: list[Tree] = []

    def take(self, root: bytes) -> "Tree":
        """One for a stream with this start tag."""
        if root is ROOT and self._spare:
            return self._spare.pop()
        return Tree(root, self._tags)

    def give_back(self, tree: "Tree") -> None:
        """Keep one for whoever comes next, if nothing is in it."""
        if tree.is_bare and len(self._spare) < SPARE_TREES:
            self._spare.append(tree)


class Tree:
    """Stanzas grow in it, one after another, and are taken out of it."""

    __slots__ = ("_parser", "_root", "_tags")

    def __init__(self, root: bytes, tags: Collection[str]) -> None:
        self._tags = tags
        self._parser = hardened(etree.XMLPullParser, events=("end", "comment"), tag=tags)
        self._parser.feed(root + b"<!---->")  # the only comment there will ever be: it leads to the root
        _, comment = next(self._parser.read_events())
        self._root = comment.getparent()
        self._root.remove(comment)

    @property
    def is_bare(self) -> bool:
        """Whether nothing grows in it."""
        return len(self._root) == 0

    def grow(self, data: bytes) -> Iterator[etree._Element]:
        """Parse more; the stanzas that it completes, each taken out after its turn."""
        parser, root = self._parser, self._root
        self._feed(data)
        for _, element in parser.read_events():
            if element is root[0]:  # neither nested in a stanza nor behind something unknown
                yield element
                root.remove(element)
        if len(root) and root[0].tag not in self._tags:  # nor may it begin: it might never end
            raise StreamError("unsupported-stanza-type")

    def _feed(self, data: bytes) -> None:
        """Raises StreamError for whatever libxml2 has to say, which is not always raised, beyond a mere warning."""
        try:
            self._parser.feed(data)
        except etree.XMLSyntaxError as error:
            raise StreamError("not-well-formed", error.msg) from None
        entry = self._parser.feed_error_log.last_error
        if entry is not None and entry.level >= etree.ErrorLevels.ERROR:
            raise StreamError("not-well-formed", entry.message)
