"""XEP-0050: what is asked of a command, and what it answers, as data."""

from collections.abc import Callable

import pytest

from xmpp.data import commands, dataforms
from xmpp.data.commands import NAMESPACE, Done, Form, Request
from xmpp.data.dataforms import Field
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
    form = Form("urn:example", lambda: [Field("name", required=True)], "Say it.")
    assert said(request, None, lambda answers: None) == head % "completed" + "/>"
    assert said(request._replace(action="cancel"), form, never) == head % "canceled" + "/>"
    asked = said(request, form, never)
    assert asked.startswith(head % "executing" + '><actions execute="complete"><complete/></actions><x ')
    assert "<title>List them</title>" in asked and "<instructions>Say it.</instructions>" in asked
    told = said(request, None, lambda answers: Done(dataforms.answer("urn:example"), "None yet"))
    assert told.startswith(head % "completed" + '><note type="info">None yet</note><x ')


def test_what_is_filled_in_is_given_to_who_does_it_and_else_nothing_is_done() -> None:
    fields = [Field("name", required=True), Field("who", "jid-single")]
    form, given = Form("urn:example", lambda: fields), list[commands.Answers]()
    one = "<field var='name'><value>x</value></field>"
    said(filled_in(one), form, given.append)
    assert given == [{"name": ("x",)}]
    nobody = "<field var='who'><value>@</value></field>"
    for inside, condition in (("", "bad-request"), (one + nobody, "jid-malformed")):
        with pytest.raises(StanzaError, match=condition):
            said(filled_in(inside), form, never)


def said(request: Request, form: Form | None, act: Callable[[commands.Answers], Done | None]) -> str:
    return wire(commands.carried_out(request, "List them", form, act)).decode()


def filled_in(inside: str) -> Request:
    return read("node='list' sessionid='1'", FORM.replace("/>", f">{inside}</x>"))


def never(answers: commands.Answers) -> None:
    raise AssertionError


def test_commands_are_listed_with_their_names() -> None:
    query = commands.items(JID.parse("verona@rooms.localhost"), {"list": "List them"})
    assert query.get("node") == NAMESPACE
    assert [dict(item.attrib) for item in query] == [
        {"jid": "verona@rooms.localhost", "node": "list", "name": "List them"}
    ]
