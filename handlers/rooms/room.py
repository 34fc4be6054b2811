"""XEP-0045: a room as it stands in memory, with what it knows and who is in it.

What is to last is written when it changes (db/rooms.py).
"""

import hmac
import time
from base64 import urlsafe_b64encode
from collections import Counter
from typing import TYPE_CHECKING

from db import room_changes, rooms, rooms_passing
from db.rooms import Affiliation, Subject
from handlers.rooms import configuration as configurations
from handlers.rooms.affiliation_log import AffiliationLog, Step
from handlers.rooms.configuration import RoomConfiguration
from handlers.rooms.gathered import Gathered
from handlers.rooms.hats import Hats
from handlers.rooms.occasions import ROOM_ENTERED, ROOM_LEFT, ROOM_PEOPLE_CHANGED
from handlers.rooms.ranks import Standing, role_on_entering
from handlers.rooms.recent import Recent
from handlers.rooms.reserved import ReservedNicks
from handlers.rooms.settings import RoomSettings
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NOBODY = Affiliation()
MOST_GIVEN = 1_000
"""Of so many people it is known what a moderator has given them or taken from them."""


class Occupant:
    """Somebody in a room, with all sessions that are there under this nick.

    `id` is what others can tell it by whatever its nick (XEP-0421). `sessions`: by full address, what the presence that
    each has sent last says, as bytes.
    """

    __slots__ = ("nick", "account", "id", "role", "sessions")

    def __init__(self, nick: str, account: JID, id: str, role: str) -> None:
        self.nick = nick
        self.account = account
        self.id = id
        self.role = role
        self.sessions: dict[JID, bytes] = {}

    @property
    def shown(self) -> tuple[JID, bytes]:
        """The session whose presence others are shown, and that presence: of several the one that was last."""
        return next(reversed(self.sessions.items()))


