"""People who write to each other on managed streams (XEP-0198), and what their archives have to hold then."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.harness.crashes import Changes, Lost
from tests.harness.rawclient import Element, RawClient, condition_of, logged_in
from xmpp.data import names

MOST_AT_ONCE = 5

SM = "urn:xmpp:sm:3"
RESULT = "{urn:xmpp:mam:2}result"
FORWARDED_MESSAGE = "{urn:xmpp:forward:0}forwarded/{jabber:client}message"
STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
QUERY = "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>200</max>{}</set></query>"


@dataclass
class Mail:
    """What somebody knows of messages. Whose they are and their number are their ids: `juliet-1`.

    Of their own: `acknowledged` and `doubtful` (neither acknowledged nor refused, and the stream is over), with the
    addressees, and `refused`, with the condition. Of their own and others': `shown` and `archived`, by stanza-id.
    """

    address: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    archived: dict[str, str] = field(default_factory=dict)


def compare(mails: Sequence[Mail]) -> None:
    """Raises Lost where an archive misses what it should have, or has what it should not."""
    archives = {mail.address: Counter(mail.archived.values()) for mail in mails}
    for mail in mails:
        for id, to in (mail.acknowledged | mail.doubtful).items():
            times = archives[mail.address][id], archives[to][id]
            if times != (1, 1) and (id in mail.acknowledged or times != (0, 0)):
                raise Lost(f"{id} to {to} is {times} times in the archives")
        missing = mail.shown.items() - mail.archived.items()
        if missing:
            raise Lost(f"{mail.address} was shown {missing}")
        for sender in mails:
            _hold_in_order(mail, sender.address.partition("@")[0])


def _hold_in_order(mail: Mail, sender: str) -> None:
    ids = [id.rpartition("-") for id in mail.archived.values()]
    numbers = [int(number) for name, _, number in ids if name == sender]
    if numbers != sorted(numbers):
        raise Lost(f"{mail.address} has the messages of {sender} in the order {numbers}")


class Writer(Changes):
    """Somebody who writes to the others, a few messages at a time, and acknowledges what they write."""

    def __init__(self, port: int, random: Random) -> None:
        super().__init__(port, random)
        self.mail = Mail(f"{self.account[0]}@localhost")
        self.others: list[str] = []
        self._waiting: deque[tuple[str, str]] = deque()  # to be acknowledged: messages and addressees
        self._handled = self._received = 0

    def make_until_killed(self, port: int, answered: Callable[[], object]) -> None:
        self._doubt_what_waits()
        self._handled = self._received = 0
        with logged_in(port, *self.account) as client:
            client.send(f"<enable xmlns='{SM}'/>")
            assert client.receive().tag == f"{{{SM}}}enabled"
            self._send(client, "<presence/>")
            while True:
                self._write_some(client)
                while self._waiting:
                    self._take(client, client.receive(), answered)

    def write(self, port: int, count: int) -> None:
        """Write until so many messages more have been acknowledged."""
        enough = len(self.mail.acknowledged) + count

        def stop_at_last() -> None:
            if len(self.mail.acknowledged) >= enough:
                raise Enough

        with suppress(Enough):
            self.make_until_killed(port, stop_at_last)

    def verify(self, port: int) -> None:
        """Read what has come to the archive since the last time. What there is, compare compares."""
        self._doubt_what_waits()
        with logged_in(port, *self.account) as client:
            self.mail.archived.update(archived(client, after=list(self.mail.archived)[-1:]))

    # -- sending

    def _write_some(self, client: RawClient) -> None:
        for _ in range(self.random.randint(1, MOST_AT_ONCE)):
            self.count += 1
            id, to = f"{self.account[0]}-{self.count}", self.random.choice(self.others)
            self._send(client, f"<message id='{id}' type='chat' to='{to}'><body>{id}</body></message>", id, to)
        client.send(f"<r xmlns='{SM}'/>")

    def _send(self, client: RawClient, stanza: str, id: str = "", to: str = "") -> None:
        self._waiting.append((id, to))
        client.send(stanza)

    def _doubt_what_waits(self) -> None:
        """The stream is over, so no acknowledgement comes any more."""
        self.mail.doubtful.update((id, to) for id, to in self._waiting if id)
        self._waiting.clear()

    # -- receiving

    def _take(self, client: RawClient, element: Element, answered: Callable[[], object]) -> None:
        if element.tag == f"{{{SM}}}r":
            client.send(f"<a xmlns='{SM}' h='{self._received}'/>")
        elif element.tag == f"{{{SM}}}a":
            self._acknowledge(int(element.attrib["h"]), answered)
        else:
            self._received += 1
            self._note(element)

    def _acknowledge(self, h: int, answered: Callable[[], object]) -> None:
        while self._handled < h:
            id, to = self._waiting.popleft()
            self._handled += 1
            if id and id not in self.mail.refused:
                self.mail.acknowledged[id] = to
                answered()

    def _note(self, stanza: Element) -> None:
        if stanza.tag == names.MESSAGE and stanza.get("type") == "error":
            self.mail.refused[stanza.attrib["id"]] = condition_of(stanza[0])
        for stanza_id in stanza.iterchildren(STANZA_ID):
            self.mail.shown[stanza_id.attrib["id"]] = stanza.attrib["id"]


class Enough(Exception):
    """So many messages have been acknowledged as were to be."""


def acquainted_writers(port: int, count: int, seed: int = 0) -> list[Writer]:
    """So many writers with new accounts, each knowing the others."""
    writers = [Writer(port, Random(seed + number)) for number in range(count)]
    for writer in writers:
        writer.others = [other.mail.address for other in writers if other is not writer]
    return writers


def archived(client: RawClient, after: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What an archive has, all of it or after a stanza-id: stanza-ids and messages."""
    is_complete = False
    while not is_complete:
        fin = client.ask("set", QUERY.format("".join(f"<after>{id}</after>" for id in after)))[0]
        for result in (message.find(RESULT) for message in client.comes_before_pong()):
            assert result is not None
            message = result.find(FORWARDED_MESSAGE)
            assert message is not None
            yield result.attrib["id"], message.attrib["id"]
            after = [result.attrib["id"]]
        is_complete = fin.get("complete") == "true"
