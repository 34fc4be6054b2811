"""Nodes with a client library that nobody here wrote: the service, what contacts hear of, what strangers may read."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError

from tests.harness.configured import PASSWORDS, run_server
from tests.harness.people import JULIET, ROMEO, Person, become_friends, trusting
from tests.harness.servers import RunningServer

SERVICE = "pubsub.localhost"
PLUGINS = ("xep_0030", "xep_0060", "xep_0115", "xep_0163", "xep_0222", "xep_0223")
BUNDLE = "eu.siacs.conversations.axolotl.bundles:1"
PRECONDITION_NOT_MET = "{http://jabber.org/protocol/pubsub#errors}precondition-not-met"
TUNE = "http://jabber.org/protocol/tune"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slixmpp")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with run_server(folder) as server:
        yield server


@asynccontextmanager
async def online(server: RunningServer, folder: Path, address: str, *interests: str) -> AsyncIterator[Person]:
    person = Person(address, PASSWORDS[address.partition("@")[0]], trusting(folder, ssl.TLSVersion.TLSv1_3))
    for name in PLUGINS:
        person.register_plugin(name)
    for event in ("pubsub_publish", "pubsub_retract", "pubsub_delete"):
        person.happened[event] = asyncio.Queue()
        person.add_event_handler(event, person.happened[event].put_nowait)
    person.connect("127.0.0.1", server.port)
    await person.next("session_start")
    await person.get_roster()
    for node in interests:
        plugin(person, "xep_0163").add_interest(node)
    await plugin(person, "xep_0115").update_caps()
    person.send_presence()
    try:
        yield person
    finally:
        await person.disconnect()


def plugin(person: Person, name: str) -> Any:
    plugins: Any = person.plugin
    return plugins[name]


def payload(text: str) -> ElementTree.Element:
    element = ElementTree.Element(f"{{{TUNE}}}tune")
    element.text = text
    return element


def items_in(answer: Any) -> list[tuple[str, str | None]]:
    return [(item["id"], item["payload"].text) for item in answer["pubsub"]["items"]]


def test_a_node_of_the_service_from_its_making_to_its_end(server: RunningServer, folder: Path) -> None:
    async def play() -> None:
        async with online(server, folder, JULIET) as juliet, online(server, folder, ROMEO) as romeo:
            hers, his = plugin(juliet, "xep_0060"), plugin(romeo, "xep_0060")
            await hers.create_node(SERVICE, "musings")
            subscribed = await his.subscribe(SERVICE, "musings")
            assert subscribed["pubsub"]["subscription"]["subscription"] == "subscribed"
            await hers.publish(SERVICE, "musings", id="1", payload=payload("What's in a name?"))
            told = await romeo.next("pubsub_publish")
            assert told["pubsub_event"]["items"]["item"]["payload"].text == "What's in a name?"
            assert items_in(await his.get_items(SERVICE, "musings")) == [("1", "What's in a name?")]
            with pytest.raises(IqError, match="forbidden"):
                await his.publish(SERVICE, "musings", payload=payload("O, that I were a glove"))
            form = await hers.get_node_config(SERVICE, "musings")
            assert form["pubsub_owner"]["configure"]["form"].get_values()["pubsub#access_model"] == "open"
            await hers.retract(SERVICE, "musings", "1", notify=True)
            await romeo.next("pubsub_retract")
            await hers.delete_node(SERVICE, "musings")
            await romeo.next("pubsub_delete")

    asyncio.run(play())


def test_a_contact_hears_of_what_it_wants_to(server: RunningServer, folder: Path) -> None:
    async def play() -> None:
        async with online(server, folder, JULIET) as juliet, online(server, folder, ROMEO, TUNE) as romeo:
            await become_friends(romeo, juliet)
            await plugin(juliet, "xep_0060").publish(JULIET, TUNE, id="current", payload=payload("Lark"))
            told = await romeo.next("pubsub_publish")
            assert told["from"] == JULIET
            assert told["pubsub_event"]["items"]["item"]["payload"].text == "Lark"
        async with online(server, folder, ROMEO, TUNE) as romeo:  # who comes later gets it then
            told = await romeo.next("pubsub_publish")
            assert told["pubsub_event"]["items"]["item"]["payload"].text == "Lark"
            await romeo.del_roster_item(JULIET)  # type: ignore[no-untyped-call]

    asyncio.run(play())


def test_a_stranger_fetches_a_bundle_and_a_conflict_of_options_is_told(server: RunningServer, folder: Path) -> None:
    async def play() -> None:
        async with online(server, folder, JULIET) as juliet, online(server, folder, ROMEO) as romeo:
            hers = plugin(juliet, "xep_0060")
            form = plugin(juliet, "xep_0004").make_form(ftype="submit")
            form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/pubsub#publish-options")
            form.add_field(var="pubsub#access_model", value="open")
            await hers.publish(JULIET, BUNDLE, id="current", payload=payload("keys"), options=form)
            assert items_in(await plugin(romeo, "xep_0060").get_items(JULIET, BUNDLE)) == [("current", "keys")]
            form.get_fields()["pubsub#access_model"]["value"] = "whitelist"
            with pytest.raises(IqError) as refused:
                await plugin(juliet, "xep_0060").publish(
                    JULIET, BUNDLE, id="current", payload=payload("keys"), options=form
                )
            assert refused.value.iq["error"]["condition"] == "conflict"
            assert refused.value.iq["error"].xml.find(PRECONDITION_NOT_MET) is not None

    asyncio.run(play())
