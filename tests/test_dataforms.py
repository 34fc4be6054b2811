"""Data forms (XEP-0004): what is offered, and what is made of what comes back."""

import pytest
from lxml import etree

from xmpp.data import dataforms
from xmpp.data.dataforms import Field

ROOM = "http://jabber.org/protocol/muc#roomconfig"
FIELDS = [
    Field("name", label="Name", required=True),
    Field("secret", "text-private"),
    Field("about", "text-multi", values=("one", "two")),
    Field("open", "boolean", values=("1",)),
    Field("who", "list-single", options={"all": "Everybody", "none": "Nobody"}),
    Field("tags", "list-multi", options={"a": "A", "b": "B"}),
    Field("owner", "jid-single"),
    Field("admins", "jid-multi"),
]


def submission(inner: str, type: str = "submit") -> etree._Element:
    return etree.fromstring(f"<x xmlns='jabber:x:data' type='{type}'>{inner}</x>")


def field(var: str, *values: str) -> str:
    return f"<field var='{var}'>" + "".join(f"<value>{value}</value>" for value in values) + "</field>"


NAME = field("name", "Balcony")


def test_a_form_offers_its_fields() -> None:
    form = dataforms.form(ROOM, FIELDS[:5], title="Room", instructions="Fill it in.")
    assert etree.tostring(form).decode() == (
        '<x xmlns="jabber:x:data" type="form">'
        '<field var="FORM_TYPE" type="hidden"><value>http://jabber.org/protocol/muc#roomconfig</value></field>'
        "<title>Room</title><instructions>Fill it in.</instructions>"
        '<field var="name" type="text-single" label="Name"><required/></field>'
        '<field var="secret" type="text-private"/>'
        '<field var="about" type="text-multi"><value>one</value><value>two</value></field>'
        '<field var="open" type="boolean"><value>1</value></field>'
        '<field var="who" type="list-single">'
        '<option label="Everybody"><value>all</value></option><option label="Nobody"><value>none</value></option>'
        "</field></x>"
    )


def test_a_result_gives_values_by_field() -> None:
    form_type = "http://jabber.org/network/serverinfo"
    values = {"abuse-addresses": ["mailto:a@example.com", "xmpp:a@example.com"]}
    result = dataforms.result(form_type, values, {"abuse-addresses": "list-multi"})
    assert etree.tostring(result).decode() == (
        '<x xmlns="jabber:x:data" type="result">'
        '<field var="FORM_TYPE" type="hidden"><value>http://jabber.org/network/serverinfo</value></field>'
        '<field var="abuse-addresses" type="list-multi">'
        "<value>mailto:a@example.com</value><value>xmpp:a@example.com</value></field></x>"
    )


def test_a_report_has_the_values_of_several_items() -> None:
    fields = [Field("jid", "jid-single", "Address"), Field("nick")]
    rows = [{"jid": "a@b", "nick": "A", "more": "x"}, {"jid": "c@d", "nick": ""}]
    assert etree.tostring(dataforms.report("jabber:iq:search", fields, rows)).decode() == (
        '<x xmlns="jabber:x:data" type="result">'
        '<field var="FORM_TYPE" type="hidden"><value>jabber:iq:search</value></field>'
        '<reported><field var="jid" type="jid-single" label="Address"/>'
        '<field var="nick" type="text-single"/></reported>'
        '<item><field var="jid"><value>a@b</value></field><field var="nick"><value>A</value></field></item>'
        '<item><field var="jid"><value>c@d</value></field><field var="nick"><value></value></field></item></x>'
    )


def test_a_report_leaves_out_what_a_row_does_not_have_and_requires_nothing() -> None:
    fields = [Field("jid", "jid-single", required=True), Field("nick")]
    assert etree.tostring(dataforms.report("jabber:iq:search", fields, [{"jid": "a@b"}], title="People")).decode() == (
        '<x xmlns="jabber:x:data" type="result">'
        '<field var="FORM_TYPE" type="hidden"><value>jabber:iq:search</value></field><title>People</title>'
        '<reported><field var="jid" type="jid-single"/><field var="nick" type="text-single"/></reported>'
        '<item><field var="jid"><value>a@b</value></field><field var="nick"/></item></x>'
    )


