"""Stanzas: what is read from them, and that changed copies change what they say and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse

ROMEO = JID.parse("romeo@montague.example/orchard")
JULIET = JID.parse("juliet@capulet.example/balcony")
NURSE = JID.parse("nurse@capulet.example")
XML_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


def stanza(text: str) -> Stanza:
    return Stanza.read(parse(text.encode()))


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("<message/>", "normal"),
        ("<message type='chat'/>", "chat"),
        ("<message type='telepathy'/>", "normal"),  # RFC 6121 section 5.2.2
        ("<presence/>", None),
        ("<presence type='subscribe'/>", "subscribe"),
        ("<iq type='get'/>", "get"),
    ],
)
def test_the_type(text: str, type: str | None) -> None:
    assert stanza(text).type == type


def test_addresses_are_parsed_and_normalised() -> None:
    message = stanza("<message to='ROMEO@Montague.example/Orchard' from='juliet@capulet.example'/>")
    assert message.to == "romeo@montague.example/Orchard"
    assert message.to.bare == "romeo@montague.example"
    assert message.sender == "juliet@capulet.example"


def test_a_malformed_address_is_refused() -> None:
    with pytest.raises(MalformedJID):
        stanza("<message to='@'/>")


@pytest.mark.parametrize("children", ["", "<a xmlns='urn:x'/><b xmlns='urn:x'/>"])
def test_a_request_has_exactly_one_child(children: str) -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        stanza(f"<iq type='get'>{children}</iq>").only_child()


CHANGES = [
    ("<presence/>", "<presence to='{juliet}'/>"),
    ("<presence to='x@y'/>", "<presence to='{juliet}'/>"),
    ("<presence id=' to=&quot;x&quot;' to='x@y'/>", "<presence id=' to=&quot;x&quot;' to='{juliet}'/>"),
    ("<presence><show>a&gt;b</show></presence>", "<presence to='{juliet}'><show>a&gt;b</show></presence>"),
    ("<presence id='a&gt;b'/>", "<presence id='a&gt;b' to='{juliet}'/>"),
    ("<presence x=' to=' from='a@b'/>", "<presence x=' to=' from='a@b' to='{juliet}'/>"),
    ("<message x=' to=' y='1' to='c@d'/>", "<message x=' to=' y='1' to='{juliet}'/>"),
]


def same(one: bytes, other: str) -> bool:
    canonical = [etree.tostring(parse(data), method="c14n") for data in (one, other.encode())]
    return canonical[0] == canonical[1]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_a_copy_to_somebody_else(before: str, after: str) -> None:
    original = stanza(before)
    copy = original.addressed(JULIET)
    assert copy.to == JULIET
    assert same(copy.wire(), after.format(juliet=JULIET))
    assert same(original.wire(), before)


@pytest.mark.parametrize(
    ("before", "first", "last"),
    [
        ("<presence/>", "<presence><x/></presence>", "<presence><x/></presence>"),
        ("<presence><a/></presence>", "<presence><x/><a/></presence>", "<presence><a/><x/></presence>"),
        ("<presence id='&gt;'><a/></presence>", "<presence id='&gt;'><x/><a/></presence>",
         "<presence id='&gt;'><a/><x/></presence>"),
    ],
)  # fmt: skip
def test_a_copy_with_one_more_child(before: str, first: str, last: str) -> None:
    assert same(stanza(before).with_first(b"<x/>").wire(), first)
    assert same(stanza(before).with_last(b"<x/>").wire(), last)
    assert stanza(before).with_last(b"<x/>").child("{jabber:client}x") is not None


RESOURCES = st.text("ab /&<>\"'=é", min_size=1, max_size=20).map(lambda text: f"a{text}b")


@given(id=XML_TEXT, resource=RESOURCES, text=XML_TEXT)
def test_whatever_is_built_reads_as_it_was_meant(id: str, resource: str, text: str) -> None:
    body = etree.Element("{jabber:client}body", nsmap={None: "jabber:client"})
    body.text = text
    sender = JID.of("romeo", "montague.example", resource)
    built = Stanza.build("message", etree.tostring(body), id=id, to=JULIET, sender=sender, type="chat")
    read = Stanza.from_wire(built.wire())
    assert (read.kind, read.type, read.id, read.to, read.sender) == ("message", "chat", id, JULIET, sender)
    assert (read.element[0].text or "") == text
    assert Stanza.from_wire(built.addressed(sender).wire()).to == sender


def test_a_kept_stanza_is_the_same_stanza() -> None:
    kept = stanza("<message id='1' to='a@b'><body>hi</body></message>").kept()
    assert (kept.kind, kept.id, kept.to) == ("message", "1", "a@b")
    assert kept.element.findtext("{jabber:client}body") == "hi"


def test_an_error_reply_goes_back_without_the_payload() -> None:
    message = stanza(f"<message id='1' type='chat' from='{ROMEO}' to='{NURSE}'><body>hi</body></message>")
    reply = message.error_reply(StanzaError("service-unavailable", "not here"))
    assert same(
        reply.wire(),
        f"<message type='error' id='1' from='{NURSE}' to='{ROMEO}'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>not here</text></error></message>",
    )


def test_an_error_reply_may_say_what_it_is_about() -> None:
    request = stanza(f"<iq id='1' type='set' from='{ROMEO}' to='{NURSE}'><q xmlns='urn:x'><a/><b/></q></iq>")
    about = etree.fromstring("<q xmlns='urn:x'><b/></q>")
    assert same(
        request.error_reply(StanzaError("not-acceptable", about=about)).wire(),
        f"<iq type='error' id='1' from='{NURSE}' to='{ROMEO}'><q xmlns='urn:x'><b/></q><error type='modify'>"
        "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    )


def test_a_result_answers_its_request() -> None:
    request = stanza(f"<iq id='1' type='get' from='{ROMEO}' to='{NURSE}'><q xmlns='urn:x'/></iq>")
    assert same(request.result().wire(), f"<iq type='result' id='1' from='{NURSE}' to='{ROMEO}'/>")
    payload = etree.Element("{urn:x}q", nsmap={None: "urn:x"})
    answer = f"<iq type='result' id='1' from='{NURSE}' to='{ROMEO}'><q xmlns='urn:x'/></iq>"
    assert same(request.result(payload).wire(), answer)


def test_what_has_to_be_done_after_the_answer_is_done_once_it_is_out() -> None:
    request = stanza("<iq type='set' id='1'><q xmlns='urn:x'/></iq>")
    done = []
    request.after_reply(lambda: done.append(1))
    assert done == []
    request.replied()
    assert done == [1]


def test_children_can_be_left_out_of_a_copy() -> None:
    stanza = Stanza.read(
        parse(
            b"<message to='a@b' type='chat'><a xmlns='u:1'/>x<body>hi &amp; \xc3\xbc</body><a xmlns='u:2'/></message>"
        )
    )
    copy = stanza.without(lambda child: child.tag == "{u:1}a")
    assert copy.wire() == '<message to="a@b" type="chat"><body>hi &amp; ü</body><a xmlns="u:2"/></message>'.encode()
    assert copy.child_tags == {"{jabber:client}body", "{u:2}a"}
    assert stanza.child_tags == {"{u:1}a", "{u:2}a", "{jabber:client}body"}
    assert stanza.without(lambda child: True).wire() == b'<message to="a@b" type="chat"/>'


# -- around the content that came


def came_with(content: bytes, **attributes: str) -> Stanza:
    return Stanza.read(etree.Element("{jabber:client}message", attributes), content=content)


def test_content_is_passed_on_as_it_came() -> None:
    message = came_with(b"<body a='b'>c</body>", to="romeo@montague.example", type="chat")
    message.stamp(JULIET, message.to)
    assert message.wire() == (
        b'<message to="romeo@montague.example" type="chat" from="juliet@capulet.example/balcony">'
        b"<body a='b'>c</body></message>"
    )


@pytest.mark.parametrize("value", ['"', "<", ">", "&", "&amp;", "{urn:x}y", "\n", "\t", "\x85", "é", "\U0001f600", "'"])
def test_an_attribute_says_the_same_around_content(value: str) -> None:
    message = came_with(b"<body/>", id=value)
    assert parse(message.wire()).get("id") == value


def test_a_language_is_written_around_content() -> None:
    message = came_with(b"<body/>")
    message.speak("de")
    assert parse(message.wire()).get("{http://www.w3.org/XML/1998/namespace}lang") == "de"


# What a stanza may have in it, told without a look at its tree

DELAY = frozenset({b"urn:xmpp:delay"})
PIECES = [
    "<delay xmlns='urn:xmpp:delay'/>",
    '<p:delay xmlns:p="urn:xmpp:delay"/>',
    "<delay\nxmlns\n=\n'urn:xmpp:delay' />",
    "<delay stamp='xmlns=' xmlns='urn:xmpp:delay'/>",
    """<delay stamp='xmlns="' xmlns='urn:xmpp:delay'/>""",
    "<delay stamp='xmlnsxmlns:xmlns' xmlns='urn:xmpp:delay'/>",
    "<delay xmlns='urn:xmpp:dela&#121;'/>",
    "<x xmlns='urn:xmpp:delay:2'/>",
    "<body>xmlns='</body>",
    "<body>xmlns</body>",
    "<body>xmlns='urn:x &gt; \"</body>",
    "<x xmlns='urn:x'>='</x>",
    "<x a='&lt;delay xmlns=&apos;urn:x'/>",
]


@given(st.lists(st.sampled_from(PIECES), max_size=4))
def test_no_child_is_missed_by_the_quick_look(pieces: list[str]) -> None:
    content = "".join(pieces).encode()
    message = Stanza.read(parse(b"<message>" + content + b"</message>"), content=content)
    has_delay = "{urn:xmpp:delay}delay" in [child.tag for child in message.element]
    assert message.may_use(DELAY) or not has_delay


def test_a_quick_look_tells_that_most_stanzas_have_no_such_child() -> None:
    content = b"<body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/>"
    assert not Stanza.read(parse(b"<message>" + content + b"</message>"), content=content).may_use(DELAY)
