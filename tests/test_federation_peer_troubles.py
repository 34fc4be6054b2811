"""What people here are told when the other server ends, hangs, cannot be found or must not be talked to."""

from collections import Counter
from pathlib import Path

import pytest

from tests.harness.correspondents import Correspondent, body
from tests.harness.neighbours import Neighbours, friends, greet, neighbours
from tests.harness.peer import Peer
from tests.harness.peers import PEERS, needs
from tests.harness.prosody import Prosody
from tests.harness.zone import NXDOMAIN, SERVFAIL, SILENT

EACH_PEER = pytest.mark.parametrize("kind", [pytest.param(PEERS[name], marks=needs(name), id=name) for name in PEERS])
IMPATIENT = {"answer_seconds": 1, "negotiation_seconds": 2}


def is_told_of(both: Neighbours, text: str) -> tuple[str, str, str]:
    """What Juliet is told when she writes to somebody there."""
    with both.home.client("juliet") as juliet:
        juliet.writes_to(f"paula@{both.peer.domain}", text)
        return juliet.is_told(text)


# -- it is there, and then it is not


class Correspondence:
    """What Juliet writes to Paula, by number, and what becomes of it."""

    def __init__(self, juliet: Correspondent, address: str) -> None:
        self._juliet, self._address = juliet, address
        self.sent = 0
        self.arrived = Counter[str]()
        self.came_back = Counter[str]()

    def goes_on(self, count: int) -> None:
        for _ in range(count):
            self._juliet.writes_to(self._address, f"{self.sent}")
            self.sent += 1

    def is_read_by(self, paula: Correspondent, last: str = "") -> None:
        """Read up to the message with this text, or to the end of the connection."""
        while last not in self.arrived:
            try:
                message = paula.hears("message")
            except (Exception,):  # noqa: B013
                return
            if (text := body(message)) is not None:
                self.arrived[text] += 1

    def is_told(self, last: str) -> None:
        """Read the errors that come, up to that for the message with this text."""
        while last not in self.came_back:
            error = self._juliet.hears("message", lambda stanza: stanza.get("type") == "error")
            self.came_back[error.get("id") or ""] += 1

    def has_been_told(self) -> None:
        """Read the errors that have come since."""
        self.came_back.update(
            stanza.get("id") or "" for stanza in self._juliet.comes_before_pong() if stanza.get("type") == "error"
        )

    @property
    def lost(self) -> list[str]:
        return [text for text in map(str, range(self.sent)) if not self.arrived[text] and not self.came_back[text]]


@EACH_PEER
def test_nothing_is_lost_or_doubled_when_it_is_restarted(tmp_path: Path, kind: type[Peer]) -> None:
    with neighbours(tmp_path, kind) as both, both.home.client("juliet") as juliet:
        juliet.comes_online()
        with both.peer.client("paula") as paula:
            paula.comes_online()
            letters = Correspondence(juliet, paula.account)
            greet(juliet, paula)
            greet(paula, juliet)
            juliet.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=both.peer.domain)  # after any of ours
            letters.goes_on(200)
            letters.is_read_by(paula, "20")
            both.peer.stop()
            letters.is_read_by(paula)
        letters.goes_on(20)
        letters.is_told("219")
        both.peer.start()
        with both.peer.client("paula") as paula:
            paula.comes_online()
            greet(paula, juliet)  # it calls: ours tries again at once
            letters.goes_on(20)
            letters.is_read_by(paula, "239")
        letters.has_been_told()
        for what in (letters.arrived, letters.came_back):
            assert [text for text, times in what.items() if times > 1] == []
        assert letters.lost == []


