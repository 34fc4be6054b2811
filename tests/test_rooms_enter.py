"""XEP-0045 section 7: who enters a room and under which nick, what it is told, and how it leaves."""

import re
from pathlib import Path

import pytest

from db.rooms import Affiliation
from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import ROOM, SERVICE, be, configure, enter, leave, opened, room_at, say, told
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse


@pytest.fixture
def room(romeo: Client, juliet: Client) -> Room:
    """Romeo's, who is in it."""
    return opened(romeo, "romeo")


# -- 10.1 making one


def test_who_enters_a_room_that_is_not_there_makes_it_and_owns_it(romeo: Client) -> None:
    assert told(enter(romeo, "romeo")) == ["romeo in owner/moderator romeo@localhost/orchard 201 110", "room subject "]


def test_a_room_is_locked_until_its_creator_has_configured_it(romeo: Client, juliet: Client) -> None:
    enter(romeo, "romeo")
    assert told(enter(juliet, "juliet")) == ["juliet error item-not-found cancel"]
    assert told(say(romeo, "hello")) == ["room error item-not-found cancel"]
    phone = Client(romeo.server, "romeo@localhost/phone")
    assert told(enter(phone, "romeo"))[0] == "romeo in owner/moderator romeo@localhost/phone 110"


def test_a_room_that_was_never_configured_is_gone_with_its_creator(romeo: Client, juliet: Client) -> None:
    enter(romeo, "romeo")
    leave(romeo, "romeo")
    assert "201" in told(enter(juliet, "juliet"))[0]


@pytest.mark.parametrize(("creators", "administrator", "is_allowed"), [
    ("nobody", "romeo", False), ("administrators", "romeo", True), ("administrators", "juliet", False),
    ("accounts", "juliet", True), ("everybody", "juliet", True),
])  # fmt: skip
def test_who_makes_rooms_is_a_setting(tmp_path: Path, creators: str, administrator: str, is_allowed: bool) -> None:
    own = {"administrators": (f"{administrator}@localhost",)}
    with server_in(tmp_path, server=own, rooms={"creators": creators}) as server:
        add_accounts(server, "romeo")
        received = told(enter(Client(server, "romeo@localhost/orchard"), "romeo"))
    assert received[0] == ("romeo in owner/moderator romeo@localhost/orchard 201 110" if is_allowed
                           else "romeo error not-allowed cancel")  # fmt: skip


def test_one_account_makes_so_many_rooms(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"max_rooms": 2}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        for name in ("one", "two"):
            opened(romeo, "romeo", room=f"{name}@{SERVICE}")
        assert told(enter(romeo, "romeo")) == ["romeo error resource-constraint wait"]


# -- 7.2 entering


def test_who_enters_is_shown_the_others_then_itself_then_what_was_said_then_the_subject(
    room: Room, romeo: Client, juliet: Client
) -> None:
    say(romeo, "It is the east")
    romeo.sends(f"<message to='{ROOM}' type='groupchat'><subject>The balcony</subject></message>")
    assert told(enter(juliet, "juliet")) == [
        "romeo in owner/moderator",
        "juliet in none/participant juliet@localhost/balcony 110",
        "romeo late says It is the east",
        "romeo late subject The balcony",
    ]
    assert told(romeo.received())[-1] == "juliet in none/participant juliet@localhost/balcony"


def test_nobody_enters_without_a_nick(room: Room, juliet: Client) -> None:
    assert told(juliet.sends(f"<presence to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")) == [
        "room error jid-malformed modify"
    ]


@pytest.mark.parametrize("nick", ["   ", "n" * 101])
def test_a_nick_is_a_name(room: Room, juliet: Client, nick: str) -> None:
    [answer] = enter(juliet, nick)
    assert "jid-malformed" in answer
    assert juliet.jid not in room.by_session


def test_an_error_says_that_the_room_has_found_it_and_what_it_is_about(room: Room, juliet: Client) -> None:
    [answer] = enter(juliet, "romeo")
    assert 'by="verona@rooms.localhost"' in answer and 'id="in"' in answer
    assert '<x xmlns="http://jabber.org/protocol/muc">' in answer


def test_who_is_banned_does_not_enter(room: Room, juliet: Client) -> None:
    be(room, juliet, "outcast")
    assert told(enter(juliet, "juliet")) == ["juliet error forbidden auth"]


def test_whole_domains_are_banned(room: Room, juliet: Client) -> None:
    room.set_affiliations({JID.parse("localhost"): Affiliation("outcast")})
    assert told(enter(juliet, "juliet")) == ["juliet error forbidden auth"]


