"""XEP-0356: what components may do in the name of accounts; and without the right, each of these things is refused."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from db import rosters
from db.rosters import Item
from tests.harness.components import (
    BRIDGE,
    ELSEWHERE,
    SECRET,
    Component,
    domain_of,
    server_with_components,
)
from tests.harness.in_process import Client, befriend, online
from xmpp.config.configuration import ConfigError
from xmpp.data.jid import JID
from xmpp.server import Server

NURSE = f"nurse@{BRIDGE}"
ROMEO = JID.parse("romeo@localhost")
PUBSUB = "http://jabber.org/protocol/pubsub"
ALL: dict[str, Any] = {
    "roster": "both",
    "message": "outgoing",
    "presence": "roster",
    "iq": {PUBSUB: "both", "urn:xmpp:ping": "get"},
}
Granted = Callable[..., Server]


@pytest.fixture
def granted(tmp_path: Path) -> Iterator[Granted]:
    """A function that starts a server on which the bridge has these rights."""
    with ExitStack() as opened:

        def start(component: str = BRIDGE, /, **rights: Any) -> Server:
            privileges = {"granted": [{"component": component, **rights}]} if rights else {}
            running = server_with_components(tmp_path, privileges=privileges, archive={"enabled": True})
            return opened.enter_context(running)

        yield start


def attached(server: Server, domain: str = BRIDGE) -> Component:
    return Component.attached(server, domain)


def roster_set(item: str, to: str = "romeo@localhost", sender: str = BRIDGE) -> str:
    return (
        f"<iq type='set' id='r' from='{sender}' to='{to}'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
    )


def roster_get(to: str = "romeo@localhost", sender: str = BRIDGE) -> str:
    return f"<iq type='get' id='r' from='{sender}' to='{to}'><query xmlns='jabber:iq:roster'/></iq>"


def in_name(message: str, to: str = "localhost", sender: str = BRIDGE) -> str:
    return (
        f"<message from='{sender}' to='{to}' id='outer'><privilege xmlns='urn:xmpp:privilege:2'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{message}</forwarded></privilege></message>"
    )


def written(to: str, sender: str = "romeo@localhost", more: str = "") -> str:
    attributes = f"type='chat' id='m' from='{sender}' to='{to}'"
    return f"<message xmlns='jabber:client' {attributes}><body>hi</body>{more}</message>"


def request(
    payload: str, *, type: str = "set", outer: str = "", attributes: str = "", to: str = "romeo@localhost"
) -> str:
    return (
        f"<iq type='{outer or type}' id='o' from='{BRIDGE}' to='{to}'><privileged_iq xmlns='urn:xmpp:privilege:2'>"
        f"<iq xmlns='jabber:client' type='{type}' id='i'{attributes}>{payload}</iq></privileged_iq></iq>"
    )


PUBLISH = f"<pubsub xmlns='{PUBSUB}'><publish node='urn:x'><item id='1'><x xmlns='urn:x'/></item></publish></pubsub>"


# -- what is advertised


def test_a_component_is_told_what_it_may_do(granted: Granted) -> None:
    with attached(granted(**ALL)) as bridge:
        told = bridge.next()
        assert told.startswith('<message from="localhost" id="')
        assert told.partition(">")[2] == (
            '<privilege xmlns="urn:xmpp:privilege:2"><perm access="roster" push="true" type="both"></perm>'
            '<perm access="message" type="outgoing"></perm><perm access="presence" type="roster"></perm>'
            f'<perm access="iq"><namespace ns="{PUBSUB}" type="both"></namespace>'
            '<namespace ns="urn:xmpp:ping" type="get"></namespace></perm></privilege></message>'
        )
        assert bridge.comes_before_pong() == []


def test_of_what_it_may_not_do_nothing_is_said(granted: Granted) -> None:
    with attached(granted(roster="get", roster_push=False)) as bridge:
        assert '<perm access="roster" push="false" type="get"></perm></privilege>' in bridge.next()


def test_without_rights_it_is_told_nothing(granted: Granted) -> None:
    with attached(granted()) as bridge:
        assert bridge.comes_before_pong() == []


def test_a_component_beneath_no_domain_is_told_by_each_of_them_and_any_other_by_its_own(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "server": {"domains": ["localhost", "b.example"]},
        "components": {"secrets": {"x.b.example": SECRET, ELSEWHERE: SECRET}},
        "privileges": {"granted": [{"component": each, "roster": "both"} for each in ("x.b.example", ELSEWHERE)]},
    }
    with server_with_components(tmp_path, **settings) as server:
        with attached(server, ELSEWHERE) as bot:
            assert [told.split('"')[1] for told in (bot.next(), bot.next())] == ["localhost", "b.example"]
        with attached(server, "x.b.example") as bridge:
            assert bridge.next().startswith('<message from="b.example"')
            assert bridge.comes_before_pong() == []
            assert "<forbidden " in bridge.asks(roster_get(sender="x.b.example"))


# -- contact lists


@pytest.mark.parametrize(
    ("roster", "may_get", "may_set"),
    [("none", False, False), ("get", True, False), ("set", False, True), ("both", True, True)],
)
def test_contact_lists_are_read_and_changed_by_those_who_may(
    granted: Granted, roster: str, may_get: bool, may_set: bool
) -> None:
    server = granted(roster=roster, roster_push=False)
    befriend(server, ROMEO, JID.parse("juliet@localhost"))
    with attached(server) as bridge:
        bridge.comes_before_pong()
        answer = bridge.asks(roster_get())
        assert ('jid="juliet@localhost"' in answer, "<forbidden " in answer) == (may_get, not may_get)
        answer = bridge.asks(roster_set(f"<item jid='{NURSE}' name='Nurse'><group>Bridge</group></item>"))
        assert ('type="result"' in answer, "<forbidden " in answer) == (may_set, not may_set)
    item = rosters.item(server.db, ROMEO, JID.parse(NURSE))
    assert item == (Item(JID.parse(NURSE), "Nurse", groups=("Bridge",)) if may_set else None)


def test_a_component_without_a_grant_reads_and_changes_nothing(granted: Granted) -> None:
    server = granted()
    with attached(server) as bridge:
        assert "<forbidden " in bridge.asks(roster_get())
        assert "<forbidden " in bridge.asks(roster_set(f"<item jid='{NURSE}'/>"))
    assert rosters.item(server.db, ROMEO, JID.parse(NURSE)) is None


@pytest.mark.parametrize("stanza", [roster_get, lambda **given: roster_set(f"<item jid='{NURSE}'/>", **given)])
@pytest.mark.parametrize(
    "given",
    [
        {"sender": NURSE},  # somebody at its domain, who may be anybody on another network
        {"sender": f"{BRIDGE}/x"},
        {"to": "nobody@localhost"},
        {"to": "romeo@localhost/orchard"},
        {"to": f"romeo@{ELSEWHERE}"},
    ],
)
def test_the_right_is_the_components_own_and_for_accounts_that_are(
    granted: Granted, stanza: Callable[..., str], given: dict[str, str]
) -> None:
    server = granted(**ALL)
    with attached(server) as bridge, attached(server, ELSEWHERE):
        bridge.comes_before_pong()
        bridge.send(stanza(**given))
        assert not [answer for answer in bridge.comes_before_pong() if 'type="result"' in answer]
    assert rosters.item(server.db, ROMEO, JID.parse(NURSE)) is None


def test_another_component_has_no_part_in_the_right(granted: Granted) -> None:
    with attached(granted(**ALL), ELSEWHERE) as bot:
        assert "<forbidden " in bot.asks(roster_get(sender=ELSEWHERE))


def test_it_may_say_what_the_subscription_of_a_contact_of_its_own_is(granted: Granted) -> None:
    server = granted(roster="both", roster_push=False)
    romeo = online(server, "romeo@localhost/orchard")
    romeo.asks("<query xmlns='jabber:iq:roster'/>")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        bridge.send(roster_set(f"<item jid='{NURSE}' subscription='both'/>"))
        came = bridge.comes_before_pong()
        assert any(stanza.startswith('<presence from="romeo@localhost/orchard"') for stanza in came)
        [push] = romeo.received()
        assert f'<item jid="{NURSE}" subscription="both"></item>' in push
        bridge.send(roster_set(f"<item jid='{NURSE}' subscription='none'/>"))
        assert any('type="unavailable"' in stanza for stanza in bridge.comes_before_pong())
        assert 'type="result"' in bridge.asks(roster_set(f"<item jid='{NURSE}' subscription='remove'/>"))
    assert rosters.item(server.db, ROMEO, JID.parse(NURSE)) is None


def test_what_others_are_subscribed_to_is_not_for_it_to_say(granted: Granted) -> None:
    server = granted(roster="both", roster_push=False)
    with attached(server) as bridge:
        bridge.comes_before_pong()
        bridge.asks(roster_set("<item jid='juliet@localhost' subscription='both'/>"))
    item = rosters.item(server.db, ROMEO, JID.parse("juliet@localhost"))
    assert item is not None
    assert item.subscription == "none"


def test_a_mistake_is_answered_as_to_the_account_itself(granted: Granted) -> None:
    with attached(granted(roster="both")) as bridge:
        bridge.comes_before_pong()
        assert "<bad-request " in bridge.asks(roster_set("<item jid='a@b.example'/><item jid='c@b.example'/>"))
        assert "<item-not-found " in bridge.asks(roster_set("<item jid='a@b.example' subscription='remove'/>"))
        assert "<not-allowed " in bridge.asks(roster_set("<item jid='romeo@localhost'/>"))


@pytest.mark.parametrize(
    ("rights", "is_told"),
    [
        ({"roster": "get"}, True),
        ({"roster": "both"}, True),
        ({"roster": "both", "roster_push": False}, False),
        ({"roster": "set"}, False),
        ({"message": "outgoing"}, False),
    ],
)
def test_who_may_read_is_told_of_changes_unless_it_is_not_to_be(
    granted: Granted, rights: dict[str, Any], is_told: bool
) -> None:
    server = granted(**rights)
    romeo = online(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        for item in ("<item jid='a@b.example' name='A'/>", "<item jid='a@b.example' subscription='remove'/>"):
            romeo.asks(f"<query xmlns='jabber:iq:roster'>{item}</query>", type="set")
        came = bridge.comes_before_pong()
        assert len(came) == (2 if is_told else 0)
        if is_told:
            assert came[0].startswith('<iq from="romeo@localhost" id="')
            assert '<item jid="a@b.example" name="A" subscription="none"></item>' in came[0]
            assert '<item jid="a@b.example" subscription="remove"></item>' in came[1]


# -- messages


def test_who_may_sends_messages_as_the_account(granted: Granted) -> None:
    server = granted(message="outgoing")
    juliet = online(server, "juliet@localhost/balcony")
    romeo = online(server, "romeo@localhost/orchard")
    romeo.asks("<enable xmlns='urn:xmpp:carbons:2'/>", type="set")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        bridge.send(in_name(written("juliet@localhost")))
        assert bridge.comes_before_pong() == []
    [message] = [stanza for stanza in juliet.received() if stanza.startswith("<message")]
    assert 'from="romeo@localhost"' in message
    assert "<body>hi</body>" in message
    [copy] = [stanza for stanza in romeo.received() if "<sent " in stanza]
    assert "<body>hi</body>" in copy, "the account's only device hears of it"
    kept = romeo.sends("<iq type='set' id='a'><query xmlns='urn:xmpp:mam:2'/></iq>")
    assert any("<result " in stanza and "<body>hi</body>" in stanza for stanza in kept)


@pytest.mark.parametrize("namespace", ["jabber:client", "jabber:component:accept"])
def test_a_library_may_write_it_in_the_namespace_of_components(granted: Granted, namespace: str) -> None:
    server = granted(message="outgoing")
    juliet = online(server, "juliet@localhost/balcony")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        bridge.send(in_name(written("juliet@localhost").replace("jabber:client", namespace)))
        assert bridge.comes_before_pong() == []
    [message] = [stanza for stanza in juliet.received() if stanza.startswith("<message")]
    assert "<body>hi</body>" in message


def test_a_bridge_writes_to_its_own_contact_what_was_sent_from_elsewhere(granted: Granted) -> None:
    with attached(granted(message="outgoing")) as bridge:
        bridge.comes_before_pong()
        message = bridge.asks(in_name(written(NURSE)))
        assert message.startswith('<message from="romeo@localhost" id="m"')
        assert "<body>hi</body>" in message


def test_a_message_may_be_the_domains_own(granted: Granted) -> None:
    server = granted(message="outgoing")
    juliet = online(server, "juliet@localhost/balcony")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        bridge.send(in_name(written("juliet@localhost", sender="localhost")))
        assert bridge.comes_before_pong() == []
    assert 'from="localhost"' in juliet.received()[-1]


@pytest.mark.parametrize("rights", [{}, {"message": "none"}, {"roster": "both", "iq": {PUBSUB: "both"}}])
def test_who_may_not_sends_no_message_in_others_names(granted: Granted, rights: dict[str, Any]) -> None:
    server = granted(**rights)
    juliet = online(server, "juliet@localhost/balcony")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        answer = bridge.asks(in_name(written("juliet@localhost")))
        assert 'id="outer"' in answer
        assert "<forbidden " in answer
    assert [stanza for stanza in juliet.received() if stanza.startswith("<message")] == []


@pytest.mark.parametrize(
    ("message", "given", "condition"),
    [
        (written("juliet@localhost", "romeo@localhost/orchard"), {}, "forbidden"),
        (written("juliet@localhost", "nobody@localhost"), {}, "forbidden"),
        (written("juliet@localhost", "romeo@montague.example"), {}, "forbidden"),
        (written("juliet@localhost", "rooms.localhost"), {}, "forbidden"),
        (written("juliet@localhost").replace(" from='romeo@localhost'", ""), {}, "forbidden"),
        (written("juliet@localhost"), {"sender": NURSE}, "forbidden"),
        (written("juliet@localhost") * 2, {}, "bad-request"),
        ("", {}, "bad-request"),
        ("<presence xmlns='jabber:client' from='romeo@localhost'/>", {}, "bad-request"),
        (written("juliet@localhost", more="<sent xmlns='urn:xmpp:carbons:2'/>"), {}, "not-acceptable"),
        (written("a@@b"), {}, "jid-malformed"),
    ],
)
def test_a_message_in_a_name_that_will_not_do_is_refused(
    granted: Granted, message: str, given: dict[str, str], condition: str
) -> None:
    server = granted(message="outgoing")
    juliet = online(server, "juliet@localhost/balcony")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        assert f"<{condition} " in bridge.asks(in_name(message, **given))
    assert [stanza for stanza in juliet.received() if stanza.startswith("<message")] == []


def test_it_may_not_write_to_those_whom_the_account_has_blocked(granted: Granted) -> None:
    server = granted(message="outgoing")
    romeo = online(server, "romeo@localhost/orchard")
    romeo.asks("<block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block>", type="set")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        assert "<not-acceptable " in bridge.asks(in_name(written("juliet@localhost")))


# -- requests


def test_who_may_sends_requests_as_the_account_and_gets_the_answer(granted: Granted) -> None:
    server = granted(iq={PUBSUB: "both"})
    romeo = Client(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        answer = bridge.asks(request(PUBLISH))
        assert answer.startswith(f'<iq from="romeo@localhost" id="o" to="{BRIDGE}" type="result">')
        assert (
            '<privilege xmlns="urn:xmpp:privilege:2"><forwarded xmlns="urn:xmpp:forward:0">'
            '<iq xmlns="jabber:client" from="romeo@localhost" id="i" to="romeo@localhost" type="result">'
        ) in answer
    items = romeo.asks(f"<pubsub xmlns='{PUBSUB}'><items node='urn:x'/></pubsub>")
    assert '<item id="1"><x xmlns="urn:x"></x></item>' in items


def test_an_error_is_an_answer_too(granted: Granted) -> None:
    with attached(granted(iq={PUBSUB: "get"})) as bridge:
        bridge.comes_before_pong()
        answer = bridge.asks(request(f"<pubsub xmlns='{PUBSUB}'><items node='none'/></pubsub>", type="get"))
        assert 'id="o"' in answer
        assert "<forwarded " in answer
        assert "<item-not-found " in answer


def test_a_request_to_somebody_else_is_answered_by_that_one(granted: Granted) -> None:
    server = granted(iq={"urn:xmpp:ping": "get"})
    with attached(server) as bridge, attached(server, ELSEWHERE) as bot:
        bridge.comes_before_pong()
        bridge.send(request("<ping xmlns='urn:xmpp:ping'/>", type="get", attributes=f" to='{ELSEWHERE}'"))
        asked = bot.next()
        assert asked.startswith('<iq from="romeo@localhost" id="')
        id = asked.split('"')[3]
        assert id != "i"
        bot.send(f"<iq type='result' id='{id}' from='{ELSEWHERE}' to='romeo@localhost'/>")
        answer = bridge.next()
        assert 'id="i"' in answer
        assert f'from="{ELSEWHERE}"' in answer


@pytest.mark.parametrize(
    ("iq", "type", "is_allowed"),
    [
        ({PUBSUB: "both"}, "set", True),
        ({PUBSUB: "set"}, "set", True),
        ({PUBSUB: "get"}, "set", False),
        ({PUBSUB: "none"}, "set", False),
        ({f"{PUBSUB}#owner": "both"}, "set", False),
        ({}, "set", False),
    ],
)
def test_the_right_is_for_a_namespace_and_a_type(
    granted: Granted, iq: dict[str, str], type: str, is_allowed: bool
) -> None:
    server = granted(iq=iq, roster="both", message="outgoing")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        answer = bridge.asks(request(PUBLISH, type=type))
        assert ("<forwarded " in answer, "<forbidden " in answer) == (is_allowed, not is_allowed)


def test_without_any_right_a_request_in_others_names_is_forbidden(granted: Granted) -> None:
    with attached(granted()) as bridge:
        assert "<forbidden " in bridge.asks(request(PUBLISH))


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        (request(PUBLISH, to="nobody@localhost"), "forbidden"),
        (request(PUBLISH, to="romeo@localhost/orchard"), "forbidden"),
        (request(PUBLISH, to="localhost"), "forbidden"),
        (request(PUBLISH, outer="get"), "forbidden"),
        (request(PUBLISH, attributes=" from='juliet@localhost'"), "forbidden"),
        (request(PUBLISH, attributes=" from='romeo@localhost/orchard'"), "forbidden"),
        (request(PUBLISH).replace(f"from='{BRIDGE}'", f"from='{NURSE}'"), "forbidden"),
        (request(PUBLISH).replace("jabber:client", "jabber:server"), "forbidden"),
        (request(PUBLISH * 2), "bad-request"),
        (request(""), "bad-request"),
        (request(PUBLISH).replace(" id='i'", ""), "bad-request"),
        (request(PUBLISH, attributes=" to='a@@b'"), "jid-malformed"),
    ],
)
def test_a_request_that_will_not_do_is_refused(granted: Granted, stanza: str, condition: str) -> None:
    with attached(granted(iq={PUBSUB: "both"})) as bridge:
        bridge.comes_before_pong()
        assert f"<{condition} " in bridge.asks(stanza)


def test_what_is_for_sessions_alone_cannot_be_asked_for_in_somebodys_name(granted: Granted) -> None:
    with attached(granted(iq={"urn:xmpp:carbons:2": "set"})) as bridge:
        bridge.comes_before_pong()
        assert "<not-allowed " in bridge.asks(request("<enable xmlns='urn:xmpp:carbons:2'/>"))


# -- presence


@pytest.mark.parametrize(
    ("rights", "sees"),
    [
        ({}, []),
        ({"presence": "none", "roster": "both"}, []),
        ({"presence": "managed_entity"}, [0, 2]),
        ({"presence": "roster", "roster": "get"}, [0, 1, 2]),
    ],
)
def test_who_may_sees_when_accounts_come_and_go(granted: Granted, rights: dict[str, Any], sees: list[int]) -> None:
    server = granted(**rights)
    with attached(server) as bridge:
        bridge.comes_before_pong()
        romeo = online(server, "romeo@localhost/orchard")
        came = bridge.comes_before_pong()
        romeo.sends("<presence><show>away</show></presence>")
        came += bridge.comes_before_pong()
        romeo.session.end()
        came += bridge.comes_before_pong()
    came = [stanza.replace('<x xmlns="vcard-temp:x:update"></x>', "") for stanza in came]
    to = f'<presence from="romeo@localhost/orchard" to="{BRIDGE}"'
    expected = [f"{to}></presence>", f"{to}><show>away</show></presence>", f'{to} type="unavailable"></presence>']
    assert came == [expected[number] for number in sees]


def test_one_that_comes_later_is_told_who_is_there(granted: Granted) -> None:
    server = granted(presence="managed_entity")
    for name in ("romeo", "juliet"):
        online(server, f"{name}@localhost/x")
    Client(server, "mercutio@localhost/silent")
    with attached(server) as bridge:
        came = sorted((bridge.next(), bridge.next(), bridge.next()))
        assert "<privilege " in came[0]
        assert [stanza.split('"')[1] for stanza in came[1:]] == ["juliet@localhost/x", "romeo@localhost/x"]
        assert bridge.comes_before_pong() == []


def test_one_that_may_not_see_them_is_not_told(granted: Granted) -> None:
    server = granted(message="outgoing")
    online(server, "romeo@localhost/x")
    with attached(server) as bridge:
        assert "<privilege " in bridge.next()
        online(server, "juliet@localhost/x")
        assert bridge.comes_before_pong() == []


@pytest.mark.parametrize(
    ("rights", "sees"),
    [({"presence": "managed_entity", "roster": "get"}, False), ({"presence": "roster", "roster": "get"}, True)],
)
def test_who_may_sees_contacts_elsewhere_once(granted: Granted, rights: dict[str, Any], sees: bool) -> None:
    server = granted(**rights)
    for name in ("romeo", "juliet"):
        rosters.put(server.db, JID.of(name, "localhost"), Item(JID.parse(f"friend@{ELSEWHERE}"), subscription="to"))
    with attached(server) as bridge, attached(server, ELSEWHERE) as elsewhere:
        bridge.comes_before_pong()
        for name, rest in (
            ("romeo", "/>"),
            ("juliet", "/>"),
            ("mercutio", "><show>dnd</show></presence>"),  # no contact of his
            ("romeo", " type='unavailable'/>"),
            ("juliet", " type='unavailable'/>"),
        ):
            elsewhere.send(f"<presence from='friend@{ELSEWHERE}/x' to='{name}@localhost'{rest}")
        elsewhere.comes_before_pong()
        came = bridge.comes_before_pong()
    to = f'<presence from="friend@{ELSEWHERE}/x" to="{BRIDGE}"'
    assert came == ([f"{to}></presence>", f'{to} type="unavailable"></presence>'] if sees else [])


def test_accounts_do_not_notice_that_it_sees_them(granted: Granted) -> None:
    server = granted(presence="managed_entity")
    romeo = Client(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        bridge.comes_before_pong()
        came = romeo.sends("<presence/>")
        bridge.comes_before_pong()
        bridge.hangs_up()
        romeo.sends("<presence><show>away</show></presence>")
    assert domain_of(server).waiting == 0
    assert romeo.session.directed == set()
    assert [stanza for stanza in (*came, *romeo.received()) if "error" in stanza or BRIDGE in stanza] == []


# -- the configuration


@pytest.mark.parametrize(
    "rights",
    [
        {"presence": "roster"},
        {"presence": "roster", "roster": "set"},
        {"roster": "all"},
        {"message": "incoming"},
        {"iq": {PUBSUB: "all"}},
    ],
)
def test_rights_that_make_no_sense_stop_the_server(granted: Granted, rights: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        granted(**rights)


def test_rights_that_nobody_can_have_are_in_the_log(granted: Granted, caplog: pytest.LogCaptureFixture) -> None:
    granted("nobody.localhost", roster="get")
    assert "there is no component nobody.localhost in [components] secrets" in caplog.text
