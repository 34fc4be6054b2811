"""Logging in within one round trip (XEP-0388): what is offered, how an exchange is conducted, how it fails."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from lxml import etree

from db import accounts
from tests.harness.sasl2 import PHONE, SASL2, Sasl2Stream, bind, identifier, secured_server
from tests.harness.streams import BIND, SASL, Stream, local_name, outcome
from xmpp.data.jid import JID
from xmpp.server import Server

AUTHENTICATION = f"{{{SASL2}}}authentication"
INLINE = f"{{{SASL2}}}inline"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path, sasl={"tries": 5}) as server:
        yield server


@pytest.fixture
def stream(server: Server) -> Iterator[Sasl2Stream]:
    with Sasl2Stream(server) as stream:
        stream.open()
        yield stream


def mechanisms(features: etree._Element) -> list[str | None]:
    return [each.text for each in features.findall(f"{AUTHENTICATION}/{{{SASL2}}}mechanism")]


def test_the_same_mechanisms_are_offered_as_before_and_what_can_be_done_together_with_the_login(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        features = stream.open()
        older = [each.text for each in features.findall(f"{{{SASL}}}mechanisms/{{{SASL}}}mechanism")]
        assert mechanisms(features) == older
        inline = features.find(f"{AUTHENTICATION}/{INLINE}")
        assert inline is not None
        tags = ["{urn:xmpp:sm:3}sm", "{urn:xmpp:bind:0}bind", "{urn:xmpp:fast:0}fast"]
        assert [each.tag for each in inline] == tags
        switches = [each.get("var") for each in inline.iter("{urn:xmpp:bind:0}feature")]
        assert switches == ["urn:xmpp:carbons:2", "urn:xmpp:sm:3", "urn:xmpp:csi:0"]


def test_where_somebody_could_listen_it_is_neither_offered_nor_done(server: Server) -> None:
    with Stream(server) as stream:
        assert stream.open().find(AUTHENTICATION) is None
        assert outcome(stream.asks(f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'/>")) == "encryption-required"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_after_the_login_the_stream_goes_on_with_what_is_offered_then(stream: Sasl2Stream, mechanism: str) -> None:
    assert identifier(stream.tries_scram2(mechanism)) == "juliet@localhost"
    features = stream.receives()
    assert features.find(f"{{{BIND}}}bind") is not None
    assert features.find(AUTHENTICATION) is None
    assert stream.binds("balcony") == "juliet@localhost/balcony"


def test_the_first_message_may_come_after_an_empty_challenge(stream: Sasl2Stream) -> None:
    challenge = stream.authenticates("PLAIN", None)
    assert (local_name(challenge), challenge.text) == ("challenge", None)
    assert identifier(stream.answers(b"\0juliet\0secret")) == "juliet@localhost"


def test_a_login_has_no_data_where_the_mechanism_has_none(stream: Sasl2Stream) -> None:
    success = stream.tries_plain()
    assert [local_name(each) for each in success] == ["authorization-identifier"]


def test_after_a_failure_one_can_try_again_by_either_profile(stream: Sasl2Stream) -> None:
    failure = stream.tries_plain(password="wrong")
    assert failure.tag == f"{{{SASL2}}}failure"
    assert failure[0].tag == f"{{{SASL}}}not-authorized"
    assert outcome(stream.tries_scram2("SCRAM-SHA-256", password="wrong")) == "not-authorized"
    assert stream.tries_password("juliet", "wrong") == "not-authorized"
    assert identifier(stream.tries_plain()) == "juliet@localhost"


@pytest.mark.parametrize(
    ("sent", "condition"),
    [
        (f"<abort xmlns='{SASL2}'/>", "aborted"),
        (f"<response xmlns='{SASL2}'/>", "malformed-request"),
        (f"<authenticate xmlns='{SASL2}'/>", "invalid-mechanism"),
        (f"<authenticate xmlns='{SASL2}' mechanism='EXTERNAL'/>", "invalid-mechanism"),
        (f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>=</initial-response></authenticate>",
         "incorrect-encoding"),
        (f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response/></authenticate>", "malformed-request"),
        (f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response><x/></initial-response></authenticate>",
         "malformed-request"),
        (f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><user-agent id='phone'/></authenticate>",
         "malformed-request"),
        (f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><user-agent id='{PHONE[:14]}1{PHONE[15:]}'/></authenticate>",
         "malformed-request"),
    ],
)  # fmt: skip
def test_each_failure_has_its_condition(stream: Sasl2Stream, sent: str, condition: str) -> None:
    assert outcome(stream.asks(sent)) == condition
    assert identifier(stream.tries_plain()) == "juliet@localhost"


def test_an_exchange_that_is_aborted_is_over(stream: Sasl2Stream) -> None:
    stream.authenticates("PLAIN", None)
    assert outcome(stream.asks(f"<abort xmlns='{SASL2}'/>")) == "aborted"
    assert outcome(stream.answers(b"\0juliet\0secret")) == "malformed-request"


@pytest.mark.parametrize(
    "sent",
    [
        "<iq type='get' id='q'><query xmlns='jabber:iq:register'/></iq>",
        "<presence/>",
        f"<auth xmlns='{SASL}' mechanism='PLAIN'/>",
        f"<response xmlns='{SASL}'/>",
        f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'/>",
        "<r xmlns='urn:xmpp:sm:3'/>",
    ],
)
def test_whatever_else_comes_in_the_middle_of_it_ends_the_stream(stream: Sasl2Stream, sent: str) -> None:
    stream.authenticates("PLAIN", None)
    stream.send(sent)
    assert stream.last_words() == ["policy-violation"]


def test_somebody_else_than_the_stream_is_for_is_not_let_in(server: Server) -> None:
    with Sasl2Stream(server) as stream:
        stream.claims = "romeo@localhost"
        stream.open()
        assert outcome(stream.tries_plain()) == "invalid-authzid"
    with Sasl2Stream(server) as stream:
        stream.claims = "juliet@localhost"
        stream.open()
        assert identifier(stream.tries_plain()) == "juliet@localhost"


def test_once_logged_in_nobody_logs_in_again(stream: Sasl2Stream) -> None:
    identifier(stream.tries_plain())
    stream.receives()
    stream.send(f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'/>")
    assert stream.last_words() == ["unsupported-stanza-type"]


def test_too_many_failures_end_the_stream_however_they_were_made(tmp_path: Path) -> None:
    with secured_server(tmp_path, sasl={"tries": 2}) as server, Sasl2Stream(server) as stream:
        stream.open()
        stream.tries_password("juliet", "wrong")
        stream.tries_plain(password="wrong")
        assert stream.last_words() == ["policy-violation"]


def test_stanzas_may_be_large_once_somebody_has_logged_in(server: Server, stream: Sasl2Stream) -> None:
    identifier(stream.tries_plain())
    stream.receives()
    stream.binds("balcony")
    body = "wherefore " * 3_000
    message = stream.asks(f"<message to='juliet@localhost/balcony'><body>{body}</body></message>")
    assert message.findtext("{jabber:client}body") == body


def test_guests_are_let_in_by_it_too_and_are_gone_with_their_session(tmp_path: Path) -> None:
    with secured_server(tmp_path, guests={"enabled": True}) as server, Sasl2Stream(server) as stream:
        assert "ANONYMOUS" in mechanisms(stream.open())
        address = identifier(stream.authenticates("ANONYMOUS", None, bind()))
        guest = JID.parse(address).bare
        assert guest.domain == "localhost"
        assert [session.jid for session in server.online.sessions(guest)] == [address]
        stream.send("</stream:stream>")
        assert stream.receives() is not None
        while accounts.exists(server.db, guest):
            gevent.sleep(0.01)