def test_a_room_may_be_for_its_members(romeo: Client, juliet: Client) -> None:
    room = opened(romeo, "romeo", membersonly=True)
    assert told(enter(juliet, "juliet")) == ["juliet error registration-required auth"]
    be(room, juliet, "member")
    assert told(enter(juliet, "juliet"))[1] == "juliet in member/participant juliet@localhost/balcony 110"


def test_a_room_may_ask_for_a_password(romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo", passwordprotectedroom=True, roomsecret="wherefore")
    assert told(enter(juliet, "juliet")) == ["juliet error not-authorized auth"]
    assert told(enter(juliet, "juliet", "<password>therefore</password>")) == ["juliet error not-authorized auth"]
    assert "110" in told(enter(juliet, "juliet", "<password>wherefore</password>"))[1]


def test_a_nick_is_one_persons(room: Room, juliet: Client, mercutio: Client) -> None:
    assert told(enter(juliet, "romeo")) == ["romeo error conflict cancel"]
    be(room, mercutio, "member", "queen mab")
    assert told(enter(juliet, "queen mab")) == ["queen mab error conflict cancel"]
    assert "110" in told(enter(mercutio, "queen mab"))[1]


def test_a_room_that_is_full_still_takes_its_admins(romeo: Client, juliet: Client, mercutio: Client) -> None:
    room = opened(romeo, "romeo", maxusers=1)
    assert told(enter(juliet, "juliet")) == ["juliet error service-unavailable wait"]
    be(room, mercutio, "admin")
    assert "110" in told(enter(mercutio, "mercutio"))[1]
    phone = Client(romeo.server, "romeo@localhost/phone")
    assert "110" in told(enter(phone, "romeo"))[1]


def test_one_more_device_of_somebody_who_is_there_finds_room(room: Room, juliet: Client) -> None:
    enter(juliet, "juliet")
    configure(room, maxusers=2)
    phone = Client(juliet.server, "juliet@localhost/phone")
    assert "110" in told(enter(phone, "juliet"))[1]


def test_one_session_is_in_so_many_rooms(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"max_rooms_entered": 2}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        for name in ("one", "two"):
            enter(romeo, "romeo", room=f"{name}@{SERVICE}")
        assert told(enter(romeo, "romeo")) == ["romeo error resource-constraint wait"]
        leave(romeo, "romeo", room=f"one@{SERVICE}")
        assert "201" in told(enter(romeo, "romeo"))[0]


def test_a_presence_has_a_limit(room: Room, juliet: Client) -> None:
    assert told(enter(juliet, "juliet", says=f"<status>{'x' * 5_000}</status>")) == [
        "juliet error policy-violation modify"
    ]


def test_addresses_are_for_moderators_or_for_everybody(romeo: Client, juliet: Client, mercutio: Client) -> None:
    room = opened(romeo, "romeo", whois="anyone")
    assert told(enter(juliet, "juliet"))[:2] == [
        "romeo in owner/moderator romeo@localhost/orchard",
        "juliet in none/participant juliet@localhost/balcony 100 110",
    ]
    configure(room, whois="moderators")
    assert told(enter(mercutio, "mercutio"))[:2] == ["romeo in owner/moderator", "juliet in none/participant"]
    assert told(juliet.received()) == ["mercutio in none/participant"]
    assert told(romeo.received())[-1] == "mercutio in none/participant mercutio@localhost/street"


def probe(client: Client, to: str) -> list[str]:
    return told(client.sends(f"<presence to='{to}' type='probe'/>"))


def test_who_is_in_a_room_learns_by_a_probe_what_it_has_missed(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet", says="<show>away</show>")
    romeo.received()
    assert probe(romeo, f"{ROOM}/juliet") == ["juliet in none/participant juliet@localhost/balcony"]
    assert probe(juliet, f"{ROOM}/romeo") == ["romeo in owner/moderator"]
    for to in (ROOM, f"{ROOM}/juliet"):
        [own] = juliet.sends(f"<presence to='{to}' type='probe'/>")
        assert told([own]) == ["juliet in none/participant juliet@localhost/balcony 110"]
        assert "<show>away</show>" in own
    assert probe(juliet, f"{ROOM}/tybalt") == []  # nobody has this nick
    configure(room, presencebroadcast=("participant",))
    assert probe(juliet, f"{ROOM}/romeo") == []


def test_a_probe_tells_that_who_has_a_nick_is_away(room: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    be(room, mercutio, "member", "mercutio")
    [away] = romeo.sends(f"<presence to='{ROOM}/mercutio' type='probe'/>")
    assert told([away]) == ["mercutio out member/none"]
    assert f'<occupant-id xmlns="urn:xmpp:occupant-id:0" id="{room.id_of(mercutio.account)}">' in away


def test_the_server_of_who_is_in_a_room_probes_for_it(room: Room, juliet: Client) -> None:
    enter(juliet, "juliet")
    probed = Stanza.build("presence", type="probe", to=JID.parse(f"{ROOM}/romeo"), sender=juliet.account)
    juliet.server.router.route(probed)
    assert told(juliet.received()) == ["romeo in owner/moderator"]


def test_others_learn_nothing_by_probes(room: Room, juliet: Client) -> None:
    for to in (ROOM, f"{ROOM}/romeo", f"nowhere@{SERVICE}", f"nowhere@{SERVICE}/romeo"):
        assert probe(juliet, to) == []
    assert told(enter(juliet, "juliet"))  # nor is it how one enters


def test_the_own_presence_has_the_id_of_the_request_that_it_answers(room: Room, romeo: Client, juliet: Client) -> None:
    ids = [parse(each.encode()).get("id") for each in enter(juliet, "juliet")]
    assert ids[:2] == [None, "in"]  # that of the other one, and its own
    assert parse(romeo.received()[0].encode()).get("id") is None


@pytest.mark.parametrize(
    ("to", "more", "answers"), [("juliet", "", 1), ("jule", "", 2), ("juliet", " type='unavailable'", 1)]
)
def test_so_has_every_answer_to_presence_of_ones_own(
    room: Room, romeo: Client, juliet: Client, to: str, more: str, answers: int
) -> None:
    phone = Client(juliet.server, "juliet@localhost/phone")
    for client in (phone, juliet):
        enter(client, "juliet")
    leave(phone, "juliet")
    romeo.received()

    def ids(received: list[str]) -> list[str | None]:
        return [parse(each.encode()).get("id") for each in received]

    assert ids(juliet.sends(f"<presence to='{ROOM}/{to}' id='p1'{more}/>")) == ["p1"] * answers
    assert ids(romeo.received()) == [None] * answers


def test_only_the_device_that_has_sent_it_gets_its_id(room: Room, juliet: Client) -> None:
    phone = Client(juliet.server, "juliet@localhost/phone")
    for client in (juliet, phone):
        enter(client, "juliet")
    juliet.received()
    assert ' id="p1"' in phone.sends(f"<presence to='{ROOM}/juliet' id='p1'/>")[0]
    [seen] = juliet.received()
    assert ' id="p1"' not in seen and 'code="110"' in seen


def test_a_nick_that_is_changed_is_told_by_210_as_well(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    assert told(juliet.sends(f"<presence to='{ROOM}/ju\u0041\u030aliet'/>"))[-1] == (
        "ju\u00c5liet in none/participant juliet@localhost/balcony 210 110"
    )
    assert told(romeo.received())[-1] == "ju\u00c5liet in none/participant juliet@localhost/balcony"


def test_a_nick_in_another_form_than_was_asked_for_is_told_by_210(room: Room, juliet: Client) -> None:
    assert told(enter(juliet, "ju\u0041\u030aliet"))[1] == (
        "ju\u00c5liet in none/participant juliet@localhost/balcony 210 110"
    )


def test_visitors_of_a_moderated_room_are_visitors(romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo", moderatedroom=True)
    assert told(enter(juliet, "juliet"))[1] == "juliet in none/visitor juliet@localhost/balcony 110"


def test_nobody_sees_who_is_not_to_be_shown_but_itself(romeo: Client, juliet: Client, mercutio: Client) -> None:
    opened(romeo, "romeo", presencebroadcast=("moderator",))
    enter(juliet, "juliet")
    assert told(enter(mercutio, "mercutio")) == [
        "romeo in owner/moderator",
        "mercutio in none/participant mercutio@localhost/street 110",
        "room subject ",
    ]
    assert juliet.received() == []
    mercutio.sends(f"<presence to='{ROOM}/mab'/>")
    leave(mercutio, "mab")
    assert juliet.received() == []


# -- 7.2.1, 16.3: once more


def test_who_enters_again_gets_everything_again(room: Room, romeo: Client, juliet: Client) -> None:
    first = told(enter(juliet, "juliet"))
    romeo.received()
    assert told(enter(juliet, "juliet")) == first
    assert romeo.received() == []
    enter(juliet, "juliet", says="<show>away</show>")
    [away] = romeo.received()
    assert "<show>away</show>" in away


def test_presence_of_who_is_not_in_the_room_is_answered_with_just_that(room: Room, juliet: Client) -> None:
    assert told(juliet.sends(f"<presence to='{ROOM}/juliet'/>")) == ["juliet out none/none 307 333 110"]
    assert juliet.jid not in room.by_session
    assert told(juliet.sends(f"<presence to='nowhere@{SERVICE}/juliet'/>")) == ["juliet error item-not-found cancel"]


@pytest.mark.parametrize("type", ["probe", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "error"])
def test_presence_of_other_types_neither_enters_nor_leaves(room: Room, juliet: Client, type: str) -> None:
    x = "<x xmlns='http://jabber.org/protocol/muc'/>"
    assert juliet.sends(f"<presence to='{ROOM}/juliet' type='{type}'>{x}</presence>") == []
    assert juliet.jid not in room.by_session
    enter(juliet, "juliet")
    answered = ["juliet in none/participant juliet@localhost/balcony 110"] if type == "probe" else []
    assert told(juliet.sends(f"<presence to='{ROOM}/juliet' type='{type}'/>")) == answered
    assert juliet.jid in room.by_session


# -- 7.2.13 history


@pytest.fixture
def talk(room: Room, romeo: Client) -> None:
    for word in ("one", "two", "three"):
        say(romeo, word)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", ["one", "two", "three"]),
        ("maxstanzas='2'", ["two", "three"]),
        ("maxstanzas='0'", []),
        ("maxchars='0'", []),
        ("maxchars='100000'", ["one", "two", "three"]),
        ("seconds='3600'", ["one", "two", "three"]),
        ("since='2999-01-01T00:00:00Z'", []),
        ("since='2000-01-01T00:00:00Z' maxstanzas='1'", ["three"]),
        ("maxstanzas='-1'", ["one", "two", "three"]),
        ("since='yesterday'", ["one", "two", "three"]),
    ],
)
def test_as_much_is_told_of_what_was_said_as_is_asked_for(
    talk: None, juliet: Client, asked: str, expected: list[str]
) -> None:
    received = enter(juliet, "juliet", f"<history {asked}/>" if asked else "")
    assert re.findall(r"<body>(\w+)</body>", "".join(received)) == expected
    assert told(received)[-1] == "room subject "


def test_whole_stanzas_are_counted_by_their_characters(talk: None, romeo: Client, juliet: Client) -> None:
    say(romeo, "Schöne Grüße")
    raw = list[str]()
    juliet.write = lambda data: raw.append(data.decode())  # type: ignore[method-assign]

    def history(most: int) -> list[int]:
        """The characters of each message."""
        raw.clear()
        enter(juliet, "juliet", f"<history maxchars='{most}'/>")
        return [len(each) for each in raw if "<body>" in each]

    *_, last_but_one, last = history(100_000)
    assert history(last_but_one + last) == [last_but_one, last]
    assert history(last_but_one + last - 1) == [last]
    assert history(last - 1) == []


def test_a_room_tells_no_more_than_it_is_configured_to(romeo: Client, juliet: Client) -> None:
    opened(romeo, "romeo", historylength=2)
    for word in ("one", "two", "three"):
        say(romeo, word)
    assert re.findall(r"<body>(\w+)</body>", "".join(enter(juliet, "juliet"))) == ["two", "three"]


# -- 7.2.8 several devices


@pytest.fixture
def phone(room: Room, romeo: Client, juliet: Client) -> Client:
    """Juliet's second device, which is in the room under the same nick."""
    enter(juliet, "juliet")
    phone = Client(juliet.server, "juliet@localhost/phone")
    assert told(enter(phone, "juliet"))[1] == "juliet in none/participant juliet@localhost/phone 110"
    romeo.received(), juliet.received()
    return phone


def test_devices_under_one_nick_all_hear_the_room(phone: Client, juliet: Client, romeo: Client) -> None:
    say(phone, "hello")
    assert [told(each.received()) for each in (romeo, juliet)] == [["juliet says hello"]] * 2
    romeo.sends(f"<message to='{ROOM}/juliet' type='chat'><body>psst</body></message>")
    assert [told(each.received()) for each in (phone, juliet)] == [["romeo says psst"]] * 2


def test_a_device_leaves_and_the_others_stay(phone: Client, juliet: Client, romeo: Client) -> None:
    assert told(leave(juliet, "juliet")) == ["juliet out none/none juliet@localhost/balcony 110"]
    assert romeo.received() == phone.received() == []
    assert told(leave(phone, "juliet")) == ["juliet out none/none juliet@localhost/phone 110"]
    assert told(romeo.received()) == ["juliet out none/none juliet@localhost/phone"]


def test_where_the_device_leaves_that_was_shown_another_one_is(phone: Client, juliet: Client, romeo: Client) -> None:
    leave(phone, "juliet")
    assert told(romeo.received()) == ["juliet in none/participant juliet@localhost/balcony"]


def test_a_device_takes_another_nick_and_the_others_keep_theirs(phone: Client, juliet: Client, romeo: Client) -> None:
    assert told(juliet.sends(f"<presence to='{ROOM}/jule'/>")) == [
        "juliet out none/participant juliet@localhost/balcony jule 303 110",
        "juliet in none/participant",  # it would seem to be gone
        "jule in none/participant juliet@localhost/balcony 110",
    ]
    assert told(romeo.received()) == ["jule in none/participant juliet@localhost/balcony"]
    assert told(phone.received()) == ["jule in none/participant"]
    assert told(juliet.sends(f"<presence to='{ROOM}/juliet'/>"))[0].endswith("juliet 303 110")
    assert told(romeo.received()) == [
        "jule out none/participant juliet@localhost/balcony juliet 303",
        "juliet in none/participant juliet@localhost/balcony",
    ]


def test_others_are_shown_a_device_that_keeps_the_nick(phone: Client, juliet: Client, romeo: Client) -> None:
    phone.sends(f"<presence to='{ROOM}/jule'/>")
    assert told(romeo.received()) == [
        "juliet in none/participant juliet@localhost/balcony",
        "jule in none/participant juliet@localhost/phone",
    ]


def test_one_account_is_in_a_room_under_several_nicks(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    phone = Client(juliet.server, "juliet@localhost/phone")
    assert told(enter(phone, "nurse"))[:3] == [
        "romeo in owner/moderator",
        "juliet in none/participant",
        "nurse in none/participant juliet@localhost/phone 110",
    ]


# -- 7.6 nicks


def test_another_nick_is_shown_as_the_end_of_the_old_one(room: Room, romeo: Client, juliet: Client) -> None:
    enter(juliet, "juliet")
    romeo.received()
    assert told(juliet.sends(f"<presence to='{ROOM}/jule'/>")) == [
        "juliet out none/participant juliet@localhost/balcony jule 303 110",
        "jule in none/participant juliet@localhost/balcony 110",
    ]
    assert told(romeo.received()) == [
        "juliet out none/participant juliet@localhost/balcony jule 303",
        "jule in none/participant juliet@localhost/balcony",
    ]


def test_who_enters_again_under_another_nick_takes_that_and_is_shown_everything(
    room: Room, romeo: Client, juliet: Client
) -> None:
    enter(juliet, "juliet")
    say(romeo, "hello")
    romeo.received(), juliet.received()
    assert told(enter(juliet, "jule")) == [
        "juliet out none/participant juliet@localhost/balcony jule 303 110",
        "jule in none/participant juliet@localhost/balcony 110",
        "romeo in owner/moderator",
        "jule in none/participant juliet@localhost/balcony 110",
        "romeo late says hello",
        "room subject ",
    ]
    assert len(romeo.received()) == 2


@pytest.mark.parametrize(
    ("nick", "error"),
    [("romeo", "conflict cancel"), ("mab", "conflict cancel"), ("n" * 101, "jid-malformed modify")],
)
def test_a_nick_that_is_not_to_be_had_changes_nothing(
    room: Room, romeo: Client, juliet: Client, mercutio: Client, nick: str, error: str
) -> None:
    be(room, mercutio, "member", "mab")
    enter(juliet, "juliet")
    romeo.received()
    assert told(juliet.sends(f"<presence to='{ROOM}/{nick}'/>")) == [f"{nick} error {error}"]
    assert romeo.received() == []
    assert room.by_session[juliet.jid].nick == "juliet"


# -- kept


def test_what_is_to_last_is_there_after_a_restart(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo = Client(server, "romeo@localhost/orchard")
        opened(romeo, "romeo", roomname="Verona", whois="anyone")
        romeo.sends(f"<message to='{ROOM}' type='groupchat'><subject>The balcony</subject></message>")
        first = room_at(server).by_session[romeo.jid].id
    with server_in(tmp_path) as server:
        romeo = Client(server, "romeo@localhost/orchard")
        assert told(enter(romeo, "romeo")) == [
            "romeo in owner/moderator romeo@localhost/orchard 100 110",
            "romeo late subject The balcony",
        ]
        assert room_at(server).by_session[romeo.jid].id == first
