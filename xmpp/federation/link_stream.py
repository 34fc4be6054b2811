"""A stream for what people here send to another server: how we show who we are (RFC 6120 section 6, XEP-0178,
XEP-0220), for one pair of domains after the other, and whether it carries both directions (XEP-0288)."""

import logging
from base64 import b64encode
from typing import TYPE_CHECKING

from gevent.event import Event
from gevent.lock import Semaphore
from lxml import etree

from xmpp.data import names
from xmpp.data.errors import StreamError
from xmpp.data.wire import wire
from xmpp.federation import dialback
from xmpp.federation import names as tags
from xmpp.federation.dialback import Pair
from xmpp.federation.failures import not_us, timeout, unnamed
from xmpp.federation.outgoing import OutgoingStream
from xmpp.federation.stream import feature

if TYPE_CHECKING:
    from xmpp.federation.dns.dialing import Dialled
    from xmpp.federation.federation import Federation
    from xmpp.federation.link import Link

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0  # for one more pair, before another connection is made
ASKED_AT_ONCE = 10  # pairs; the other server may have to dial for each


class _Asked:
    """A further pair that the other server was asked for. `is_late`: nobody waits for the answer any more."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.known = Event()
        self.is_late = False


class LinkStream(OutgoingStream):
    """A stream for what people here send. `asked_for_both`: it was offered to carry what comes from there, too.
    `takes_more`: further pairs may be asked for, and to be refused one does not end it. `turns`: for who asks."""

    def __init__(self, federation: "Federation", link: "Link", dialled: "Dialled", *, asks_for_both: bool) -> None:
        super().__init__(federation, link.pair, dialled)
        self._link = link
        self._asks_for_both = asks_for_both
        self._is_asked = self._has_ignored = False
        self.asked_for_both = False
        self.is_open = False
        self.takes_more = False
        self._asked: dict[Pair, _Asked] = {}
        self.turns = Semaphore(ASKED_AT_ONCE)
        self._features: etree._Element | None = None
        self._is_external = False
        self._handlers |= {tags.SUCCESS: self._succeeded, tags.FAILURE: self._refused, tags.RESULT: self._answered,
                           tags.ENABLED: self._is_counted, tags.SM_FAILED: self._is_not_counted}  # fmt: skip

    def secured(self, features: etree._Element) -> None:
        """Show who we are, or begin: by our certificate if that is wanted, else by dialback."""
        self._features = features
        if self._is_external:
            self._open()
            return
        if self._asks_for_both and features.find(tags.BIDI_FEATURE) is not None:
            self.asked_for_both = True
            bidi = feature("urn:xmpp:bidi", "bidi")
            bidi.append(self.limits_announced())
            self.write(wire(bidi))
        offered = {(each.text or "").strip() for each in features.iterfind(f"{tags.MECHANISMS}/{tags.MECHANISM}")}
        if "EXTERNAL" in offered:
            authzid = b64encode(self.ours.encode()).decode()
            self.write(f"<auth xmlns='{names.SASL}' mechanism='EXTERNAL'>{authzid}</auth>".encode())
        else:
            self._dial_back()

    def _dial_back(self) -> None:
        key = self._federation.own_key(self.pair, self.id)
        self._is_asked = True
        self.write(dialback.written("result", self.pair, text=key))

    def _succeeded(self, _: etree._Element) -> None:
        if self._is_asked or self.is_open:
            raise StreamError("policy-violation", "nobody asked for that")
        self._is_external = True
        self.begin_anew()

    def _refused(self, failure: etree._Element) -> None:
        """Our certificate was not good enough; a server that offers dialback may take that."""
        if self._features is not None and self._features.find(tags.DIALBACK_FEATURE) is not None:
            self._dial_back()
            return
        text = failure.findtext(f"{{{names.SASL}}}text", "")
        condition = next((str(child.tag).partition("}")[2] for child in failure), "")
        self.fail(timeout(f"its server does not accept ours: {unnamed(text or condition, self.theirs)}"))

    def _answered(self, result: etree._Element) -> None:
        """The answer to a dialback key that we have sent on this stream."""
        pair = Pair(result.get("to") or "", result.get("from") or "")
        asked = self._asked.pop(pair, None)
        if asked is not None:
            self._answered_further(asked, pair, is_valid=result.get("type") == "valid")
            return
        if not self._is_asked or pair != self.pair or self.is_open:
            if not self._has_ignored:  # once, or it could fill the log
                lines = self._federation.lines.of(self.theirs)
                lines.say(log.warning, "%s: an answer of dialback that nobody asked for was ignored", self.peer)
            self._has_ignored = True
            return
        if result.get("type") == "valid":
            self._open()
        elif result.get("type") == "invalid":
            self.fail(not_us("its server found that ours is not ours"), is_final=True)
        else:
            condition = unnamed(dialback.error_condition(result), self.theirs)
            self.fail(timeout(f"its server does not accept ours: {condition}"), is_final=True)

    def _open(self) -> None:
        self.is_open = True
        self.failure = None
        self.agreed(self.pair, hears=self.asked_for_both, says=True)
        assert self._features is not None
        if self._features.find(tags.SM_FEATURE) is not None:
            self.write(f"<enable xmlns='{tags.SM}'/>".encode())
            self.enabled()
        self.takes_more = self._features.find(f"{tags.DIALBACK_FEATURE}/{tags.DIALBACK_ERRORS}") is not None
        self._features = None  # a parsed tree
        self._opened_for(self.pair)
        self.settled.set()
        self._link.opened(self)

    def _opened_for(self, pair: Pair) -> None:
        lines = self._federation.lines.of(pair.theirs)
        lines.say(log.info, "%s: ours sends to %s for %s", self.peer, pair.theirs, pair.ours)
        self._federation.sharing.opened(self, pair)

    # -- further pairs (XEP-0220, "Multiplexing")

    def agree_on(self, link: "Link") -> bool:
        """Ask the other server to take what is sent over this link, too; True if it does. Yields."""
        asked = self._asked[link.pair] = _Asked(link)
        self.write(dialback.written("result", link.pair, text=self._federation.own_key(link.pair, self.id)))
        asked.is_late = not asked.known.wait(ANSWER_SECONDS)
        return link.stream is self

    @property
    def has_room(self) -> bool:
        """True if it may be asked for one more pair."""
        pairs = len(self.says) + len(self._asked)
        return self.takes_more and not self.is_closing and pairs < self.settings.pairs_per_stream

    def _answered_further(self, asked: _Asked, pair: Pair, *, is_valid: bool) -> None:
        if is_valid:
            self.agreed(pair, hears=self.asked_for_both, says=True)
            self._opened_for(pair)
            if asked.is_late:
                self._federation.adopt(self, pair)
            else:
                asked.link.opened(self)
        asked.known.set()

    def _is_counted(self, _: etree._Element) -> None:
        if self._received is None:
            raise StreamError("policy-violation", "nobody asked for that")

    def _is_not_counted(self, _: etree._Element) -> None:
        self._received = None
        self._confirmation.stop()

    def closed(self, *, is_lost: bool) -> None:
        """Nothing can be said here any more."""
        super().closed(is_lost=is_lost)
        self._federation.sharing.gone(self)
        self._federation.gone(self)
        for asked in self._asked.values():
            asked.known.set()
