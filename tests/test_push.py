"""XEP-0357: devices that are away are woken. The app server is a client of this server, at its full address."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import blocklists, push
from handlers.login import accounts
from handlers.sessions.managed_sessions import Management, StreamManagementSettings
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from tests.harness.pushing import APP, answer, break_off, leave, pushes, server_that_pushes
from tests.harness.streams import Stream, listening_server, local_name
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

JULIET = JID.parse("juliet@localhost")
PHONE = JULIET.with_resource("phone")
ENABLE = f"<enable xmlns='urn:xmpp:push:0' jid='{APP}' node='phone'/>"
OPTIONS = (
    "<x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
    "<field var='secret'><value>eruio234vzxc2kla-91</value></field></x>"
)
CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"
BODY = "<body>hi</body>"
PROPOSE = "<propose xmlns='urn:xmpp:jingle-message:0' id='c'><description xmlns='a' media='audio'/></propose>"
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/>{}</encrypted>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_that_pushes(tmp_path) as server:
        yield server


@pytest.fixture
def phone(server: Server, app: Client) -> Client:
    """A device of Juliet's that has enabled push."""
    return enabled(server)


def enabled(server: Server, request: str = ENABLE, resource: str = "phone") -> Client:
    client = Client(server, JULIET.with_resource(resource))
    assert client.asks(request, type="set") == ""
    client.sends("<presence/>")
    return client


def write(romeo: Client, content: str = BODY, type: str = "chat", to: str = JULIET) -> list[str]:
    return romeo.sends(f"<message type='{type}' to='{to}'>{content}</message>")


def condition(name: str, type: str = "cancel") -> str:
    return f"<error type='{type}'><{name} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


# -- the push


def test_row_58_a_push_has_a_summary_and_the_options_and_nothing_of_the_message(
    server: Server, romeo: Client, app: Client
) -> None:
    leave(enabled(server, ENABLE.replace("/>", f">{OPTIONS}</enable>")))
    write(romeo)
    [sent] = app.received()
    id = parse(sent.encode()).get("id")
    assert sent == xml(
        f"<iq type='set' id='{id}' from='{JULIET}' to='{APP}'>"
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        "<publish node='phone'><item><notification xmlns='urn:xmpp:push:0'><x xmlns='jabber:x:data' type='result'>"
        "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:push:summary</value></field>"
        "<field var='message-count' type='text-single'><value>1</value></field>"
        f"</x></notification></item></publish><publish-options>{OPTIONS}</publish-options></pubsub></iq>"
    )


@pytest.mark.parametrize("type", ["", "type='form'", "type='submit'"])
def test_row_58_the_options_are_a_form_that_was_filled_in_whatever_a_client_calls_it(
    server: Server, romeo: Client, app: Client, type: str
) -> None:
    options = OPTIONS.replace("type='submit'", type)
    leave(enabled(server, ENABLE.replace("/>", f">{options}</enable>")))
    write(romeo)
    [sent] = app.received()
    assert xml(OPTIONS) in sent.replace(' xmlns="http://jabber.org/protocol/pubsub"', "")


def test_row_58_an_empty_form_has_no_options(server: Server, romeo: Client, app: Client) -> None:
    leave(enabled(server, ENABLE.replace("/>", "><x xmlns='jabber:x:data'/></enable>")))
    write(romeo)
    [sent] = app.received()
    assert "publish-options" not in sent


def test_row_58_sender_and_body_are_told_only_if_configured(tmp_path: Path) -> None:
    with server_that_pushes(tmp_path, include_sender=True, include_body=True) as server:
        app = Client(server, APP)
        leave(enabled(server))
        write(Client(server, "romeo@localhost/orchard"), f"<body>{'long ' * 100}</body>")
        [summary] = pushes(app)
    assert summary["last-message-sender"] == "romeo@localhost/orchard"
    assert summary["last-message-body"] == "long " * 40
    assert summary["message-count"] == "1"


# -- which devices


def test_a_device_that_is_connected_is_not_woken(romeo: Client, app: Client, phone: Client) -> None:
    write(romeo)
    assert app.received() == []


