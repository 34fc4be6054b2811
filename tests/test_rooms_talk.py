"""XEP-0045 sections 7.4, 7.5 and 8.1: what is said to all, and to one, and the subject."""

import pytest

from db.rooms import Affiliation
from handlers.rooms.room import Room
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, SERVICE, configure, enter, in_short, leave, opened, say, told
from xmpp.data.jid import JID

USER = "http://jabber.org/protocol/muc#user"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


@pytest.fixture
def room(romeo: Client, juliet: Client) -> Room:
    """Romeo's, in which Juliet is, too."""
    room = opened(romeo, "romeo")
    enter(juliet, "juliet")
    romeo.received()
    return room


def set_subject(client: Client, text: str, more: str = "") -> list[str]:
    subject = f"<subject>{text}</subject>" if text else "<subject/>"
    return client.sends(f"<message to='{ROOM}' type='groupchat' id='s'>{subject}{more}</message>")


def whisper(client: Client, nick: str, content: str = "<body>psst</body>", type: str = "chat") -> list[str]:
    return client.sends(f"<message to='{ROOM}/{nick}' type='{type}' id='pm'>{content}</message>")


# -- 7.4 to all


def test_what_is_said_all_hear_and_who_has_said_it_too(room: Room, romeo: Client, juliet: Client) -> None:
    [own] = say(juliet, "Ay me")
    [heard] = romeo.received()
    assert told([own, heard]) == ["juliet says Ay me"] * 2
    assert 'id="m"' in own and 'type="groupchat"' in own
    assert f'to="{juliet.jid}"' in own and f'to="{romeo.jid}"' in heard


def test_what_only_a_room_says_is_the_rooms(room: Room, romeo: Client, juliet: Client) -> None:
    forged = (
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='romeo'/><hats xmlns='urn:xmpp:hats:0'/>"
        f"<x xmlns='{USER}'><status code='104'/></x>"
        "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='verona@rooms.localhost'/>"
    )
    juliet.sends(f"<message to='{ROOM}' type='groupchat'><body>hi</body>{forged}</message>")
    [heard] = romeo.received()
    assert heard.count("<occupant-id ") == 1 and f'id="{room.occupants["juliet"].id}"' in heard
    assert "hats" not in heard and "104" not in heard and 'id="1"' not in heard


def test_who_is_not_in_the_room_says_nothing_there(room: Room, romeo: Client, mercutio: Client) -> None:
    assert told(say(mercutio, "A plague")) == ["room error not-acceptable cancel"]
    assert romeo.received() == []


def test_who_is_in_by_another_device_says_nothing_by_this_one(room: Room, juliet: Client) -> None:
    phone = Client(juliet.server, "juliet@localhost/phone")
    assert told(say(phone, "hello")) == ["room error not-acceptable cancel"]


def test_there_is_nothing_to_say_where_there_is_no_room(juliet: Client) -> None:
    assert told(say(juliet, "hello", room=f"nowhere@{SERVICE}")) == ["room error item-not-found cancel"]


@pytest.mark.parametrize("type", ["chat", "normal", "headline"])
def test_what_is_said_to_a_room_is_groupchat(room: Room, romeo: Client, juliet: Client, type: str) -> None:
    assert told(say(juliet, "hello", type=type)) == ["room error bad-request modify"]
    assert romeo.received() == []


def test_visitors_listen(room: Room, romeo: Client, juliet: Client) -> None:
    room.occupants["juliet"].role = "visitor"
    assert told(say(juliet, "hello")) == ["room error forbidden auth"]
    assert romeo.received() == []


def test_messages_without_a_body_are_told_and_not_repeated(room: Room, romeo: Client, mercutio: Client) -> None:
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    assert len(romeo.sends(f"<message to='{ROOM}' type='groupchat'>{composing}</message>")) == 1
    assert told(enter(mercutio, "mercutio"))[3:] == ["room subject "]


# -- 8.1 the subject


