"""Whether an account exists is nobody's business but that of those who see its presence (RFC 6120 section 13.11)."""

from collections.abc import Iterator

import pytest

from tests.in_process import Client, add_accounts, server_in
from xmpp.server import Server

DISCO = "http://jabber.org/protocol/disco"
PUBSUB = "http://jabber.org/protocol/pubsub"
ITEM = "<item id='current'><tune xmlns='http://jabber.org/protocol/tune'/></item>"

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
    "deleting a node": f"<pubsub xmlns='{PUBSUB}#owner'><delete node='x'/></pubsub>",
}
REQUESTS = [("get", name, payload) for name, payload in GETS.items()]
REQUESTS += [("set", name, payload) for name, payload in SETS.items()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Juliet has been online, and has a node for her contacts; Rosaline is online; Romeo has never been."""
    with server_in(tmp_path_factory.mktemp("data")) as server:
        add_accounts(server, "juliet", "rosaline", "romeo", "mercutio")
        for name in ("juliet", "rosaline"):
            client = Client(server, f"{name}@localhost/chamber")
            client.sends("<presence/>")
            publish = f"<publish node='urn:xmpp:avatar:metadata'>{ITEM}</publish>"
            assert "error" not in client.asks(f"<pubsub xmlns='{PUBSUB}'>{publish}</pubsub>", type="set")
            if name == "juliet":
                client.session.close()
        yield server


@pytest.fixture
def stranger(server: Server) -> Iterator[Client]:
    client = Client(server, "mercutio@localhost/street")
    yield client
    client.session.close()


@pytest.mark.parametrize(("type", "name", "payload"), REQUESTS, ids=[f"{type} {name}" for type, name, _ in REQUESTS])
@pytest.mark.parametrize("resource", ["", "/chamber"], ids=["bare", "full"])
def test_a_stranger_is_answered_as_if_nobody_were_there(
    server: Server, stranger: Client, type: str, name: str, payload: str, resource: str
) -> None:
    answers = {
        who: stranger.asks(payload, type=type, to=f"{who}@localhost{resource}") for who in ("nobody", "juliet", "romeo")
    }
    if not resource:
        answers["rosaline"] = stranger.asks(payload, type=type, to="rosaline@localhost")
    assert set(answers.values()) == {answers["nobody"]}, answers
    assert "service-unavailable" in answers["nobody"]
