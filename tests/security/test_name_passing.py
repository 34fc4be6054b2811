"""A name passes to somebody else by every road there is, with and without a server that runs, and in a crash: nothing
of what the account was trusted with, or had, passes with it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lxml import etree

from tests.harness.commandline import succeeds
from tests.harness.nodes import INFO, SERVICE, configure, create, items, owner, publish, pubsub, subscribe
from tests.harness.rawclient import LoginFailed, RawClient, logged_in, new_account
from tests.harness.servers import RunningServer
from xmpp.data import names

FAITHFUL, ALIAS = "faithful@localhost", "alias@localhost"
MAM, BLOCKING, PUSH, REGISTER = "urn:xmpp:mam:2", "urn:xmpp:blocking", "urn:xmpp:push:0", "jabber:iq:register"
ROSTER = "<query xmlns='jabber:iq:roster'/>"
REMOVE = f"<query xmlns='{REGISTER}'><remove/></query>"
NOTE = "<query xmlns='jabber:iq:private'><note xmlns='urn:n'>{}</note></query>"
VCARD = "<vCard xmlns='vcard-temp'>{}</vCard>"
LATER = re.compile(r" (id|stamp|ver|seconds|created)=\"[^\"]*\"")


@dataclass
class Town:
    """A server, who stays and who goes. `before` is what the one who goes was told last."""

    folder: Path
    server: RunningServer
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> tuple[str, str]:
        return "--data", str(self.folder)

    def restart(self) -> None:
        self.server = RunningServer.demo(*self.data)

    def stop(self) -> None:
        self.server.terminate()

    def log_in(self, name: str, resource: str = "phone") -> RawClient:
        return logged_in(self.server.port, name, self.passwords[name], resource)

    def register(self, name: str) -> None:
        _, self.passwords[name] = new_account(self.server.port, name)


@contextmanager
def town_in(folder: Path) -> Iterator[Town]:
    town = Town(folder, RunningServer.demo("--data", str(folder)))
    try:
        town.register("faithful")
        town.register("alias")
        yield town
    finally:
        town.server.kill()


# -- the roads


def cancel_in_band(town: Town) -> None:
    with town.log_in("alias", "last") as client:
        client.send(f"<iq type='set' id='bye'>{REMOVE}</iq>")
        ending = client.ending()
        assert [each.get("type") for each in ending.elements if each.get("id") == "bye"] == ["result"]


def remove_by_command(town: Town) -> None:
    succeeds("user", "remove", ALIAS, *town.data)


def remove_while_stopped(town: Town) -> None:
    town.stop()
    remove_by_command(town)


def register_again(town: Town) -> None:
    if town.server.process.poll() is not None:
        town.restart()
    town.register("alias")


def add_by_command(town: Town) -> None:
    town.passwords["alias"] = "somebody else's"
    succeeds("user", "add", ALIAS, *town.data, typed="somebody else's\n")
    if town.server.process.poll() is not None:
        town.restart()


LEAVING = [cancel_in_band, remove_by_command, remove_while_stopped]
COMING = [register_again, add_by_command]
Road = Callable[[Town], None]


# -- what somebody is trusted with, and has


def affiliate(node: str, who: str, affiliation: str) -> str:
    return owner(f"<affiliations node='{node}'><affiliation jid='{who}' affiliation='{affiliation}'/></affiliations>")


def tell(client: RawClient, type: str, payload: str, to: str = "") -> str:
    """The answer in text, without what is another each time."""
    answer = client.ask(type, payload, to)
    return LATER.sub("", etree.tostring(answer).decode())


def make_friends(faithful: RawClient, alias: RawClient) -> None:
    for one, other in ((faithful, ALIAS), (alias, FAITHFUL)):
        one.ask("get", ROSTER)
        one.send(f"<presence/><presence type='subscribe' to='{other}'/>")
        one.comes_before_pong()
    for one, other in ((faithful, ALIAS), (alias, FAITHFUL)):
        one.send(f"<presence type='subscribed' to='{other}'/>")
        one.comes_before_pong()
    item = f"<item jid='{ALIAS}' name='Al'><group>Friends</group></item>"
    faithful.ask("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")


def trust(faithful: RawClient, alias: RawClient) -> None:
    """All that the one who stays grants to the other."""
    make_friends(faithful, alias)
    for host in ("", SERVICE):
        for model in ("presence", "roster"):
            faithful.ask("set", create(model, access_model=model, roster_groups_allowed=["Friends"]), host)
            faithful.ask("set", publish(model, "1"), host)
        for affiliation in ("member", "publisher", "publish-only", "owner"):
            faithful.ask("set", create(affiliation, access_model="whitelist"), host)
            faithful.ask("set", affiliate(affiliation, ALIAS, affiliation), host)
        alias.ask("set", subscribe("presence", ALIAS), host or FAITHFUL)
    faithful.send(f"<presence to='{ALIAS}/phone'/><presence to='{ALIAS}'/>")
    faithful.comes_before_pong()


def furnish(alias: RawClient) -> None:
    """All that the one who goes has."""
    alias.ask("set", NOTE.format("mine"))
    alias.ask("set", VCARD.format("<FN>Alias</FN>"))
    alias.ask("set", f"<block xmlns='{BLOCKING}'><item jid='bore@localhost'/></block>")
    alias.ask("set", f"<prefs xmlns='{MAM}' default='never'><always/><never/></prefs>")
    alias.ask("set", f"<enable xmlns='{PUSH}' jid='push.example' node='n'/>")
    bookmark = "<conference xmlns='urn:xmpp:bookmarks:1'/>"
    alias.ask("set", publish("urn:xmpp:bookmarks:1", "room@rooms.example", payload=bookmark))
    alias.ask("set", create("own"), SERVICE)
    alias.ask("set", publish("own", "1"), SERVICE)
    alias.send(f"<message to='{FAITHFUL}' type='chat'><body>secret</body></message>")
    alias.send(f"<message to='{ALIAS}' type='chat'><body>a note</body></message>")
    alias.comes_before_pong()


LOOKING = {
    "roster": ("get", ROSTER, ""),
    "private XML": ("get", NOTE.format(""), ""),
    "vCard": ("get", "<vCard xmlns='vcard-temp'/>", ""),
    "blocklist": ("get", f"<blocklist xmlns='{BLOCKING}'/>", ""),
    "archiving": ("get", f"<prefs xmlns='{MAM}'/>", ""),
    "bookmarks": ("get", items("urn:xmpp:bookmarks:1"), ""),
    "subscriptions": ("get", pubsub("<subscriptions/>"), SERVICE),
    "affiliations": ("get", pubsub("<affiliations/>"), SERVICE),
    "subscriptions there": ("get", pubsub("<subscriptions/>"), FAITHFUL),
    "affiliations there": ("get", pubsub("<affiliations/>"), FAITHFUL),
    "last activity": ("get", "<query xmlns='jabber:iq:last'/>", FAITHFUL),
    "info": ("get", f"<query xmlns='{INFO}'/>", FAITHFUL),
    **{
        f"{what} {node} at {host}": ("set" if "jid" in request else "get", request, host)
        for host in (SERVICE, FAITHFUL)
        for node in ("presence", "roster", "member", "publisher", "publish-only", "owner")
        for what, request in {"items of": items(node), "to": pubsub(f"<subscribe node='{node}' jid='{{}}'/>")}.items()
    },
}  # fmt: skip
LOOKING |= {
    f"publishing at {node} at {host}": ("set", publish(node, "x"), host)
    for host in (SERVICE, FAITHFUL)
    for node in ("publisher", "publish-only", "owner")
}
LOOKING |= {f"configuring at {host}": ("set", configure("owner", title="t"), host) for host in (SERVICE, FAITHFUL)}


def answers(client: RawClient, address: str) -> dict[str, str]:
    """What somebody finds and may do, with its own address left out."""
    name = address.partition("@")[0]
    found = {}
    for what, (type, payload, to) in LOOKING.items():
        answer = tell(client, type, payload.format(address) if "{}" in payload else payload, to)
        found[what] = answer.replace(name, "NAME")
    client.send(f"<iq type='set' id='archive'><query xmlns='{MAM}' queryid='1'/></iq>")
    found["archive"] = str(sum(1 for each in client.comes_before_pong() if each.tag == names.MESSAGE))
    return found


def is_shown(client: RawClient) -> bool:
    """Whether it gets the presence of who stays, also by asking for it."""
    client.send(f"<presence/><presence type='probe' to='{FAITHFUL}'/>")
    came = client.comes_before_pong()
    return any(each.tag == names.PRESENCE and each.get("from", "").startswith(f"{FAITHFUL}/") for each in came)


@pytest.mark.parametrize("come", COMING)
@pytest.mark.parametrize("leave", LEAVING)
def test_a_newcomer_is_what_any_stranger_is(tmp_path: Path, leave: Road, come: Road) -> None:
    with town_in(tmp_path) as town:
        with town.log_in("faithful", "home") as faithful, town.log_in("alias") as alias:
            trust(faithful, alias)
            furnish(alias)
            assert is_shown(alias)
            trusted = answers(alias, ALIAS)
            leave(town)
        come(town)
        town.register("stranger")
        with town.log_in("faithful", "home") as faithful:
            faithful.send("<presence/>")
            faithful.comes_before_pong()
            with town.log_in("alias") as newcomer, town.log_in("stranger") as stranger:
                newcomer.send("<presence/>")
                assert {each.tag for each in newcomer.comes_before_pong()} <= {names.PRESENCE}
                expected = answers(stranger, "stranger@localhost")
                assert [what for what in expected if trusted[what] == expected[what]] == []  # each says something
                assert answers(newcomer, ALIAS) == expected
                assert not is_shown(newcomer)
                faithful.send("<presence><show>away</show></presence>")
                faithful.comes_before_pong()
                assert not any("away" in etree.tostring(each).decode() for each in newcomer.comes_before_pong())
            roster = tell(faithful, "get", ROSTER)
        assert 'subscription="none"' in roster and "ask=" not in roster and "approved=" not in roster


@pytest.mark.parametrize("answers_before", [0, 1, 2, 5])
def test_killed_in_the_middle_an_account_is_there_with_all_it_was_or_gone_with_it(
    tmp_path: Path, answers_before: int
) -> None:
    """Killed at some moment after the request: other requests that were answered say how late."""
    with town_in(tmp_path) as town:
        with town.log_in("faithful", "home") as faithful, town.log_in("alias") as alias:
            trust(faithful, alias)
            alias.send(f"<iq type='set' id='bye'>{REMOVE}</iq>")
            for _ in range(answers_before):
                faithful.ask("set", NOTE.format("a while"))
            town.server.kill()
        town.restart()
        is_there = can_log_in(town, "alias")
        if not is_there:
            town.register("alias")
        with town.log_in("alias") as whoever, town.log_in("faithful", "home") as faithful:
            faithful.send("<presence/>")
            faithful.comes_before_pong()
            assert is_shown(whoever) == is_there
            for host in (SERVICE, FAITHFUL):
                assert ("<error" not in tell(whoever, "get", items("member"), host)) == is_there
            assert ('subscription="both"' in tell(faithful, "get", ROSTER)) == is_there


def can_log_in(town: Town, name: str) -> bool:
    try:
        town.log_in(name).close()
    except LoginFailed:
        return False
    return True
