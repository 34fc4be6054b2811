"""What clients keep in the nodes of an account, with a library that nobody here wrote: slixmpp over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError

from tests.harness.configured import run_server
from tests.harness.people import JULIET, ROMEO, Person, become_friends, online, plugin, trusting
from tests.harness.servers import RunningServer

PLUGINS = ("xep_0004", "xep_0030", "xep_0054", "xep_0060", "xep_0084", "xep_0115", "xep_0163")
PUBLISH_OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
NOT_MET = "{http://jabber.org/protocol/pubsub#errors}precondition-not-met"
METADATA = "urn:xmpp:avatar:metadata"
BOOKMARKS = "urn:xmpp:bookmarks:1"
DEVICES, BUNDLES = "urn:xmpp:omemo:2:devices", "urn:xmpp:omemo:2:bundles"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with run_server(tmp_path) as server:
        yield server


class Town:
    """Whom a test lets log in; all leave at its end."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self._server = server
        self._context = trusting(folder, ssl.TLSVersion.TLSv1_3)

    def login(self, address: str, **interests: str) -> AbstractAsyncContextManager[Person]:
        """Somebody, who wants to hear of nodes: as which event, of which node."""
        nodes = {node: event for event, node in interests.items()}
        return online(self._server, address, self._context, PLUGINS, nodes)

    @asynccontextmanager
    async def two(self, **interests: str) -> AsyncIterator[tuple[Person, Person]]:
        """Juliet, and Romeo, who wants to hear of these nodes."""
        async with self.login(JULIET) as juliet, self.login(ROMEO, **interests) as romeo:
            yield juliet, romeo


@pytest.fixture
def town(server: RunningServer, tmp_path: Path) -> Town:
    return Town(server, tmp_path)


def options(person: Person, **values: str) -> Any:
    """Publish options; fields are named without "pubsub#"."""
    form = plugin(person, "xep_0004").make_form(ftype="submit")
    form.add_field(var="FORM_TYPE", ftype="hidden", value=PUBLISH_OPTIONS)
    for name, value in values.items():
        form.add_field(var=f"pubsub#{name}", value=value)
    return form


async def publish(person: Person, node: str, id: str, payload: str, **wanted: str) -> None:
    element = ElementTree.fromstring(payload)
    await plugin(person, "xep_0060").publish(
        None, node, id=id, payload=element, options=options(person, **wanted) if wanted else None
    )


async def fetched(person: Person, address: str, node: str, id: str) -> Any:
    """The payload of an item."""
    answer = await plugin(person, "xep_0060").get_item(address, node, id)
    [item] = answer["pubsub"]["items"]["substanzas"]
    return item["payload"]


# -- avatars


def test_an_avatar_is_set_and_a_contact_sees_it(town: Town) -> None:
    async def see_it() -> None:
        async with town.two(avatar=METADATA) as (juliet, romeo):
            await become_friends(romeo, juliet)
            id = await set_avatar(juliet)
            told = await romeo.next("avatar_publish")
            [info] = told["pubsub_event"]["items"]["item"].xml.iter(f"{{{METADATA}}}info")
            assert (told["from"].bare, info.get("id"), info.get("type")) == (JULIET, id, "image/png")
            answer = await plugin(romeo, "xep_0084").retrieve_avatar(JULIET, id)
            assert answer["pubsub"]["items"]["item"]["avatar_data"]["value"] == PNG
            answer = await plugin(romeo, "xep_0054").get_vcard(JULIET)
            assert answer["vcard_temp"]["PHOTO"]["BINVAL"] == PNG

    asyncio.run(see_it())


async def set_avatar(person: Person) -> str:
    avatars = plugin(person, "xep_0084")
    id: str = avatars.generate_id(PNG)
    await avatars.publish_avatar(PNG)
    await avatars.publish_avatar_metadata({"id": id, "type": "image/png", "bytes": len(PNG)})
    return id


# -- OMEMO

BUNDLE = (
    "<bundle xmlns='urn:xmpp:omemo:2'><spk id='1'>c3Br</spk><spks>c3Bycw==</spks><ik>aWs=</ik>"
    "<prekeys><pk id='1'>cGsx</pk><pk id='2'>cGsy</pk></prekeys></bundle>"
)


def test_a_stranger_fetches_the_keys_of_a_device(town: Town) -> None:
    async def fetch_keys() -> None:
        async with town.two() as (juliet, romeo):
            await publish(juliet, BUNDLES, "31415", BUNDLE, access_model="open", max_items="max")
            await publish(juliet, BUNDLES, "27182", BUNDLE, access_model="open", max_items="max")
            devices = "<devices xmlns='urn:xmpp:omemo:2'><device id='31415'/><device id='27182'/></devices>"
            await publish(juliet, DEVICES, "current", devices, access_model="open")
            listed = await fetched(romeo, JULIET, DEVICES, "current")
            assert [device.get("id") for device in listed] == ["31415", "27182"]
            for device in listed:
                bundle = await fetched(romeo, JULIET, BUNDLES, device.get("id"))
                assert ElementTree.canonicalize(ElementTree.tostring(bundle)) == canonical(BUNDLE)

    asyncio.run(fetch_keys())


def canonical(text: str) -> str:
    """As it is after the way through the library, which chooses prefixes of its own."""
    return ElementTree.canonicalize(ElementTree.tostring(ElementTree.fromstring(text)))


# -- bookmarks


def test_a_bookmark_that_is_set_is_seen_on_another_device(town: Town) -> None:
    async def see_it() -> None:
        async with town.login(f"{JULIET}/phone", bookmarks=BOOKMARKS) as phone, town.login(JULIET) as laptop:
            bookmark = f"<conference xmlns='{BOOKMARKS}' name='Ball' autojoin='true'><nick>Juliet</nick></conference>"
            wanted = {"max_items": "max", "send_last_published_item": "never", "access_model": "whitelist"}
            await publish(laptop, BOOKMARKS, "ball@rooms.localhost", bookmark, persist_items="true", **wanted)
            told = await phone.next("bookmarks_publish")
            item = told["pubsub_event"]["items"]["item"]
            assert (told["from"].bare, item["id"]) == (JULIET, "ball@rooms.localhost")
            assert (item["payload"].get("name"), item["payload"].get("autojoin")) == ("Ball", "true")

    asyncio.run(see_it())


# -- publish options


def test_a_client_that_meets_another_configuration_changes_it_and_publishes(town: Town) -> None:
    async def resolve() -> None:
        devices = "<devices xmlns='urn:xmpp:omemo:2'><device id='1'/></devices>"
        async with town.two() as (juliet, romeo):
            await publish(juliet, DEVICES, "current", devices)  # for contacts only, then
            with pytest.raises(IqError) as caught:
                await publish(juliet, DEVICES, "current", devices, access_model="open")
            assert caught.value.iq["error"]["condition"] == "conflict"
            assert caught.value.iq["error"].xml.find(NOT_MET) is not None
            await open_up(juliet, DEVICES)
            await publish(juliet, DEVICES, "current", devices, access_model="open")
            assert len(await fetched(romeo, JULIET, DEVICES, "current")) == 1

    asyncio.run(resolve())


async def open_up(person: Person, node: str) -> None:
    """Take the form of the node's configuration, and send it back changed."""
    pubsub = plugin(person, "xep_0060")
    answer = await pubsub.get_node_config(None, node)
    form = answer["pubsub_owner"]["configure"]["form"]
    form["type"] = "submit"
    form.get_fields(use_dict=True)["pubsub#access_model"]["value"] = "open"
    await pubsub.set_node_config(None, node, form)
