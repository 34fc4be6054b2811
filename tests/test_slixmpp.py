"""Two clients of a library that nobody here wrote: slixmpp over TLS, from login to conversation."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID, ClientXMPP

from tests.configured import PASSWORDS, run_server
from tests.servers import RunningServer

PATIENCE = 60.0  # seconds; only a server that hangs takes that long
JULIET, ROMEO = "juliet@localhost", "romeo@localhost"

# slixmpp binds to the channel by tls-unique, which TLS 1.3 does not have.
VERSIONS = {ssl.TLSVersion.TLSv1_2: "-PLUS", ssl.TLSVersion.TLSv1_3: "SCRAM-SHA-512"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slixmpp")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with run_server(folder) as server:
        yield server


def trusting(folder: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A context that trusts the server's self-signed certificate, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in (folder / "data" / "certificates").iterdir():
        context.load_verify_locations(file)
    context.minimum_version = context.maximum_version = version
    return context


class Person(ClientXMPP):
    """A client that keeps what happens, so that a test can wait for it."""

    def __init__(self, address: str, password: str, context: ssl.SSLContext) -> None:
        super().__init__(address, password, ssl_context=context)
        self.enable_direct_tls = False
        self.auto_authorize = None  # neither yes nor no: the test answers
        self.auto_subscribe = False
        self.happened: dict[str, asyncio.Queue[Any]] = {}
        for event in (
            "session_start", "failed_auth", "message", "presence_subscribe", "presence_subscribed", "got_online",
            "got_offline", "roster_update",
        ):  # fmt: skip
            self.happened[event] = asyncio.Queue()
            self.add_event_handler(event, self.happened[event].put_nowait)

    async def next(self, event: str) -> Any:
        """The next event of that kind, in the order in which they happened."""
        return await asyncio.wait_for(self.happened[event].get(), PATIENCE)

    async def next_from(self, event: str, address: str) -> Any:
        """The next one that somebody else has caused; there is one's own presence too."""
        while (stanza := await self.next(event))["from"].bare != address:
            pass
        return stanza

    @property
    def mechanism(self) -> str:
        """What it has logged in with."""
        mech: Any = self.plugin["feature_mechanisms"].mech
        return str(mech.name)


@asynccontextmanager
async def online(server: RunningServer, address: str, context: ssl.SSLContext) -> AsyncIterator[Person]:
    person = Person(address, PASSWORDS[address.partition("@")[0]], context)
    person.connect("127.0.0.1", server.port)
    await person.next("session_start")
    await person.get_roster()
    person.send_presence()
    try:
        yield person
    finally:
        await person.disconnect()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_two_people_find_each_other_and_talk(server: RunningServer, folder: Path, version: ssl.TLSVersion) -> None:
    asyncio.run(find_each_other_and_talk(server, folder, version))


async def find_each_other_and_talk(server: RunningServer, folder: Path, version: ssl.TLSVersion) -> None:
    async with (
        online(server, JULIET, trusting(folder, version)) as juliet,
        online(server, ROMEO, trusting(folder, version)) as romeo,
    ):
        assert VERSIONS[version] in juliet.mechanism
        assert VERSIONS[version] in romeo.mechanism
        await become_friends(romeo, juliet)
        await talk(romeo, juliet)
        await part(romeo, juliet)


async def become_friends(romeo: Person, juliet: Person) -> None:
    """Each subscribes to the other's presence, and sees them online."""
    for one, other in ((romeo, juliet), (juliet, romeo)):
        one.send_presence_subscription(pto=other.boundjid.bare)
        await other.next_from("presence_subscribe", one.boundjid.bare)
        other.send_presence_subscription(pto=one.boundjid.bare, ptype="subscribed")
        await one.next_from("presence_subscribed", other.boundjid.bare)
        await one.next_from("got_online", other.boundjid.bare)
    for one, other in ((romeo, juliet), (juliet, romeo)):
        await one.get_roster()  # nothing but the pushes that came before it changes what is there
        assert one.client_roster[other.boundjid.bare]["subscription"] == "both"


async def talk(romeo: Person, juliet: Person) -> None:
    romeo.send_message(mto=JID(juliet.boundjid.bare), mbody="She speaks: \U0001f319 <&>", mtype="chat")
    heard = await juliet.next("message")
    assert (heard["from"], heard["body"]) == (romeo.boundjid, "She speaks: \U0001f319 <&>")
    heard.reply("O Romeo").send()
    answer = await romeo.next("message")
    assert (answer["from"], answer["to"], answer["body"]) == (juliet.boundjid, romeo.boundjid, "O Romeo")


async def part(romeo: Person, juliet: Person) -> None:
    """One removes the other, and so the friendship ends both ways."""
    await romeo.del_roster_item(juliet.boundjid.bare)  # type: ignore[no-untyped-call]
    await juliet.next_from("got_offline", romeo.boundjid.bare)
    await juliet.get_roster()
    assert juliet.client_roster[romeo.boundjid.bare]["subscription"] == "none"
    await juliet.del_roster_item(romeo.boundjid.bare)  # type: ignore[no-untyped-call]


def test_a_wrong_password_lets_nobody_in(server: RunningServer, folder: Path) -> None:
    async def try_it() -> None:
        person = Person(JULIET, "wrong", trusting(folder, ssl.TLSVersion.TLSv1_3))
        person.connect("127.0.0.1", server.port)
        await person.next("failed_auth")
        await person.disconnect()

    asyncio.run(try_it())
