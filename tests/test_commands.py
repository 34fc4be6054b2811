"""XEP-0050: what is asked of a command, and what it answers, as data."""

import pytest

from xmpp.data import commands, dataforms
from xmpp.data.commands import NAMESPACE, Request
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.wire import parse, wire

FORM = "<x xmlns='jabber:x:data' type='submit'/>"


def read(attributes: str, inside: str = "") -> Request:
    return commands.requested(parse(f"<command xmlns='{NAMESPACE}' {attributes}>{inside}</command>".encode()))


@pytest.mark.parametrize(
    ("attributes", "inside", "expected"),
    [
        ("node='list' sessionid='1'", "", ("list", "1", "execute", False)),
        ("node='list' sessionid='1' action='execute'", FORM, ("list", "1", "execute", True)),
        ("node='list' sessionid='1' action='complete'", FORM, ("list", "1", "complete", True)),
        ("node='list' sessionid='1' action='cancel'", "", ("list", "1", "cancel", False)),
        ("sessionid='1' status='completed'", "<note/>", ("", "1", "execute", False)),
    ],
)
def test_a_request_is_read(attributes: str, inside: str, expected: tuple[str, str, str, bool]) -> None:
    request = read(attributes, inside)
    assert (request.node, request.session, request.action, request.form is not None) == expected


@pytest.mark.parametrize(
    ("attributes", "condition"),
    [("action='dance'", "malformed-action"), ("action='prev'", "bad-action"), ("action='next'", "bad-action"),
     ("action='complete'", "bad-payload")],
)  # fmt: skip
def test_what_no_command_does_is_refused(attributes: str, condition: str) -> None:
    with pytest.raises(StanzaError) as refused:
        read(f"node='list' {attributes}")
    assert refused.value.condition == "bad-request" and refused.value.application is not None
    assert refused.value.application.tag == f"{{{NAMESPACE}}}{condition}"


@pytest.mark.parametrize("attributes", ["node='list'", "node='list' sessionid=''"])
def test_a_session_without_a_name_is_given_one(attributes: str) -> None:
    one, other = read(attributes).session, read(attributes).session
    assert one and other and one != other


def test_answers_say_how_far_it_is() -> None:
    request = Request("list", "1", "execute", None)
    head = f'<command xmlns="{NAMESPACE}" node="list" sessionid="1" status="%s" xml:lang="en"'
    assert wire(commands.completed(request)).decode() == head % "completed" + "/>"
    assert wire(commands.canceled(request)).decode() == head % "canceled" + "/>"
    form = dataforms.form("urn:example", [])
    asked = wire(commands.to_fill_in(request, form)).decode()
    assert asked.startswith(head % "executing" + '><actions execute="complete"><complete/></actions><x ')


def test_commands_are_listed_with_their_names() -> None:
    query = commands.items(JID.parse("verona@rooms.localhost"), {"list": "List them"})
    assert query.get("node") == NAMESPACE
    assert [dict(item.attrib) for item in query] == [
        {"jid": "verona@rooms.localhost", "node": "list", "name": "List them"}
    ]