def test_the_subject_is_told_to_all_and_kept(room: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    assert told(set_subject(romeo, "The balcony")) == ["romeo subject The balcony"]
    assert told(juliet.received()) == ["romeo subject The balcony"]
    assert told(enter(mercutio, "mercutio"))[-1] == "romeo late subject The balcony"


def test_an_empty_subject_takes_it_away(room: Room, romeo: Client, mercutio: Client) -> None:
    set_subject(romeo, "The balcony")
    assert told(set_subject(romeo, "")) == ["romeo subject "]
    assert told(enter(mercutio, "mercutio"))[-1] == "romeo late subject "


@pytest.mark.parametrize("text", ["The balcony", ""])
def test_participants_change_the_subject_where_the_room_says_so(
    room: Room, romeo: Client, juliet: Client, text: str
) -> None:
    assert told(set_subject(juliet, text)) == ["room error forbidden auth"]
    assert romeo.received() == []
    configure(room, changesubject=True)
    assert told(set_subject(juliet, text)) == [f"juliet subject {text}"]
    room.occupants["juliet"].role = "visitor"
    assert told(set_subject(juliet, text)) == ["room error forbidden auth"]


@pytest.mark.parametrize("more", ["<body>hi</body>", "<thread>1</thread>"])
def test_a_message_with_a_body_or_a_thread_is_no_change_of_the_subject(room: Room, juliet: Client, more: str) -> None:
    [heard] = set_subject(juliet, "Re: it", more)
    assert in_short(heard).startswith("juliet ")
    assert room.subject.text == ""


def test_a_subject_has_a_limit(room: Room, romeo: Client) -> None:
    assert told(set_subject(romeo, "x" * 2_001)) == ["room error not-acceptable modify"]


# -- 7.5 to one


def test_a_private_message_goes_to_all_devices_of_one_nick(room: Room, romeo: Client, juliet: Client) -> None:
    phone = Client(juliet.server, "juliet@localhost/phone")
    enter(phone, "juliet")
    romeo.received(), juliet.received()
    assert whisper(romeo, "juliet", f"<body>psst</body><x xmlns='{USER}'><invite/></x>") == []
    [one], [other] = juliet.received(), phone.received()
    assert told([one, other]) == ["romeo says psst"] * 2
    assert one.count(f'<x xmlns="{USER}"></x>') == 1 and "invite" not in one
    assert 'type="chat"' in one and one.count("<occupant-id ") == 1


def test_a_private_message_is_not_for_all(room: Room, juliet: Client) -> None:
    assert told(whisper(juliet, "romeo", type="groupchat")) == ["romeo error bad-request modify"]


def test_who_is_not_in_the_room_says_nothing_to_its_occupants(room: Room, romeo: Client, mercutio: Client) -> None:
    assert told(whisper(mercutio, "romeo")) == ["romeo error not-acceptable cancel"]
    assert romeo.received() == []


def test_a_private_message_to_nobody_comes_back(room: Room, juliet: Client) -> None:
    assert told(whisper(juliet, "rosaline")) == ["rosaline error item-not-found cancel"]


@pytest.mark.parametrize(
    ("allowpm", "role", "is_allowed"),
    [
        ("anyone", "visitor", True),
        ("participants", "visitor", False),
        ("participants", "participant", True),
        ("moderators", "participant", False),
        ("moderators", "moderator", True),
        ("none", "moderator", False),
    ],
)
def test_a_room_says_who_sends_private_messages(
    room: Room, romeo: Client, juliet: Client, allowpm: str, role: str, is_allowed: bool
) -> None:
    configure(room, allowpm=allowpm)
    room.occupants["juliet"].role = role
    assert told(whisper(juliet, "romeo")) == ([] if is_allowed else ["romeo error forbidden auth"])
    assert told(romeo.received()) == (["juliet says psst"] if is_allowed else [])


def test_who_blocks_an_occupant_hears_nothing_from_it_in_private_and_stays(
    room: Room, romeo: Client, juliet: Client
) -> None:
    block = f"<block xmlns='urn:xmpp:blocking'><item jid='{ROOM}/juliet'/></block>"
    assert romeo.asks(block, type="set") == ""
    assert told(whisper(juliet, "romeo")) == ["romeo error service-unavailable cancel"]
    say(juliet, "hello")
    assert told(romeo.received()) == ["juliet says hello"]
    assert romeo.jid in room.by_session


def test_the_error_of_a_private_message_goes_to_who_has_said_it_and_nobody_leaves(
    room: Room, romeo: Client, juliet: Client
) -> None:
    whisper(juliet, "romeo")
    romeo.received()
    error = f"<error type='cancel'><service-unavailable xmlns='{ERRORS}'/></error>"
    assert romeo.sends(f"<message to='{ROOM}/juliet' type='error' id='pm'>{error}</message>") == []
    [back] = juliet.received()
    assert in_short(back) == "romeo error service-unavailable cancel"
    assert 'id="pm"' in back and "localhost/orchard" not in back
    assert romeo.jid in room.by_session


def test_what_is_said_after_somebody_has_left_does_not_reach_it(room: Room, romeo: Client, juliet: Client) -> None:
    leave(juliet, "juliet")
    say(romeo, "hello")
    assert juliet.received() == []


def test_members_keep_the_floor_in_a_moderated_room(romeo: Client, juliet: Client) -> None:
    room = opened(romeo, "romeo", moderatedroom=True)
    room.set_affiliations({JID.parse("juliet@localhost"): Affiliation("member")})
    enter(juliet, "juliet")
    assert told(say(juliet, "hello")) == ["juliet says hello"]
