"""XMPP over BOSH (XEP-0124, XEP-0206): sessions, the order of requests, their answers, and how all that ends."""

import logging
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.harness.bosh import CREATION, PATH, Answer, BoshClient, written
from tests.harness.browsing import browser, web_server
from tests.harness.streams import BIND, SASL, Stream, local_name
from tests.harness.websockets import WebSocketClient, standing_alone
from web.bosh.answers import ANSWER_BYTES
from web.bosh.endpoint import Sessions
from web.http.headers import CROSS_ORIGIN
from web.site import Site
from xmpp.data.jid import JID
from xmpp.routing.session import Session

SM = "urn:xmpp:sm:3"
BALCONY = JID.parse("juliet@localhost/balcony")
PING = standing_alone("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
TO_HERSELF = "<message type='chat' to='juliet@localhost/balcony'><body>{}</body></message>"


@pytest.fixture
def client(site: Site) -> Iterator[BoshClient]:
    """A client without a session."""
    with BoshClient(site) as client:
        yield client


@pytest.fixture
def juliet(client: BoshClient) -> BoshClient:
    """A client that is logged in and has had an answer to all that it has asked."""
    return logged_in(client)


def logged_in(client: BoshClient) -> BoshClient:
    client.logs_in()
    assert client.binds("balcony") == BALCONY
    return client


def session_at(site: Site) -> Session | None:
    return site.server.online.session(BALCONY)


def until_gone(site: Site) -> None:
    """Wait until the session has ended, however long the server takes."""
    with gevent.Timeout(30):
        while session_at(site) is not None:
            gevent.sleep(0.001)


def until_away(site: Site) -> None:
    """Wait until the session has no connection."""
    with gevent.Timeout(30):
        while (session := session_at(site)) is not None and session.connection is not None:
            gevent.sleep(0.001)


def until_held(site: Site, count: int = 1) -> None:
    """Wait until so many requests wait for an answer."""
    [manager] = site.server.state(Sessions).by_sid.values()
    with gevent.Timeout(30):
        while len(manager.window) < count:
            gevent.sleep(0.001)


def bodies(*answers: Answer) -> list[str | None]:
    """The texts of the messages in these answers."""
    return [each.findtext("{jabber:client}body") for answer in answers for each in answer.body]


# -- how a session is created


def test_a_session_is_created(client: BoshClient) -> None:
    answer = client.begin(wait="20", hold="1", ver="1.6", from_="juliet@localhost")
    assert answer.got.headers["content-type"] == "text/xml; charset=utf-8"
    said = {local_name_of(key): value for key, value in client.greeting.items()}
    assert len(said.pop("sid")) == 32
    assert len(said.pop("authid")) == 32
    assert said == {
        "wait": "20",
        "requests": "2",
        "hold": "1",
        "inactivity": "60",
        "polling": "5",
        "maxpause": "120",
        "ver": "1.6",
        "from": "localhost",
        "version": "1.0",
        "restartlogic": "true",
    }
    assert b"<stream:features>" in answer.got.content
    assert b'xmlns:stream="http://etherx.jabber.org/streams"' in answer.got.content
    assert answer.names == ["features"]
    offered = {str(each.tag) for each in answer.body[0]}
    assert "{urn:ietf:params:xml:ns:xmpp-sasl}mechanisms" in offered
    assert "{urn:ietf:params:xml:ns:xmpp-tls}starttls" not in offered


def local_name_of(key: str) -> str:
    return key.rpartition("}")[2]


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        ({"wait": "3600"}, {"wait": "55"}),
        ({"wait": None}, {"wait": "55"}),
        ({"hold": "5"}, {"hold": "1", "requests": "2"}),
        ({"hold": None}, {"hold": "1"}),
        ({"hold": "0"}, {"hold": "0", "wait": "0", "inactivity": "70"}),
        ({"wait": "0"}, {"hold": "0", "wait": "0", "inactivity": "70"}),
        ({"ver": "1.12"}, {"ver": "1.11"}),
        ({"ver": "1.9"}, {"ver": "1.9"}),
        ({"ver": "2.0"}, {"ver": "1.11"}),
    ],
)
def test_neither_side_gets_more_than_it_wants(
    client: BoshClient, asked: dict[str, str | None], agreed: dict[str, str]
) -> None:
    client.begin(**asked)
    assert {name: client.greeting.get(name) for name in agreed} == agreed


