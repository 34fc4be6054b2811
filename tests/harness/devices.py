"""A device of somebody: what a good client does with managed streams, carbons and an archive, on a line of its own."""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lxml import etree

from tests.harness.lines import Line
from xmpp.data import names
from xmpp.data.jid import JID

SM = "{urn:xmpp:sm:3}"
CARBONS = "{urn:xmpp:carbons:2}"
FORWARDED_MESSAGE = "{urn:xmpp:forward:0}forwarded/{jabber:client}message"
ARCHIVED = "{urn:xmpp:mam:2}result"
STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
DELAY = f"{{{names.DELAY}}}delay"
EXPECTED_ENDS = {"system-shutdown", "conflict"}

Element = etree._Element
Management = Literal["resumable", "counted"] | None


class Counters:
    """The client's side of stream management (XEP-0198 section 4)."""

    def __init__(self) -> None:
        self.id = ""
        self.received = 0
        self.acknowledged = 0
        self.waiting: deque[str] = deque()

    def acknowledge(self, h: int) -> list[str]:
        """What is known to have arrived now."""
        arrived = h - self.acknowledged
        assert 0 <= arrived <= len(self.waiting), f"the server acknowledges {h}"
        self.acknowledged = h
        return [self.waiting.popleft() for _ in range(arrived)]


@dataclass(frozen=True)
class Receipt:
    """A message that came: in which way, and under which id of the own account's archive."""

    message: str
    way: Literal["itself", "carbon", "archive"]
    stanza_id: str | None
    is_delayed: bool


