"""docs/security.md rows 51 and 116: one account, whatever its devices, nicks and rooms, costs a room only so much, and
writes to or invites only so many who do not know it.

What is over is refused with an error of type wait. Nobody is put out for it, and nobody else notices.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from db import rooms
from handlers.rooms import configuration as configurations
from handlers.rooms import rates, strangers
from handlers.rooms.rates import PaidUntil
from handlers.rooms.rooms_here import Rooms
from handlers.rooms.strangers import Written
from tests.harness.in_process import Client, add_accounts, befriend, queries_of, server_in
from tests.harness.rooms import (
    ITEMS,
    MUC,
    ROOM,
    SERVICE,
    be,
    configure,
    enter,
    leave,
    opened,
    room_at,
    say,
    told,
)
from xmpp.data.jid import JID
from xmpp.routing import portions
from xmpp.server import Server

OTHER = f"mantua@{SERVICE}"
TOO_MUCH = "error policy-violation wait"
USER = "http://jabber.org/protocol/muc#user"


@contextmanager
def people(folder: Path, **settings: int) -> Iterator[tuple[Client, Client, Client]]:
    """Romeo, who owns two rooms and is in them, Juliet and Mercutio, who are not; with these limits."""
    with server_in(folder, rooms=settings) as server:
        add_accounts(server, "romeo", "juliet", "mercutio")
        romeo, juliet, mercutio = (Client(server, f"{name}@localhost/home") for name in ("romeo", "juliet", "mercutio"))
        for address in (ROOM, OTHER):
            opened(romeo, "Romeo", room=address)
        yield romeo, juliet, mercutio


def later(server: Server, seconds: float) -> None:
    """So much time goes by for all that is counted."""
    for counted in server.state(PaidUntil).values():
        for key in counted:
            counted[key] -= seconds


def presence(client: Client, status: str, nick: str = "Juliet", *, room: str = ROOM) -> list[str]:
    return told(client.sends(f"<presence to='{room}/{nick}'><status>{status}</status></presence>"))


# -- what is said


def test_row_51_one_account_says_so_much_in_a_room(tmp_path: Path) -> None:
    with people(tmp_path, messages_per_minute=3) as (romeo, juliet, mercutio):
        enter(juliet, "Juliet")
        enter(mercutio, "Mercutio")
        romeo.received()
        for number in range(3):
            assert told(say(juliet, str(number)))[-1] == f"Juliet says {number}"
        assert told(say(juliet, "more")) == [f"room {TOO_MUCH}"]
        assert told(say(juliet, "more", room=f"{ROOM}/Romeo", type="chat")) == [f"Romeo {TOO_MUCH}"]
        assert told(say(mercutio, "calm"))[-1] == "Mercutio says calm"
        assert told(romeo.received()) == [
            "Juliet says 0", "Juliet says 1", "Juliet says 2", "Mercutio says calm",
        ]  # fmt: skip
        assert juliet.closed_with is None and "Juliet" in room_at(romeo.server).occupants


def test_row_51_to_come_again_does_not_help(tmp_path: Path) -> None:
    with people(tmp_path, messages_per_minute=3) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        for number in range(3):
            say(juliet, str(number))
        leave(juliet, "Juliet")
        enter(juliet, "Rosaline")
        assert told(say(juliet, "more")) == [f"room {TOO_MUCH}"]
        phone = Client(juliet.server, "juliet@localhost/phone")
        enter(phone, "Nurse")
        assert told(say(phone, "more")) == [f"room {TOO_MUCH}"]
        enter(juliet, "Juliet", room=OTHER)
        assert told(say(juliet, "here", room=OTHER)) == ["Juliet says here"]
        later(romeo.server, 20)
        assert told(say(phone, "more"))[-1] == "Nurse says more"
        assert told(say(phone, "more")) == [f"room {TOO_MUCH}"]


def test_row_51_subjects_count_as_what_is_said(tmp_path: Path) -> None:
    with people(tmp_path, messages_per_minute=2) as (romeo, _, _):
        subject = f"<message to='{ROOM}' type='groupchat' id='s'><subject>x</subject></message>"
        assert [told(romeo.sends(subject))[-1] for _ in range(3)] == [
            "Romeo subject x", "Romeo subject x", f"room {TOO_MUCH}",
        ]  # fmt: skip


# -- presence


def test_row_51_presence_changes_so_often(tmp_path: Path) -> None:
    with people(tmp_path, presences_per_minute=2) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        romeo.received()
        assert [presence(juliet, str(number))[-1] for number in range(3)] == [
            "Juliet in none/participant juliet@localhost/home 110",
            "Juliet in none/participant juliet@localhost/home 110",
            f"Juliet {TOO_MUCH}",
        ]
        assert len(romeo.received()) == 2
        assert b"1" in room_at(romeo.server).occupants["Juliet"].shown[1]


def test_row_51_nicks_change_so_often(tmp_path: Path) -> None:
    with people(tmp_path, nick_changes_per_minute=2) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        for nick in ("Rosaline", "Nurse"):
            presence(juliet, "", nick)
        romeo.received()
        assert presence(juliet, "", "Juliet") == [f"Juliet {TOO_MUCH}"]
        assert romeo.received() == [] and "Nurse" in room_at(romeo.server).occupants
        leave(juliet, "Nurse")
        enter(juliet, "Juliet")
        assert presence(juliet, "", "Rosaline") == [f"Rosaline {TOO_MUCH}"]


def test_row_51_one_account_enters_a_room_so_often(tmp_path: Path) -> None:
    with people(tmp_path, enterings_per_minute=3) as (romeo, juliet, mercutio):
        for _ in range(2):
            assert told(enter(juliet, "Juliet"))[-1] == "room subject "
            leave(juliet, "Juliet")
        assert told(enter(juliet, "Juliet"))[-1] == "room subject "
        romeo.received()
        assert told(enter(juliet, "Juliet")) == [f"Juliet {TOO_MUCH}"]  # to be shown everything again is the same
        leave(juliet, "Juliet")
        assert told(enter(juliet, "Rosaline")) == [f"Rosaline {TOO_MUCH}"]
        assert told(romeo.received()) == ["Juliet out none/none juliet@localhost/home"]
        assert told(enter(mercutio, "Mercutio"))[-1] == "room subject "
        assert told(enter(juliet, "Juliet", room=OTHER))[-1] == "room subject "


def test_row_51_passwords_are_not_guessed_for_long(tmp_path: Path) -> None:
    with people(tmp_path, enterings_per_minute=3) as (romeo, juliet, _):
        configure(room_at(romeo.server), passwordprotectedroom=True, roomsecret="sesame")
        guesses = [told(enter(juliet, "Juliet", f"<password>{each}</password>")) for each in ("a", "b", "c", "sesame")]
        assert guesses == [["Juliet error not-authorized auth"]] * 3 + [[f"Juliet {TOO_MUCH}"]]


def test_row_51_one_account_enters_rooms_so_often(tmp_path: Path) -> None:
    with people(tmp_path, enterings_per_hour=4) as (_, juliet, _):
        for _ in range(2):
            for address in (ROOM, OTHER):
                assert told(enter(juliet, "Juliet", room=address))[-1] == "room subject "
                leave(juliet, "Juliet", room=address)
        assert told(enter(juliet, "Juliet")) == [f"Juliet {TOO_MUCH}"]
        assert told(enter(juliet, "Juliet", room=f"new@{SERVICE}")) == [f"Juliet {TOO_MUCH}"]
        later(juliet.server, 900)
        assert told(enter(juliet, "Juliet"))[-1] == "room subject "


def test_row_51_whoever_leaves_leaves_and_says_no_more_than_presence_may(tmp_path: Path) -> None:
    with people(tmp_path, max_presence_bytes=1_000) as (romeo, juliet, _):
        for status, is_heard in (("short", True), ("x" * 1_000, False)):
            enter(juliet, "Juliet")
            romeo.received()
            juliet.sends(
                f"<presence to='{ROOM}/Juliet' type='unavailable'><status>{status}</status></presence>"
            )  # fmt: skip
            [heard] = romeo.received()
            assert told([heard]) == ["Juliet out none/none juliet@localhost/home"]
            assert (status in heard) == is_heard and len(heard) < 1_000


# -- bytes


def crowd(server: Server, count: int) -> None:
    """So many devices of Mercutio that are in the room."""
    room = room_at(server)
    for number in range(count):
        room.put(f"mercutio{number}", JID.parse(f"mercutio@localhost/{number}"), b"", "participant")


def test_row_51_what_all_are_told_counts_by_its_bytes(tmp_path: Path) -> None:
    with people(tmp_path, told_bytes_per_minute=1_000_000) as (romeo, juliet, mercutio):
        enter(juliet, "Juliet")
        crowd(romeo.server, 98)
        assert told(say(juliet, "x" * 12_000)) == [f"room {TOO_MUCH}"]
        assert told(say(juliet, "x" * 5_000))[0].startswith("Juliet says ")
        assert told(say(juliet, "x" * 5_000)) == [f"room {TOO_MUCH}"]
        assert told(say(juliet, "short"))[0].startswith("Juliet says ")
        phone = Client(juliet.server, "juliet@localhost/phone")
        enter(phone, "Nurse", room=OTHER)
        assert told(say(phone, "x" * 5_000, room=OTHER))[0].startswith("Nurse says ")  # of few it costs little
        enter(mercutio, "Mercutio")
        assert told(say(mercutio, "x" * 5_000))[0].startswith("Mercutio says ")


@pytest.mark.parametrize("what", ["roles", "kicks", "affiliations", "configuration"])
def test_row_51_so_does_what_moderators_and_owners_change(tmp_path: Path, what: str) -> None:
    with people(tmp_path, told_bytes_per_minute=1_000_000) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        crowd(romeo.server, 1_198)

        def once(number: int) -> str:
            if what == "configuration":
                whois = "anyone" if number % 2 else "moderators"
                fields = (
                    f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
                    f"<field var='muc#roomconfig_whois'><value>{whois}</value></field>"
                )
                query = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{fields}</x></query>"
                return romeo.asks(query, type="set", to=ROOM)
            item = {
                "roles": f"role='{'visitor' if number % 2 else 'participant'}' nick='Juliet'",
                "kicks": f"role='none' nick='mercutio{number}'",
                "affiliations": f"affiliation='{'member' if number % 2 else 'none'}' jid='{juliet.account}'",
            }[what]
            return romeo.asks(f"<query xmlns='{MUC}#admin'><item {item}/></query>", type="set", to=ROOM)

        answers = [once(number) for number in range(1, 4)]
        assert answers == ["", "", "policy-violation"]
        later(romeo.server, 60)
        assert once(3) == ""


@pytest.mark.parametrize("what", ["hats", "hats that are worn", "pictures"])
def test_row_51_so_do_hats_and_pictures(tmp_path: Path, what: str) -> None:
    with people(tmp_path, told_bytes_per_minute=1_000_000) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        crowd(romeo.server, 1_198)
        make_hat(romeo, title="first")
        later(romeo.server, 60)

        def once(number: int) -> str:
            if what == "pictures":
                vcard = f"<vCard xmlns='vcard-temp'><FN>{number}</FN></vCard>"
                return romeo.asks(vcard, type="set", to=ROOM)
            if what == "hats":
                return make_hat(romeo, title=str(number))
            return hat(romeo, "assign" if number % 2 else "unassign", jid=str(juliet.account))

        answers = [once(number).partition(" ")[0] for number in range(1, 4)]
        assert answers[:2] == ["" if what == "pictures" else "<command"] * 2
        assert answers[2] == "policy-violation"
        later(romeo.server, 60)
        assert once(3) != "policy-violation"


def make_hat(client: Client, title: str) -> str:
    return hat(client, "create", title=title)


def hat(client: Client, which: str, **values: str) -> str:
    """The answer to a command about the one hat of the room."""
    given = {"FORM_TYPE": "urn:xmpp:hats:commands", "hats#uri": "urn:x:hat"}
    given |= {f"hats#{name}": value for name, value in values.items()}
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in given.items())
    form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
    node = f"node='urn:xmpp:hats:commands:{which}'"
    return client.asks(
        f"<command xmlns='http://jabber.org/protocol/commands' {node}>{form}</command>", type="set", to=ROOM
    )


@pytest.mark.parametrize("what", ["presence", "nick", "entering", "entering again"])
def test_row_51_so_does_presence(tmp_path: Path, what: str) -> None:
    with people(tmp_path, told_bytes_per_minute=1_000_000) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        crowd(romeo.server, 998)

        def once(number: int) -> list[str]:
            if what == "presence":
                return presence(juliet, f"{number}")
            if what == "nick":
                return presence(juliet, "", "Juliet" if number % 2 else "Rosaline")
            if what == "entering":
                leave(juliet, "Juliet")
            return told(enter(juliet, "Juliet"))

        answers = [once(number)[-1] for number in range(4)]
        assert answers[-1].endswith(TOO_MUCH)
        assert room_at(romeo.server).by_session.keys() >= ({juliet.jid} if what != "entering" else set())


def test_row_51_what_waits_to_be_told_in_a_room_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with people(tmp_path, max_untold_bytes=1 << 20) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        crowd(romeo.server, 100)
        server = romeo.server
        monkeypatch.setattr(portions, "STEPS", 1)
        with monkeypatch.context() as patch:
            patch.setattr(server.portions, "wait_for_own", lambda: None)
            answers = [each for _ in range(8) for each in told(say(juliet, "x" * 200_000))]
            assert [each for each in answers if "error" in each] == ["room error resource-constraint wait"] * 3
            assert answers[0].startswith("Juliet says ")  # the first who are told
            assert presence(juliet, "here") == []  # this is told in its turn
            assert not any("error" in each for each in told(say(romeo, "short")))
            assert 1_000_000 < server.portions.held(JID.parse(ROOM)) < 1 << 20
            server.portions.wait(JID.parse(ROOM))
        assert server.portions.held(JID.parse(ROOM)) == 0
        assert len([each for each in told(juliet.received()) if "says" in each]) == 5
        assert told(say(romeo, "again"))[-1] == "Romeo says again"


def test_row_51_nor_is_more_said_than_can_be_told_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with people(tmp_path, max_untold_copies=10_000) as (romeo, juliet, _):
        enter(juliet, "Juliet")
        crowd(romeo.server, 998)
        server, refused = romeo.server, ["room error resource-constraint wait"]
        for text, accepted in (("short", 11), ("x" * 4_096, 6)):
            for each in (romeo, juliet):
                each.received()
            answers = [told(say(each, text)) for each in (romeo, juliet) * 7]
            assert answers == [[]] * accepted + [refused] * (14 - accepted)
            server.portions.wait(JID.parse(ROOM))
            assert len([each for each in told(romeo.received()) if "says" in each]) == accepted
            assert room_at(server).untold == 0


# -- whom somebody writes to


@contextmanager
def with_many(folder: Path, count: int, **settings: int) -> Iterator[tuple[Client, Client, list[Client]]]:
    """Romeo, who owns the room, Juliet, and so many others who are in it as other0, other1 and so on."""
    with people(folder, **settings) as (romeo, juliet, _):
        add_accounts(romeo.server, *(f"other{number}" for number in range(count)))
        others = [Client(romeo.server, f"other{number}@localhost/home") for number in range(count)]
        enter(juliet, "Juliet")
        for number, other in enumerate(others):
            enter(other, f"other{number}")
        for client in (romeo, juliet, *others):
            client.received()
        yield romeo, juliet, others


def write_to_all(client: Client, count: int) -> list[str]:
    answers = [say(client, "buy", room=f"{ROOM}/other{number}", type="chat") for number in range(count)]
    return ["" if not each else told(each)[0].partition(" ")[2] for each in answers]


def test_row_116_strangers_write_to_so_many_in_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with with_many(tmp_path, 5, strangers_written_to_per_hour=3) as (_, juliet, others):
        assert write_to_all(juliet, 5) == ["", "", "", TOO_MUCH, TOO_MUCH]
        assert [len(other.received()) for other in others] == [1, 1, 1, 0, 0]
        assert write_to_all(juliet, 3) == ["", "", ""]  # the same again are no more
        leave(juliet, "Juliet")
        enter(juliet, "Rosaline")
        assert write_to_all(juliet, 5)[3:] == [TOO_MUCH, TOO_MUCH]
        phone = Client(juliet.server, "juliet@localhost/phone")
        enter(phone, "Nurse")
        assert write_to_all(phone, 5)[3:] == [TOO_MUCH, TOO_MUCH]
        monkeypatch.setattr(strangers, "SECONDS", 0.0)  # an hour later
        assert write_to_all(phone, 5)[3:] == ["", ""]


def test_row_116_whoever_answers_is_not_counted(tmp_path: Path) -> None:
    with with_many(tmp_path, 5, strangers_written_to_per_hour=1) as (_, juliet, others):
        for other in others:
            say(other, "a question", room=f"{ROOM}/Juliet", type="chat")
        juliet.received()
        assert write_to_all(juliet, 5) == [""] * 5


def test_row_116_members_write_to_more_and_moderators_to_all(tmp_path: Path) -> None:
    with with_many(tmp_path, 12, strangers_written_to_per_hour=1) as (romeo, juliet, _):
        be(room_at(romeo.server), juliet, "member")
        assert write_to_all(juliet, 12) == [""] * 10 + [TOO_MUCH] * 2
        assert write_to_all(romeo, 12) == [""] * 12


def test_row_116_whom_somebody_has_written_to_is_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    written, names = Written(), [JID.parse(f"u{number}@localhost") for number in range(50)]
    monkeypatch.setattr(strangers, "BOUND", 20)
    for number, name in enumerate(names[1:]):
        assert written.note(names[0], name, float(number), None)
    assert len(written) == 20
    assert not written.note(names[0], names[1], 50.0, 20)
    assert written.note(names[0], names[1], 10_000.0, 1) and len(written) == 1


# -- invitations


def invite(client: Client, *numbers: int, room: str = ROOM) -> list[str]:
    invites = "".join(f"<invite to='other{number}@localhost'/>" for number in numbers)
    return told(client.sends(f"<message to='{room}' id='i'><x xmlns='{USER}'>{invites}</x></message>"))


def invited(others: list[Client]) -> list[int]:
    return [sum("<invite " in each for each in other.received()) for other in others]


def test_row_116_one_account_invites_so_many_who_do_not_know_it(tmp_path: Path) -> None:
    with with_many(tmp_path, 6, invitations_per_hour=4) as (romeo, juliet, others):
        for other in others:
            other.sends("<presence/>")
        enter(juliet, "Juliet", room=OTHER)
        romeo.received()
        assert invite(juliet, 0, 1, 2) == []
        assert invite(juliet, 3, 4, room=OTHER) == [f"room {TOO_MUCH}"]  # nobody is, or all are
        assert invite(juliet, 3, room=OTHER) == []
        assert invite(juliet, 0) == [f"room {TOO_MUCH}"]
        befriend(romeo.server, juliet.account, others[4].account)
        assert invite(juliet, 4) == []
        assert invited(others) == [1, 1, 1, 1, 1, 0]
        assert invite(romeo, 5) == []
        later(romeo.server, 900)
        assert invite(juliet, 5) == []
        assert invited(others) == [0, 0, 0, 0, 0, 2]


def test_row_116_whoever_is_not_to_be_invited_becomes_no_member(tmp_path: Path) -> None:
    with with_many(tmp_path, 3, invitations_per_hour=2) as (romeo, _, _):
        configure(room_at(romeo.server), membersonly=True)
        assert invite(romeo, 0, 1, 2) == [f"room {TOO_MUCH}"]
        assert len(room_at(romeo.server).affiliations) == 1


def test_row_116_one_account_declines_so_often(tmp_path: Path) -> None:
    with people(tmp_path, invitations_per_hour=2) as (romeo, juliet, _):
        romeo.sends("<presence/>")
        decline = f"<message to='{ROOM}' id='i'><x xmlns='{USER}'><decline to='romeo@localhost'/></x></message>"
        assert [told(juliet.sends(decline)) for _ in range(3)] == [[], [], [f"room {TOO_MUCH}"]]
        assert len([each for each in romeo.received() if "<decline " in each]) == 2
        nobody = decline.replace("romeo@", "nobody@")
        assert told(juliet.sends(nobody)) == [f"room {TOO_MUCH}"]  # whoever is named


def test_row_116_people_are_told_what_they_have_become_so_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "NOTICES", rates.NOTICES._replace(most=lambda settings: 3))
    with with_many(tmp_path, 5) as (romeo, _, others):
        for number, other in enumerate(others):
            other.sends("<presence/>")
            leave(other, f"other{number}")
            other.received()
        items = "".join(f"<item affiliation='member' jid='{each.account}'/>" for each in others)
        query = f"<query xmlns='{MUC}#admin'>{items}</query>"
        assert romeo.asks(query, type="set", to=ROOM) == ""
        assert [len(other.received()) for other in others] == [1, 1, 1, 0, 0]
        assert all(room_at(romeo.server).affiliation(other.account) == "member" for other in others)


def test_row_51_whoever_asks_for_the_floor_and_comes_again_does_not_ask_again(tmp_path: Path) -> None:
    with people(tmp_path) as (romeo, juliet, _):
        configure(room_at(romeo.server), moderatedroom=True)
        form = (
            f"<message to='{ROOM}' id='v'><x xmlns='jabber:x:data' type='submit'>"
            f"<field var='FORM_TYPE'><value>{MUC}#request</value></field>"
            "<field var='muc#role'><value>participant</value></field></x></message>"
        )
        for nick, expected in (("Juliet", []), ("Rosaline", [f"room {TOO_MUCH}"])):
            enter(juliet, nick)
            assert told(juliet.sends(form)) == expected
            leave(juliet, nick)


# -- rooms


def test_row_51_one_account_makes_and_destroys_so_many_rooms(tmp_path: Path) -> None:
    with people(tmp_path, rooms_made_per_day=3) as (romeo, juliet, _):
        destroy = f"<query xmlns='{MUC}#owner'><destroy/></query>"
        for name in ("a", "b", "c"):
            opened(juliet, "Juliet", room=f"{name}@{SERVICE}")
            assert juliet.asks(destroy, type="set", to=f"{name}@{SERVICE}") == ""
        assert told(enter(juliet, "Juliet", room=f"d@{SERVICE}")) == [f"Juliet {TOO_MUCH}"]
        assert len(romeo.server.state(Rooms).here) == 2
        assert told(enter(juliet, "Juliet"))[-1] == "room subject "


def test_row_51_to_read_the_list_of_rooms_takes_two_queries_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with people(tmp_path) as (romeo, juliet, _):
        server = romeo.server
        for number in range(150):
            rooms.create(
                server.db, JID.parse(f"public{number}@{SERVICE}"), romeo.account,
                configurations.to_text(configurations.DEFAULT), is_public=True, secret=b"", at=0.0,
            )  # fmt: skip
        asked = queries_of(server.db, monkeypatch)
        juliet.asks(ITEMS, to=SERVICE)  # what is remembered from now on of Juliet is not counted
        for _ in range(3):
            del asked[:]
            assert juliet.asks(ITEMS, to=SERVICE).count("<item ") == 100
            assert len(asked) == 2
        assert len(server.state(Rooms).here) == 2  # and no room is looked at


# -- honest people


def test_row_51_devices_that_come_back_to_all_their_rooms_reach_no_limit(tmp_path: Path) -> None:
    with people(tmp_path) as (romeo, _, _):
        addresses = [f"room{number}@{SERVICE}" for number in range(60)]
        for address in addresses:
            opened(romeo, "Romeo", room=address)
        devices = [Client(romeo.server, f"juliet@localhost/{number}") for number in range(3)]
        for _ in range(4):  # a train goes through four tunnels
            for device in devices:
                for address in addresses:
                    assert told(enter(device, "Juliet", room=address))[-1] == "room subject "
            for device in devices:
                for address in addresses:
                    leave(device, "Juliet", room=address)


def test_row_51_all_who_come_back_at_once_are_let_in(tmp_path: Path) -> None:
    with people(tmp_path) as (romeo, _, _):
        names = [f"other{number}" for number in range(100)]
        add_accounts(romeo.server, *names)
        for name in names:
            assert told(enter(Client(romeo.server, f"{name}@localhost/home"), name))[-1] == "room subject "
        assert told(say(romeo, "welcome back"))[-1] == "Romeo says welcome back"


def test_row_51_a_bot_that_answers_reaches_no_limit(tmp_path: Path) -> None:
    with people(tmp_path) as (_, juliet, _):
        enter(juliet, "bot")
        assert [told(say(juliet, str(number)))[-1] for number in range(300)] == [f"bot says {n}" for n in range(300)]


# -- what is counted


def test_row_60_what_is_counted_takes_little_memory_and_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with people(tmp_path) as (romeo, _, _):
        counted = romeo.server.state(PaidUntil)[rates.MESSAGES]
        accounts = [JID.parse(f"u{number}@localhost") for number in range(100)]
        monkeypatch.setattr(rates, "BOUND", 30)
        for account in accounts:
            rates.spend(romeo.server, account, rates.MESSAGES, room=JID.parse(ROOM))
        assert len(counted) == 30
        later(romeo.server, 60)
        for account in accounts[:20]:
            rates.spend(romeo.server, account, rates.MESSAGES, room=JID.parse(ROOM))
        assert len(counted) == 20  # those whose time has gone by are forgotten