@pytest.mark.parametrize(
    ("inner", "answers"),
    [
        ("", {}),
        (field("FORM_TYPE", ROOM), {}),
        (field("secret", "s"), {"secret": ("s",)}),
        (field("secret"), {"secret": ()}),
        (field("secret", ""), {"secret": ()}),
        (field("about", "one", "", "three"), {"about": ("one", "", "three")}),
        (field("open", "true"), {"open": ("true",)}),
        (field("who", "none"), {"who": ("none",)}),
        (field("who", ""), {"who": ()}),
        (field("tags", "b", "a"), {"tags": ("b", "a")}),
        (field("owner", "Juliet@Example.COM"), {"owner": ("juliet@example.com",)}),
        (field("admins", "a@b", "A@b", "c@d"), {"admins": ("a@b", "c@d")}),
        (field("unheard-of", "x", "y"), {}),
        ("<field type='fixed'><value>Section</value></field>" * 2, {}),
        ("<title>Room</title><other xmlns='urn:other'/>", {}),
        ("<field var='secret' type='text-multi'><value>s</value></field>", {"secret": ("s",)}),
    ],
)
def test_a_submission_gives_the_values_of_the_fields_that_were_offered(
    inner: str, answers: dict[str, tuple[str, ...]]
) -> None:
    assert dataforms.submitted(submission(NAME + inner), ROOM, FIELDS) == answers | {"name": ("Balcony",)}


@pytest.mark.parametrize(
    ("inner", "complaint"),
    [
        ("", r"the field name \(Name\) is required"),
        (field("name"), r"the field name \(Name\) is required"),
        (field("name", ""), r"the field name \(Name\) is required"),
        (field("name", "a", "b"), r"the field name \(Name\) takes one value"),
        (NAME + NAME, "a field without a name of its own"),
        (NAME + "<field><value>x</value></field>", "a field without a name of its own"),
        (NAME + "<field var=''/>", "a field without a name of its own"),
        (NAME + field("FORM_TYPE", "urn:another"), "the FORM_TYPE is not"),
        (NAME + field("FORM_TYPE"), "the FORM_TYPE is not"),
        (NAME + field("open", "yes"), "the field open does not take the value 'yes'"),
        (NAME + field("open", "1", "0"), "the field open takes one value"),
        (NAME + field("who", "some"), "the field who does not take the value 'some'"),
        (NAME + field("who", "all", "none"), "the field who takes one value"),
        (NAME + field("tags", "a", "c"), "the field tags does not take the value 'c'"),
        (NAME + field("owner", "@example.com"), "'@example.com' is not an address: the localpart is empty"),
        (NAME + field("admins", "a@b", ""), "'' is not an address: the domainpart is empty"),
    ],
)
def test_a_submission_that_does_not_answer_the_form_is_refused(inner: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataforms.submitted(submission(inner), ROOM, FIELDS)


@pytest.mark.parametrize("type", ["form", "result", "cancel", ""])
def test_only_a_submission_is_a_submission(type: str) -> None:
    with pytest.raises(ValueError, match="not a submitted form"):
        dataforms.submitted(submission(NAME, type), ROOM, FIELDS)


def test_another_element_is_no_submission() -> None:
    with pytest.raises(ValueError, match="not a submitted form"):
        dataforms.submitted(etree.fromstring("<x xmlns='jabber:x:other' type='submit'/>"), ROOM, [])


@pytest.mark.parametrize(
    ("values", "meaning"), [(("1",), True), (("true",), True), (("0",), False), (("false",), False), ((), False)]
)
def test_a_boolean_is_spelled_in_two_ways_and_false_when_emptied(values: tuple[str, ...], meaning: bool) -> None:
    assert dataforms.boolean(values) is meaning


def test_an_open_list_takes_what_it_does_not_offer() -> None:
    tags = Field("tags", "list-multi", options={"a": "A"}, is_open=True)
    assert dataforms.submitted(submission(field("tags", "a", "z")), ROOM, [tags]) == {"tags": ("a", "z")}
    assert etree.tostring(dataforms.form(ROOM, [tags])[1]).decode() == (
        '<field xmlns="jabber:x:data" var="tags" type="list-multi"><option label="A"><value>a</value></option>'
        '<validate xmlns="http://jabber.org/protocol/xdata-validate" datatype="xs:string"><open/></validate></field>'
    )