@EACH_PEER
def test_who_writes_to_a_server_that_hangs_is_told_so(tmp_path: Path, kind: type[Peer]) -> None:
    """Prosody says what it has got. ejabberd does not, but answers pings of ours; first that has to be known."""
    with neighbours(tmp_path, kind, federation=IMPATIENT) as both, friends(both) as (juliet, paula):
        greet(juliet, paula)
        greet(paula, juliet)
        juliet.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=both.peer.domain)  # after any of ours
        both.peer.freeze()
        juliet.writes_to(paula.jid, "are you there?")
        told = juliet.is_told("are you there?")
        both.peer.thaw()
        assert told == (
            "wait",
            "remote-server-timeout",
            "the connection to its server broke, so this may not have arrived",
        )
        assert body(paula.hears_from(juliet.jid)) == "are you there?"  # so it has
        greet(juliet, paula, "again")  # on a new link: the end of the old one reached it before
        greet(paula, juliet)


@EACH_PEER
def test_who_writes_to_a_server_that_hangs_from_the_beginning_is_told_so(tmp_path: Path, kind: type[Peer]) -> None:
    with neighbours(tmp_path, kind, federation=IMPATIENT) as both:
        both.peer.freeze()
        told = is_told_of(both, "are you there?")
        assert told == ("wait", "remote-server-timeout", "its server does not answer")


@EACH_PEER
def test_who_was_in_a_room_that_it_has_lost_is_told_so(tmp_path: Path, kind: type[Peer]) -> None:
    """Ours asks the room at the earliest after seven seconds."""
    with neighbours(tmp_path, kind, rooms_elsewhere={"ping_seconds": 10}) as both, friends(both) as (juliet, _):
        room = f"hall@{both.peer.rooms}"
        juliet.enters(room, "juliet")
        both.peer.kill()
        both.peer.start()
        gone = juliet.hears_from(room, "presence", "unavailable")
        assert gone.get("from") == f"{room}/juliet"
        assert {status.get("code") for status in gone.iter("{*}status")} == {"110", "333"}
        juliet.enters(room, "juliet")


# -- it cannot be found


@needs("prosody")
@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (SERVFAIL, ("wait", "remote-server-timeout", "its name could not be looked up: the name server says SERVFAIL")),
        (SILENT, ("wait", "remote-server-timeout", "its name could not be looked up in time")),
        (NXDOMAIN, ("cancel", "remote-server-not-found", "its name has no address")),
    ],
)
def test_people_are_told_what_dns_says(tmp_path: Path, behaviour: str, told: tuple[str, str, str]) -> None:
    with neighbours(tmp_path, Prosody, dialling={"dial_seconds": 2}) as both:
        both.world.misbehave(behaviour, both.peer.domain)
        assert is_told_of(both, "where are you?") == told


@needs("prosody")
def test_who_writes_to_a_server_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with neighbours(tmp_path, Prosody) as both:
        both.peer.kill()
        assert is_told_of(both, "hello") == ("wait", "remote-server-timeout", "its server refuses connections")


# -- it must not be talked to


@EACH_PEER
def test_a_domain_that_is_denied_is_talked_to_in_neither_direction(tmp_path: Path, kind: type[Peer]) -> None:
    with (
        neighbours(tmp_path, kind, federation={"denied": [f"{kind.program}.test"]}) as both,
        friends(both) as (juliet, paula),
    ):
        juliet.writes_to(paula.jid, "hello")
        assert juliet.is_told("hello") == ("auth", "forbidden", "this server does not talk to that one")
        paula.writes_to(juliet.jid, "hello")
        told = paula.is_told("hello")
        print(told)
        assert told[1] == "remote-server-timeout"


@EACH_PEER
def test_who_offers_no_encryption_is_not_talked_to(tmp_path: Path, kind: type[Peer]) -> None:
    with neighbours(tmp_path, kind, of_peer={"is_encrypted": False}) as both, friends(both) as (juliet, paula):
        juliet.writes_to(paula.jid, "hello")
        assert juliet.is_told("hello") == ("wait", "remote-server-timeout", "its server offers no encryption")
        paula.writes_to(juliet.jid, "hello")
        told = paula.is_told("hello")
        print(told)
        assert told[1] == "remote-server-timeout"
