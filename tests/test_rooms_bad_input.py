"""Whatever is done to a room in the dialogues, spoilt at some place or other: it is done, or it is refused with an
error of the protocol, and then nothing is done of it."""

import logging
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from lxml import etree

from db import rooms
from handlers.rooms.rooms_here import Rooms, find
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import MUC, SERVICE, be, configure, enter, opened, say
from tests.harness.servers import ROOT
from tests.harness.soak import rounds
from xmpp.data.errors import STANZA_CONDITIONS
from xmpp.data.wire import parse
from xmpp.server import Server

SENDS = re.compile(r"^\w+ sends:\n((?:\t.*\n)+)", re.MULTILINE)
PEOPLE = {"hamlet": "romeo", "ophelia": "juliet", "horatio": "mercutio", "mercutio": "mercutio", "benvolio": "juliet"}
ODD = (
    "", " ", "@", "a@b@c/d", "localhost", "juliet@localhost", "juliet@localhost/here", "nobody@localhost/x", "romeo",
    "juliet", "0", "-1", "1", "99999999999999999999", "true", "none", "owner", "moderator", "outcast", "submit",
    "cancel", "\u0041\u030a", "\u200b", "x" * 1_100, "<&>'\"", "\U0001f600",
)  # fmt: skip
ELEMENTS = (
    f"<x xmlns='{MUC}#user'/>",
    f"<item xmlns='{MUC}#admin' nick='juliet' role='none'/>",
    "<x xmlns='jabber:x:data' type='submit'/>",
    f"<destroy xmlns='{MUC}#owner'/>",
    f"<invite xmlns='{MUC}#user'/>",
    "<value xmlns='jabber:x:data'>1</value>",
    "<set xmlns='http://jabber.org/protocol/rsm'><max>-1</max></set>",
    "<oops xmlns='elsewhere'><oops/></oops>",
)
NEW = ("jid=juliet@localhost", "jid=@", "nick=juliet", "nick=", "role=none", "affiliation=owner", "type=get", "var=q")
WAYS = [
    ("gone", ""),
    ("twice", ""),
    ("elsewhere", ""),
    *(("changed", each) for each in ODD),
    *(("text", each) for each in ODD),
    *(("new", each) for each in NEW),
    *(("inner", each) for each in ELEMENTS),
    *(("tag", each) for each in ("x", "item", "query", "field")),
]
SAMPLE = rounds(61, 6)  # one of so many of all that can be spoilt
FOLDERS = sorted(each.name for each in (ROOT / "spec/rooms").iterdir())


def templates(folder: str) -> list[str]:
    """What people send to rooms in these dialogues, once each: to one room, by the people of this test."""
    files = sorted((ROOT / "spec/rooms" / folder).glob("*.scs"))
    texts = [text for file in files for text in SENDS.findall(file.read_text(encoding="utf-8"))]
    return sorted({_of_this_test(text) for text in texts if "rooms.localhost" in text})


def _of_this_test(text: str) -> str:
    text = re.sub(r"\$\{(\w+)'s full JID\}", lambda found: f"{found[1]}@localhost/here", text)
    text = re.sub(r"\$\{[^}]*\}", "x", text)
    text = re.sub(r"[\w.-]+@rooms\.localhost", "ROOM", text)
    for name, person in PEOPLE.items():
        text = re.sub(name, person, text, flags=re.IGNORECASE)
    return text.strip()


def spoilt(template: str) -> Iterator[str]:
    """A stanza as it is, and spoilt in every way at every place, but for whom it is to."""
    yield template
    for where in range(1, len([*parse(template.encode()).iter()])):
        for way, what in WAYS:
            stanza = parse(template.encode())
            _spoil([*stanza.iter()][where], way, what)
            yield etree.tostring(stanza, encoding="unicode")


def _spoil(chosen: etree._Element, way: str, what: str) -> None:
    parent = chosen.getparent()
    assert parent is not None
    match way:
        case "changed":
            for each in chosen.attrib:
                chosen.set(each, what)
        case "new":
            name, _, value = what.partition("=")
            chosen.set(name, value)
        case "text":
            chosen.text = what
        case "gone":
            parent.remove(chosen)
        case "twice":
            parent.append(deepcopy(chosen))
        case "elsewhere":
            chosen.tag = etree.QName("elsewhere", etree.QName(chosen).localname)
        case "inner":
            chosen.append(parse(what.encode()))
        case "tag":
            chosen.tag = etree.QName(etree.QName(chosen).namespace, what)


