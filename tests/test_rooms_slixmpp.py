"""Rooms with a client library that nobody here wrote: slixmpp over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError, PresenceError

from tests.harness.configured import run_server
from tests.harness.people import JULIET, PATIENCE, ROMEO, Person, online, plugin, trusting
from tests.harness.servers import RunningServer

SERVICE = "rooms.localhost"
PLUGINS = ("xep_0004", "xep_0030", "xep_0045", "xep_0199", "xep_0203", "xep_0249", "xep_0313", "xep_0359", "xep_0410",
           "xep_0421", "xep_0424", "xep_0425")  # fmt: skip
EVENTS = ("groupchat_message", "groupchat_subject", "groupchat_presence", "groupchat_invite", "groupchat_direct_invite",
          "moderated_message")  # fmt: skip
PRIVATE_GROUP = {"membersonly": True, "publicroom": False, "persistentroom": True, "whois": "anyone",
                 "changesubject": False}  # fmt: skip
NUMBERS = count(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slixmpp")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with run_server(folder) as server:
        yield server


class Guest:
    """Somebody who goes to one room: what the library's plugin of rooms does there, and what happens."""

    def __init__(self, person: Person, room: JID) -> None:
        self.person = person
        self.room = room
        self.nick = person.boundjid.local.capitalize()
        self.rooms: Any = plugin(person, "xep_0045")
        for event in EVENTS:
            person.note(event)

    def note(self, event: str) -> str:
        """Keep what happens of this kind in the room, too; returns how the library calls it."""
        self.person.note(f"muc::{self.room}::{event}")
        return f"muc::{self.room}::{event}"

    async def enter(self, **wanted: Any) -> tuple[Any, Any, list[Any], list[Any]]:
        """Enter: the own presence, the subject, presence of the others and of oneself, and history."""
        return await self.rooms.join_muc_wait(self.room, self.nick, timeout=PATIENCE, **wanted)  # type: ignore[no-any-return]

    async def refused(self) -> str:
        """Try to enter: why not."""
        with pytest.raises(PresenceError) as refused:
            await self.enter()
        del self.rooms.rooms[None][self.room]  # the library believes to be in there
        return str(refused.value.presence["error"]["condition"])

    async def configure(self, **values: Any) -> None:
        """Fill in the form, or take the room as it is."""
        form = plugin(self.person, "xep_0004").make_form("submit")
        if values:
            form = await self.rooms.get_room_config(self.room)
            form.set_values({f"muc#roomconfig_{name}": value for name, value in values.items()})
        await self.rooms.set_room_config(self.room, form)

    def say(self, text: str) -> None:
        self.person.send_message(mto=self.room, mbody=text, mtype="groupchat")

    async def hears(self, text: str) -> Any:
        """The next message that is not history, which says this."""
        while "delay" in (message := await self.person.next("groupchat_message")):
            pass
        assert message["body"] == text
        return message

    async def sees(self, nick: str, type: str = "available") -> Any:
        """The next presence of that kind of somebody in the room."""
        while True:
            presence = await self.person.next("groupchat_presence")
            if presence["from"].resource == nick and presence["type"] == type:
                return presence

    async def archive(self) -> list[tuple[str, Any]]:
        """All messages in the archive of the room, with their ids there."""
        answer = await plugin(self.person, "xep_0313").retrieve(jid=self.room)
        results = [message["mam_result"] for message in answer["mam"]["results"]]
        return [(each["id"], each["forwarded"]["stanza"]) for each in results]


