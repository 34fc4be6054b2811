"""XEP-0313 section "MUC Archives": what was said in a room, for those who may enter it when they ask."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from db import archive, archives, rooms
from db.rooms import Affiliation
from handlers.admin.upkeep import delete_what_is_not_kept
from handlers.rooms.rooms_here import Rooms, let_go_if_empty
from tests.harness.archives import MAM, Answer, form, form_of, ids_in, server_with_archive
from tests.harness.in_process import Client, queries_of
from tests.harness.rooms import ROOM, USER, enter, leave, opened, room_at, say
from xmpp.data.jid import JID
from xmpp.server import Server

FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"
OCCUPANT_ID = "{urn:xmpp:occupant-id:0}occupant-id"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


def query(client: Client, content: str = "") -> Answer:
    client.received()
    return Answer(client.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MAM}'>{content}</query></iq>"))


def refusal(client: Client, content: str = "") -> str:
    return client.asks(f"<query xmlns='{MAM}'>{content}</query>", type="set", to=ROOM)


def affiliate(server: Server, jid: JID, affiliation: str) -> None:
    room_at(server).set_affiliations({jid: Affiliation(affiliation)})


def messages(server: Server) -> int:
    count: int = server.db.connection.execute("SELECT count(*) FROM archive_message").fetchone()[0]
    return count


# -- what is in it


def test_a_message_is_there_once_under_the_id_that_all_have_got(
    server: Server, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    for client in (romeo, juliet):
        client.received()
    [own] = say(romeo, "my dear?")
    [others] = juliet.received()
    ids = ids_in(own)
    assert ids.keys() == {ROOM} and ids == ids_in(others)
    answer = query(juliet)
    assert answer.ids == [ids[ROOM]] and answer.bodies == ["my dear?"]
    assert messages(server) == 1


def test_it_is_from_the_occupant_to_nobody_with_the_occupants_id(romeo: Client, juliet: Client) -> None:
    room = opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    forged = "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='tybalt@localhost/x'/></x>"
    romeo.sends(f"<message to='{ROOM}' type='groupchat'><body>hi</body>{forged}</message>")
    [message] = query(juliet).messages
    assert message.get("from") == f"{ROOM}/Romeo" and message.get("to") is None
    assert [each.get("id") for each in message.iterchildren(OCCUPANT_ID)] == [room.id_of(romeo.account)]
    assert message.find(f"{USER}x") is None


def test_subjects_are_in_it(romeo: Client) -> None:
    opened(romeo, "Romeo")
    romeo.sends(f"<message to='{ROOM}' type='groupchat'><subject>Balconies</subject></message>")
    assert [each.findtext("{*}subject") for each in query(romeo).messages] == ["Balconies"]


@pytest.mark.parametrize(
    "content",
    [
        "<body>hi</body><no-store xmlns='urn:xmpp:hints'/>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    ],
)
def test_what_nobody_wants_kept_is_told_and_not_in_it(romeo: Client, content: str) -> None:
    opened(romeo, "Romeo")
    [told] = romeo.sends(f"<message to='{ROOM}' type='groupchat'>{content}</message>")
    assert ids_in(told) == {}
    assert query(romeo).ids == []


def test_private_messages_are_not_in_it_nor_what_was_refused(romeo: Client, juliet: Client, mercutio: Client) -> None:
    opened(romeo, "Romeo", moderatedroom=True)
    enter(juliet, "Juliet")
    romeo.sends(f"<message to='{ROOM}/Juliet' type='chat'><body>in private</body></message>")
    say(juliet, "as a visitor")
    say(mercutio, "from outside")
    juliet.sends(f"<message to='{ROOM}' type='groupchat'><subject>not hers</subject></message>")
    assert query(romeo).ids == []


def test_a_private_message_to_several_devices_is_once_in_the_archive_of_their_account(
    romeo: Client, juliet: Client
) -> None:
    opened(romeo, "Romeo")
    phone = Client(juliet.server, "juliet@localhost/phone")
    enter(juliet, "Juliet"), enter(phone, "Juliet")
    juliet.received(), phone.received()
    whisper = f"<message to='{ROOM}/Juliet' type='chat' id='pm'><body>in private</body></message>"
    romeo.sends(whisper)
    [one], [other] = juliet.received(), phone.received()
    assert ids_in(one) == ids_in(other)
    romeo.sends(whisper)  # whoever says the same again is archived again
    archived = Answer(juliet.sends(f"<iq type='set' id='q'><query xmlns='{MAM}'/></iq>")[-3:])
    assert archived.bodies == ["in private"] * 2
    assert archived.ids[0] == ids_in(one)["juliet@localhost"]


def test_a_room_that_is_not_archived_keeps_nothing_and_says_so(server: Server, romeo: Client) -> None:
    opened(romeo, "Romeo", enablearchiving=False)
    [told] = say(romeo, "hi")
    assert ids_in(told).keys() == {ROOM}
    assert messages(server) == 0
    assert refusal(romeo) == "service-unavailable"


def test_where_the_archive_is_switched_off_rooms_have_none_either(tmp_path: Path) -> None:
    with server_with_archive(tmp_path, archive={"enabled": False}) as server:
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "Romeo")
        assert [ids_in(each).keys() for each in say(romeo, "hi")] == [{ROOM}]
        assert messages(server) == 0
        assert refusal(romeo) == "service-unavailable"


def test_who_has_had_as_much_kept_as_a_day_allows_is_not_heard(tmp_path: Path) -> None:
    with server_with_archive(tmp_path, archive={"daily_bytes": 1_000}) as server:
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "Romeo")
        assert [ids_in(each).keys() for each in say(romeo, "one")] == [{ROOM}]
        [refused] = say(romeo, "two")
        assert "resource-constraint" in refused
        assert query(romeo).bodies == ["one"]


# -- who may ask


def test_who_has_never_been_in_an_open_room_may_ask(romeo: Client, juliet: Client) -> None:
    opened(romeo, "Romeo")
    say(romeo, "hi")
    assert query(juliet).bodies == ["hi"]


@pytest.mark.parametrize(
    ("affiliation", "configuration", "expected"),
    [
        ("outcast", {}, "forbidden"),
        ("none", {"membersonly": True}, "forbidden"),
        ("member", {"membersonly": True}, ""),
        ("admin", {"membersonly": True}, ""),
        ("outcast", {"membersonly": True}, "forbidden"),
        ("none", {"passwordprotectedroom": True, "roomsecret": "s"}, "forbidden"),
        ("member", {"passwordprotectedroom": True, "roomsecret": "s"}, "forbidden"),
        ("owner", {"passwordprotectedroom": True, "roomsecret": "s"}, ""),
    ],
)
@pytest.mark.parametrize("request_", ["page", "form", "ends"])
def test_rights_are_those_at_the_time_of_the_question(
    server: Server,
    romeo: Client,
    juliet: Client,
    affiliation: str,
    configuration: dict[str, Any],
    expected: str,
    request_: str,
) -> None:
    opened(romeo, "Romeo", **configuration)
    affiliate(server, juliet.account, affiliation)
    say(romeo, "hi")
    if request_ == "page" and not expected:
        assert query(juliet).bodies == ["hi"]
        return
    payload, type = {
        "page": (f"<query xmlns='{MAM}'/>", "set"),
        "form": (f"<query xmlns='{MAM}'/>", "get"),
        "ends": (f"<metadata xmlns='{MAM}'/>", "get"),
    }[request_]
    answer = juliet.asks(payload, type=type, to=ROOM)
    assert answer == expected if expected else answer.startswith("<")


def test_whoever_is_in_a_room_with_a_password_may_ask(romeo: Client, juliet: Client) -> None:
    opened(romeo, "Romeo", passwordprotectedroom=True, roomsecret="s")
    enter(juliet, "Juliet", "<password>s</password>")
    say(romeo, "hi")
    assert query(juliet).bodies == ["hi"]


def test_there_is_no_archive_where_there_is_no_room_or_it_is_not_open_yet(romeo: Client, juliet: Client) -> None:
    assert refusal(juliet) == "item-not-found"
    enter(romeo, "Romeo")
    assert refusal(juliet) == "item-not-found"


def test_a_room_has_no_preferences(romeo: Client) -> None:
    opened(romeo, "Romeo")
    assert romeo.asks(f"<prefs xmlns='{MAM}'/>", to=ROOM) == "service-unavailable"


# -- real addresses


def addresses(answer: Answer) -> list[str | None]:
    return [
        item.get("jid") if (item := each.find(f"{USER}x/{USER}item")) is not None else None for each in answer.messages
    ]


def test_who_has_written_is_shown_to_those_who_may_know_it_now(server: Server, romeo: Client, juliet: Client) -> None:
    room = opened(romeo, "Romeo", whois="anyone")
    enter(juliet, "Juliet")
    say(juliet, "hi")
    assert addresses(query(juliet)) == addresses(query(romeo)) == ["juliet@localhost/balcony"]
    room.configure(replace(room.configuration, whois="moderators"))
    assert addresses(query(juliet)) == [None]
    assert addresses(query(romeo)) == ["juliet@localhost/balcony"]
    affiliate(server, juliet.account, "admin")
    leave(juliet, "Juliet")
    assert addresses(query(juliet)) == ["juliet@localhost/balcony"]


def test_messages_of_somebody_are_found_by_those_who_may_know_who_it_is(romeo: Client, juliet: Client) -> None:
    opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    say(romeo, "his")
    say(juliet, "hers")
    assert query(romeo, form(with_="juliet@localhost")).bodies == ["hers"]
    assert refusal(juliet, form(with_="romeo@localhost")) == "forbidden"


# -- as any archive


def test_messages_are_found_by_their_words_and_their_ids_and_in_pages(romeo: Client) -> None:
    opened(romeo, "Romeo")
    for text in ("it is the east", "and juliet is the sun", "arise"):
        say(romeo, text)
    assert query(romeo, form_of({"FORM_TYPE": MAM, FULLTEXT: "juliet"})).bodies == ["and juliet is the sun"]
    last = query(romeo, "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set>")
    assert last.bodies == ["arise"] and not last.is_complete
    assert query(romeo, form(before_id=last.ids[0])).bodies == ["it is the east", "and juliet is the sun"]
    ends = etree.fromstring(romeo.asks(f"<metadata xmlns='{MAM}'/>", to=ROOM))
    assert ends[1].get("id") == last.ids[0]


def test_an_accounts_archive_has_nothing_of_it(romeo: Client) -> None:
    opened(romeo, "Romeo")
    say(romeo, "hi")
    assert Answer(romeo.sends(f"<iq type='set' id='q'><query xmlns='{MAM}'/></iq>")).ids == []


def test_the_archive_of_a_room_that_is_gone_is_deleted_and_a_new_one_does_not_get_it(
    server: Server, romeo: Client
) -> None:
    room = opened(romeo, "Romeo")
    say(romeo, "hi")
    leave(romeo, "Romeo")
    rooms.remove(server.db, room.number)
    opened(romeo, "Romeo")
    assert query(romeo).ids == []
    say(romeo, "anew")
    delete_what_is_not_kept(server)
    assert query(romeo).bodies == ["anew"] and messages(server) == 1


def test_a_room_that_was_not_to_stay_leaves_nothing_behind(server: Server, romeo: Client) -> None:
    opened(romeo, "Romeo", persistentroom=False)
    say(romeo, "hi")
    leave(romeo, "Romeo")
    delete_what_is_not_kept(server)
    assert messages(server) == 0
    assert server.db.connection.execute("SELECT count(*) FROM archive WHERE account IS NULL").fetchone() == (0,)


@pytest.mark.parametrize("limit", [{"max_messages": 2}, {"max_bytes": 5_000}])
def test_of_a_room_too_no_more_is_kept_than_of_an_account(tmp_path: Path, limit: dict[str, int]) -> None:
    with server_with_archive(tmp_path, archive=limit) as server:
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "Romeo")
        for number in range(60):
            say(romeo, f"number {number} {'x' * 100}")
        archive.settle(server.db)
        delete_what_is_not_kept(server)
        left = query(romeo).bodies
        assert 0 < len(left) <= 10 and str(left[-1]).startswith("number 59")


# -- the history


def bodies(received: list[str]) -> list[str]:
    parsed = [etree.fromstring(each) for each in received]
    return [each.findtext("{*}body", "") for each in parsed if each.find("{*}body") is not None]


def out_of_memory(server: Server) -> None:
    assert not list(server.state(Rooms))


def test_who_enters_a_room_that_nobody_was_in_gets_what_was_said_before(server: Server, romeo: Client) -> None:
    opened(romeo, "Romeo", historylength=2)
    told = [ids_in(say(romeo, text)[0]) for text in ("one", "two", "three")]
    romeo.sends(f"<message to='{ROOM}' type='groupchat'><subject>Balconies</subject></message>")
    leave(romeo, "Romeo")
    out_of_memory(server)
    received = enter(romeo, "Romeo")
    assert bodies(received) == ["two", "three"]
    late = [each for each in received if "<body" in each]
    assert [ids_in(each) for each in late] == told[1:]
    assert all(f'<delay xmlns="urn:xmpp:delay" from="{ROOM}"' in each for each in late)


def test_what_is_said_before_anybody_asks_for_history_comes_after_what_was_said_before(
    server: Server, romeo: Client, juliet: Client
) -> None:
    opened(romeo, "Romeo")
    say(romeo, "one")
    leave(romeo, "Romeo")
    assert bodies(enter(romeo, "Romeo", "<history maxstanzas='0'/>")) == []
    say(romeo, "two")
    assert bodies(enter(juliet, "Juliet")) == ["one", "two"]


def test_the_archive_is_not_asked_for_each_who_enters(
    server: Server, romeo: Client, juliet: Client, mercutio: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(romeo, "Romeo")
    say(romeo, "one")
    leave(romeo, "Romeo")
    enter(juliet, "Juliet")
    asked = queries_of(server.db, monkeypatch)
    assert bodies(enter(mercutio, "Mercutio")) == ["one"]
    assert not [text for text in asked if "archive" in text or "room" in text]


def test_where_nothing_is_archived_the_history_is_what_was_said_since(
    server: Server, romeo: Client, juliet: Client
) -> None:
    opened(romeo, "Romeo", enablearchiving=False)
    say(romeo, "one")
    assert bodies(enter(juliet, "Juliet")) == ["one"]
    for client, nick in ((romeo, "Romeo"), (juliet, "Juliet")):
        leave(client, nick)
    assert bodies(enter(romeo, "Romeo")) == []


def test_a_room_that_nobody_is_in_is_still_archived_in_its_own_name(server: Server, romeo: Client) -> None:
    room = opened(romeo, "Romeo")
    leave(romeo, "Romeo")
    let_go_if_empty(room)
    assert archives.of_room(server.db, room.number) == archives.of_room(server.db, room_at(server).number)
