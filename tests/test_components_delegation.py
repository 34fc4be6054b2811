"""XEP-0355: components answer requests of namespaces that are delegated to them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.harness.components import BRIDGE, ELSEWHERE, SECRET, Component, server_with_components
from tests.harness.in_process import Client, online
from xmpp.config.configuration import ConfigError
from xmpp.server import Server

GAME = "urn:example:game"
ROSTER = "jabber:iq:roster"
DISCO_INFO = "http://jabber.org/protocol/disco#info"
Delegating = Callable[..., Server]


@pytest.fixture
def delegating(tmp_path: Path) -> Iterator[Delegating]:
    """A function that starts a server which delegates these namespaces."""
    with ExitStack() as opened:

        def start(*namespaces: str | dict[str, Any], component: str = BRIDGE, **settings: Any) -> Server:
            tables = [each if isinstance(each, dict) else {"namespace": each} for each in namespaces]
            delegated = [{"component": component, **each} for each in tables]
            running = server_with_components(tmp_path, delegation={"delegated": delegated}, **settings)
            return opened.enter_context(running)

        yield start


def attached(server: Server, domain: str = BRIDGE) -> Component:
    """A component that has been told what is delegated to it, and says nothing of what it wants to be announced."""
    component = Component.attached(server, domain)
    component.comes_before_pong()
    return component


def asked_at(stanzas: Iterable[str]) -> dict[str, str]:
    """The ids of the questions what is to be announced, by node."""
    asked = [stanza for stanza in stanzas if f'<query xmlns="{DISCO_INFO}"' in stanza]
    return {each.split('node="')[1].split('"')[0]: each.split(' id="')[1].split('"')[0] for each in asked}


def answer_of(stanza: str, inner: str, **changed: str) -> str:
    """What the component answers to a stanza of the server's, with this inside."""
    given = {"type": "result", "id": stanza.split(' id="')[1].split('"')[0], "to": "localhost", **changed}
    attributes = "".join(f" {key}='{value}'" for key, value in given.items())
    return (
        f"<iq from='{BRIDGE}'{attributes}><delegation xmlns='urn:xmpp:delegation:2'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></delegation></iq>"
    )


def iq(content: str = "", **changed: str) -> str:
    given = {"type": "result", "id": "g", "to": "romeo@localhost/orchard", **changed}
    attributes = "".join(f" {key}='{value}'" for key, value in given.items() if value)
    return f"<iq xmlns='jabber:client'{attributes}>{content}</iq>"


PLAY = f"<iq type='set' id='g'><play xmlns='{GAME}'/></iq>"


def test_a_component_is_told_what_is_delegated_to_it(delegating: Delegating) -> None:
    server = delegating(GAME, {"namespace": "urn:xmpp:mam:2", "attributes": ["node"]})
    with Component.attached(server) as bridge:
        told = bridge.next()
        assert told.startswith('<message from="localhost" id="')
        assert told.partition(">")[2] == (
            '<delegation xmlns="urn:xmpp:delegation:2">'
            f'<delegated namespace="{GAME}"></delegated>'
            '<delegated namespace="urn:xmpp:mam:2"><attribute name="node"></attribute></delegated>'
            "</delegation></message>"
        )
        assert asked_at(bridge.comes_before_pong()).keys() == {
            f"urn:xmpp:delegation:2{separator}{namespace}"
            for separator in ("::", ":bare:")
            for namespace in (GAME, "urn:xmpp:mam:2")
        }
    with Component.attached(server, ELSEWHERE) as other:
        assert other.comes_before_pong() == []