@pytest.mark.parametrize("content", ["text/plain", "text/xml;charset=UTF-8", "application/xml; charset=utf-8"])
def test_a_client_gets_the_content_type_that_it_has_asked_for(client: BoshClient, content: str) -> None:
    assert client.begin(content=content).got.headers["content-type"] == content
    assert client.leave().got.headers["content-type"] == content


@pytest.mark.parametrize("content", ["text/html", "image/svg+xml", "text/xml&#13;&#10;X: y", "multipart/form-data"])
def test_a_content_type_that_makes_a_page_of_it_is_not_granted(client: BoshClient, content: str) -> None:
    assert client.begin(content=content).got.headers["content-type"] == "text/xml; charset=utf-8"


def test_a_stream_may_begin_without_a_version(client: BoshClient) -> None:
    assert client.begin(xmpp_version=None).names == ["features"]


def test_more_streams_in_one_session_are_not_offered_and_asking_for_one_asks_for_nothing(client: BoshClient) -> None:
    client.begin()
    assert "stream" not in client.greeting
    held = client.ask(to="elsewhere.example", pause="5")
    assert client.answer(held).is_empty


@pytest.mark.parametrize(
    ("attributes", "condition"),
    [
        ({"to": "elsewhere.example"}, "host-unknown"),
        ({"to": None}, "improper-addressing"),
        ({"to": ""}, "improper-addressing"),
        ({"wait": "soon"}, "bad-request"),
        ({"hold": "-1"}, "bad-request"),
        ({"ver": "one"}, "bad-request"),
    ],
)
def test_a_session_that_cannot_be_created_is_refused(
    client: BoshClient, attributes: dict[str, str | None], condition: str
) -> None:
    assert client.begin(**attributes).end == ("terminate", condition)


def test_an_error_of_the_stream_stands_in_the_last_body(client: BoshClient) -> None:
    answer = client.begin(xmpp_version="0.9")
    assert answer.end == ("terminate", "remote-stream-error")
    assert b"<stream:error>" in answer.got.content
    assert [local_name(each[0]) for each in answer.body] == ["unsupported-version"]


@pytest.mark.parametrize("rid", [None, "0", "-1", "x", "1.5", "", "1" * 17])
def test_a_request_without_a_number_is_refused(client: BoshClient, rid: str | None) -> None:
    answer = client.answer(client.asks_bytes(written("", {**CREATION, "rid": rid})))
    assert answer.end == ("terminate", "bad-request")


def test_a_client_that_names_no_version_is_told_by_the_status(client: BoshClient) -> None:
    def status(**attributes: str | None) -> int:
        return client.begin(ver=None, **attributes).status

    assert status(wait="soon") == 400
    client.begin(ver=None)
    assert "ver" not in client.greeting
    assert client.post(rid=client.rid + 50).status == 404
    client.begin(ver=None)
    assert client.post(pause="121").status == 403
    assert client.begin(ver=None, to="elsewhere.example").end == ("terminate", "host-unknown")  # has no status


def test_a_sid_that_nobody_has_is_not_found(client: BoshClient) -> None:
    client.sid = "A" * 32
    assert client.post().end == ("terminate", "item-not-found")


def test_sids_are_random_and_never_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with BoshClient(site) as one, BoshClient(site) as other:
        sids = [logged_in(one).sid, other.begin().body.get("sid")]
        one.post(TO_HERSELF.format("o"), rid=one.rid + 90)
        other.post("<message")
        other.leave()
    assert len({*sids}) == 2
    for sid in sids:
        assert sid is not None and len(sid) >= 22
        assert sid not in caplog.text
    assert "POST /http-bind" in caplog.text


# -- what HTTP is asked