class Town:
    """Where Juliet and Romeo are to be found, and go to a new room."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self._server = server
        self._context = trusting(folder, ssl.TLSVersion.TLSv1_3)

    @asynccontextmanager
    async def two(self) -> AsyncIterator[tuple[Guest, Guest]]:
        """Juliet and Romeo, who are in no room yet."""
        room = JID(f"room{next(NUMBERS)}@{SERVICE}")
        async with self._login(JULIET) as juliet, self._login(ROMEO) as romeo:
            yield Guest(juliet, room), Guest(romeo, room)

    @asynccontextmanager
    async def room(self, **configuration: Any) -> AsyncIterator[tuple[Guest, Guest]]:
        """The same in a room of hers that is configured so."""
        async with self.two() as (juliet, romeo):
            await juliet.enter()
            await juliet.configure(**configuration)
            await romeo.enter()
            await juliet.sees("Romeo")
            yield juliet, romeo

    def _login(self, address: str) -> Any:
        return online(self._server, address, self._context, PLUGINS)


@pytest.fixture
def town(server: RunningServer, folder: Path) -> Town:
    return Town(server, folder)


def test_an_instant_room(town: Town) -> None:
    async def play() -> None:
        async with town.two() as (juliet, romeo):
            presence, subject, occupants, history = await juliet.enter()
            assert {110, 201} <= presence["muc"]["status_codes"]
            assert not subject["subject"]
            assert (len(occupants), history) == (1, [])
            assert await romeo.refused() == "item-not-found"  # it is locked
            await juliet.configure()
            presence, _, occupants, _ = await romeo.enter()
            assert [each["from"].resource for each in occupants] == ["Juliet", "Romeo"]
            assert (presence["muc"]["affiliation"], presence["muc"]["role"]) == ("none", "participant")
            assert (await juliet.sees("Romeo"))["muc"]["jid"] == romeo.person.boundjid
            romeo.say("Is the day so young?")
            for guest in (juliet, romeo):
                await guest.hears("Is the day so young?")

    asyncio.run(play())


def test_who_comes_late_gets_history_and_the_subject(town: Town) -> None:
    async def play() -> None:
        async with town.room() as (juliet, romeo):
            romeo.rooms.leave_muc(romeo.room, romeo.nick)
            await juliet.sees("Romeo", "unavailable")
            juliet.rooms.set_subject(juliet.room, "Names")
            for text in ("What's in a name?", "That which we call a rose", "By any other name would smell as sweet"):
                juliet.say(text)
                await juliet.hears(text)
            _, subject, _, history = await romeo.enter(maxstanzas=2)
            assert (subject["subject"], subject["from"].resource) == ("Names", "Juliet")
            texts = [message["body"] for message in history]
            assert texts == ["That which we call a rose", "By any other name would smell as sweet"]

    asyncio.run(play())


def test_a_private_group_is_entered_by_who_is_invited(town: Town) -> None:
    async def play() -> None:
        async with town.two() as (juliet, romeo):
            await juliet.enter()
            await juliet.configure(**PRIVATE_GROUP)
            form = (await juliet.rooms.get_room_config(juliet.room)).get_values()
            assert {name: form[f"muc#roomconfig_{name}"] for name in PRIVATE_GROUP} == PRIVATE_GROUP
            assert await romeo.refused() == "registration-required"
            juliet.rooms.invite(juliet.room, ROMEO, reason="Call me but love")
            invitation = await romeo.person.next("groupchat_invite")
            assert invitation["from"] == juliet.room
            assert (invitation["muc"]["invite"]["from"].bare, invitation["muc"]["invite"]["reason"]) == (
                JULIET, "Call me but love",
            )  # fmt: skip
            presence, _, _, _ = await romeo.enter()
            assert 100 in presence["muc"]["status_codes"]
            assert await romeo.rooms.get_affiliation_list(romeo.room, "member") == [ROMEO]
            assert await romeo.rooms.get_affiliation_list(romeo.room, "owner") == [JULIET]

    asyncio.run(play())


def test_a_direct_invitation(town: Town) -> None:
    async def play() -> None:
        async with town.two() as (juliet, romeo):
            await juliet.enter()
            plugin(juliet.person, "xep_0249").send_invitation(ROMEO, juliet.room, reason="Call me but love")
            invitation = await romeo.person.next("groupchat_direct_invite")
            assert invitation["from"] == juliet.person.boundjid
            assert invitation["groupchat_invite"]["jid"] == juliet.room

    asyncio.run(play())


def test_roles_kicks_and_bans(town: Town) -> None:
    async def play() -> None:
        async with town.room(moderatedroom=True) as (juliet, romeo):
            assert await juliet.rooms.get_roles_list(juliet.room, "visitor") == ["Romeo"]
            await juliet.rooms.set_role(juliet.room, "Romeo", "participant")
            romeo.say("I take thee at thy word")
            await juliet.hears("I take thee at thy word")
            with pytest.raises(IqError, match="forbidden"):
                await romeo.rooms.set_role(romeo.room, "Juliet", "none")
            await juliet.rooms.set_role(juliet.room, "Romeo", "none", reason="By whose direction?")
            kicked = await romeo.sees("Romeo", "unavailable")
            assert {110, 307} <= kicked["muc"]["status_codes"]
            assert kicked["muc"]["item"]["reason"] == "By whose direction?"
            await romeo.enter()
            await juliet.rooms.set_affiliation(juliet.room, "outcast", jid=ROMEO)
            banned = await romeo.sees("Romeo", "unavailable")
            assert {110, 301} <= banned["muc"]["status_codes"]
            assert await romeo.refused() == "forbidden"
            assert await juliet.rooms.get_affiliation_list(juliet.room, "outcast") == [ROMEO]

    asyncio.run(play())


def test_another_nick(town: Town) -> None:
    async def play() -> None:
        async with town.room() as (juliet, romeo):
            refusal = romeo.note("presence-error")
            romeo.person.send_presence(pto=f"{romeo.room}/Juliet")
            assert (await romeo.person.next(refusal))["error"]["condition"] == "conflict"
            await romeo.rooms.set_self_nick(romeo.room, "Love", timeout=PATIENCE)
            gone = await juliet.sees("Romeo", "unavailable")
            assert (gone["muc"]["status_codes"], gone["muc"]["item"]["nick"]) == ({303}, "Love")
            assert (await juliet.sees("Love"))["muc"]["jid"] == romeo.person.boundjid
            assert juliet.rooms.get_roster(juliet.room) == ["Juliet", "Love"]

    asyncio.run(play())


def test_an_occupant_id_is_the_same_everywhere(town: Town) -> None:
    async def play() -> None:
        async with town.room() as (juliet, romeo):
            own = (await romeo.sees("Romeo"))["occupant-id"]["id"]
            romeo.say("Henceforth I never will be Romeo")
            heard = await juliet.hears("Henceforth I never will be Romeo")
            [(id, archived)] = await juliet.archive()
            assert id == heard["stanza_id"]["id"]
            assert own and own == heard["occupant-id"]["id"] == archived["occupant-id"]["id"]

    asyncio.run(play())


def test_a_moderator_takes_a_message_back(town: Town) -> None:
    async def play() -> None:
        async with town.room() as (juliet, romeo):
            romeo.say("With love's light wings")
            id = (await juliet.hears("With love's light wings"))["stanza_id"]["id"]
            with pytest.raises(IqError, match="forbidden"):
                await plugin(romeo.person, "xep_0425").moderate(romeo.room, id)
            await plugin(juliet.person, "xep_0425").moderate(juliet.room, id, reason="My kinsmen")
            told = await romeo.person.next("moderated_message")
            assert (told["from"], told["retract"]["id"]) == (romeo.room, id)
            assert told["retract"]["reason"] == "My kinsmen"
            (known, tombstone), (_, notice) = await romeo.archive()
            assert (known, tombstone["body"], notice["retract"]["id"]) == (id, "", id)
            assert tombstone["retracted"]["reason"] == "My kinsmen"

    asyncio.run(play())


def test_whoever_pings_itself_knows_whether_it_is_there(town: Town) -> None:
    async def play() -> None:
        async with town.room() as (juliet, romeo):
            own = JID(f"{romeo.room}/Romeo")
            assert (await plugin(romeo.person, "xep_0410").send_self_ping(own)).name == "JOINED"
            await juliet.rooms.set_role(juliet.room, "Romeo", "none")
            assert (await plugin(romeo.person, "xep_0410").send_self_ping(own)).name == "DISCONNECTED"

    asyncio.run(play())


def test_a_room_that_was_destroyed(town: Town) -> None:
    async def play() -> None:
        async with town.room() as (juliet, romeo):
            await juliet.rooms.destroy(juliet.room, reason="Banished", altroom=f"mantua@{SERVICE}")
            told = await romeo.sees("Romeo", "unavailable")
            assert told["muc"]["destroy"]["jid"] == f"mantua@{SERVICE}"
            assert told["muc"]["destroy"]["reason"] == "Banished"
            assert await romeo.refused() == "gone"

    asyncio.run(play())
