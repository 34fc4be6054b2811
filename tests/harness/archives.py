"""What the tests of the archive share: accounts with an archive, and what they find in it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lxml import etree

from db import archive, archives
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

ROMEO, JULIET, MERCUTIO = (JID.parse(f"{name}@localhost") for name in ("romeo", "juliet", "mercutio"))
MAM = "urn:xmpp:mam:2"
RSM = "http://jabber.org/protocol/rsm"
ID = re.compile(r'<stanza-id xmlns="urn:xmpp:sid:0" by="([^"]+)" id="([^"]+)"></stanza-id>')


@contextmanager
def server_with_archive(folder: Path, **settings: Mapping[str, Any]) -> Iterator[Server]:
    """A server with the accounts romeo, juliet and mercutio."""
    with server_in(folder, **{"archive": {}, **settings}) as server:
        add_accounts(server, "romeo", "juliet", "mercutio")
        yield server


def write(sender: Client, content: str, to: JID = JULIET, type: str = "chat", **attributes: str) -> list[str]:
    """Send a message; returns what comes back."""
    more = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return sender.sends(f"<message to='{to}' type='{type}'{more}>{content}</message>")


def say(sender: Client, *texts: str, to: JID = JULIET) -> None:
    for text in texts:
        assert write(sender, f"<body>{text}</body>", to) == []


def form(**fields: str) -> str:
    """A submitted form; `with_` is the field "with", and dashes are written as underscores."""
    named = {name.strip("_").replace("_", "-"): value for name, value in fields.items()}
    return form_of({"FORM_TYPE": MAM, **named})


def form_of(fields: Mapping[str, str]) -> str:
    written = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in fields.items())
    return f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"


def page(**limits: object) -> str:
    """A <set/>; None for an empty element."""
    written = "".join(f"<{name}>{'' if value is None else value}</{name}>" for name, value in limits.items())
    return f"<set xmlns='{RSM}'>{written}</set>"


class Answer:
    """The results of a query, in the order in which they came, and what was said of them at the end."""

    def __init__(self, stanzas: list[str]) -> None:
        *self.results, self.end = stanzas
        self._elements = [parse(result.encode()) for result in self.results]
        self._fin = parse(self.end.encode())
        assert self._fin.get("type") == "result", self.end

    @property
    def ids(self) -> list[str]:
        return [element[0].get("id", "") for element in self._elements]

    @property
    def messages(self) -> list[etree._Element]:
        """The messages that were archived."""
        return [element[0][0][1] for element in self._elements]

    @property
    def bodies(self) -> list[str | None]:
        return [message.findtext("{*}body") for message in self.messages]

    @property
    def is_complete(self) -> bool:
        return self._fin[0].get("complete") == "true"

    def of_page(self, name: str) -> str | None:
        """What the <set/> at the end says."""
        return self._fin.findtext(f".//{{{RSM}}}{name}")


def query(client: Client, content: str = "", **attributes: str) -> Answer:
    """Ask an account's own archive."""
    more = "".join(f" {name}='{value}'" for name, value in attributes.items())
    client.received()
    return Answer(client.sends(f"<iq type='set' id='q'><query xmlns='{MAM}'{more}>{content}</query></iq>"))


def refusal(client: Client, content: str, **attributes: str) -> str:
    """The condition of the error that a query is answered with."""
    more = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return client.asks(f"<query xmlns='{MAM}'{more}>{content}</query>", type="set")


def ids_in(stanza: str) -> dict[str, str]:
    """The ids that a stanza has, by who gave them."""
    return dict(ID.findall(stanza))


FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"


NOON = 1_500_000_000  # 2017-07-14T02:40:00Z


def remember(server: Server, *texts: str, seconds: float = 1.0, **more: Any) -> list[str]:
    """Puts messages into Juliet's archive, from NOON on, so many seconds apart, and returns their ids."""
    number = archives.of(server.db, JULIET).number
    for place, text in enumerate(texts):
        values = dict(contact=ROMEO, resource="orchard", is_sent=False, message_id=text, **more)
        stanza = f'<message from="{ROMEO}/orchard"><body>{text}</body></message>'.encode()
        at = int((NOON + place * seconds) * 1000)
        archive.append(server.db, number, f"id-{text}", at=at, text=text, stanza=stanza, **values)
    return [f"id-{text}" for text in texts]