@pytest.mark.parametrize("to", ["", "localhost", "romeo@localhost"])
def test_it_answers_requests_to_the_server_and_to_accounts(delegating: Delegating, to: str) -> None:
    server = delegating(GAME)
    romeo = online(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        assert romeo.sends(PLAY.replace(">", f" to='{to}'>", 1) if to else PLAY) == []
        asked = bridge.next()
        assert asked.startswith('<iq from="localhost" id="')
        seen_to = to or "romeo@localhost"
        assert (
            '<delegation xmlns="urn:xmpp:delegation:2"><forwarded xmlns="urn:xmpp:forward:0">'
            f'<iq xmlns="jabber:client" from="romeo@localhost/orchard" id="g" to="{seen_to}" type="set">'
            f'<play xmlns="{GAME}"></play></iq></forwarded></delegation>'
        ) in asked
        bridge.send(answer_of(asked, iq(f"<won xmlns='{GAME}'/>")))
        assert bridge.comes_before_pong() == []
    assert romeo.received() == [
        f'<iq from="{seen_to}" id="g" to="romeo@localhost/orchard" type="result"><won xmlns="{GAME}"></won></iq>'
    ]


def test_an_error_inside_is_the_answer_too(delegating: Delegating) -> None:
    server = delegating(GAME)
    romeo = online(server, "romeo@localhost/orchard")
    error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    with attached(server) as bridge:
        romeo.sends(PLAY)
        bridge.send(answer_of(bridge.next(), iq(error, type="error")))
        bridge.comes_before_pong()
    [answer] = romeo.received()
    assert "<item-not-found " in answer


@pytest.mark.parametrize(
    "inner",
    [
        iq(type="set"),
        iq(id="h"),
        iq(id=""),
        iq(to="juliet@localhost/balcony"),
        iq(to=""),
        iq(**{"from": "juliet@localhost"}),
        iq(**{"from": "a@@b"}),
        iq().replace("jabber:client", "jabber:server"),
        "",
    ],
)
def test_an_answer_that_is_none_to_that_request_is_service_unavailable(delegating: Delegating, inner: str) -> None:
    server = delegating(GAME)
    romeo, juliet = online(server, "romeo@localhost/orchard"), online(server, "juliet@localhost/balcony")
    with attached(server) as bridge:
        romeo.sends(PLAY)
        bridge.send(answer_of(bridge.next(), inner))
        bridge.comes_before_pong()
    [answer] = romeo.received()
    assert "<service-unavailable " in answer
    assert juliet.received() == []


def test_so_is_an_error_of_the_component(delegating: Delegating) -> None:
    server = delegating(GAME)
    romeo = online(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        romeo.sends(PLAY)
        bridge.send(answer_of(bridge.next(), iq(), type="error"))
        bridge.comes_before_pong()
    assert "<service-unavailable " in romeo.received()[0]


def test_nobody_else_answers_in_its_place(delegating: Delegating) -> None:
    server = delegating(GAME)
    romeo = online(server, "romeo@localhost/orchard")
    with attached(server) as bridge, attached(server, ELSEWHERE) as other:
        romeo.sends(PLAY)
        asked = bridge.next()
        other.send(answer_of(asked, iq()).replace(BRIDGE, ELSEWHERE))
        other.comes_before_pong()
        assert romeo.received() == []


def test_while_it_is_away_the_service_is_unavailable(delegating: Delegating) -> None:
    romeo = online(delegating(GAME), "romeo@localhost/orchard")
    [answer] = romeo.sends(PLAY)
    assert "<service-unavailable " in answer
    assert 'id="g"' in answer


def test_without_delegation_the_server_answers_itself(delegating: Delegating) -> None:
    server = delegating()
    romeo = online(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        [answer] = romeo.sends(PLAY)
        assert "<service-unavailable " in answer
        assert romeo.asks(f"<query xmlns='{ROSTER}'/>").startswith(f'<query xmlns="{ROSTER}"')
        assert bridge.comes_before_pong() == []


@pytest.mark.parametrize("to", ["rooms.localhost", "pubsub.localhost", "juliet@localhost/balcony", f"a@{ELSEWHERE}"])
def test_requests_to_others_are_not_delegated(delegating: Delegating, to: str) -> None:
    server = delegating(GAME)
    romeo, juliet = online(server, "romeo@localhost/orchard"), online(server, "juliet@localhost/balcony")
    with attached(server) as bridge, attached(server, ELSEWHERE):
        romeo.sends(PLAY.replace(">", f" to='{to}'>", 1))
        assert bridge.comes_before_pong() == []
    assert bool(juliet.received()) == (to == str(juliet.jid))


def test_only_requests_with_all_the_attributes_are_delegated(delegating: Delegating) -> None:
    server = delegating({"namespace": ROSTER, "attributes": ["ver", "node"]})
    romeo = online(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        for attributes in ("", " ver='1'", " node='n'"):
            assert romeo.asks(f"<query xmlns='{ROSTER}'{attributes}/>").startswith("<query ")
        romeo.sends(f"<iq type='get' id='g'><query xmlns='{ROSTER}' ver='1' node='n'/></iq>")
        assert bridge.next().startswith('<iq from="localhost"')


def test_what_the_component_itself_sends_is_answered_by_the_server(delegating: Delegating) -> None:
    """The example of a component that filters contacts: both of its rights together."""
    granted = {"granted": [{"component": BRIDGE, "roster": "both", "roster_push": False}]}
    server = delegating(ROSTER, privileges=granted)
    romeo = online(server, "romeo@localhost/orchard")
    with attached(server) as bridge:
        romeo.sends(f"<iq type='set' id='g'><query xmlns='{ROSTER}'><item jid='a@b.example'/></query></iq>")
        bridge.send(answer_of(bridge.next(), iq()))
        answer = bridge.asks(
            f"<iq type='set' id='r' from='{BRIDGE}' to='romeo@localhost'><query xmlns='{ROSTER}'>"
            "<item jid='a@b.example'><group>Rivals</group></item></query></iq>"
        )
        assert 'type="result"' in answer
        assert "<group>Rivals</group>" in bridge.asks(
            f"<iq type='get' id='s' from='{BRIDGE}' to='romeo@localhost'><query xmlns='{ROSTER}'/></iq>"
        )


def test_a_component_answers_for_the_accounts_of_the_domain_it_is_beneath(delegating: Delegating) -> None:
    server = delegating(
        GAME,
        component="x.b.example",
        server={"domains": ["localhost", "b.example"]},
        components={"secrets": {"x.b.example": SECRET}},
    )
    romeo = online(server, "romeo@localhost/orchard")
    with Component.attached(server, "x.b.example") as bridge:
        assert bridge.next().startswith('<message from="b.example"')
        assert bridge.comes_before_pong() == [], "what it announces would not be for all domains"
        assert "<service-unavailable " in romeo.sends(PLAY)[0]
        romeo.sends(PLAY.replace(">", " to='b.example'>", 1))
        assert bridge.next().startswith('<iq from="b.example"')


PUBSUB = "http://jabber.org/protocol/pubsub"
FORM = (
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:x:form</value></field>"
    "<field var='a'><value>b</value></field></x>"
)


def test_what_it_announces_takes_the_place_of_what_the_server_does(delegating: Delegating) -> None:
    server = delegating(PUBSUB)
    romeo = online(server, "romeo@localhost/orchard")

    def announced(to: str) -> str:
        return romeo.asks(f"<query xmlns='{DISCO_INFO}'/>", to=to)

    before = announced("romeo@localhost")
    assert f'"{PUBSUB}#publish"' in before
    with Component.attached(server) as bridge:
        asked = asked_at(bridge.comes_before_pong())
        for separator, features in (("::", ["urn:x:domain"]), (":bare:", [f"{PUBSUB}#subscribe", "urn:x:account"])):
            node = f"urn:xmpp:delegation:2{separator}{PUBSUB}"
            inside = "".join(f"<feature var='{var}'/>" for var in features)
            bridge.send(
                f"<iq type='result' id='{asked[node]}' from='{BRIDGE}' to='localhost'><query xmlns='{DISCO_INFO}' "
                f"node='{node}'><identity category='pubsub' type='other'/>{inside}{FORM}</query></iq>"
            )
        bridge.comes_before_pong()
    account, domain = announced("romeo@localhost"), announced("localhost")
    assert f'"{PUBSUB}#publish"' not in account
    assert all(each in account for each in (f'"{PUBSUB}#subscribe"', '"urn:x:account"', '"pubsub" type="other"'))
    assert all(each in domain for each in ('"urn:x:domain"', "urn:x:form"))
    assert "urn:x:account" not in domain
    assert "urn:xmpp:ping" in domain


@pytest.mark.parametrize(
    "inside",
    [
        "<feature var='urn:x:game'/><feature var='urn:x:game'/>",
        "".join(f"<feature var='urn:x:game{number}'/>" for number in range(201)),
    ],
)
def test_what_nobody_could_make_sense_of_is_not_announced(
    delegating: Delegating, inside: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = delegating(GAME)
    with Component.attached(server) as bridge:
        for node, id in asked_at(bridge.comes_before_pong()).items():
            bridge.send(
                f"<iq type='result' id='{id}' from='{BRIDGE}' to='localhost'>"
                f"<query xmlns='{DISCO_INFO}' node='{node}'>{inside}</query></iq>"
            )
        bridge.comes_before_pong()
    romeo = Client(server, "romeo@localhost/orchard")
    assert "urn:x:game" not in romeo.asks(f"<query xmlns='{DISCO_INFO}'/>", to="localhost")
    assert f"to be announced of {GAME}" in caplog.text


def test_a_server_that_delegates_announces_it(delegating: Delegating, tmp_path: Path) -> None:
    def announced(server: Server) -> bool:
        romeo = Client(server, "romeo@localhost/orchard")
        return "urn:xmpp:delegation:2" in romeo.asks(f"<query xmlns='{DISCO_INFO}'/>", to="localhost")

    assert announced(delegating(GAME))
    other = tmp_path / "other"
    other.mkdir()
    with server_with_components(other) as server:
        assert not announced(server)


@pytest.mark.parametrize("namespace", ["urn:xmpp:delegation:2", ""])
def test_delegation_itself_cannot_be_delegated(delegating: Delegating, namespace: str) -> None:
    with pytest.raises(ConfigError):
        delegating(namespace)
