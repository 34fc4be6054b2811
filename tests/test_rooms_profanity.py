"""Rooms with a client as people use them: Profanity in a terminal, which makes a private group and talks in it with a
friend who has another client (slixmpp)."""

import asyncio
import re
import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from slixmpp import JID

from tests.harness.configured import PASSWORDS, run_server
from tests.harness.people import JULIET, PATIENCE, ROMEO, Person, online, plugin, trusting
from tests.harness.servers import RunningServer
from tests.harness.terminals import TMUX, Terminal, terminal

PROFANITY = shutil.which("profanity")
pytestmark = pytest.mark.skipif(PROFANITY is None or TMUX is None, reason="profanity or tmux is not installed")

ROOM = "verona@rooms.localhost"
PLUGINS = ("xep_0030", "xep_0045", "xep_0203")
ACCOUNT = """
[me]
enabled=true
jid={jid}
server=127.0.0.1
port={port}
resource=balcony
password={password}
tls.policy=trust
muc.service=rooms.localhost
muc.nick=Juliet
"""
PREFERENCES = """
[ui]
splash=false
wrap=false
[notifications]
message=off
"""


@contextmanager
def profanity(server: RunningServer, home: Path) -> Iterator[Terminal]:
    """Profanity, in which Juliet has logged in. All that it keeps is in this folder."""
    assert PROFANITY is not None
    folder = home / "profanity"
    folder.mkdir(parents=True)
    account = ACCOUNT.format(jid=JULIET, port=server.port, password=PASSWORDS["juliet"])
    (folder / "accounts").write_text(account)
    (folder / "profrc").write_text(PREFERENCES)
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
    with terminal([PROFANITY, "--account", "me"], dict.fromkeys(names, str(home))) as juliet:
        juliet.wait("logged in successfully")
        yield juliet


def make_private_group(juliet: Terminal) -> None:
    """Make a room, and fill in its form: members alone may enter, and see who everybody is."""
    juliet.type(f"/join {ROOM} nick Juliet")
    juliet.wait("Room locked")
    juliet.type("/room config")
    form = juliet.wait("The owners of the room")
    juliet.type(f"/{field(form, 'Whether only members may enter')} on")
    juliet.type(f"/{field(form, 'Who sees the addresses of occupants')} anyone")
    juliet.type("/form submit")
    juliet.wait("Room configuration successful")


def field(form: str, label: str) -> str:
    """What a field of a form is called where one fills it in."""
    found = re.search(rf"\[(field\d+)\] {label}", form)
    assert found is not None, form
    return found[1]


async def talk(juliet: Terminal, romeo: Person) -> None:
    rooms = plugin(romeo, "xep_0045")
    for event in ("groupchat_message", "groupchat_subject", "groupchat_invite"):
        romeo.note(event)
    make_private_group(juliet)
    juliet.type(f"/invite send {ROMEO}")
    invitation = await romeo.next("groupchat_invite")
    assert (invitation["from"], invitation["muc"]["invite"]["from"].bare) == (ROOM, JULIET)
    await rooms.join_muc_wait(ROOM, "Romeo", timeout=PATIENCE)
    romeo.send_message(mto=JID(ROOM), mbody="Shall I hear more?", mtype="groupchat")
    await asyncio.to_thread(juliet.wait, "Romeo: Shall I hear more?")
    juliet.type("Art thou not Romeo?")
    await hears(romeo, "Juliet", "Art thou not Romeo?")
    juliet.type('/subject set "Names"')
    while (await romeo.next("groupchat_subject"))["subject"] != "Names":
        pass
    juliet.type("/nick Jule")
    juliet.type("By any other name")
    await hears(romeo, "Jule", "By any other name")
    juliet.type("/kick Romeo")
    await asyncio.to_thread(juliet.wait, "Romeo has been kicked")


async def hears(romeo: Person, nick: str, text: str) -> None:
    """Wait until somebody says this in the room."""
    while (message := await romeo.next("groupchat_message"))["body"] != text:
        pass
    assert message["from"] == f"{ROOM}/{nick}"


def test_a_private_group(tmp_path: Path) -> None:
    async def play(server: RunningServer, juliet: Terminal) -> None:
        context = trusting(tmp_path, ssl.TLSVersion.TLSv1_3)
        async with online(server, ROMEO, context, PLUGINS) as romeo:
            await talk(juliet, romeo)

    with run_server(tmp_path) as server, profanity(server, tmp_path / "home") as juliet:
        asyncio.run(play(server, juliet))