@pytest.mark.parametrize("path", [PATH, "/bosh"])
def test_pages_of_other_sites_may_use_it(site: Site, path: str) -> None:
    with browser(site) as connection:
        asked = {"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"}
        got = connection.ask("OPTIONS", path, headers={**asked, "Access-Control-Request-Headers": "content-type"})
        assert got.status == 204
        assert got.headers["access-control-allow-origin"] == "*"
        assert got.headers["access-control-allow-methods"] == "POST, OPTIONS"
        assert "Content-Type" in got.headers["access-control-allow-headers"]
        assert int(got.headers["access-control-max-age"]) > 0
        assert "access-control-allow-credentials" not in got.headers
        for content in (written("", {**CREATION, "rid": "7"}), b"nothing of the kind"):
            got = connection.ask("POST", path, content, {"Origin": "https://chat.example"})
            assert got.headers["access-control-allow-origin"] == CROSS_ORIGIN["Access-Control-Allow-Origin"] == "*"
            assert got.headers["cache-control"] == "no-store"
            assert not got.cookies


def test_a_session_cannot_be_had_by_a_link(juliet: BoshClient, site: Site) -> None:
    with browser(site) as connection:
        got = connection.ask("GET", f"{PATH}?sid={juliet.sid}&rid={juliet.rid}")
    assert (got.status, got.headers["allow"]) == (405, "POST, OPTIONS")


def test_a_request_may_have_any_content_type_and_come_in_chunks(site: Site) -> None:
    body = written("", {**CREATION, "rid": "7"})
    with browser(site) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"1\r\n%b\r\n" % body[at : at + 1] for at in range(len(body)))
        got = connection.exchange(head.encode() + chunks + b"0\r\n\r\n", "POST")
    assert Answer(got).names == ["features"]


def test_over_tls_a_session_is_as_over_loopback(site: Site) -> None:
    with BoshClient(site, "HTTPS", "/bosh") as client:
        logged_in(client)
        pinged = client.asks(PING)
        assert pinged.get("type") == "result"


