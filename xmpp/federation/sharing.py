"""One stream for several pairs of domains (XEP-0220, "Multiplexing"): before a connection is made, a server to which
there is one already is asked to take one more pair.

Only servers are asked that answer with an error where they do not want that, and could not be asked otherwise without
losing the stream; and for no pair for which we would show another certificate. A domain that the stream was not opened
for has to lead to the same address and port, and the server there to have a certificate for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from gevent.event import Event

from xmpp.federation.certificates import is_among_shown
from xmpp.federation.dialback import Pair
from xmpp.federation.link_stream import ANSWER_SECONDS, LinkStream
from xmpp.federation.remembered import ForADay

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation
    from xmpp.federation.link import Link


class Sharing:
    """The streams that are open, by the domains that they lead to, and by the address."""

    def __init__(self, federation: "Federation") -> None:
        self._federation = federation
        self._streams: dict[str, dict[LinkStream, None]] = {}
        self._being_opened: dict[str, Event] = {}
        self._alone = ForADay[Pair]()  # each has a stream of its own

    # -- what streams say

    def opened(self, stream: LinkStream, pair: Pair) -> None:
        """A stream carries what is sent for this pair."""
        for key in (pair.theirs, stream.peer):
            self._streams.setdefault(key, {})[stream] = None

    def gone(self, stream: LinkStream) -> None:
        """A stream has ended."""
        for key in {stream.peer, *(pair.theirs for pair in stream.says)}:
            streams = self._streams.get(key, {})
            streams.pop(stream, None)
            if not streams:
                self._streams.pop(key, None)

    # -- what links ask

    @contextmanager
    def opening(self, key: str) -> Iterator[None]:
        """A stream to this domain, or address, is being opened: who wants one waits a while for that."""
        if key in self._being_opened:
            yield
            return
        opened = self._being_opened[key] = Event()
        try:
            yield
        finally:
            del self._being_opened[key]
            opened.set()

    def may_join(self, link: "Link", key: str) -> bool:
        """True if there is, or is about to be, a stream to this domain, or address, that may carry what is sent over
        the link."""
        if link.pair in self._alone:
            return False
        is_one_to_come = key in self._being_opened and self._may_be_such(link.pair, key)
        return is_one_to_come or self._one_for(link.pair, key) is not None

    def join(self, link: "Link", key: str) -> bool:
        """True if a stream to this domain, or address, carries from now on what is sent over the link. Yields; waits
        for streams that are being opened no longer than ANSWER_SECONDS."""
        until = monotonic() + ANSWER_SECONDS
        while link.pair not in self._alone:
            stream = self._one_for(link.pair, key)
            if stream is not None:
                with stream.turns:
                    if stream.has_room:
                        return self._agree(stream, link)
                continue
            being_opened = self._being_opened.get(key) if self._may_be_such(link.pair, key) else None
            if being_opened is None or not being_opened.wait(max(0.0, until - monotonic())):
                break
        return False

    def _agree(self, stream: LinkStream, link: "Link") -> bool:
        if stream.agree_on(link):
            return True
        self._alone.note(link.pair)
        stream.takes_more = False
        return False

    def _one_for(self, pair: Pair, key: str) -> LinkStream | None:
        if pair in self._alone:
            return None
        return next((each for each in self._streams.get(key, ()) if self._may_take(each, pair)), None)

    def _may_take(self, stream: LinkStream, pair: Pair) -> bool:
        return stream.has_room and self._fits(stream, pair)

    def _may_be_such(self, pair: Pair, key: str) -> bool:
        """True if the next stream to this domain, or address, may be one that can carry the pair: nobody knows, or one
        that is there could, were there room. Otherwise a server that has hundreds of domains, each with a certificate
        of its own, would be dialled for one after the other."""
        streams = self._streams.get(key, ())
        return not streams or any(each.takes_more and self._fits(each, pair) for each in streams)

    def _fits(self, stream: LinkStream, pair: Pair) -> bool:
        return self._shows_same(stream, pair) and self._is_of(stream, pair.theirs)

    def _shows_same(self, stream: LinkStream, pair: Pair) -> bool:
        """True if we would show the same certificate for our domain of this pair."""
        tls = self._federation.client_tls
        return tls is None or tls.shows_same(stream.ours, pair.ours)

    def _is_of(self, stream: LinkStream, domain: str) -> bool:
        """True if the server there would be believed to be this domain's if it were dialled."""
        if any(pair.theirs == domain for pair in stream.says):
            return True
        if not stream.has_tls:
            return self._federation.may_be_plain(domain)
        if self._federation.may_dial_back(domain):
            return True
        if domain not in self._federation.settings.pinned and not is_among_shown(stream.shown_names, domain):
            return False  # there may be hundreds of streams to one address, and to judge takes long
        return self._federation.judge(stream.transport.peer_chain, domain) is None