class Errors(logging.Handler):
    """What is written to the log as an error: an exception that nobody has caught."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


@pytest.fixture
def errors() -> Iterator[Errors]:
    handler = Errors()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


class Verona:
    """A server with Romeo's room, in which Juliet is too; Mercutio is an admin and has a nick, and is away. What has
    changed the room is undone by having another one."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.people = {name: Client(server, f"{name}@localhost/here") for name in ("romeo", "juliet", "mercutio")}
        self._number = 0
        self.is_moderated = False
        self.begin()

    def begin(self) -> None:
        self._number += 1
        self.address = f"room{self._number}@{SERVICE}"
        romeo, juliet, mercutio = self.people.values()
        self.room = opened(romeo, "romeo", room=self.address)
        configure(self.room, moderatedroom=self.is_moderated)
        be(self.room, mercutio, "admin", "queen mab")
        enter(juliet, "juliet", room=self.address)
        say(romeo, "hello", room=self.address)
        self.forget()
        self.before = self.state()

    def forget(self) -> None:
        for client in self.people.values():
            client.received()

    def end(self) -> None:
        for session in [*self.room.by_session]:
            self.room.take_out(session)
        self.server.state(Rooms).here.pop(self.room.address, None)
        rooms.remove(self.server.db, self.room.number)

    def state(self) -> Any:
        """All that there is about the room, in memory and in the database; None if it is not there any more."""
        room = self.room
        kept = rooms.find(self.server.db, room.address)
        if find(self.server, room.address) is not room or kept is None:
            return None
        occupants = {nick: (each.role, {**each.sessions}) for nick, each in room.occupants.items()}
        of_people = {**room.affiliations}
        assert of_people == rooms.affiliations(self.server.db, kept.id)
        said = [each.id for each in room.history]
        return occupants, kept, of_people, room.configuration, room.subject, room.is_locked, said


@pytest.fixture
def verona(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verona]:
    settings: dict[str, Any] = {
        "rooms": {"max_rooms": 1_000_000, "max_rooms_entered": 100_000, "tombstone_days": 0},
        "presence": {"max_directed": 100_000},
        "archive": {"enabled": True},
    }
    with server_in(tmp_path_factory.mktemp("spoilt"), **settings) as server:
        add_accounts(server, "romeo", "juliet", "mercutio")
        yield Verona(server)


def test_there_is_something_to_spoil() -> None:
    all_of_them = [each for folder in FOLDERS for each in templates(folder)]
    assert len(all_of_them) > 100
    for payload in ("muc#admin", "muc#owner", "jabber:iq:register", "muc#request", "moderate", "<invite", "<decline"):
        assert any(payload in each for each in all_of_them), payload


@pytest.mark.timeout(rounds(300, 3600))
@pytest.mark.parametrize("is_moderated", [False, True])
@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_spoilt_is_done_or_refused_and_never_half_done(
    verona: Verona, errors: Errors, folder: str, is_moderated: bool
) -> None:
    verona.is_moderated = is_moderated
    cases = [(who, text) for each in templates(folder) for who in verona.people for text in spoilt(each)]
    for who, text in cases[is_moderated::SAMPLE]:
        sent = text.replace("ROOM", verona.address)
        answers = [parse(each.encode()) for each in verona.people[who].sends(sent)]
        verona.forget()
        assert not errors.seen, sent
        now, refusal = verona.state(), _refusal(sent, answers)
        if refusal is not None:
            [error] = refusal.findall("{jabber:client}error")
            condition = etree.QName(error[0]).localname
            assert condition in STANZA_CONDITIONS and condition != "internal-server-error", sent
            assert now == verona.before, sent
        if now != verona.before:
            verona.end()
            verona.begin()


def _refusal(sent: str, answers: list[etree._Element]) -> etree._Element | None:
    """The error that answers a stanza. A request to the room, or to nobody, is answered in any case, and once."""
    stanza = parse(sent.encode())
    own = [each for each in answers if each.get("id") == stanza.get("id") and each.tag == stanza.tag]
    if (
        etree.QName(stanza).localname == "iq"
        and "/" not in stanza.get("to", "")
        and stanza.get("type") in ("get", "set")
    ):
        assert len([each for each in own if each.get("type") in ("result", "error")]) == 1, sent
    return next((each for each in own if each.get("type") == "error"), None)
