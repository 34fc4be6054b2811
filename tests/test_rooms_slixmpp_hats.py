"""A room's avatar and its hats, with a library that nobody here wrote: slixmpp over TLS."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.configured import run_server
from tests.harness.people import JULIET, PATIENCE, ROMEO, Person, online, plugin, trusting
from tests.harness.servers import RunningServer

PLUGINS = ("xep_0004", "xep_0030", "xep_0045", "xep_0050", "xep_0054", "xep_0317")
ROOM = "verona@rooms.localhost"
COMMANDS = "urn:xmpp:hats:commands"
OF_ADMINS = ("create", "destroy", "list", "assign", "unassign", "list-assigned")
TEACHER = "http://tech.example.edu/hats#Teacher"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with run_server(tmp_path) as server:
        yield server


async def enter(person: Person, nick: str) -> None:
    await plugin(person, "xep_0045").join_muc_wait(ROOM, nick, timeout=PATIENCE)


async def make_room(owner: Person, nick: str) -> None:
    await enter(owner, nick)
    form = plugin(owner, "xep_0004").make_form(ftype="submit")
    await plugin(owner, "xep_0045").set_room_config(ROOM, form)


async def use(person: Person, which: str, **values: str) -> Any:
    """Ask for the form of a command, fill it in as it is, and send it with the session that it has."""
    commands = plugin(person, "xep_0050")
    asked = (await commands.send_command(ROOM, f"{COMMANDS}:{which}"))["command"]
    assert asked["status"] == "executing" and asked["actions"] == {"complete"}
    form = asked["form"]
    form["type"] = "submit"
    form.set_values({f"hats#{name}": value for name, value in values.items()})
    answer = await commands.send_command(
        ROOM, asked["node"], action="complete", payload=form, sessionid=asked["sessionid"]
    )
    assert answer["command"]["status"] == "completed"
    assert answer["command"]["sessionid"] == asked["sessionid"]


def test_who_is_given_a_hat_is_seen_with_it(server: RunningServer, tmp_path: Path) -> None:
    async def see_it() -> None:
        context = trusting(tmp_path, ssl.TLSVersion.TLSv1_3)
        async with (
            online(server, ROMEO, context, PLUGINS) as romeo,
            online(server, JULIET, context, PLUGINS) as juliet,
        ):
            await make_room(romeo, "romeo")
            await enter(juliet, "juliet")
            listed = await plugin(romeo, "xep_0050").get_commands(ROOM)
            nodes = {node for _, node, _ in listed["disco_items"]["items"]}
            assert nodes == {f"{COMMANDS}:{which}" for which in OF_ADMINS}
            await use(romeo, "create", title="Teacher", uri=TEACHER, hue="327.255249")
            seen = asyncio.get_running_loop().create_future()
            juliet.add_event_handler(f"muc::{ROOM}::presence", lambda presence: note_hats(presence, seen))
            await use(romeo, "assign", jid=JULIET, uri=TEACHER)
            assert await asyncio.wait_for(seen, PATIENCE) == ("juliet", [("Teacher", TEACHER, "327.255249")])

    asyncio.run(see_it())


def note_hats(presence: Any, seen: "asyncio.Future[Any]") -> None:
    hats = [(hat["title"], hat["uri"], hat["hue"]) for hat in presence["hats"]]
    if hats and not seen.done():
        seen.set_result((presence["from"].resource, [(title, uri, str(hue)) for title, uri, hue in hats]))


def test_the_avatar_of_a_room_is_set_and_fetched(server: RunningServer, tmp_path: Path) -> None:
    async def fetch_it() -> None:
        context = trusting(tmp_path, ssl.TLSVersion.TLSv1_3)
        async with (
            online(server, ROMEO, context, PLUGINS) as romeo,
            online(server, JULIET, context, PLUGINS) as juliet,
        ):
            await make_room(romeo, "romeo")
            vcard = plugin(romeo, "xep_0054").make_vcard()
            vcard["PHOTO"]["TYPE"] = "image/png"
            vcard["PHOTO"]["BINVAL"] = PNG
            await plugin(romeo, "xep_0054").publish_vcard(vcard, jid=ROOM)
            info = await plugin(juliet, "xep_0030").get_info(ROOM)
            assert "vcard-temp" in info["disco_info"]["features"]
            answer = await plugin(juliet, "xep_0054").get_vcard(ROOM)
            assert answer["vcard_temp"]["PHOTO"]["BINVAL"] == PNG

    asyncio.run(fetch_it())