def test_no_channel_binding_is_offered(site: Site) -> None:
    with BoshClient(site, "HTTPS") as client:
        features = client.open()
    offered = [each.text for each in features.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")]
    assert "SCRAM-SHA-256" in offered
    assert not [name for name in offered if name and name.endswith("-PLUS")]


# -- logging in


def test_a_stream_restarts_after_login(client: BoshClient) -> None:
    client.open()
    assert client.tries_password("juliet", "secret") == "success"
    answer = client.post(xmpp_restart="true", to="localhost", xml_lang="en")
    assert answer.names == ["features"]
    assert answer.body.get("authid") != client.greeting["authid"]
    assert answer.body[0].find("{urn:ietf:params:xml:ns:xmpp-bind}bind") is not None


def test_a_restart_need_not_name_the_host_and_what_stands_in_it_is_ignored(client: BoshClient) -> None:
    client.open()
    client.tries_password("juliet", "secret")
    assert client.post(PING, xmpp_restart="1").names == ["features"]


def test_a_restart_at_another_host_is_refused(client: BoshClient) -> None:
    client.open()
    client.tries_password("juliet", "secret")
    assert client.post(xmpp_restart="true", to="elsewhere.example").end == ("terminate", "host-unknown")


def test_a_client_that_does_not_restart_its_stream_after_login_is_refused(client: BoshClient) -> None:
    client.open()
    client.tries_password("juliet", "secret")
    answer = client.post(standing_alone("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"))
    assert answer.end == ("terminate", "remote-stream-error")
    assert [local_name(each[0]) for each in answer.body] == ["policy-violation"]


def test_a_restart_that_nothing_calls_for_is_refused(client: BoshClient) -> None:
    client.begin()
    assert client.post(xmpp_restart="true", to="localhost").end == ("terminate", "remote-stream-error")


# -- stanzas


@pytest.mark.parametrize("namespace", ["jabber:client", None])
def test_stanzas_come_with_their_namespace_whether_a_client_sends_it_or_not(
    juliet: BoshClient, namespace: str | None
) -> None:
    text = TO_HERSELF.format("o")
    [message] = juliet.post(standing_alone(text) if namespace else text).body
    assert message.tag == "{jabber:client}message"
    assert message.findtext("{jabber:client}body") == "o"


def test_several_stanzas_in_one_body_are_handled_in_order(juliet: BoshClient) -> None:
    sent = [str(number) for number in range(50)]
    told = juliet.post("".join(standing_alone(TO_HERSELF.format(each)) for each in sent))
    assert bodies(told) == sent


def test_prefixes_that_a_body_declares_hold_in_its_stanzas(juliet: BoshClient) -> None:
    content = "<message xmlns='jabber:client' to='juliet@localhost/balcony'><j:json>{}</j:json></message>"
    [message] = juliet.post(content, xmlns_j="urn:xmpp:json:0").body
    assert message.findtext("{urn:xmpp:json:0}json") == "{}"


def test_what_waits_goes_out_in_answers_of_bounded_size(juliet: BoshClient, site: Site) -> None:
    session = session_at(site)
    assert session is not None
    text = "o" * 20_000
    sent = [f"{number} {text}" for number in range(20)]
    with Stream(site.server) as romeo:
        romeo.logs_in()
        romeo.binds("here")
        for each in sent:
            romeo.send(TO_HERSELF.format(each))
        romeo.asks("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
    answers: list[Answer] = []
    while len(bodies(*answers)) < len(sent):
        answers.append(juliet.post())
        assert len(answers[-1].got.content) < ANSWER_BYTES + 1000
    assert len(answers) > 5
    assert bodies(*answers) == sent


# -- how long requests wait


def test_a_request_is_held_until_there_is_something_to_say(juliet: BoshClient, site: Site) -> None:
    held = juliet.ask()
    until_held(site)
    with Stream(site.server) as other:
        other.logs_in()
        other.binds("here")
        other.send(TO_HERSELF.format("at last"))
        assert bodies(juliet.answer(held)) == ["at last"]


def test_a_request_that_says_something_has_the_one_answered_that_was_held(juliet: BoshClient, site: Site) -> None:
    held = juliet.ask()
    until_held(site)
    pinged = juliet.ask(PING)
    assert [each.get("id") for each in juliet.answer(held).body] == ["ping"]
    assert not pinged.ready()
    spoken = juliet.ask("<presence xmlns='jabber:client' type='unavailable'/>")
    assert juliet.answer(pinged).is_empty  # one request is held, and no more
    assert not spoken.ready()


def test_after_the_time_of_waiting_a_request_is_answered_with_nothing(client: BoshClient) -> None:
    client.begin(wait="1")
    assert client.post().is_empty
    assert client.post().is_empty


def test_a_client_may_do_without_held_requests(client: BoshClient, site: Site) -> None:
    assert client.begin(hold="0").names == ["features"]
    plain = b64encode(b"\0juliet\0secret").decode()
    assert client.post(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain}</auth>").names == ["success"]
    assert client.post(xmpp_restart="true").names == ["features"]
    told = client.post(
        standing_alone(f"<iq type='set' id='b'><bind xmlns='{BIND}'><resource>balcony</resource></bind></iq>")
    )
    assert told.names == ["iq"]
    with Stream(site.server) as other:
        other.logs_in()
        other.binds("here")
        for text in ("one", "two"):
            other.send(TO_HERSELF.format(text))
            other.asks("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
            assert bodies(client.post()) == [text]


def test_an_empty_request_beside_one_that_is_held_is_too_much_within_the_interval_of_polling(
    juliet: BoshClient, site: Site
) -> None:
    held = juliet.ask()
    until_held(site)
    assert juliet.post().end == ("terminate", "policy-violation")
    assert juliet.answer(held).end == ("terminate", "other-request")
    until_gone(site)


def test_an_empty_request_after_that_interval_has_the_older_one_answered(tmp_path: Path) -> None:
    with web_server(tmp_path, bosh={"polling_seconds": 1}) as site, BoshClient(site) as juliet:
        logged_in(juliet)
        held = juliet.ask()
        until_held(site)
        [manager] = site.server.state(Sessions).by_sid.values()
        manager._last_came -= 1
        newer = juliet.ask()
        assert juliet.answer(held).is_empty
        assert not newer.ready()


def test_who_polls_too_often_is_refused(tmp_path: Path) -> None:
    with web_server(tmp_path, bosh={"polling_seconds": 600}) as site, BoshClient(site) as client:
        client.begin(hold="0")
        assert client.post().is_empty
        assert client.post().end == ("terminate", "policy-violation")


def test_more_requests_at_once_than_agreed_are_refused(juliet: BoshClient, site: Site) -> None:
    first = juliet.ask(PING, rid=juliet.rid + 1)  # the one before it is missing, so it waits
    until_held(site)
    ending = juliet.ask(rid=juliet.rid + 2, pause="5")  # one more that pauses is allowed
    until_held(site, 2)
    assert juliet.post(PING, rid=juliet.rid).end == ("terminate", "policy-violation")
    assert [juliet.answer(each).end for each in (first, ending)] == [("terminate", "other-request")] * 2
    until_gone(site)


# -- numbers


def test_requests_are_handled_in_the_order_of_their_numbers(juliet: BoshClient, site: Site) -> None:
    later = juliet.ask(standing_alone(TO_HERSELF.format("second")), rid=juliet.rid + 1)
    until_held(site)
    assert not later.ready()
    first = juliet.ask(standing_alone(TO_HERSELF.format("first")))
    told = [juliet.answer(first)]
    if len(bodies(*told)) < 2:
        told.append(juliet.answer(later))
    assert bodies(*told) == ["first", "second"]


def test_an_empty_request_may_be_overtaken_by_the_one_after_it(juliet: BoshClient, site: Site) -> None:
    later = juliet.ask(standing_alone(TO_HERSELF.format("later")), rid=juliet.rid + 1)
    until_held(site)
    assert bodies(juliet.post()) == ["later"]
    assert not later.ready()


@pytest.mark.parametrize("ahead", [2, 3, 1000, -50])
def test_a_number_that_is_out_of_the_window_ends_the_session(juliet: BoshClient, site: Site, ahead: int) -> None:
    assert juliet.post(PING, rid=juliet.rid + ahead).end == ("terminate", "item-not-found")
    assert juliet.post(PING).end == ("terminate", "item-not-found")
    until_gone(site)


def test_a_request_that_comes_again_is_answered_by_the_same_bytes(juliet: BoshClient) -> None:
    text = standing_alone(TO_HERSELF.format("once"))
    answer = juliet.post(text, rid=juliet.rid)
    assert bodies(answer) == ["once"]
    for _ in range(5):
        again = juliet.post(text, rid=juliet.rid)
        assert again.got.content == answer.got.content
    juliet.rid += 1
    assert [each.get("id") for each in juliet.post(PING).body] == ["ping"]  # and nothing was handled twice


def test_so_many_answers_are_kept_as_there_may_be_requests(juliet: BoshClient, site: Site) -> None:
    asked = [(juliet.rid, juliet.post(PING)) for _ in range(4)]
    for rid, answer in asked[-2:]:
        assert juliet.post(PING, rid=rid).got.content == answer.got.content
    assert juliet.post(PING, rid=asked[0][0]).end == ("terminate", "item-not-found")


def test_a_request_that_comes_again_while_it_is_held_has_the_later_one_answered(juliet: BoshClient, site: Site) -> None:
    held = juliet.ask(rid=juliet.rid)
    until_held(site)
    again = juliet.ask(rid=juliet.rid)
    assert juliet.answer(held).end == ("error", None)
    juliet.rid += 1
    juliet.ask(PING)
    assert [each.get("id") for each in juliet.answer(again).body] == ["ping"]


def test_a_message_that_was_lost_with_its_connection_is_sent_again(juliet: BoshClient, site: Site) -> None:
    text = standing_alone(TO_HERSELF.format("kept"))
    request = written(text, {"rid": str(juliet.rid), "sid": juliet.sid})
    with browser(site) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(request)}\r\n\r\n"
        connection.sock.sendall(head.encode() + request)  # and the answer is never read
        [manager] = site.server.state(Sessions).by_sid.values()
        with gevent.Timeout(30):
            while manager.window.answer_to(juliet.rid) is None:
                gevent.sleep(0.001)
    assert bodies(juliet.answer(juliet.asks_bytes(request))) == ["kept"]


def test_a_gap_that_is_not_filled_has_the_client_send_again(client: BoshClient, site: Site) -> None:
    client.begin(wait="1")
    ahead = client.ask(rid=client.rid + 1)
    assert client.answer(ahead).end == ("error", None)
    first, second = client.ask(), client.ask("<x xmlns='jabber:client'/>")
    assert client.answer(first).end == ("terminate", "remote-stream-error")
    assert client.answer(second).is_empty


# -- silence


def test_a_pause_has_all_requests_answered(juliet: BoshClient, site: Site) -> None:
    held = juliet.ask()
    until_held(site)
    paused = juliet.ask(pause="60")
    assert [juliet.answer(each).is_empty for each in (held, paused)] == [True, True]
    [manager] = site.server.state(Sessions).by_sid.values()
    assert manager.inactivity.seconds == 60
    assert [each.get("id") for each in juliet.post(PING).body] == ["ping"]
    assert manager.inactivity.seconds == int(juliet.greeting["inactivity"])


def test_the_answer_to_a_pause_has_no_content(juliet: BoshClient, site: Site) -> None:
    with Stream(site.server) as other:
        other.logs_in()
        other.binds("here")
        other.send(TO_HERSELF.format("later"))
        other.asks("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert juliet.post(pause="5").is_empty
    assert bodies(juliet.post()) == ["later"]


@pytest.mark.parametrize(("pause", "condition"), [("121", "policy-violation"), ("long", "bad-request")])
def test_a_pause_that_is_too_long_is_refused(juliet: BoshClient, pause: str, condition: str) -> None:
    assert juliet.post(pause=pause).end == ("terminate", condition)


def test_a_client_that_is_silent_for_too_long_is_gone(juliet: BoshClient, site: Site) -> None:
    assert juliet.post(pause="1").is_empty
    until_gone(site)
    assert juliet.post().end == ("terminate", "item-not-found")
    assert not site.server.state(Sessions).by_sid


# -- the end


def test_a_client_ends_its_session(juliet: BoshClient, site: Site) -> None:
    held = juliet.ask()
    until_held(site)
    ended = juliet.ask("<presence xmlns='jabber:client' type='unavailable'/>", type="terminate")
    assert juliet.answer(held).end == ("terminate", None)
    assert juliet.answer(ended).is_empty
    until_gone(site)


def test_the_last_answer_can_be_had_again_and_nothing_after_it(juliet: BoshClient, site: Site) -> None:
    ended = juliet.post(rid=juliet.rid, type="terminate")
    assert juliet.post(rid=juliet.rid, type="terminate").got.content == ended.got.content
    assert juliet.post(rid=juliet.rid + 1).end == ("terminate", "item-not-found")


def test_an_error_of_the_stream_comes_behind_what_was_sent_before(juliet: BoshClient, site: Site) -> None:
    answer = juliet.post(standing_alone(TO_HERSELF.format("o")) + "<bad xmlns='jabber:client'/>")
    assert answer.end == ("terminate", "remote-stream-error")
    assert answer.names == ["message", "error"]
    assert local_name(answer.body[1][0]) == "unsupported-stanza-type"
    until_gone(site)


def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    with web_server(tmp_path) as site, BoshClient(site) as silent, BoshClient(site) as juliet:
        silent.begin()
        logged_in(juliet)
        held = juliet.ask()
        with gevent.Timeout(30):
            while not any(each.has_requests for each in site.server.state(Sessions).by_sid.values()):
                gevent.sleep(0.001)
        with gevent.Timeout(4):  # the silent one is not waited for
            site.server.stop()
        assert juliet.answer(held).end == ("terminate", "system-shutdown")


def test_nothing_is_left_of_sessions_that_have_ended(site: Site, client: BoshClient) -> None:
    for _ in range(3):
        client.begin()
        assert client.leave().end == ("terminate", None)
    with gevent.Timeout(30):
        while site.server.state(Sessions).by_sid:
            gevent.sleep(0.01)
    assert site.listener._places.taken <= 1  # that of the connection itself


# -- sessions that outlive their connection


def enabled(client: Stream) -> str:
    """Enable stream management; returns the id of the session."""
    answer = client.asks(f"<enable xmlns='{SM}' resume='true'/>")
    assert local_name(answer) == "enabled"
    return answer.get("id") or ""


def resumed(client: Stream, previd: str) -> list[str]:
    """Resume a session; returns the texts that come with it."""
    client.logs_in()
    client.send(f"<resume xmlns='{SM}' previd='{previd}' h='0'/>")
    texts = []
    for element in client._elements:
        if local_name(element) == "message":
            texts.append(element.findtext("{jabber:client}body") or "")
        elif local_name(element) != "resumed":
            break
        if texts:
            break
    return texts


CARRIERS = {"TCP": lambda site: Stream(site.server), "WebSocket": WebSocketClient, "BOSH": BoshClient}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_session_that_was_silent_goes_on_over_whatever_its_client_comes_back_by(
    juliet: BoshClient, site: Site, carrier: str
) -> None:
    previd = enabled(juliet)
    assert juliet.post(pause="1").is_empty
    until_away(site)
    session = session_at(site)
    assert session is not None
    with Stream(site.server) as other:
        other.logs_in()
        other.binds("here")
        other.send(TO_HERSELF.format("missed"))
        other.asks("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
    with CARRIERS[carrier](site) as back:
        assert resumed(back, previd) == ["missed"]
        assert session_at(site) is session


@pytest.mark.parametrize("carrier", ["TCP", "WebSocket"])
def test_a_session_of_another_transport_goes_on_over_bosh(site: Site, client: BoshClient, carrier: str) -> None:
    before = CARRIERS[carrier](site)
    before.logs_in()
    before.binds("balcony")
    previd = enabled(before)
    before.close()
    until_away(site)
    with Stream(site.server) as other:
        other.logs_in()
        other.binds("here")
        other.send(TO_HERSELF.format("missed"))
        other.asks("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert resumed(client, previd) == ["missed"]


def test_a_session_is_taken_over_from_one_that_still_has_a_request(juliet: BoshClient, site: Site) -> None:
    previd = enabled(juliet)
    held = juliet.ask()
    until_held(site)
    with Stream(site.server) as back:
        back.logs_in()
        assert local_name(back.asks(f"<resume xmlns='{SM}' previd='{previd}' h='0'/>")) == "resumed"
        told = juliet.answer(held)
        assert told.end == ("terminate", "remote-stream-error")
        assert [local_name(each[0]) for each in told.body] == ["conflict"]


def test_a_page_that_has_lost_count_can_resume(juliet: BoshClient, site: Site) -> None:
    previd = enabled(juliet)
    assert juliet.post(rid=juliet.rid + 99).end == ("terminate", "item-not-found")
    until_away(site)
    assert session_at(site) is not None
    with BoshClient(site) as again:
        again.logs_in()
        assert local_name(again.asks(f"<resume xmlns='{SM}' previd='{previd}' h='0'/>")) == "resumed"


def test_a_client_that_does_not_read_is_cut_off_with_what_waits(tmp_path: Path) -> None:
    limits = {"unsent_bytes": 65536, "stanza_bytes": 10_000}
    with web_server(tmp_path, streams=limits) as site, BoshClient(site) as juliet, Stream(site.server) as other:
        logged_in(juliet)
        other.logs_in()
        other.binds("here")
        for _ in range(20):
            other.send(TO_HERSELF.format("o" * 9000))
        until_gone(site)
        assert juliet.post().end == ("terminate", "item-not-found")
