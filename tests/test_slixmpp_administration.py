"""XEP-0133 with a library that nobody here wrote: slixmpp over TLS, and its own steps through a command."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0133 import XEP_0133

from handlers.commands.administration import ADMIN
from handlers.commands.service_administration import COMMANDS
from tests.harness.configured import run_server
from tests.harness.people import JULIET, PATIENCE, ROMEO, Person, online, plugin, trusting
from tests.harness.servers import RunningServer

PLUGINS = ("xep_0004", "xep_0030", "xep_0050", "xep_0133")
NURSE = "nurse@localhost"
NOT_HERE = {"get-user-password", "edit-blacklist", "edit-whitelist", "restart", "shutdown"}
MISSPELT = {"get-online-users", "get-idle-userslist"}
"""What the library calls get-online-users-list and get-idle-users."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slixmpp")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with run_server(folder, server={"administrators": [JULIET]}) as server:
        yield server


class Town:
    """The server, with Juliet, who is its administrator, and Romeo."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self._server = server
        self._context = trusting(folder, ssl.TLSVersion.TLSv1_3)

    @asynccontextmanager
    async def two(self) -> AsyncIterator[tuple[Person, Person]]:
        async with self.juliet() as juliet, online(self._server, ROMEO, self._context, PLUGINS) as romeo:
            yield juliet, romeo

    def juliet(self) -> Any:
        return online(self._server, JULIET, self._context, PLUGINS)

    @asynccontextmanager
    async def nurse(self, password: str) -> AsyncIterator[Person]:
        """Somebody who tries to log in as her."""
        nurse = Person(NURSE, password, self._context)
        nurse.note("disconnected")
        nurse.connect("127.0.0.1", self._server.port)
        try:
            yield nurse
        finally:
            await nurse.disconnect()


@pytest.fixture
def town(server: RunningServer, folder: Path) -> Town:
    return Town(server, folder)


async def administers(person: Person, node: str, **answers: str | Sequence[str]) -> Any:
    """Go through a command as the library does: each answer of the server calls the next step of the session. Returns
    the last answer."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def fill_in(iq: Any, session: Any) -> None:
        form = iq["command"]["form"]
        form["type"] = "submit"
        form.set_values(answers)
        session.update(payload=form, next=complete)
        plugin(person, "xep_0050").complete_command(session)

    def complete(iq: Any, session: Any) -> None:
        done.set_result(iq["command"])

    session = {"next": fill_in if answers else complete}
    getattr(plugin(person, "xep_0133"), node.replace("-", "_"))("localhost", session)
    command = await asyncio.wait_for(done, PATIENCE)
    assert command["status"] == "completed"
    return command


async def learns(person: Person, node: str, **answers: str | Sequence[str]) -> Any:
    """The values of the form in the last answer."""
    return (await administers(person, node, **answers))["form"].get_values()


async def listed(person: Person) -> set[str]:
    """The commands of administration that somebody is shown."""
    answer = await plugin(person, "xep_0133").get_commands("localhost")
    nodes = (node.partition("#") for _, node, _ in answer["disco_items"]["items"])
    return {command for namespace, _, command in nodes if namespace == ADMIN}


def test_an_administrator_finds_the_commands_and_others_do_not(town: Town) -> None:
    async def play() -> None:
        async with town.two() as (juliet, romeo):
            found = await listed(juliet)
            assert found == {command.node.partition("#")[2] for command in COMMANDS}
            assert set(XEP_0133.commands) - found == NOT_HERE | MISSPELT
            assert await listed(romeo) == set()
            for command in COMMANDS:
                with pytest.raises(IqError, match="forbidden"):
                    await plugin(romeo, "xep_0050").send_command("localhost", command.node)

    asyncio.run(play())


def test_somebody_is_added_logged_out_shut_out_let_in_and_deleted(town: Town) -> None:
    async def play() -> None:
        async with town.juliet() as juliet:
            twice = {"password": "Angelica", "password-verify": "Angelica"}
            await administers(juliet, "add-user", accountjid=NURSE, **twice)
            assert (await learns(juliet, "get-registered-users-num"))["registeredusersnum"] == "3"
            async with town.nurse("Angelica") as nurse:
                await nurse.next("session_start")
                found = await learns(juliet, "user-stats", accountjid=NURSE)
                assert (found["ipaddresses"], found["rostersize"]) == (["127.0.0.1"], "0")
                await administers(juliet, "end-user-session", accountjids=[NURSE])
                await nurse.next("disconnected")
            await administers(juliet, "disable-user", accountjids=[NURSE])
            async with town.nurse("Angelica") as nurse:
                await nurse.next("failed_auth")
            await administers(juliet, "reenable-user", accountjids=[NURSE])
            await administers(juliet, "change-user-password", accountjid=NURSE, password="Susan and she")
            async with town.nurse("Susan and she") as nurse:
                await nurse.next("session_start")
                await administers(juliet, "delete-user", accountjids=[NURSE])
                await nurse.next("disconnected")
            assert (await learns(juliet, "get-registered-users-num"))["registeredusersnum"] == "2"

    asyncio.run(play())


def test_lists_and_what_is_known_of_somebody_are_read(town: Town) -> None:
    async def play() -> None:
        async with town.two() as (juliet, romeo):
            romeo.update_roster(JID(JULIET), name="My love", groups=["Capulets"])
            await romeo.get_roster()  # by its answer the server knows that, too
            answer = await administers(juliet, "get-user-roster", accountjids=[ROMEO])
            assert answer["form"].get_values()["accountjids"] == [ROMEO]
            assert JULIET in answer["notes"][0][1]
            last = (await learns(juliet, "get-user-lastlogin", accountjids=[ROMEO]))["lastlogin"]
            assert last.startswith("20") and last.endswith("Z")
            everybody = await learns(juliet, "get-registered-users-list", max_items="25")
            assert everybody["registereduserjids"] == [JULIET, ROMEO]
            present = await learns(juliet, "get-active-users", max_items="25")
            assert present["activeuserjids"] == [JULIET, ROMEO]

    asyncio.run(play())


def test_people_are_told_what_an_administrator_says(town: Town) -> None:
    async def play() -> None:
        async with town.two() as (juliet, romeo):
            await romeo.get_roster()  # by its answer the server knows that he is there
            await administers(juliet, "announce", announcement=["Rebellious subjects,", "enemies to peace"])
            message = await romeo.next("message")
            assert (message["from"], message["body"]) == ("localhost", "Rebellious subjects,\nenemies to peace")
            await administers(juliet, "set-motd", motd=["The day is hot"])
            assert (await romeo.next("message"))["body"] == "The day is hot"
            await administers(juliet, "delete-motd")

    asyncio.run(play())