class Device:
    """What a good client does, and what it remembers: `received` by session, and what it knows to be `accepted`.

    `answers` says whether it acknowledges what it gets when it is asked to; `session` is the server's.
    """

    def __init__(self, address: str) -> None:
        self.jid = JID.parse(address)
        self.account = self.jid.bare
        self.line: Line | None = None
        self.session: Any = None
        self.counters: Counters | None = None
        self.is_here = False
        self.answers = True
        self.unsent: list[str] = []  # what a new session begins with
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        self.received: defaultdict[Any, list[Receipt]] = defaultdict(list)
        self.synchronised_to = ""
        self.is_synchronised = False
        self.has_asked_early = False  # the archive, before its first presence

    def __repr__(self) -> str:
        return str(self.jid)

    # -- the line

    def connect(self, line: Line) -> None:
        """Begin a stream on a new line."""
        self.line, self.is_here = line, False
        self.begin_stream()

    def begin_stream(self) -> None:
        """Begin it, or begin it anew."""
        self._parser: etree.XMLPullParser = etree.XMLPullParser(("start", "end"))
        self._depth = 0
        self.write(f"<stream:stream xmlns='{names.CLIENT}' xmlns:stream='{names.STREAM}' to='localhost' version='1.0'>")

    def hang_up(self) -> None:
        """Be done with the line, and let the server know."""
        if self.line is not None:
            self.line.cut()
        self.let_go()

    def let_go(self) -> None:
        """Be done with the line."""
        self.line, self.is_here = None, False

    def slow_down(self) -> None:
        """Have the line take nothing across by itself."""
        assert self.line is not None
        self.line.is_slow = True

    def write(self, text: str) -> None:
        """Put something on the line."""
        assert self.line is not None
        self.line.up += text.encode()

    def send(self, stanza: str) -> None:
        """Write a stanza, and remember it until it is acknowledged."""
        if self.counters is not None:
            self.counters.waiting.append(stanza)
        self.write(stanza)

    # -- sessions

    def bind(self) -> None:
        """Ask for a new session; the one before is forgotten."""
        self.counters = None
        resource = f"<resource>{self.jid.resource}</resource>"
        self.write(f"<iq type='set' id='bind'><bind xmlns='{names.BIND}'>{resource}</bind></iq>")

    def manage(self, management: Management) -> None:
        """Enable stream management in a new session, or do without."""
        self.counters = None if management is None else Counters()
        if management is not None:
            resumption = " resume='true'" if management == "resumable" else ""
            self.write(f"<enable xmlns='urn:xmpp:sm:3'{resumption}/>")

    def begin_session(self) -> None:
        """Send what another session has left."""
        self.is_here = True
        unsent, self.unsent = self.unsent, []
        for stanza in unsent:
            self.send(stanza)

    def end(self) -> None:
        """Say good-bye, which ends the session."""
        self.write("</stream:stream>")
        self.counters, self.is_here = None, False

    @property
    def is_connected(self) -> bool:
        return self.line is not None

    @property
    def is_slow(self) -> bool:
        return self.line is not None and self.line.is_slow

    @property
    def is_waited_for(self) -> bool:
        """Whether its session hibernates."""
        session = self.session
        return session is not None and not session.connection and session.server.online.session(self.jid) is session

    @property
    def can_resume(self) -> bool:
        return not self.is_here and self.counters is not None and bool(self.counters.id)

    def resume(self) -> None:
        """Ask for the session that was lost."""
        assert self.counters is not None
        self.write(f"<resume xmlns='urn:xmpp:sm:3' previd='{self.counters.id}' h='{self.counters.received}'/>")

    def request(self) -> None:
        """Ask how many stanzas have arrived."""
        if self.counters is not None:
            self.write("<r xmlns='urn:xmpp:sm:3'/>")

    def synchronise(self) -> None:
        """Ask the archive for what is not known yet."""
        self.is_synchronised = False
        after = f"<after>{self.synchronised_to}</after>" if self.synchronised_to else ""
        self.send(
            "<iq type='set' id='sync'><query xmlns='urn:xmpp:mam:2'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'><max>5</max>{after}</set></query></iq>"
        )

    # -- what comes

    def take(self, data: bytes) -> None:
        """Read what the line has brought."""
        for element in self._elements(data):
            self._take(element)

    def _elements(self, data: bytes) -> Iterator[Element]:
        self._parser.feed(data)
        for event, element in self._parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "end" and self._depth == 1:
                assert isinstance(element, etree._Element)
                yield element
            elif event == "end" and self._depth == 0:
                self.hang_up()  # the stream is over

    def _take(self, element: Element) -> None:
        name = etree.QName(element)
        if element.tag in names.STANZA_TAGS:
            if self.counters is not None:
                self.counters.received += 1
            getattr(self, f"_take_{name.localname}")(element)
        elif element.tag == f"{{{names.STREAM}}}features":
            pass  # known
        elif element.tag == f"{{{names.STREAM}}}error":
            assert etree.QName(element[0]).localname in EXPECTED_ENDS, etree.tostring(element)
        else:
            assert name.namespace == "urn:xmpp:sm:3"
            getattr(self, f"_on_{name.localname}")(element)

    def _take_presence(self, presence: Element) -> None:
        pass  # others look after that

    def _take_iq(self, iq: Element) -> None:
        if iq.get("id") != "sync":
            return
        assert iq.get("type") == "result", etree.tostring(iq)
        fin = iq[0]
        last = fin.findtext("{http://jabber.org/protocol/rsm}set/{http://jabber.org/protocol/rsm}last")
        self.synchronised_to = last or self.synchronised_to
        self.is_synchronised = fin.get("complete") == "true"
        if not self.is_synchronised:
            self.synchronise()

    def _take_message(self, message: Element) -> None:
        if message.get("type") == "error":  # or the copy of one, which has no id
            assert message.find(f".//{{{names.STANZA_ERRORS}}}internal-server-error") is None, etree.tostring(message)
            if "id" in message.attrib:
                self.refused.add(message.attrib["id"])
        else:
            self.received[self.session].append(self._receipt(message))

    def _receipt(self, message: Element) -> Receipt:
        copied = message.find(f"{CARBONS}sent/{FORWARDED_MESSAGE}")
        if copied is None:
            copied = message.find(f"{CARBONS}received/{FORWARDED_MESSAGE}")
        if copied is not None:
            return Receipt(copied.get("id", ""), "carbon", self._stanza_id(copied), False)
        result = message.find(ARCHIVED)
        if result is not None:
            archived = result.find(FORWARDED_MESSAGE)
            assert archived is not None
            return Receipt(archived.get("id", ""), "archive", result.get("id"), True)
        return Receipt(message.get("id", ""), "itself", self._stanza_id(message), message.find(DELAY) is not None)

    def _stanza_id(self, message: Element) -> str | None:
        ids = [each.get("id") for each in message.iterchildren(STANZA_ID) if each.get("by") == self.account]
        assert len(ids) <= 1, etree.tostring(message)
        return ids[0] if ids else None

    # -- stream management

    def _on_enabled(self, enabled: Element) -> None:
        assert self.counters is not None
        self.counters.id = enabled.get("id", "")
        self.counters.received = 0  # what came before does not count

    def _on_r(self, _: Element) -> None:
        if self.answers and self.counters is not None:
            self.write(f"<a xmlns='urn:xmpp:sm:3' h='{self.counters.received}'/>")

    def _on_a(self, answer: Element) -> None:
        if self.counters is not None:
            self._acknowledge(answer)

    def _on_resumed(self, resumed: Element) -> None:
        assert self.counters is not None and resumed.get("previd") == self.counters.id
        self._acknowledge(resumed)
        self.is_here = True
        for stanza in self.counters.waiting:
            self.write(stanza)

    def _on_failed(self, failed: Element) -> None:
        """The session is gone. What the server says it has not got is for the next one."""
        assert self.counters is not None and failed.find(f"{{{names.STANZA_ERRORS}}}item-not-found") is not None
        assert failed.get("h") is not None, "the server has forgotten what it had handled"
        self._acknowledge(failed)
        self.unsent += self.counters.waiting
        self.counters = None

    def _acknowledge(self, element: Element) -> None:
        assert self.counters is not None
        arrived = self.counters.acknowledge(int(element.get("h", "")))
        self.accepted.update(etree.fromstring(stanza).get("id", "") for stanza in arrived)

