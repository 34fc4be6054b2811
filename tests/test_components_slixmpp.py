"""Components of a library that nobody here wrote: a bot that echoes, and a small bridge with rights (slixmpp)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID, ComponentXMPP
from slixmpp.stanza import Iq, Message
from slixmpp.xmlstream import ET

from tests.harness.configured import run_server
from tests.harness.people import JULIET, PATIENCE, ROMEO, Person, online, trusting
from tests.harness.servers import RunningServer

ECHO, BRIDGE = "echo.localhost", "bridge.localhost"
SECRET = "a secret that is long enough"
PUBSUB = "http://jabber.org/protocol/pubsub"
NURSE = f"nurse@{BRIDGE}"
EVENTS = ("session_start", "stream_error", "message", "presence_subscribe", "privileges_advertised", "got_online",
          "disconnected")  # fmt: skip


class Component(ComponentXMPP):
    """A component that keeps what happens."""

    def __init__(self, domain: str, port: int, secret: str = SECRET) -> None:
        super().__init__(domain, secret, "127.0.0.1", port)  # type: ignore[no-untyped-call]
        self.happened: dict[str, asyncio.Queue[Any]] = {}
        for event in EVENTS:
            self.happened[event] = asyncio.Queue()
            self.add_event_handler(event, self.happened[event].put_nowait)
        for plugin in ("xep_0030", "xep_0199", "xep_0356"):
            self.register_plugin(plugin)

    async def next(self, event: str) -> Any:
        return await asyncio.wait_for(self.happened[event].get(), PATIENCE)

    @property
    def rights(self) -> Any:
        """What it may do, as the plugin knows it."""
        plugins: Any = self.plugin
        return plugins["xep_0356"]


class Echo(Component):
    """Answers each message with the same."""

    def __init__(self, port: int) -> None:
        super().__init__(ECHO, port)
        self.add_event_handler("message", self._echo)

    def _echo(self, message: Any) -> None:
        if message["type"] in ("chat", "normal"):
            message.reply(message["body"]).send()


@asynccontextmanager
async def attached(component: Component) -> AsyncIterator[None]:
    component.connect()
    await component.next("session_start")
    try:
        yield
    finally:
        await component.disconnect()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("components")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    rights = {"roster": "both", "message": "outgoing", "presence": "managed_entity", "iq": {PUBSUB: "both"}}
    with run_server(
        folder,
        components={"secrets": {ECHO: SECRET, BRIDGE: SECRET}, "port": 0},
        privileges={"granted": [{"component": BRIDGE, **rights}]},
    ) as running:
        yield running


@pytest.fixture
def port(server: RunningServer) -> int:
    return server.port_for("components")


@pytest.fixture
def context(server: RunningServer, folder: Path) -> ssl.SSLContext:
    return trusting(folder, ssl.TLSVersion.TLSv1_3)


def test_a_bot_echoes(server: RunningServer, port: int, context: ssl.SSLContext) -> None:
    async def talk() -> None:
        async with attached(Echo(port)), online(server, ROMEO, context, ["xep_0030"]) as romeo:
            romeo.send_message(mto=JID(f"anybody@{ECHO}"), mbody="Is there anybody? <&>", mtype="chat")
            heard = await romeo.next("message")
            assert (heard["from"].bare, heard["body"]) == (f"anybody@{ECHO}", "Is there anybody? <&>")
            plugins: Any = romeo.plugin
            items = await plugins["xep_0030"].get_items("localhost")
            assert ECHO in {jid for jid, _, _ in items["disco_items"]["items"]}
            info = await plugins["xep_0030"].get_info(ECHO)
            assert ("component", "generic", None, None) in info["disco_info"]["identities"]

    asyncio.run(talk())


def test_a_wrong_secret_does_not_attach_it(port: int) -> None:
    async def try_it() -> None:
        component = Component(ECHO, port, "another secret")
        component.connect()
        error = await component.next("stream_error")
        assert error["condition"] == "not-authorized"
        await component.disconnect()

    asyncio.run(try_it())


def test_what_is_sent_to_a_bot_that_is_being_restarted_is_echoed_all_the_same(
    server: RunningServer, port: int, context: ssl.SSLContext
) -> None:
    async def talk() -> None:
        async with online(server, ROMEO, context) as romeo:
            async with attached(Echo(port)):
                pass
            romeo.send_message(mto=JID(f"anybody@{ECHO}"), mbody="Still there?", mtype="chat")
            async with attached(Echo(port)):
                assert (await romeo.next("message"))["body"] == "Still there?"

    asyncio.run(talk())


def test_a_bridge_does_for_its_people_what_slidge_does(
    server: RunningServer, port: int, context: ssl.SSLContext
) -> None:
    asyncio.run(bridge_for(server, port, context))


async def bridge_for(server: RunningServer, port: int, context: ssl.SSLContext) -> None:
    bridge = Component(BRIDGE, port)
    async with attached(bridge), online(server, JULIET, context, ["xep_0280"]) as juliet:
        await bridge.next("privileges_advertised")
        assert (await bridge.next("got_online"))["from"] == juliet.boundjid, "it sees who is there"
        await puts_a_contact_into_the_list(bridge, juliet)
        await is_written_to(bridge, juliet)
        await copies_what_was_written_elsewhere(bridge, juliet)
        await keeps_a_bookmark(bridge, juliet)


async def puts_a_contact_into_the_list(bridge: Component, juliet: Person) -> None:
    item = {"name": "Nurse", "subscription": "both", "groups": ["Bridge"]}
    await bridge.rights.set_roster(JULIET, {NURSE: item})
    await juliet.next("roster_update")
    assert juliet.client_roster[NURSE]["name"] == "Nurse"
    assert juliet.client_roster[NURSE]["subscription"] == "both"
    roster = await bridge.rights.get_roster(JULIET)
    assert NURSE in {str(jid) for jid in roster["roster"]["items"]}
    bridge.send_presence(pfrom=f"{NURSE}/legacy", pto=JULIET)
    assert (await juliet.next_from("got_online", NURSE))["from"] == f"{NURSE}/legacy"


async def is_written_to(bridge: Component, juliet: Person) -> None:
    juliet.send_message(mto=JID(NURSE), mbody="Ancient damnation!", mtype="chat")
    heard = await bridge.next("message")
    assert (heard["from"], heard["to"], heard["body"]) == (juliet.boundjid, NURSE, "Ancient damnation!")
    bridge.send_message(mfrom=JID(NURSE), mto=JID(JULIET), mbody="Now, by my maidenhead!", mtype="chat")
    assert (await juliet.next("message"))["body"] == "Now, by my maidenhead!"


async def copies_what_was_written_elsewhere(bridge: Component, juliet: Person) -> None:
    """What she has written on a device of the other network is hers here, too."""
    plugins: Any = juliet.plugin
    await plugins["xep_0280"].enable()
    juliet.note("carbon_sent")
    message: Any = Message()  # type: ignore[no-untyped-call]
    message["from"], message["to"], message["type"], message["body"] = JULIET, NURSE, "chat", "from my phone"
    bridge.rights.send_privileged_message(message)
    copy = await juliet.next("carbon_sent")
    assert copy["carbon_sent"]["body"] == "from my phone"
    heard = await bridge.next("message")
    assert (heard["from"], heard["body"]) == (JULIET, "from my phone")


async def keeps_a_bookmark(bridge: Component, juliet: Person) -> None:
    request: Any = Iq(None)  # type: ignore[no-untyped-call]
    request["type"], request["from"], request["to"] = "set", JULIET, JULIET
    publish = (
        f"<pubsub xmlns='{PUBSUB}'><publish node='urn:xmpp:bookmarks:1'><item id='room@{BRIDGE}'>"
        "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='true'/></item></publish></pubsub>"
    )
    request.append(ET.fromstring(publish))
    answer = await bridge.rights.send_privileged_iq(request)
    assert answer["type"] == "result"
    assert answer["from"] == JULIET
