"""What people here, and on servers that others have written, have of each other: Prosody and ejabberd of Debian."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1
from itertools import count

import pytest
from lxml import etree

from tests.harness.correspondents import CAPS, DISCO, MUC, Correspondent, body, error_in
from tests.harness.home import Home
from tests.harness.peer import Peer
from tests.harness.peers import PEERS, needs
from tests.harness.world import World

AVATAR = "urn:xmpp:avatar:metadata"
UPLOAD = "urn:xmpp:http:upload:0"
UNIQUE_ID = "{urn:xmpp:sid:0}stanza-id"
LINK = "https://upload.home.test/secret/photo.jpg"
numbers = count(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module", params=[pytest.param(name, marks=needs(name)) for name in PEERS])
def peer(request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    domain = f"{request.param}.test"
    with PEERS[request.param](tmp_path_factory.mktemp("peer"), domain, world.issue(domain), world) as peer:
        yield peer


@pytest.fixture(scope="module")
def home(world: World, peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(world, tmp_path_factory.mktemp("home"), {"home.test": world.issue("home.test")}) as home:
        yield home


@pytest.fixture(autouse=True)
def _logs(home: Home, peer: Peer) -> Iterator[None]:
    """What both servers say is shown if a test fails."""
    begins = len(home.said), len(peer.said)
    yield
    print(*home.said[begins[0] :], "", *peer.said[begins[1] :], sep="\n")


@pytest.fixture
def juliet(home: Home) -> Iterator[Correspondent]:
    with home.client("juliet") as juliet:
        juliet.comes_online()
        yield juliet


@pytest.fixture
def paula(peer: Peer) -> Iterator[Correspondent]:
    """Somebody new at the peer."""
    with peer.client(f"paula{next(numbers)}") as paula:
        paula.comes_online()
        yield paula


def befriend(one: Correspondent, other: Correspondent) -> None:
    """Each subscribes to the other, who says yes."""
    for asks, answers in ((one, other), (other, one)):
        asks.send(f"<presence to='{answers.account}' type='subscribe'/>")
        answers.hears_from(asks.account, "presence", "subscribe")
        answers.send(f"<presence to='{asks.account}' type='subscribed'/>")
        asks.hears_from(answers.account, "presence", "subscribed")
        asks.hears_from(answers.jid, "presence")


def name_of(client: Correspondent) -> str:
    return client.account.partition("@")[0]


def subscription(client: Correspondent, contact: str) -> str | None:
    """What the roster says of a contact."""
    items = client.ask("get", "<query xmlns='jabber:iq:roster'/>").iterfind("{*}query/{*}item")
    return next((item.get("subscription") for item in items if item.get("jid") == contact), None)


def test_messages_arrive_in_order_in_both_directions(juliet: Correspondent, paula: Correspondent) -> None:
    texts = [f"{number}" for number in range(50)]
    for sender, receiver in ((juliet, paula), (paula, juliet)):
        for text in texts:
            sender.writes_to(receiver.jid, text)
        assert [body(receiver.hears_from(sender.jid)) for _ in texts] == texts


def test_a_message_to_nobody_comes_back(juliet: Correspondent, peer: Peer, home: Home, paula: Correspondent) -> None:
    for sender, nobody in ((juliet, f"nobody@{peer.domain}"), (paula, f"nobody@{home.domain}")):
        sender.writes_to(nobody, "who are you?")
        assert sender.is_told("who are you?")[:2] == ("cancel", "service-unavailable")


def test_requests_are_answered(juliet: Correspondent, peer: Peer, home: Home, paula: Correspondent) -> None:
    for client, domain in ((juliet, peer.domain), (paula, home.domain)):
        assert client.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=domain).get("type") == "result"
        features = client.ask("get", f"<query xmlns='{DISCO}'/>", to=domain).iterfind("{*}query/{*}feature")
        assert "urn:xmpp:ping" in {feature.get("var") for feature in features}


def test_both_subscribe_see_each_other_come_and_go_and_part(
    juliet: Correspondent, paula: Correspondent, home: Home, peer: Peer
) -> None:
    befriend(juliet, paula)
    assert (subscription(juliet, paula.account), subscription(paula, juliet.account)) == ("both", "both")
    for stays, host, name in ((juliet, peer, name_of(paula)), (paula, home, "juliet")):
        with host.client(name) as second:
            second.send("<presence/>")
            stays.hears_from(second.jid, "presence")
            second.hears_from(stays.jid, "presence")
            second.send("</stream:stream>")
            stays.hears_from(second.jid, "presence", "unavailable")
    for leaves, left in ((juliet, paula), (paula, juliet)):
        leaves.send(f"<presence to='{left.account}' type='unsubscribe'/>")
        left.hears_from(leaves.account, "presence", "unsubscribe")
    assert (subscription(juliet, paula.account), subscription(paula, juliet.account)) == ("none", "none")


def test_a_subscription_is_refused(juliet: Correspondent, paula: Correspondent) -> None:
    for asks, answers in ((juliet, paula), (paula, juliet)):
        asks.send(f"<presence to='{answers.account}' type='subscribe'/>")
        answers.hears_from(asks.account, "presence", "subscribe")
        answers.send(f"<presence to='{asks.account}' type='unsubscribed'/>")
        asks.hears_from(answers.account, "presence", "unsubscribed")
        assert subscription(asks, answers.account) == "none"


def test_people_meet_in_rooms_of_either_server(
    juliet: Correspondent, paula: Correspondent, home: Home, peer: Peer
) -> None:
    for host, guest, service in ((juliet, paula, f"rooms.{home.domain}"), (paula, juliet, peer.rooms)):
        room = f"hall{next(numbers)}@{service}"
        host.makes(room)
        guest.enters(room, "guest")
        host.hears_from(f"{room}/guest", "presence")
        for speaker, nick in ((host, "host"), (guest, "guest")):
            speaker.send(f"<message to='{room}' type='groupchat' id='1'><body>I am the {nick}</body></message>")
            for hearer in (host, guest):
                assert body(hearer.hears_from(f"{room}/{nick}", "message", "groupchat")) == f"I am the {nick}"
        guest.send(f"<message to='{room}/host' type='chat' id='2'><body>in private</body></message>")
        assert body(host.hears_from(f"{room}/guest", "message", "chat")) == "in private"
        guest.send(f"<presence to='{room}/guest' type='unavailable'/>")
        host.hears_from(f"{room}/guest", "presence", "unavailable")


def test_somebody_is_invited_into_a_room_of_the_other_server(
    juliet: Correspondent, paula: Correspondent, home: Home
) -> None:
    room = f"hall{next(numbers)}@rooms.{home.domain}"
    juliet.makes(room)
    juliet.send(f"<message to='{room}'><x xmlns='{MUC}#user'><invite to='{paula.account}'/></x></message>")
    invitation = paula.hears_from(room)
    assert [each.get("from") for each in invitation.iterfind("{*}x/{*}invite")] in ([juliet.account], [juliet.jid])


def watches_avatars(client: Correspondent, domain: str) -> None:
    """Wait until the other server knows that this client wants to be told of avatars (XEP-0115, XEP-0163)."""
    name, features = f"client {next(numbers)}", sorted((CAPS, DISCO, f"{AVATAR}+notify"))
    summed = f"client/pc//{name}<" + "".join(f"{feature}<" for feature in features)
    ver = b64encode(sha1(summed.encode()).digest()).decode()
    client.send(f"<presence><c xmlns='{CAPS}' hash='sha-1' node='urn:test' ver='{ver}'/></presence>")
    told = "".join(f"<feature var='{feature}'/>" for feature in features)
    asked = None
    while asked is None or domain not in asked.get("from", ""):
        asked = client.hears("iq", lambda stanza: stanza.find(f"{{{DISCO}}}query") is not None)
        node = asked[0].get("node", "")
        client.send(
            f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'><query xmlns='{DISCO}' node='{node}'>"
            f"<identity category='client' type='pc' name='{name}'/>{told}</query></iq>"
        )
    client.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=domain)  # what is answered has come after the answer


def test_an_avatar_is_seen_on_the_other_server(
    juliet: Correspondent, paula: Correspondent, home: Home, peer: Peer
) -> None:
    befriend(juliet, paula)
    image = sha1(paula.account.encode()).hexdigest()
    for watcher, shows, domain in ((juliet, paula, peer.domain), (paula, juliet, home.domain)):
        watches_avatars(watcher, domain)
        published = shows.ask(
            "set",
            f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{AVATAR}'><item id='{image}'>"
            f"<metadata xmlns='{AVATAR}'><info bytes='1' id='{image}' type='image/png'/></metadata>"
            "</item></publish></pubsub>",
        )
        assert published.get("type") == "result"
        event = watcher.hears_from(shows.account)
        assert [each.get("id") for each in event.iter(f"{{{AVATAR}}}info")] == [image]
        fetched = watcher.ask(
            "get",
            f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{AVATAR}'/></pubsub>",
            to=shows.account,
        )
        assert [item.get("id") for item in fetched.iter("{*}item")] == [image]


def test_links_to_files_arrive_and_strangers_may_not_upload(
    juliet: Correspondent, paula: Correspondent, home: Home
) -> None:
    juliet.writes_to(paula.jid, LINK, f"<x xmlns='jabber:x:oob'><url>{LINK}</url></x>")
    assert paula.hears_from(juliet.jid).findtext("{jabber:x:oob}x/{jabber:x:oob}url") == LINK
    slot = paula.ask(
        "get", f"<request xmlns='{UPLOAD}' filename='a.png' size='100'/>", to=f"upload.{home.domain}"
    )  # fmt: skip
    assert error_in(slot)[:2] == ("auth", "forbidden")


def archived(client: Correspondent, other: Correspondent) -> list[tuple[str | None, str | None]]:
    """Who said what in the archive of an account, as far as this other was there."""
    id = str(next(numbers))
    client.send(
        f"<iq type='set' id='{id}'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>"
        f"<field var='with'><value>{other.account}</value></field></x></query></iq>"
    )
    found: list[tuple[str | None, str | None]] = []
    while True:
        stanza = client.receive()
        if stanza.get("id") == id:
            assert stanza.get("type") == "result", etree.tostring(stanza)
            return found
        for message in stanza.iterfind("{urn:xmpp:mam:2}result/{*}forwarded/{*}message"):
            found.append((message.get("from"), body(message)))


def test_both_archives_have_the_chat(juliet: Correspondent, paula: Correspondent) -> None:
    juliet.writes_to(paula.account, "what's in a name?")
    paula.hears_from(juliet.jid)
    paula.writes_to(juliet.account, "that which we call a rose")
    juliet.hears_from(paula.jid)
    said = [(juliet.jid, "what's in a name?"), (paula.jid, "that which we call a rose")]
    assert archived(juliet, paula) == said
    assert archived(paula, juliet) == said


def test_what_the_other_server_says_of_its_archive_is_not_taken_for_ours(
    juliet: Correspondent, paula: Correspondent
) -> None:
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{juliet.account}' id='forged'/>"
    paula.writes_to(juliet.jid, "hello", forged)
    ids = [(each.get("by"), each.get("id")) for each in juliet.hears_from(paula.jid).iter(UNIQUE_ID)]
    assert [by for by, _ in ids].count(juliet.account) == 1
    assert (juliet.account, "forged") not in ids


def test_who_is_blocked_is_told_nothing_but_that_nobody_is_there(juliet: Correspondent, paula: Correspondent) -> None:
    for blocks, blocked in ((juliet, paula), (paula, juliet)):
        item = f"<item jid='{blocked.account}'/>"
        assert blocks.ask("set", f"<block xmlns='urn:xmpp:blocking'>{item}</block>").get("type") == "result"
        blocked.writes_to(blocks.account, "are you there?")
        assert blocked.is_told("are you there?")[:2] == ("cancel", "service-unavailable")
        assert blocks.ask("set", f"<unblock xmlns='urn:xmpp:blocking'>{item}</unblock>").get("type") == "result"
        blocked.writes_to(blocks.account, "and now?")
        assert body(blocks.hears_from(blocked.jid)) == "and now?"
