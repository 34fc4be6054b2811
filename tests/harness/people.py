"""Clients of a library that nobody here wrote: slixmpp over TLS. They keep what happens, so that a test can wait."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from slixmpp import ClientXMPP

from tests.harness.configured import PASSWORDS
from tests.harness.servers import RunningServer

PATIENCE = 60.0  # seconds; only a server that hangs takes that long
JULIET, ROMEO = "juliet@localhost", "romeo@localhost"
READY = "urn:example:ready"
EVENTS = (
    "session_start", "failed_auth", "message", "presence_subscribe", "presence_subscribed", "got_online",
    "got_offline", "roster_update",
)  # fmt: skip


def trusting(folder: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A context that trusts the server's self-signed certificate, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in (folder / "data" / "certificates").iterdir():
        context.load_verify_locations(file)
    context.minimum_version = context.maximum_version = version
    return context


class Person(ClientXMPP):
    """A client that keeps what happens. Of a node that is named with it, `interests` gives the event that it becomes
    when an item is published there."""

    def __init__(
        self,
        address: str,
        password: str,
        context: ssl.SSLContext,
        plugins: Iterable[str] = (),
        interests: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(address, password, ssl_context=context)
        self.enable_direct_tls = False
        self.auto_authorize = None  # neither yes nor no: the test answers
        self.auto_subscribe = False
        for plugin in plugins:
            self.register_plugin(plugin)
        self.interests = {**interests, READY: "ready"} if interests else {}
        self.happened: dict[str, asyncio.Queue[Any]] = {}
        for event in (*EVENTS, *(f"{name}_publish" for name in self.interests.values())):
            self.note(event)

    def note(self, event: str) -> None:
        """Keep what happens of this kind, too."""
        self.happened[event] = asyncio.Queue()
        self.add_event_handler(event, self.happened[event].put_nowait)

    async def appear(self) -> None:
        """Send presence, with capabilities that name the interests if there are any (XEP-0163 section 4.2), and wait
        until the server knows those: it sends the last item of a node that is there for this."""
        for node, name in self.interests.items():
            plugin(self, "xep_0060").map_node_event(node, name)
            plugin(self, "xep_0030").add_feature(f"{node}+notify")
        if self.interests:
            await plugin(self, "xep_0060").publish(None, READY, payload=ElementTree.Element(f"{{{READY}}}x"))
            await plugin(self, "xep_0115").update_caps(broadcast=False)
        self.send_presence()
        if self.interests:
            await self.next("ready_publish")

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


def plugin(person: Person, name: str) -> Any:
    """A plugin, of which there are no annotations."""
    plugins: Any = person.plugin
    return plugins[name]


@asynccontextmanager
async def online(
    server: RunningServer,
    address: str,
    context: ssl.SSLContext,
    plugins: Iterable[str] = (),
    interests: Mapping[str, str] | None = None,
    prepare: Callable[[Person], None] | None = None,
) -> AsyncIterator[Person]:
    """One who has logged in and sent presence. `prepare(person)`: what is to be done before it connects."""
    person = Person(address, PASSWORDS[address.partition("@")[0]], context, plugins, interests)
    if prepare is not None:
        prepare(person)
    person.connect("127.0.0.1", server.port)
    await person.next("session_start")
    await person.get_roster()
    await person.appear()
    try:
        yield person
    finally:
        await person.disconnect()


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
