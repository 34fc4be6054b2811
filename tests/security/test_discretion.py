"""Whether an account exists is nobody's business but that of those who see its presence (RFC 6120 section 13.11)."""

from collections.abc import Iterator

import pytest
from lxml import etree

from tests.harness.in_process import Client, add_accounts, befriend, server_in
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

DISCO = "http://jabber.org/protocol/disco"
PUBSUB = "http://jabber.org/protocol/pubsub"
ITEM = "<item id='current'><tune xmlns='http://jabber.org/protocol/tune'/></item>"
RSM = "http://jabber.org/protocol/rsm"
LAST_PAGE = f"<set xmlns='{RSM}'><max>0</max><before/></set>"
MALFORMED_PAGE = f"<set xmlns='{RSM}'><max>many</max></set>"

GETS = {
    "disco info": f"<query xmlns='{DISCO}#info'/>",
    "disco items": f"<query xmlns='{DISCO}#items'/>",
    "what a node is": f"<query xmlns='{DISCO}#info' node='urn:xmpp:avatar:metadata'/>",
    "what a node has": f"<query xmlns='{DISCO}#items' node='urn:xmpp:avatar:metadata'/>",
    "vCard": "<vCard xmlns='vcard-temp'/>",
    "last activity": "<query xmlns='jabber:iq:last'/>",
    "ping": "<ping xmlns='urn:xmpp:ping'/>",
    "version": "<query xmlns='jabber:iq:version'/>",
    "time": "<time xmlns='urn:xmpp:time'/>",
    "roster": "<query xmlns='jabber:iq:roster'/>",
    "archive": "<query xmlns='urn:xmpp:mam:2'/>",
    "archive metadata": "<metadata xmlns='urn:xmpp:mam:2'/>",
    "archive preferences": "<prefs xmlns='urn:xmpp:mam:2'/>",
    "private XML": "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>",
    "blocklist": "<blocklist xmlns='urn:xmpp:blocking'/>",
    "items of a node": f"<pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:avatar:metadata'/></pubsub>",
    "subscriptions": f"<pubsub xmlns='{PUBSUB}'><subscriptions/></pubsub>",
    "affiliations": f"<pubsub xmlns='{PUBSUB}'><affiliations/></pubsub>",
    "configuration of a node": f"<pubsub xmlns='{PUBSUB}#owner'><configure node='urn:xmpp:avatar:metadata'/></pubsub>",
    "default configuration": f"<pubsub xmlns='{PUBSUB}#owner'><default/></pubsub>",
    "something unknown": "<query xmlns='urn:example:unknown'/>",
    "disco items of a node without a name": f"<query xmlns='{DISCO}#items' node=''/>",
    "disco info of a node without a name": f"<query xmlns='{DISCO}#info' node=''/>",
    "the last of disco items": f"<query xmlns='{DISCO}#items'>{LAST_PAGE}</query>",
    "malformed disco items": f"<query xmlns='{DISCO}#items'>{MALFORMED_PAGE}</query>",
    "nothing of nodes": f"<pubsub xmlns='{PUBSUB}'/>",
    "something unknown of nodes": f"<pubsub xmlns='{PUBSUB}'><unknown/></pubsub>",
    "items of no node": f"<pubsub xmlns='{PUBSUB}'><items/></pubsub>",
    "public subscriptions": f"<pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:pps:subscriptions:0'/></pubsub>",
    "public subscribers": f"<pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:pps:subscribers:0/x'/></pubsub>",
    "nothing at all": "",
    "two things": "<query xmlns='jabber:iq:roster'/><query xmlns='jabber:iq:roster'/>",
    "a ping and more": "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>",
}
SETS = {
    "vCard": "<vCard xmlns='vcard-temp'/>",
    "roster": "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>",
    "archive": "<query xmlns='urn:xmpp:mam:2'/>",
    "private XML": "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>",
    "blocking": "<block xmlns='urn:xmpp:blocking'><item jid='a@b'/></block>",
    "carbons": "<enable xmlns='urn:xmpp:carbons:2'/>",
    "push": "<enable xmlns='urn:xmpp:push:0' jid='push.example' node='n'/>",
    "registration": "<query xmlns='jabber:iq:register'><remove/></query>",
    "session": "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
    "publishing": f"<pubsub xmlns='{PUBSUB}'><publish node='http://jabber.org/protocol/tune'>{ITEM}</publish></pubsub>",
    "retracting": f"<pubsub xmlns='{PUBSUB}'><retract node='x'><item id='1'/></retract></pubsub>",
    "subscribing": f"<pubsub xmlns='{PUBSUB}'><subscribe node='x' jid='mercutio@localhost'/></pubsub>",
    "creating a node": f"<pubsub xmlns='{PUBSUB}'><create node='x'/></pubsub>",
    "archive preferences": "<prefs xmlns='urn:xmpp:mam:2'/>",
    "nothing of nodes": f"<pubsub xmlns='{PUBSUB}#owner'/>",
    "purging public subscriptions": (
        f"<pubsub xmlns='{PUBSUB}#owner'><purge node='urn:xmpp:pps:subscriptions:0'/></pubsub>"
    ),
    "deleting a node": f"<pubsub xmlns='{PUBSUB}#owner'><delete node='x'/></pubsub>",
}
REQUESTS = [("get", name, payload) for name, payload in GETS.items()]
REQUESTS += [("set", name, payload) for name, payload in SETS.items()]