class Room:
    """A room. `occupants` by nick, `by_session` by full address; `accounts`: with how many sessions each of them is
    here. `came`: which of all `entrances` was that of each session: what is told of a moment is not for who has come
    since. It is `is_locked` until its creator has configured it. `hats`: those that there are, and who wears which.
    `given`: roles other than the usual ones, by account. `versioned`: the sessions that are told of each change of
    affiliations, and from which version on (XEP-0463). `gathered`: what its sessions are about to be told together;
    `untold`: how many messages wait for that, or are being told, a long one counted as several. `lists`: who has an
    affiliation, as it was sent last, until that changes. `history`: what was said last, the newest last; it is that of
    the archive where it `is_history_whole`."""

    def __init__(self, server: "Server", kept: rooms.Kept, *, is_locked: bool = False) -> None:
        self.server = server
        self.address = kept.jid
        self.number = kept.id
        self.creator = JID.parse(kept.creator)
        self.configuration = configurations.from_text(kept.configuration)
        self.secret = kept.secret
        self.subject = kept.subject
        self.affiliations = rooms.affiliations(server.db, kept.id)  # by bare address, or domain
        self._affiliation_characters = sum(_size(jid, each) for jid, each in self.affiliations.items())
        self.hats = Hats(server.db, kept.id)
        self.given: dict[JID, str] = {}
        self.reserved = ReservedNicks((each.nick, jid) for jid, each in self.affiliations.items() if each.nick)
        self.lists: dict[str, bytes] = {}
        self.occupants: dict[str, Occupant] = {}
        self.by_session: dict[JID, Occupant] = {}
        self.came: dict[JID, int] = {}
        self.entrances = 0
        self.versioned: dict[JID, int] = {}
        self._log: AffiliationLog | None = None
        self.accounts = Counter[JID]()
        self.gathered: Gathered | None = None
        self.untold = 0
        self.history = Recent()
        self.is_history_whole = False
        self.is_locked = is_locked

    # -- who is what

    def affiliation(self, account: JID) -> str:
        """What somebody is here, by itself or by its domain."""
        own = self.affiliations.get(account, NOBODY).affiliation
        return own if own != "none" else self.affiliations.get(JID.parse(account.domain), NOBODY).affiliation

    def standing(self, jid: JID) -> Standing:
        """What somebody is here; its role is that of its session, or, asked by the bare address, its highest one."""
        if jid.is_full:
            occupant = self.by_session.get(jid)
            return Standing(self.affiliation(jid.bare), occupant.role if occupant else "none")
        roles = [Standing("none", each.role) for each in self.of_account(jid)]
        best = max(roles, key=lambda each: each.has_role("moderator") * 2 + each.has_role("participant"), default=None)
        return Standing(self.affiliation(jid), best.role if best else "none")

    def standing_of(self, occupant: Occupant) -> Standing:
        """What an occupant is."""
        return Standing(self.affiliation(occupant.account), occupant.role)

    def of_account(self, account: JID) -> list[Occupant]:
        """The occupants that somebody is: one for each nick."""
        if account not in self.accounts:
            return []  # without looking at all of a large room
        return [each for each in self.occupants.values() if each.account == account]

    def owners(self) -> list[JID]:
        """Its owners."""
        return self.those_who_are("owner")

    def those_who_are(self, affiliation: str) -> list[JID]:
        """All who have this affiliation, by address."""
        return [JID.parse(jid) for jid in self.addresses_of(affiliation)]

    def addresses_of(self, affiliation: str) -> list[str]:
        """The same as text, which is much faster where they are many."""
        return sorted([jid for jid, each in self.affiliations.items() if each.affiliation == affiliation])

    def reserved_by(self, nick: str) -> JID | None:
        """Whose nick this is, whether they are here or not."""
        return self.reserved.owner(nick)

    def sees_addresses(self, occupant: Occupant) -> bool:
        """Whether an occupant is shown the real addresses of others."""
        return not self.configuration.is_anonymous or occupant.role == "moderator"

    def is_known_to(self, asker: JID) -> bool:
        """Whether somebody may know what the room shows to those who want to enter: not who is banned, nor strangers if
        it is hidden and for its members."""
        affiliation = self.affiliation(asker.bare)
        is_secret = self.configuration.membersonly and not self.configuration.publicroom
        return affiliation != "outcast" and (not is_secret or Standing(affiliation).is_at_least("member"))

    def usual_role(self, affiliation: str) -> str:
        """The role that goes with an affiliation here."""
        return role_on_entering(affiliation, is_moderated=self.configuration.moderatedroom)

    def role_of_who_enters(self, account: JID) -> str:
        """The usual one; in a moderated room that which a moderator has given it (5.1)."""
        usual = self.usual_role(self.affiliation(account))
        return self.given.get(account, usual) if self.configuration.moderatedroom else usual

    def give_role(self, occupant: Occupant, role: str) -> None:
        """Have an occupant have another role. While the room is in memory it is known who was given the floor, and who
        has lost it."""
        occupant.role = role
        self.given.pop(occupant.account, None)
        if role != "moderator" and role != self.usual_role(self.affiliation(occupant.account)):
            self.given[occupant.account] = role
            if len(self.given) > MOST_GIVEN:
                del self.given[next(iter(self.given))]

    def id_of(self, account: JID) -> str:
        """XEP-0421: the id of an occupant, from which nobody can tell the address."""
        digest = hmac.digest(self.secret, f"{self.address}\0{account}".encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")

    # -- who is here

    def put(self, nick: str, session: JID, presence: bytes, role: str) -> Occupant:
        """Enter a session under a nick that is its own; or its newer presence."""
        occupant = self.occupants.get(nick)
        if occupant is None:
            occupant = self.occupants[nick] = Occupant(nick, session.bare, self.id_of(session.bare), role)
        is_new = occupant.sessions.pop(session, None) is None
        occupant.sessions[session] = presence
        self.by_session[session] = occupant
        if is_new:
            self.gathered = None
            self.entrances += 1
            self.came[session] = self.entrances
            self.accounts[occupant.account] += 1
            for step in self.server.tables[ROOM_ENTERED]:
                step(self, occupant, session)
        return occupant

    def take_out(self, session: JID) -> Occupant | None:
        """Take a session out; returns the occupant that it was, if it was here."""
        occupant = self.by_session.pop(session, None)
        self.versioned.pop(session, None)
        if occupant is not None:
            self.gathered = None
            del occupant.sessions[session], self.came[session]
            if not occupant.sessions:
                del self.occupants[occupant.nick]
            self.accounts[occupant.account] -= 1
            if not self.accounts[occupant.account]:
                del self.accounts[occupant.account]
            for step in self.server.tables[ROOM_LEFT]:
                step(self, occupant, session)
        return occupant

    def take_out_all(self, occupant: Occupant) -> list[JID]:
        """Take all sessions of an occupant out; returns them."""
        gone = list(occupant.sessions)
        for session in gone:
            self.take_out(session)
        return gone

    def rename(self, occupant: Occupant, nick: str) -> None:
        """Give an occupant another nick, that nobody has."""
        del self.occupants[occupant.nick]
        occupant.nick = nick
        self.occupants[nick] = occupant

    # -- what is kept

    def configure(self, wanted: RoomConfiguration) -> None:
        """Have another configuration, for good."""
        text = configurations.to_text(wanted)
        rooms.configure(self.server.db, self.number, text, is_public=wanted.publicroom)
        self.configuration = wanted
        if not self.is_locked:
            self._note_whether_it_stays()

    def unlock(self) -> None:
        """Have everybody enter who may: its creator has configured it, or has had the time to."""
        self._note_whether_it_stays()
        self.is_locked = False

    def _note_whether_it_stays(self) -> None:
        if self.configuration.persistentroom:
            rooms_passing.stays(self.server.db, self.number)
        else:
            rooms_passing.put(self.server.db, self.number, is_locked=False)

    @property
    def log(self) -> AffiliationLog:
        """How its affiliations have changed; read when it is first asked for."""
        if self._log is None:
            self._log = AffiliationLog(room_changes.of(self.server.db, self.number))
        return self._log

    def set_affiliations(self, changed: dict[JID, Affiliation]) -> Step:
        """Have these people be something else, for good. Raises StanzaError if too much is to be known of them."""
        were = {jid: self.affiliations.get(jid, NOBODY) for jid in changed}
        grows = sum(_size(jid, each) - _size(jid, were[jid]) for jid, each in changed.items())
        most = self.server.settings(RoomSettings).max_affiliation_characters
        if grows > 0 and self._affiliation_characters + grows > most:
            raise StanzaError("resource-constraint", "too much would be known of people in this room")
        step = self.log.next(
            (jid, was.affiliation, now) for jid, was in were.items()
            if (now := changed[jid].affiliation) != was.affiliation
        )  # fmt: skip
        with self.server.db.change():
            rooms.put_affiliations(self.server.db, self.number, changed.items())
            if step.changes:
                room_changes.add(self.server.db, self.number, step.changes)
        self._note(step)
        self._affiliation_characters += grows
        self.lists.clear()
        had = [was.nick for was in were.values()]
        self.reserved.change(filter(None, had), ((each.nick, jid) for jid, each in changed.items() if each.nick))
        for jid, each in changed.items():
            if each.affiliation != were[jid].affiliation:
                self.given.pop(jid, None)
            if each.affiliation == "none" and not each.nick:
                self.affiliations.pop(jid, None)
            else:
                self.affiliations[jid] = each
        for tell in self.server.tables[ROOM_PEOPLE_CHANGED]:
            tell(self, changed.keys())
        return step

    def _note(self, step: Step) -> None:
        """A quarter too many are kept for a while, so that not every change has one forgotten."""
        self.log.add(step)
        most = self.server.settings(RoomSettings).max_affiliation_changes
        if len(self.log) > most + most // 4:
            room_changes.forget(self.server.db, self.number, self.log.shorten(most))

    def refuse_more_affiliations(self, more: int = 1) -> None:
        """Raise StanzaError where it would be too many with so many more people who are something."""
        most = self.server.settings(RoomSettings).max_affiliations
        if len(self.affiliations) + more > most:
            raise StanzaError("resource-constraint", f"in one room {most} people can be something")

    def set_subject(self, text: str, author: Occupant) -> None:
        """Have another subject, for good."""
        subject = Subject(text, author.nick, time.time(), author.id)
        rooms.set_subject(self.server.db, self.number, subject)
        self.subject = subject


def _size(jid: str, affiliation: Affiliation | None) -> int:
    """The characters that are kept of somebody; none of who is nothing here."""
    if affiliation is None or (affiliation.affiliation == "none" and not affiliation.nick):
        return 0
    return len(jid) + len(affiliation.nick) + len(affiliation.reason)
