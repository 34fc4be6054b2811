"""Streams of other servers: dialback (XEP-0220), both directions on one stream (XEP-0288), acknowledgements (XEP-0198),
and what may be said on them; without TLS, with a server that the test plays."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from lxml import etree

from tests.harness.federated import Directory, federated, federation_of, next_of, somebody
from tests.harness.peer_servers import BIDI, DIALBACK, KEY, PeerServer, PeerStream, condition_of
from tests.harness.streams import local_name
from xmpp.data import names
from xmpp.data.wire import parse
from xmpp.federation.dialback import Pair, key
from xmpp.federation.settings import FederationSettings
from xmpp.server import Server

MESSAGE = "<message from='romeo@c.example/x' to='{}' type='chat' id='{}'><body>hi</body></message>"
PLAIN = ["c.example", "d.example"]


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    with federated(tmp_path, directory, "a.example", federation={"without_tls": PLAIN}) as one:
        yield one


@pytest.fixture
def authority(directory: Directory) -> Iterator[PeerServer]:
    """The server that is dialled for c.example and d.example."""
    with PeerServer() as peer:
        directory.ports |= dict.fromkeys(PLAIN, peer.port)
        yield peer


@pytest.fixture
def peer(server: Server) -> Iterator[PeerStream]:
    with PeerStream.to(server) as stream:
        yield stream


def shows_a_key(
    peer: PeerStream, authority: PeerServer, verdict: str = "valid", theirs: str = "c.example", ours: str = "a.example"
) -> etree._Element:
    """Ask for a pair of domains by dialback; the authoritative server says this of the key. Returns the answer."""
    peer.send(KEY.format(theirs, ours))
    with authority.accepts() as asked:
        asked.answers()
        verify = asked.next()
        assert (verify.get("from"), verify.get("to"), verify.get("id")) == (ours, theirs, peer.id)
        assert verify.text == "some key"
        asked.send(f"<db:verify from='{theirs}' to='{ours}' id='{peer.id}' {verdict}")
        return peer.next()


VALID, INVALID = "type='valid'/>", "type='invalid'/>"


@pytest.fixture
def agreed(peer: PeerStream, authority: PeerServer) -> PeerStream:
    """A stream on which c.example may write to a.example."""
    peer.opens()
    assert shows_a_key(peer, authority, VALID).get("type") == "valid"
    return peer


# -- who it is


def test_a_key_that_the_authoritative_server_confirms_is_good(server: Server, agreed: PeerStream) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    agreed.send(MESSAGE.format("juliet@a.example/x", 1))
    assert 'from="romeo@c.example/x"' in next_of(juliet, "message")


@pytest.mark.parametrize("sender", ["ROMEO@c.example", "romeo@C.Example", "romeo@c.example."])
def test_the_sender_is_written_as_it_is_normalised(server: Server, agreed: PeerStream, sender: str) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    agreed.send(MESSAGE.format("juliet@a.example/x", 1).replace("romeo@c.example/x", f"{sender}/X"))
    assert 'from="romeo@c.example/X"' in next_of(juliet, "message")


def test_a_key_that_it_does_not_know_closes_the_stream(peer: PeerStream, authority: PeerServer) -> None:
    peer.opens()
    assert shows_a_key(peer, authority, INVALID).get("type") == "invalid"
    assert peer.last_words() == []


def test_that_it_cannot_be_asked_is_an_error_after_which_the_stream_goes_on(
    peer: PeerStream, authority: PeerServer
) -> None:
    peer.opens()
    error = "type='error'><error type='cancel'><x xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>"
    refused = shows_a_key(peer, authority, error)
    assert (refused.get("type"), local_name(refused[0][0])) == ("error", "remote-server-timeout")
    assert shows_a_key(peer, authority, VALID).get("type") == "valid"


def test_row_12_an_answer_about_another_stream_is_none(peer: PeerStream, authority: PeerServer) -> None:
    peer.opens()
    peer.send(KEY.format("c.example", "a.example"))
    with authority.accepts() as asked:
        asked.answers()
        asked.next()
        asked.send(f"<db:verify from='c.example' to='a.example' id='other' {VALID}")
        asked.send(f"<db:verify from='d.example' to='a.example' id='{peer.id}' {VALID}")
    assert peer.next().get("type") == "error"


def test_row_12_a_key_is_not_verified_where_it_came_in(peer: PeerStream, authority: PeerServer) -> None:
    peer.opens()
    peer.send(KEY.format("c.example", "a.example"))
    peer.send(f"<db:verify from='c.example' to='a.example' id='{peer.id}' {VALID}")
    asked_by_us = peer.next()
    assert local_name(asked_by_us) == "verify"
    assert asked_by_us.get("type") == "invalid"
    authority.accepts().hangs_up()
    assert peer.next().get("type") == "error"


def test_several_pairs_may_be_agreed_on_one_by_one(
    server: Server, agreed: PeerStream, authority: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    assert shows_a_key(agreed, authority, VALID, theirs="d.example").get("type") == "valid"
    agreed.send("<message from='paris@d.example' to='juliet@a.example/x' id='2'><body>ho</body></message>")
    assert 'from="paris@d.example"' in next_of(juliet, "message")


@pytest.mark.parametrize(
    ("theirs", "ours", "condition"),
    [
        ("c.example", "x.example", "item-not-found"),
        ("rooms.a.example", "a.example", "policy-violation"),
        ("e.example", "a.example", "policy-violation"),
    ],
)
def test_row_13_pairs_that_cannot_be_are_refused_and_nobody_is_asked(
    peer: PeerStream, directory: Directory, theirs: str, ours: str, condition: str
) -> None:
    peer.opens()
    refused = peer.asks(KEY.format(theirs, ours))
    assert (refused.get("type"), local_name(refused[0][0])) == ("error", condition)
    assert directory.dialled == []


def test_there_are_only_so_many_pairs_on_a_stream(
    tmp_path: Path, directory: Directory, authority: PeerServer
) -> None:
    settings = {"without_tls": PLAIN, "pairs_per_stream": 1}
    server = federated(tmp_path / "few", directory, "a.example", federation=settings)
    with server as one, PeerStream.to(one) as peer:
        peer.opens()
        assert shows_a_key(peer, authority, VALID).get("type") == "valid"
        refused = peer.asks(KEY.format("d.example", "a.example"))
        assert local_name(refused[0][0]) == "resource-constraint"


def test_row_12_keys_of_ours_are_confirmed_to_anybody_and_no_others(server: Server, peer: PeerStream) -> None:
    peer.opens(sender="")
    ours = federation_of(server).own_key(Pair("a.example", "c.example"), "s1")
    asked = "<db:verify from='c.example' to='{}' id='{}'>{}</db:verify>"
    assert peer.asks(asked.format("a.example", "s1", ours)).get("type") == "valid"
    for to, id, text in (("a.example", "s2", ours), ("a.example", "s1", "0" * 64), ("rooms.a.example", "s1", ours)):
        assert peer.asks(asked.format(to, id, text)).get("type") == "invalid"
    unknown = peer.asks(asked.format("x.example", "s1", ours))
    assert (unknown.get("type"), local_name(unknown[0][0])) == ("error", "item-not-found")


def test_the_key_is_that_of_the_example_in_xep_0185() -> None:
    assert key(b"s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F") == (
        "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
    )


# -- stanzas


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        ("<message to='juliet@a.example'/>", "improper-addressing"),
        ("<message from='romeo@c.example'/>", "improper-addressing"),
        ("<message from='a@@c.example' to='juliet@a.example'/>", "improper-addressing"),
        ("<message from='romeo@d.example' to='juliet@a.example'/>", "invalid-from"),
        ("<message from='romeo@c.example' to='a@rooms.a.example'/>", "invalid-from"),
        ("<message from='romeo@x.c.example' to='juliet@a.example'/>", "invalid-from"),
        ("<message from='juliet@a.example' to='juliet@a.example'/>", "invalid-from"),
        ("<message from='romeo@d.example' to='a@@b'/>", "invalid-from"),
        ("<presence xmlns='jabber:client' from='romeo@d.example' to='juliet@a.example'/>", "invalid-from"),
        ("<x xmlns='u:x'/>", "unsupported-stanza-type"),
        ("<r xmlns='urn:xmpp:sm:3'/>", "undefined-condition"),
        ("<a xmlns='urn:xmpp:sm:3' h='1'/>", "undefined-condition"),
        ("<bidi xmlns='urn:xmpp:bidi'/>", "policy-violation"),
    ],
)
def test_row_13_what_may_not_be_said_closes_the_stream(agreed: PeerStream, stanza: str, condition: str) -> None:
    agreed.send(stanza)
    assert agreed.last_words() == [condition]


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        ("<message from='romeo@c.example' to='a@@b'/>", "jid-malformed"),
        ("<iq from='romeo@c.example' to='a.example' type='x' id='1'/>", "bad-request"),
        ("<iq from='romeo@c.example' to='a.example' type='get' id='1'/>", "bad-request"),
        ("<iq from='romeo@c.example' to='a.example' type='get' id='1'><q xmlns='u:x'/></iq>", "service-unavailable"),
        ("<presence from='romeo@c.example' to='juliet@a.example' type='x'/>", "bad-request"),
    ],
)
def test_what_cannot_be_delivered_is_answered(
    agreed: PeerStream, authority: PeerServer, stanza: str, condition: str
) -> None:
    agreed.send(stanza)
    with authority.accepts() as link:
        link.answers()
        link.next()
        link.send(f"<db:result from='c.example' to='a.example' {VALID}")
        answer = link.next()
    assert (answer.get("to"), answer.get("type")) == ("romeo@c.example", "error")
    assert local_name(answer[0][0]) == condition


@pytest.mark.parametrize(
    ("stream", "stanza", "language"),
    [
        ("de", "", "de"),
        ("de-CH", "", "de-CH"),
        ("de", "fr", "fr"),
        ("de", "en", "en"),
        ("en", "", None),
        ("EN", "", None),
        ("", "", None),
    ],
)
def test_stanzas_without_a_language_are_in_that_of_their_stream(
    server: Server, peer: PeerStream, authority: PeerServer, stream: str, stanza: str, language: str | None
) -> None:
    """RFC 6120 section 8.1.5: it counts for them, and who gets them sees nothing of this stream. What is in the
    language of our own streams need not say so."""
    juliet = somebody(server, "juliet@a.example/x")
    peer.opens(more=f" xml:lang='{stream}'" if stream else "")
    assert shows_a_key(peer, authority, VALID).get("type") == "valid"
    own = f"<message xml:lang='{stanza}'" if stanza else "<message"
    peer.send(MESSAGE.format("juliet@a.example/x", 1).replace("<message", own))
    assert parse(next_of(juliet, "message").encode()).get(f"{{{names.XML}}}lang") == language


def test_large_stanzas_are_read_once_it_is_known_who_sends_them(
    tmp_path: Path, server: Server, peer: PeerStream, authority: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    large = MESSAGE.replace("hi", "x" * 100_000).format("juliet@a.example/x", 1)
    peer.opens()
    assert shows_a_key(peer, authority, VALID).get("type") == "valid"
    peer.send(large)
    assert "x" * 100_000 in next_of(juliet, "message")
    with PeerStream.to(server) as stranger:
        stranger.opens()
        stranger.send(large)
        assert stranger.last_words() == ["policy-violation"]


# -- both directions


def test_a_stream_may_carry_both_directions(server: Server, peer: PeerStream, authority: PeerServer) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    assert peer.opens().find("{urn:xmpp:features:bidi}bidi") is not None
    peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
    assert shows_a_key(peer, authority, VALID).get("type") == "valid"
    juliet.sends("<message to='romeo@c.example' id='1'/>")
    assert peer.next().get("id") == "1"
    assert not authority.has_another


def test_who_asks_for_both_directions_says_what_it_takes(
    server: Server, peer: PeerStream, authority: PeerServer
) -> None:
    """XEP-0478: it has no features to say it in."""
    juliet = somebody(server, "juliet@a.example/x")
    peer.opens()
    limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"
    peer.send(f"<bidi xmlns='urn:xmpp:bidi'>{limits}</bidi>")
    assert shows_a_key(peer, authority, VALID).get("type") == "valid"
    large = "".join(juliet.sends(f"<message to='romeo@c.example' id='1'><body>{'x' * 20_000}</body></message>"))
    assert "policy-violation" in large
    juliet.sends("<message to='romeo@c.example' id='2'/>")
    assert peer.next().get("id") == "2"


def test_row_13_both_directions_are_for_the_pair_that_was_agreed_on(
    server: Server, peer: PeerStream, authority: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    peer.opens()
    peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
    assert shows_a_key(peer, authority, VALID).get("type") == "valid"
    juliet.sends("<message to='paris@d.example' id='1'/>")
    with authority.accepts() as link:
        link.answers()
        assert link.next().get("to") == "d.example"


def test_what_may_not_have_arrived_comes_back_once_from_a_stream_of_several_pairs(
    server: Server, peer: PeerStream, authority: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.received()
    peer.opens()
    peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
    for theirs in PLAIN:
        assert shows_a_key(peer, authority, VALID, theirs).get("type") == "valid"
    peer.asks("<enable xmlns='urn:xmpp:sm:3'/>")
    for theirs in PLAIN:
        juliet.sends(f"<message to='romeo@{theirs}' id='{theirs}'/>")
    assert peer.next().get("id") == "c.example"
    peer.hangs_up()
    while federation_of(server).streams or server.portions.are_left:
        gevent.sleep(0.002)
    assert ["c.example" in each for each in juliet.received()] == [True, False]


def test_a_server_that_hangs_up_when_asked_for_both_is_not_asked_again(
    server: Server, authority: PeerServer
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    juliet.sends("<message to='romeo@c.example' id='1'/>")
    with authority.accepts() as first:
        first.answers(DIALBACK + BIDI)
        bidi = first.next()
        assert local_name(bidi) == "bidi"
        assert bidi.findtext("{*}limits/{*}max-bytes") == str(server.settings(FederationSettings).stanza_bytes)
    with authority.accepts() as second:
        second.answers(DIALBACK + BIDI)
        assert local_name(second.next()) == "result"
        second.send(f"<db:result from='c.example' to='a.example' {VALID}")
        assert second.next().get("id") == "1"


# -- acknowledgements


def test_what_has_come_is_counted_once_that_is_asked_for(server: Server, agreed: PeerStream) -> None:
    somebody(server, "juliet@a.example/x")
    agreed.send(MESSAGE.format("juliet@a.example/x", 0))
    assert local_name(agreed.asks("<enable xmlns='urn:xmpp:sm:3'/>")) == "enabled"
    for number in (1, 2, 3):
        agreed.send(MESSAGE.format("juliet@a.example", number))
    assert agreed.asks("<r xmlns='urn:xmpp:sm:3'/>").get("h") == "3"


def test_who_closes_the_stream_says_first_what_has_come(server: Server, agreed: PeerStream) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    agreed.asks("<enable xmlns='urn:xmpp:sm:3'/>")
    agreed.send(MESSAGE.format("juliet@a.example/x", 1))
    assert 'id="1"' in next_of(juliet, "message")
    server.stop()
    assert agreed.next().get("h") == "1"
    assert agreed.last_words() == ["system-shutdown"]


def test_nothing_is_counted_before_it_is_known_who_sends(peer: PeerStream) -> None:
    peer.opens()
    assert local_name(peer.asks("<enable xmlns='urn:xmpp:sm:3'/>")) == "failed"


@pytest.mark.parametrize(("h", "condition"), [("2", "undefined-condition"), ("-1", "bad-format"), ("", "bad-format")])
def test_more_than_was_sent_cannot_be_acknowledged(
    server: Server, peer: PeerStream, authority: PeerServer, h: str, condition: str
) -> None:
    juliet = somebody(server, "juliet@a.example/x")
    peer.opens()
    peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
    shows_a_key(peer, authority, VALID)
    peer.asks("<enable xmlns='urn:xmpp:sm:3'/>")
    juliet.sends("<message to='romeo@c.example' id='1'/>")
    peer.send(f"<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
    assert condition in peer.last_words()


def test_an_error_of_the_stream_says_what_is_wrong(peer: PeerStream) -> None:
    error = peer.opens(to="x.example")
    assert condition_of(error) == "host-unknown"
