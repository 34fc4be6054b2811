"""Devices that are in rooms, as good clients are: what each knows of a room is what it was sent (XEP-0045)."""

from collections import Counter, defaultdict
from typing import Any, NamedTuple

from lxml import etree

from tests.harness.devices import ARCHIVED, DELAY, FORWARDED_MESSAGE, STANZA_ID, Device, Element
from tests.harness.rooms import CLIENT, MUC, SERVICE, USER
from xmpp.data import names
from xmpp.data.jid import JID

SELF, NICK_CHANGED = "110", "303"
RSM = "{http://jabber.org/protocol/rsm}"


class Shown(NamedTuple):
    """An occupant as its presence shows it; `jid` is empty where the address is not shown."""

    affiliation: str
    role: str
    jid: str


class Heard(NamedTuple):
    """A message that came from a room: its id, that which the room has given it, whether it is history, and how often
    the room had welcomed the device before."""

    room: JID
    message: str
    stanza_id: str | None
    is_late: bool
    stay: int


class Picture:
    """What a device knows of a room. `nick` is its own, empty while it is not in there; `people` are by nick."""

    def __init__(self) -> None:
        self.nick = ""
        self.people: dict[str, Shown] = {}
        self.subject: str | None = None

    def take(self, nick: str, presence: Element) -> None:
        """Presence of an occupant."""
        x = presence.find(f"{USER}x")
        assert x is not None, etree.tostring(presence)
        item = x.find(f"{USER}item")
        assert item is not None, etree.tostring(presence)
        codes = {status.get("code") for status in x.iterchildren(f"{USER}status")}
        if presence.get("type") is None:
            self.people[nick] = Shown(item.get("affiliation", ""), item.get("role", ""), item.get("jid", ""))
            if SELF in codes:
                self.nick = nick
        elif SELF in codes and NICK_CHANGED not in codes:
            self.forget()
        else:
            self.people.pop(nick, None)

    def forget(self) -> None:
        """It is out, or asks for everything anew."""
        self.nick, self.subject = "", None
        self.people.clear()


class Roomgoer(Device):
    """A device that goes to rooms. It counts on no presence to tell it that it is not in a room after a new login.

    `bookmarks`: the rooms that it has been in, with its nick there. `heard`: by session, what came from rooms.
    `whispers`: the ids of private messages that came. `archives`: of each room that has been asked for it, the ids of
    messages with those of the room; None where it was refused.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.pictures: defaultdict[JID, Picture] = defaultdict(Picture)
        self.bookmarks: dict[JID, str] = {}
        self.heard: defaultdict[Any, list[Heard]] = defaultdict(list)
        self.whispers: list[str] = []
        self.archives: dict[JID, list[tuple[str, str]] | None] = {}
        self.is_inactive = False
        self._welcomes = Counter[JID]()

    @property
    def is_up_to_date(self) -> bool:
        """Whether it has been sent everything, once all is settled."""
        return self.is_here and not self.is_slow and not self.is_inactive

    @property
    def is_in_a_room(self) -> bool:
        """As far as it knows, and it can say something there."""
        return self.is_here and any(picture.nick for picture in self.pictures.values())

    def nick_in(self, room: JID) -> str:
        """Its nick, empty if it is not in there as far as it knows."""
        return self.pictures[room].nick if room in self.pictures else ""

    # -- what it does

    def bind(self) -> None:
        super().bind()
        self.pictures.clear()
        self.is_inactive = False

    def resume(self) -> None:
        super().resume()
        self.is_inactive = False

    def enter(self, room: JID, nick: str, history: str = "") -> None:
        """Enter, or ask for everything anew."""
        self.pictures[room].forget()
        self.send(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'>{history}</x></presence>")

    def read_archive(self, room: JID, after: str = "") -> None:
        """Ask for all that is in the archive of a room; from the start, or on."""
        if not after:
            self.archives[room] = []
        place = f"<after>{after}</after>" if after else ""
        self.send(
            f"<iq type='set' id='archive' to='{room}'><query xmlns='urn:xmpp:mam:2'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'><max>20</max>{place}</set></query></iq>"
        )

    # -- what comes

    def _take_presence(self, presence: Element) -> None:
        sender = JID.parse(presence.get("from", ""))
        if sender.domain == SERVICE and not _is_error(presence):
            self.pictures[sender.bare].take(sender.resource, presence)
            if nick := self.nick_in(sender.bare):
                self.bookmarks[sender.bare] = nick

    def _take_message(self, message: Element) -> None:
        sender = JID.parse(message.get("from", ""))
        if sender.domain != SERVICE or _is_error(message):
            super()._take_message(message)
        elif (result := message.find(ARCHIVED)) is not None:
            self._take_archived(sender, result)
        elif message.get("type") == "groupchat":
            self._hear(sender.bare, message)
        elif message.find(f"{CLIENT}body") is not None:
            self.whispers.append(message.get("id", ""))

    def _hear(self, room: JID, message: Element) -> None:
        is_late = any(delay.get("from") == room for delay in message.iterchildren(DELAY))  # else it has only waited
        id = message.get("id", "")
        body, subject = message.find(f"{CLIENT}body"), message.findtext(f"{CLIENT}subject")
        if subject is not None and body is None:
            self.pictures[room].subject = subject
        if id:
            [stanza_id] = [each.get("id") for each in message.iterchildren(STANZA_ID)] or [None]
            self.heard[self.session].append(Heard(room, id, stanza_id, is_late, self._welcomes[room]))
        elif subject is not None:  # by which a welcome ends
            self._welcomes[room] += 1

    def _take_archived(self, room: JID, result: Element) -> None:
        archived, known = result.find(FORWARDED_MESSAGE), self.archives[room]
        assert archived is not None and known is not None
        known.append((archived.get("id", ""), result.get("id", "")))

    def _take_iq(self, iq: Element) -> None:
        super()._take_iq(iq)
        _is_error(iq)
        if iq.get("id") == "archive":
            self._finish_page(JID.parse(iq.get("from", "")), iq)

    def _finish_page(self, room: JID, iq: Element) -> None:
        if iq.get("type") == "error":
            self.archives[room] = None
        elif iq[0].get("complete") != "true":
            self.read_archive(room, after=iq[0].findtext(f"{RSM}set/{RSM}last") or "")


def _is_error(stanza: Element) -> bool:
    """Also looks that it is no mistake of the server's."""
    condition = f"{{{names.STANZA_ERRORS}}}internal-server-error"
    assert stanza.find(f"{CLIENT}error/{condition}") is None, etree.tostring(stanza)
    return stanza.get("type") == "error"