FORBIDDEN = {  # by the texts in brackets, whether or not there is an account
    "get roster",  # RFC 6121 section 2.1.5
    "set roster",
    "get last activity",  # XEP-0012 section 3
    "get archive",  # XEP-0313 section 8.1
    "set archive",
    "get archive metadata",
    "get archive preferences",  # XEP-0441 section 2
    "set archive preferences",
    "get private XML",  # XEP-0049 section 2.3
    "set private XML",
    "set vCard",  # XEP-0054 section 3.2
}
FORBIDDEN_AT_A_RESOURCE = {"get last activity", "set roster"}  # XEP-0012 section 4; all else goes to the client
EMPTY = {  # XEP-0030 section 8
    "get disco items",
    "get what a node has",
    "get disco items of a node without a name",
    "get the last of disco items",
}
MALFORMED = {"get nothing at all", "get two things", "get a ping and more"}  # RFC 6120 section 8.2.3
MALFORMED_FOR_AN_ACCOUNT = {"get malformed disco items"}


def expected(request: str, resource: str) -> str:
    """The condition of the error for a stranger, or "" for an empty result. Where no other text says what it is, it is
    that of RFC 6121 section 8.5.1."""
    if request in MALFORMED or (request in MALFORMED_FOR_AN_ACCOUNT and not resource):
        return "bad-request"
    if request in (FORBIDDEN_AT_A_RESOURCE if resource else FORBIDDEN):
        return "forbidden"
    return "" if request in EMPTY and not resource else "service-unavailable"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Juliet has been online, and has a node for her contacts; Rosaline is online; Romeo has never been; Tybalt has
    blocked Mercutio, who is his contact."""
    with server_in(tmp_path_factory.mktemp("data"), archive={"enabled": True}) as server:
        add_accounts(server, "juliet", "rosaline", "romeo", "tybalt", "mercutio")
        for name in ("juliet", "rosaline", "tybalt"):
            client = Client(server, f"{name}@localhost/chamber")
            client.sends("<presence/>")
            publish = f"<publish node='urn:xmpp:avatar:metadata'>{ITEM}</publish>"
            assert "error" not in client.asks(f"<pubsub xmlns='{PUBSUB}'>{publish}</pubsub>", type="set")
            if name == "tybalt":
                befriend(server, client.account, JID.parse("mercutio@localhost"))
                client.asks("<block xmlns='urn:xmpp:blocking'><item jid='mercutio@localhost'/></block>", type="set")
            if name == "juliet":
                client.session.close()
        yield server


@pytest.fixture
def stranger(server: Server) -> Iterator[Client]:
    client = Client(server, "mercutio@localhost/street")
    yield client
    client.session.close()


def answer_to(stranger: Client, type: str, payload: str, to: str) -> str:
    """The whole answer, but for the address that was asked. It must not wait for the disk, which could be seen."""
    [answer] = stranger.sends(f"<iq type='{type}' id='q' to='{to}'>{payload}</iq>")
    assert stranger.ticket is None
    return answer.replace(f'from="{to}"', "")


each_request = pytest.mark.parametrize(
    ("type", "name", "payload"), REQUESTS, ids=[f"{type} {name}" for type, name, _ in REQUESTS]
)


@each_request
@pytest.mark.parametrize("resource", ["", "/chamber"], ids=["bare", "full"])
def test_a_stranger_is_answered_as_if_nobody_were_there(
    server: Server, stranger: Client, type: str, name: str, payload: str, resource: str
) -> None:
    asked = ["nobody", "juliet", "romeo", "tybalt"]
    if not resource or f"{type} {name}" in FORBIDDEN_AT_A_RESOURCE | MALFORMED:
        asked.append("rosaline")
    answers = {who: answer_to(stranger, type, payload, f"{who}@localhost{resource}") for who in asked}
    assert set(answers.values()) == {answers["nobody"]}, answers
    assert outcome(answers["nobody"]) == expected(f"{type} {name}", resource)


def outcome(answer: str) -> str:
    element = parse(answer.encode())
    if element.get("type") == "error":
        return str(etree.QName(element[-1][0]).localname)
    assert [len(child) for child in element] == [0], "not an empty query"
    return ""


@each_request
def test_a_stranger_s_requests_do_not_reach_a_client(
    server: Server, stranger: Client, type: str, name: str, payload: str
) -> None:
    session = server.online.session(JID.parse("rosaline@localhost/chamber"))
    assert session is not None
    rosaline = session.connection
    assert isinstance(rosaline, Client)
    rosaline.received()
    stranger.sends(f"<iq type='{type}' id='q' to='rosaline@localhost'>{payload}</iq>")
    if f"{type} {name}" in FORBIDDEN_AT_A_RESOURCE:
        stranger.sends(f"<iq type='{type}' id='q' to='rosaline@localhost/chamber'>{payload}</iq>")
    assert rosaline.received() == []