def test_a_device_that_is_gone_is_woken_whether_or_not_another_one_is_there(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    write(romeo)
    assert len(pushes(app)) == 1
    laptop = Client(server, f"{JULIET}/laptop")
    laptop.sends("<presence/>")
    write(romeo)
    assert len(pushes(app)) == 1
    write(romeo, to=laptop.jid)
    assert len(pushes(app)) == 1


@pytest.mark.parametrize(
    "content", [f"{BODY}<private xmlns='urn:xmpp:carbons:2'/>", f"{BODY}<no-copy xmlns='urn:xmpp:hints'/>"]
)
def test_a_device_is_not_woken_for_what_another_one_alone_is_to_get(
    server: Server, romeo: Client, app: Client, phone: Client, content: str
) -> None:
    laptop = Client(server, f"{JULIET}/laptop")
    leave(phone)
    write(romeo, content, to=laptop.jid)
    assert app.received() == []
    laptop.sends("<presence/>")
    write(romeo, content, to=phone.jid)
    assert len(pushes(app)) == 1


@pytest.mark.parametrize(
    ("content", "type", "to"),
    [
        (BODY, "chat", JULIET),
        (BODY, "chat", PHONE),
        (BODY, "groupchat", PHONE),
        (PROPOSE, "chat", JULIET),
        (BODY, "chat", f"{JULIET}/laptop"),  # of which it gets a carbon
    ],
)
def test_a_device_that_hibernates_is_woken_once(
    server: Server, romeo: Client, app: Client, phone: Client, content: str, type: str, to: str
) -> None:
    laptop = Client(server, f"{JULIET}/laptop")
    laptop.sends("<presence/>")
    phone.asks(CARBONS, type="set")
    break_off(phone)
    write(romeo, content, type, to)
    assert pushes(app) == [{"message-count": "1"}]


def test_a_device_that_hibernates_is_not_woken_for_what_its_user_sends(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    phone.asks(CARBONS, type="set")
    break_off(phone)
    Client(server, f"{JULIET}/laptop").sends(f"<message type='chat' to='{romeo.jid}'>{BODY}</message>")
    assert app.received() == []


def test_a_device_that_hibernates_is_woken_for_a_jingle_call(romeo: Client, app: Client, phone: Client) -> None:
    break_off(phone)
    romeo.sends(f"<iq type='get' id='v' to='{PHONE}'><query xmlns='jabber:iq:version'/></iq>")
    assert app.received() == []
    jingle = "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'/>"
    romeo.sends(f"<iq type='set' id='c' to='{PHONE}'>{jingle}</iq>")
    assert pushes(app) == [{}]


def test_each_device_has_its_own_node(server: Server, romeo: Client, app: Client, phone: Client) -> None:
    leave(phone)
    enabled(server, ENABLE.replace("'phone'", "'tablet'"), "tablet")
    write(romeo)
    assert len(pushes(app)) == 1


def test_a_node_belongs_to_the_device_that_has_enabled_it_last(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    tablet = enabled(server, resource="tablet")
    leave(phone)
    write(romeo)
    assert app.received() == []
    leave(tablet)
    write(romeo)
    assert len(pushes(app)) == 1


def test_registrations_survive_a_restart(tmp_path: Path) -> None:
    with server_that_pushes(tmp_path) as server:
        leave(enabled(server))
    with server_in(tmp_path, push={"burst_seconds": 0.0}) as server:
        app = Client(server, APP)
        write(Client(server, "romeo@localhost/orchard"))
        assert len(pushes(app)) == 1


def test_row_52_nobody_is_woken_by_whom_the_account_has_blocked(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    blocklists.add(server.db, JULIET, [romeo.account])
    write(romeo)
    romeo.sends(f"<presence type='subscribe' to='{JULIET}'/>")
    assert app.received() == []


# -- what for


@pytest.mark.parametrize(
    ("content", "type", "wakes"),
    [
        (BODY, "chat", True),
        (BODY, "normal", True),
        (BODY, "headline", False),
        (BODY, "error", False),
        (BODY + "<no-store xmlns='urn:xmpp:hints'/>", "chat", False),
        ("<body/>", "chat", False),
        ("<subject>hi</subject>", "chat", False),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "chat", False),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", "chat", False),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", "chat", False),
        ("<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'/></event>", "normal", False),
        (OMEMO.format("<payload>YQ==</payload>"), "chat", True),
        (OMEMO.format(""), "chat", False),
        ("<openpgp xmlns='urn:xmpp:openpgp:0'>YQ==</openpgp>", "chat", True),
        ("<x xmlns='jabber:x:encrypted'>YQ==</x>", "chat", True),
        (PROPOSE, "chat", True),
        ("<retract xmlns='urn:xmpp:jingle-message:0' id='c'/>", "chat", True),
        ("<x xmlns='jabber:x:conference' jid='room@muc.localhost'/>", "normal", True),
        ("<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>", "normal", True),
        ("<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>", "normal", False),
    ],
)
@pytest.mark.parametrize("depart", [leave, break_off])
def test_a_device_is_woken_for_what_its_user_would_want_to_know(
    romeo: Client, app: Client, phone: Client, depart: Any, content: str, type: str, wakes: bool
) -> None:
    depart(phone)
    write(romeo, content, type)
    if depart is break_off and "no-store" in content:
        wakes = True  # the session is there to get it
    assert len(pushes(app)) == wakes


def test_a_carbon_that_somebody_has_made_up_wakes_nobody(romeo: Client, app: Client, phone: Client) -> None:
    break_off(phone)
    inner = f"<message xmlns='jabber:client' type='chat' from='{romeo.jid}' to='{JULIET}'>{BODY}</message>"
    forwarded = f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded>"
    write(romeo, f"<received xmlns='urn:xmpp:carbons:2'>{forwarded}</received>")
    assert app.received() == []


@pytest.mark.parametrize("depart", [leave, break_off])
def test_a_device_is_woken_for_a_request_to_subscribe_that_is_new(
    server: Server, romeo: Client, app: Client, phone: Client, depart: Any
) -> None:
    depart(phone)
    romeo.sends("<presence/>")
    romeo.sends(f"<presence to='{JULIET}'/>")
    assert app.received() == []
    romeo.sends(f"<presence type='subscribe' to='{JULIET}'/>")
    assert pushes(app) == [{"pending-subscription-count": "1"}]


def test_nobody_is_woken_for_a_request_that_waits_already_or_that_the_server_answers(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    romeo.sends(f"<presence type='subscribe' to='{JULIET}'/>")
    assert len(pushes(app)) == 1
    romeo.sends(f"<presence type='subscribe' to='{JULIET}'/>")
    mercutio = Client(server, "mercutio@localhost/square")
    befriend(server, JULIET, mercutio.account)
    mercutio.sends(f"<presence type='subscribe' to='{JULIET}'/>")
    assert app.received() == []


# -- bursts


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[tuple[Client, Client, Client]]:
    """Romeo, the app server and the phone, of a server where only coming back ends a burst."""
    with server_that_pushes(tmp_path, burst_seconds=1e6) as server:
        app = Client(server, APP)
        yield Client(server, "romeo@localhost/orchard"), app, enabled(server)


@pytest.mark.parametrize("depart", [leave, break_off])
def test_a_burst_of_messages_is_one_push(patient: tuple[Client, Client, Client], depart: Any) -> None:
    romeo, app, phone = patient
    depart(phone)
    for _ in range(3):
        write(romeo)
    assert pushes(app) == [{"message-count": "1"}]
    for _ in range(3):
        write(romeo)
    assert app.received() == []


def test_after_a_short_time_there_is_another_push_that_counts_all_messages(
    romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    write(romeo)
    assert pushes(app) == [{"message-count": "1"}]
    write(romeo)
    assert pushes(app) == [{"message-count": "2"}]


def test_a_device_that_has_come_back_is_woken_again(patient: tuple[Client, Client, Client]) -> None:
    romeo, app, phone = patient
    leave(phone)
    write(romeo)
    assert len(pushes(app)) == 1
    leave(Client(phone.server, PHONE))
    write(romeo)
    assert pushes(app) == [{"message-count": "1"}]
    again = Client(phone.server, PHONE)
    again.sends("<presence/>")
    break_off(again)
    write(romeo)
    assert pushes(app) == [{"message-count": "1"}]


def test_what_a_device_has_missed_is_not_told_to_another_account_of_that_name(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    write(romeo)
    write(romeo)  # to be told of when the app server has answered
    [push] = app.received()
    accounts.remove(server, JULIET)
    add_accounts(server, "juliet")
    leave(enabled(server))
    answer(app, push)
    assert app.received() == []


def test_what_was_not_acknowledged_when_the_connection_broke_wakes_the_device(
    romeo: Client, app: Client, phone: Client
) -> None:
    management = Management("id", 600, StreamManagementSettings())
    phone.session.keep(management)
    for content in (BODY, BODY, "<composing xmlns='http://jabber.org/protocol/chatstates'/>"):
        stanza = f"<message from='{romeo.jid}' to='{PHONE}' type='chat'>{content}</message>"
        management.sent.add(stanza.encode(), 0.0)
    break_off(phone)
    assert len(app.received()) == 1


def test_a_broken_connection_loses_no_wake_whenever_the_server_notices(tmp_path: Path) -> None:
    """The message may come before or after that. The app server and the sender are devices of the same account."""
    with listening_server(tmp_path) as server, Stream(server) as app, Stream(server) as laptop, Stream(server) as phone:
        for stream, resource in ((app, "app"), (laptop, "laptop"), (phone, "phone")):
            stream.logs_in()
            stream.binds(resource)
        assert phone.asks_iq(ENABLE.replace(APP, f"{JULIET}/app")) == "result"
        id = phone.asks("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").get("id")
        phone.close()
        laptop.send(f"<message type='chat' to='{PHONE}'>{BODY}</message>")
        assert app.asks(" ").find(".//{urn:xmpp:push:0}notification") is not None
        with Stream(server) as again:
            again.logs_in()
            assert local_name(again.asks(f"<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>")) == "resumed"
            assert again.asks(" ").findtext("{jabber:client}body") == "hi"


def test_a_session_that_expires_has_not_come_back(patient: tuple[Client, Client, Client]) -> None:
    romeo, app, phone = patient
    break_off(phone)
    write(romeo)
    assert len(pushes(app)) == 1
    phone.session.end()
    write(romeo)
    assert app.received() == []


def test_a_burst_lasts_until_the_app_server_has_answered(patient: tuple[Client, Client, Client]) -> None:
    """Also if the device has been here meanwhile; what it has missed since begins the next burst then."""
    romeo, app, phone = patient
    leave(phone)
    write(romeo)
    [unanswered] = app.received()
    leave(Client(phone.server, PHONE))
    write(romeo)
    write(romeo)
    assert app.received() == []
    answer(app, unanswered)
    assert pushes(app) == [{"message-count": "2"}]


def test_an_account_of_the_same_name_begins_anew(patient: tuple[Client, Client, Client]) -> None:
    romeo, app, phone = patient
    leave(phone)
    write(romeo)
    assert len(app.received()) == 1
    accounts.remove(phone.server, JULIET)
    add_accounts(phone.server, "juliet")
    leave(enabled(phone.server))
    write(romeo)
    assert pushes(app) == [{"message-count": "1"}]


def test_a_late_answer_wakes_nobody_who_has_missed_nothing_since_or_is_here(
    patient: tuple[Client, Client, Client],
) -> None:
    romeo, app, phone = patient
    leave(phone)
    write(romeo)
    [unanswered] = app.received()
    leave(Client(phone.server, PHONE))
    answer(app, unanswered)
    assert app.received() == []
    write(romeo)
    [unanswered] = app.received()
    leave(Client(phone.server, PHONE))
    write(romeo)
    Client(phone.server, PHONE)
    answer(app, unanswered)
    assert app.received() == []


# -- the answers of app servers


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (condition("item-not-found"), False),
        (condition("forbidden", "auth"), False),
        (condition("gone"), False),
        (condition("not-authorized", "auth"), False),
        (condition("conflict"), False),
        ("<error/>", False),
        (condition("resource-constraint", "wait"), True),
        (condition("policy-violation", "wait"), True),
        (condition("internal-server-error"), True),
        (condition("service-unavailable"), True),
        (condition("remote-server-not-found"), True),
    ],
)
def test_an_error_that_will_not_pass_ends_the_registration(
    romeo: Client, app: Client, phone: Client, error: str, stays: bool
) -> None:
    leave(phone)
    write(romeo)
    [first] = app.received()
    answer(app, first, error)
    write(romeo)
    assert len(pushes(app)) == stays


def test_an_error_for_what_was_enabled_anew_since_counts_no_more(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    leave(phone)
    write(romeo)
    [unanswered] = app.received()
    leave(enabled(server, ENABLE.replace("/>", f">{OPTIONS}</enable>")))
    answer(app, unanswered, condition("conflict"))
    write(romeo)
    assert len(pushes(app)) == 1


@pytest.mark.parametrize("service", ["push.example", "localhost", "app@localhost", "nobody@localhost/x", JULIET, PHONE])
@pytest.mark.parametrize("depart", [leave, break_off])
def test_what_cannot_be_reached_or_is_no_app_server_harms_nobody(
    server: Server, romeo: Client, app: Client, depart: Any, service: str
) -> None:
    depart(enabled(server, ENABLE.replace(APP, service)))
    assert write(romeo) == []
    assert write(romeo) == []
    assert len(push.registrations(server.db, JULIET)) == 1


def test_an_app_server_takes_back_the_right_to_publish(
    server: Server, romeo: Client, app: Client, phone: Client
) -> None:
    notice = (
        f"<message to='{JULIET}'><pubsub xmlns='http://jabber.org/protocol/pubsub' node='phone'>"
        f"<affiliation jid='{JULIET}' affiliation='{{}}'/></pubsub></message>"
    )
    leave(phone)
    romeo.sends(notice.format("none"))
    app.sends(notice.format("publish-only"))
    assert len(push.registrations(server.db, JULIET)) == 1
    app.sends(notice.format("none"))
    assert push.registrations(server.db, JULIET) == ()


# -- enabling and disabling


def test_an_account_announces_push(phone: Client) -> None:
    info = phone.asks("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=JULIET)
    assert '<feature var="urn:xmpp:push:0">' in info


def test_a_node_is_disabled_or_all_of_an_app_server(server: Server, phone: Client) -> None:
    for node in ("tablet", "watch"):
        phone.asks(ENABLE.replace("'phone'", f"'{node}'"), type="set")
    phone.asks(ENABLE.replace(APP, "push.example"), type="set")

    def disable(attributes: str) -> list[tuple[str, str]]:
        assert phone.asks(f"<disable xmlns='urn:xmpp:push:0' {attributes}/>", type="set") == ""
        return [each[:2] for each in push.registrations(server.db, JULIET)]

    assert disable(f"jid='{APP}' node='watch'") == [(APP, "phone"), (APP, "tablet"), ("push.example", "phone")]
    assert disable(f"jid='{APP}'") == [("push.example", "phone")]
    assert disable("jid='unknown.example'") == [("push.example", "phone")]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("<enable xmlns='urn:xmpp:push:0' node='n'/>", "bad-request"),
        ("<enable xmlns='urn:xmpp:push:0' jid='@' node='n'/>", "jid-malformed"),
        (ENABLE.replace("/>", f">{OPTIONS.replace('submit', 'cancel')}</enable>"), "bad-request"),
        (ENABLE.replace("/>", f">{OPTIONS.replace('secret', 'FORM_TYPE')}</enable>"), "bad-request"),
        (ENABLE.replace("/>", f">{OPTIONS.replace('publish-options', 'other')}</enable>"), "bad-request"),
        (ENABLE.replace("'phone'", f"'{'n' * 4000}'"), "policy-violation"),
        ("<disable xmlns='urn:xmpp:push:0'/>", "bad-request"),
        ("<disable xmlns='urn:xmpp:push:0' jid='@'/>", "jid-malformed"),
    ],
)
def test_a_malformed_request_changes_nothing(server: Server, phone: Client, request_: str, error: str) -> None:
    before = push.registrations(server.db, JULIET)
    assert phone.asks(request_, type="set") == error
    assert push.registrations(server.db, JULIET) == before


def test_nobody_enables_push_for_another_account(server: Server, romeo: Client, phone: Client) -> None:
    before = push.registrations(server.db, JULIET)
    assert romeo.asks(ENABLE, type="set", to=JULIET) == "service-unavailable"
    assert push.registrations(server.db, JULIET) == before


def test_an_account_enables_only_so_many_nodes(tmp_path: Path) -> None:
    with server_that_pushes(tmp_path, max_registrations=1) as server:
        phone = enabled(server)
        assert phone.asks(ENABLE, type="set") == ""
        assert phone.asks(ENABLE.replace("'phone'", "'other'"), type="set") == "resource-constraint"
