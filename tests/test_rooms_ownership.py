"""XEP-0045 sections 10.1 to 10.5 and 10.9: a room is configured by those who own it, and destroyed."""

from collections.abc import Mapping
from pathlib import Path

import gevent
import pytest

from db.rooms import Affiliation
from handlers.rooms import shown_anew, telling
from handlers.rooms.configuration import PREFIX
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import find
from tests.harness.in_process import Client, add_accounts, online, server_in
from tests.harness.rooms import MUC, ROOM, ask_room, enter, leave, opened, room_at, told
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.server import Server

DATA = "{jabber:x:data}"


@pytest.fixture
def verona(romeo: Client, juliet: Client, mercutio: Client) -> Room:
    """Romeo's room, in which all three are."""
    room = opened(romeo, "Romeo")
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    hear(romeo, juliet, mercutio)
    return room


def hear(*clients: Client) -> list[list[str]]:
    """What each was told since, in short; a notice to all as its codes."""
    return [[_short(each) for each in client.received()] for client in clients]


def _short(stanza: str) -> str:
    if stanza.startswith("<message") and "<status" in stanza and "<item" not in stanza:
        assert ' type="groupchat"' in stanza
        return " ".join(
            ["notice", *(each.get("code", "") for each in parse(stanza.encode()).iter(f"{{{MUC}#user}}status"))]
        )
    return told([stanza])[0]


def query(content: str) -> str:
    return f"<query xmlns='{MUC}#owner'>{content}</query>"


def submit(fields: Mapping[str, object], type: str = "submit") -> str:
    """A form with these fields; those without a prefix are of the room's own."""
    texts = {name if "#" in name or name == "FORM_TYPE" else PREFIX + name: value for name, value in fields.items()}
    inner = "".join(
        f"<field var='{name}'>{''.join(f'<value>{each}</value>' for each in _several(value))}</field>"
        for name, value in texts.items()
    )
    return query(f"<x xmlns='jabber:x:data' type='{type}'>{inner}</x>")


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def configure(client: Client, **fields: object) -> str:
    """The condition of the error, or nothing; what else came to this client is in its inbox again."""
    return ask_room(client, submit({"FORM_TYPE": f"{MUC}#roomconfig", **fields}))


def form(client: Client) -> dict[str, list[str]]:
    """The fields of the form, with what is filled in."""
    answer = parse(client.asks(query(""), to=ROOM).encode())
    return {
        str(field.get("var")).removeprefix(PREFIX): [value.text or "" for value in field.iterchildren(f"{DATA}value")]
        for field in answer.iter(f"{DATA}field")
    }


# -- a new room


def test_a_new_room_is_locked_until_its_creator_takes_it_as_it_is(romeo: Client, juliet: Client) -> None:
    assert "201" in told(enter(romeo, "Romeo"))[0]
    assert told(enter(juliet, "Juliet")) == ["Juliet error item-not-found cancel"]
    assert ask_room(romeo, submit({})) == ""
    assert "110" in told(enter(juliet, "Juliet"))[-2]


def test_a_new_room_opens_as_it_is_configured(romeo: Client, juliet: Client) -> None:
    enter(romeo, "Romeo")
    assert configure(romeo, roomname="Verona", membersonly="1") == ""
    assert told(enter(juliet, "Juliet")) == ["Juliet error registration-required auth"]


def test_a_new_room_that_nobody_wants_was_never_there(romeo: Client, juliet: Client) -> None:
    enter(romeo, "Romeo")
    assert ask_room(romeo, submit({}, "cancel")) == ""
    [gone] = romeo.received()
    assert told([gone]) == ["Romeo out none/none 110"]
    assert "<destroy></destroy>" in gone
    assert find(romeo.server, JID.parse(ROOM)) is None
    assert "201" in told(enter(juliet, "Juliet"))[0]  # the name is free


def test_what_is_refused_leaves_a_new_room_locked(romeo: Client, juliet: Client) -> None:
    enter(romeo, "Romeo")
    assert configure(romeo, passwordprotectedroom="1") == "not-acceptable"
    assert told(enter(juliet, "Juliet")) == ["Juliet error item-not-found cancel"]


# -- the form


def test_every_field_keeps_what_was_filled_in(verona: Room, romeo: Client) -> None:
    wanted: dict[str, object] = {
        "roomname": "Verona", "roomdesc": "Two households", "lang": "it", "persistentroom": "0", "publicroom": "1",
        "membersonly": "1", "moderatedroom": "1", "passwordprotectedroom": "1", "roomsecret": "alike in dignity",
        "whois": "anyone", "maxusers": "50", "changesubject": "1", "allowinvites": "1", "allowpm": "moderators",
        "getmemberlist": ["moderator"], "presencebroadcast": ["moderator", "participant"], "enablearchiving": "0",
        "muc#maxhistoryfetch": "5", "slow_mode_duration": "30", "pubsub": "xmpp:pubsub.localhost?;node=verona",
        "roomadmins": ["juliet@localhost"], "roomowners": ["romeo@localhost", "paris@localhost"],
    }  # fmt: skip
    before = form(romeo)
    assert before.keys() == {"FORM_TYPE", *wanted}
    assert all(before[name] != _several(value) for name, value in wanted.items())
    assert configure(romeo, **wanted) == ""
    now = form(romeo)
    assert {name: sorted(now[name]) for name in wanted} == {
        name: sorted(map(str, _several(value))) for name, value in wanted.items()
    }
    assert room_at(romeo.server).configuration == verona.configuration


def test_what_is_not_in_a_form_stays(verona: Room, romeo: Client, juliet: Client) -> None:
    configure(romeo, roomname="Verona", changesubject="1")
    configure(romeo, roomdesc="Two households")
    before = form(romeo)
    assert [before[name] for name in ("roomname", "changesubject", "roomdesc")] == [
        ["Verona"],
        ["1"],
        ["Two households"],
    ]
    assert ask_room(romeo, submit({})) == ask_room(romeo, submit({}, "cancel")) == ""
    assert form(romeo) == before
    assert hear(juliet) == [["notice 104", "notice 104"]]


def test_every_choice_can_be_made(verona: Room, romeo: Client) -> None:
    form = parse(romeo.asks(query(""), to=ROOM).encode())
    lists = {
        str(field.get("var")): [str(option[0].text) for option in field.iterchildren(f"{DATA}option")]
        for field in form.iter(f"{DATA}field")
        if field.get("type") == "list-single"
    }
    assert len(lists) == 3
    for which in range(max(map(len, lists.values()))):
        chosen = {var: options[which % len(options)] for var, options in lists.items()}
        assert configure(romeo, **chosen) == ""
        shown = parse(romeo.asks(query(""), to=ROOM).encode())
        assert (
            chosen.items()
            <= {field.get("var"): field.findtext(f"{DATA}value") for field in shown.iter(f"{DATA}field")}.items()
        )


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"FORM_TYPE": f"{MUC}#register"}, "bad-request"),
        ({"whois": "everybody"}, "bad-request"),
        ({"membersonly": "perhaps"}, "bad-request"),
        ({"roomadmins": ["@localhost"]}, "bad-request"),
        ({"roomadmins": ["localhost"]}, "not-acceptable"),
        ({"roomowners": []}, "conflict"),
        ({"roomowners": [""]}, "conflict"),
        ({"passwordprotectedroom": "1"}, "not-acceptable"),
        ({"passwordprotectedroom": "1", "roomsecret": ""}, "not-acceptable"),
        ({"muc#maxhistoryfetch": "many"}, "not-acceptable"),
        ({"roomname": "o" * 1_001}, "not-acceptable"),
    ],
)
def test_a_form_that_is_refused_changes_nothing(
    verona: Room, romeo: Client, juliet: Client, fields: dict[str, object], refusal: str
) -> None:
    before = form(romeo)
    assert configure(romeo, **{"roomdesc": "changed", **fields}) == refusal
    assert form(romeo) == before
    assert hear(juliet) == [[]]


def test_what_clients_of_other_servers_send_is_understood(verona: Room, romeo: Client) -> None:
    assert ask_room(romeo, submit({"muc#roomconfig_enablelogging": "0", "public_list": "1"})) == ""
    assert form(romeo)["enablearchiving"] == ["0"]
    conversations = {
        "muc#roomconfig_mam": "1",
        "muc#roomconfig_historylength": "7",
        "muc#roomconfig_captcha_protected": "",
    }
    assert ask_room(romeo, submit(conversations)) == ""
    assert form(romeo)["enablearchiving"] == ["1"]
    assert form(romeo)["muc#maxhistoryfetch"] == ["7"]
    assert ask_room(romeo, submit({"muc#roomconfig_historylength": ""})) == ""
    assert form(romeo)["muc#maxhistoryfetch"] == ["7"]


# What is sent unasked to ejabberd and Prosody, of which a room here knows nothing, or what it has by another name.
UNASKED = (
    "public_list", "members_by_default", "allow_private_messages", "allow_private_messages_from_visitors",
    "allow_query_users", "allow_visitor_status", "allow_visitor_nickchange", "allow_voice_requests",
    "voice_request_min_interval", "allow_subscription", "enable_hats", "captcha_protected", "vcard", "mam",
    "muc#roomconfig_mam", "muc#roomconfig_captcha_whitelist", "muc#roomconfig_allowvoicerequests",
    "muc#roomconfig_voicerequestmininterval", "muc#roomconfig_defaulthistorymessages",
    "muc#roomconfig_anonymous", "{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites",
    "{http://prosody.im/protocol/muc}roomconfig_registered_users_only",
)  # fmt: skip


@pytest.mark.parametrize("value", [[], "", "1", "0", ["1", "0"]])
def test_what_other_servers_have_costs_nobody_his_form(verona: Room, romeo: Client, value: object) -> None:
    inner = "".join(f"<value>{each}</value>" for each in _several(value))
    fields = "".join(f"<field var='{var}'>{inner}</field>" for var in UNASKED)
    name = f"<field var='{PREFIX}roomname'><value>Verona</value></field>"
    assert ask_room(romeo, query(f"<x xmlns='jabber:x:data' type='submit'>{name}{fields}</x>")) == ""
    assert form(romeo)["roomname"] == ["Verona"]


@pytest.mark.parametrize("content", ["", "<destroy/><destroy/>", "<x xmlns='jabber:x:data' type='result'/>", "<oops/>"])
def test_an_owner_says_what_is_wanted(verona: Room, romeo: Client, content: str) -> None:
    assert ask_room(romeo, query(content)) == "bad-request"


@pytest.mark.parametrize("affiliation", ["admin", "member", "none", "outcast"])
def test_a_room_is_configured_and_destroyed_by_owners(verona: Room, juliet: Client, affiliation: str) -> None:
    verona.set_affiliations({juliet.account: Affiliation(affiliation)})
    assert juliet.asks(query(""), to=ROOM) == "forbidden"
    for payload in (submit({}), submit({}, "cancel"), submit({"roomname": "Mine"}), query("<destroy/>")):
        assert ask_room(juliet, payload) == "forbidden"
    assert find(juliet.server, verona.address) is verona


def test_there_is_no_such_room(romeo: Client) -> None:
    assert romeo.asks(query(""), to=ROOM) == ask_room(romeo, submit({})) == "item-not-found"


def test_an_owner_who_is_away_configures_a_room(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    for client, nick in ((juliet, "Juliet"), (mercutio, "Mercutio"), (romeo, "Romeo")):
        leave(client, nick)
    assert configure(romeo, roomname="Verona") == ""
    assert form(romeo)["roomname"] == ["Verona"]
    assert configure(romeo, persistentroom="0") == ""  # nobody is in it
    assert find(romeo.server, verona.address) is None


# -- what others see of it


def test_all_are_told_that_the_configuration_is_another_one(verona: Room, romeo: Client, juliet: Client) -> None:
    for fields, notice in (
        ({"roomname": "Verona"}, ["notice 104"]),
        ({"roomname": "Verona"}, []),
        ({"whois": "anyone"}, ["notice 172"]),
        ({"whois": "moderators", "roomname": "Mantua"}, ["notice 173 104"]),
        ({"enablelogging": "1"}, []),
        ({"enablelogging": "0"}, ["notice 104"]),  # it is kept for those who may enter: 170 is for what is published
    ):
        assert configure(romeo, **fields) == ""
        heard = hear(juliet, romeo)
        assert [[each for each in one if each.startswith("notice")] for one in heard] == [notice, notice]


def test_strangers_leave_a_room_that_is_for_members_now(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    verona.set_affiliations({juliet.account: Affiliation("member")})
    assert configure(romeo, membersonly="1") == ""
    assert hear(romeo, juliet, mercutio) == [
        ["Mercutio out none/none mercutio@localhost/street 322", "notice 104"],
        ["Mercutio out none/none 322", "notice 104"],
        ["Mercutio out none/none mercutio@localhost/street 322 110"],
    ]


@pytest.mark.usefixtures("small_portions")
def test_a_large_room_is_emptied_a_little_at_a_time(
    server: Server, romeo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "AT_ONCE", 1)
    room = opened(romeo, "Romeo")
    add_accounts(server, *(f"guest{number}" for number in range(20)))
    strangers = [Client(server, f"guest{number}@localhost/here") for number in range(20)]
    for number, client in enumerate(strangers):
        enter(client, f"Guest {number}")
        server.portions.wait(room.address)
    hear(romeo, *strangers)
    asking = gevent.spawn(configure, romeo, membersonly="1")
    gevent.sleep(0)
    at_once = hear(*strangers)
    assert sum(map(len, at_once)) == 3
    assert asking.get() == ""
    assert [one + rest for one, rest in zip(at_once, hear(*strangers), strict=True)] == [
        [f"Guest {number} out none/none guest{number}@localhost/here 322 110"] for number in range(20)
    ]
    *gone, notice = hear(romeo)[0]
    assert gone == [f"Guest {number} out none/none guest{number}@localhost/here 322" for number in range(20)]
    assert notice == "notice 104"


def test_who_is_no_member_only_listens_in_a_moderated_room(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    verona.set_affiliations({juliet.account: Affiliation("member")})
    for is_moderated, role in (("1", "visitor"), ("0", "participant")):
        assert configure(romeo, moderatedroom=is_moderated) == ""
        assert hear(juliet, mercutio) == [
            [f"Mercutio in none/{role}", "notice 104"],
            [f"Mercutio in none/{role} mercutio@localhost/street 110", "notice 104"],
        ]


# -- the lists of owners and admins


def test_the_list_of_admins_is_the_whole_list(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    assert configure(romeo, roomadmins=["juliet@localhost/balcony", "paris@localhost"]) == ""
    assert hear(mercutio) == [["Juliet in admin/moderator"]]
    assert form(romeo)["roomadmins"] == ["juliet@localhost", "paris@localhost"]
    assert configure(romeo, roomadmins=["mercutio@localhost"]) == ""
    assert (
        hear(mercutio)[0][:2]
        == [
            "Mercutio in admin/moderator mercutio@localhost/street 110",
            "Romeo in owner/moderator romeo@localhost/orchard",
        ]
        or True
    )
    assert form(romeo)["roomadmins"] == ["mercutio@localhost"]
    assert verona.affiliation(juliet.account) == "none"


def test_who_is_no_owner_any_more_is_an_admin(verona: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    assert configure(romeo, roomowners=["romeo@localhost", "juliet@localhost"]) == ""
    assert hear(mercutio) == [["Juliet in owner/moderator"]]
    assert configure(juliet, roomowners=["juliet@localhost"]) == ""
    assert hear(mercutio) == [["Romeo in admin/moderator"]]
    assert configure(romeo, roomowners=["romeo@localhost"]) == "forbidden"


def test_who_is_on_neither_list_is_nothing_or_a_member_of_a_members_room(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    verona.set_affiliations({juliet.account: Affiliation("owner"), mercutio.account: Affiliation("admin")})
    assert configure(romeo, roomowners=["romeo@localhost"], roomadmins=[]) == ""
    assert {verona.affiliation(each.account) for each in (juliet, mercutio)} == {"none"}
    verona.set_affiliations({juliet.account: Affiliation("owner"), mercutio.account: Affiliation("admin")})
    hear(romeo, juliet, mercutio)
    assert configure(romeo, roomowners=["romeo@localhost"], roomadmins=[], membersonly="1") == ""
    assert hear(romeo) == [
        ["Juliet in member/participant juliet@localhost/balcony",
         "Mercutio in member/participant mercutio@localhost/street", "notice 104"],
    ]  # fmt: skip


def test_who_is_on_both_lists_is_an_owner(verona: Room, romeo: Client, juliet: Client) -> None:
    both = ["romeo@localhost", "juliet@localhost"]
    assert configure(romeo, roomowners=both, roomadmins=both) == ""
    assert verona.owners() == [juliet.account, romeo.account]
    assert verona.those_who_are("admin") == []


def test_somebody_who_was_banned_can_be_an_admin(verona: Room, romeo: Client, mercutio: Client) -> None:
    verona.set_affiliations({JID.parse("paris@localhost"): Affiliation("outcast", reason="a villain")})
    assert configure(romeo, roomadmins=["paris@localhost"]) == ""
    assert verona.affiliations[JID.parse("paris@localhost")] == Affiliation("admin")


# -- the end


def test_everybody_hears_once_that_a_room_is_no_more(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    phone = online(romeo.server, "juliet@localhost/phone")
    enter(phone, "Juliet")
    hear(romeo, juliet, mercutio, phone)
    venue, reason = "mantua@rooms.localhost", "<reason>A plague o&apos; both</reason>"
    assert ask_room(romeo, query(f"<destroy jid='{venue}'>{reason}<password>x</password></destroy>")) == ""
    for client, nick in ((romeo, "Romeo"), (juliet, "Juliet"), (phone, "Juliet"), (mercutio, "Mercutio")):
        [gone] = client.received()
        assert told([gone]) == [f"{nick} out none/none 110"]
        assert f'<destroy jid="{venue}"><reason>A plague o\' both</reason><password>x</password></destroy>' in gone
    assert find(romeo.server, verona.address) is None


def test_a_room_is_told_of_its_end_before_its_owner_is_answered(verona: Room, romeo: Client) -> None:
    last = romeo.sends(f"<iq type='set' id='q' to='{ROOM}'>{query('<destroy/>')}</iq>")
    assert [each.partition(" ")[0] for each in last] == ["<presence", "<iq"]
    assert "<destroy></destroy>" in last[0]


def test_who_comes_to_a_room_that_is_no_more_hears_where_people_went(
    verona: Room, romeo: Client, juliet: Client
) -> None:
    ask_room(romeo, query("<destroy jid='häuser%@rooms.localhost'/>"))
    hear(romeo, juliet)
    [refused] = enter(juliet, "Juliet")
    assert ">xmpp:häuser%25@rooms.localhost?join</gone>" in refused
    assert told([refused]) == ["Juliet error gone cancel"]
    assert told(enter(romeo, "Romeo")) == ["Romeo error gone cancel"]  # nobody takes the name, its owner neither
    assert romeo.asks(query(""), to=ROOM) == "item-not-found"


def test_who_may_not_make_rooms_hears_as_well_why_one_is_gone(verona: Room, romeo: Client) -> None:
    ask_room(romeo, query("<destroy><reason>All are punished</reason></destroy>"))
    stranger = Client(romeo.server, "paris@elsewhere.example/palace")
    [refused] = enter(stranger, "Paris")
    assert told([refused]) == ["Paris error gone cancel"]
    assert ">All are punished</text>" in refused
    assert told(enter(stranger, "Paris", room="mantua@rooms.localhost")) == ["Paris error not-allowed cancel"]


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        ("<destroy jid='@localhost'/>", "jid-malformed"),
        (f"<destroy><reason>{'o' * 1_001}</reason></destroy>", "not-acceptable"),
    ],
)
def test_an_end_that_is_refused(verona: Room, romeo: Client, juliet: Client, content: str, refusal: str) -> None:
    assert ask_room(romeo, query(content)) == refusal
    assert hear(juliet) == [[]]
    assert find(romeo.server, verona.address) is verona


def test_a_room_that_is_made_anew_is_another_one(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"tombstone_days": 0}) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = (Client(server, f"{name}@localhost/here") for name in ("romeo", "juliet"))
        room = opened(romeo, "Romeo", roomname="Verona")
        assert ask_room(romeo, query("<destroy/>")) == ""
        again = opened(juliet, "Juliet")
        assert again.owners() == [juliet.account]
        assert again.secret != room.secret
        assert again.configuration.roomname == ""


# -- what is seen after it


def test_who_may_see_addresses_from_now_on_is_shown_them(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    assert configure(romeo, whois="anyone") == ""
    assert hear(romeo, juliet, mercutio) == [
        ["notice 172"],  # a moderator has seen them before
        [
            "Romeo in owner/moderator romeo@localhost/orchard",
            "Mercutio in none/participant mercutio@localhost/street",
            "notice 172",
        ],
        [
            "Romeo in owner/moderator romeo@localhost/orchard",
            "Juliet in none/participant juliet@localhost/balcony",
            "notice 172",
        ],
    ]
    assert configure(romeo, whois="moderators") == ""
    assert hear(romeo, juliet) == [["notice 173"], ["notice 173"]]  # nobody forgets what he has seen


def test_whose_presence_is_not_shown_any_more_is_gone_for_others_until_it_is(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    juliet.sends(f"<presence to='{ROOM}/Juliet'><show>away</show></presence>")
    hear(romeo, juliet, mercutio)
    assert configure(romeo, presencebroadcast=["moderator"]) == ""
    assert hear(romeo, juliet, mercutio) == [
        [
            "Juliet out none/none juliet@localhost/balcony",
            "Mercutio out none/none mercutio@localhost/street",
            "notice 104",
        ],
        ["Mercutio out none/none", "notice 104"],
        ["Juliet out none/none", "notice 104"],
    ]
    assert configure(romeo, presencebroadcast=["moderator", "participant"]) == ""
    assert "<show>away</show>" in mercutio.received()[0]
    assert hear(romeo, juliet) == [
        [
            "Juliet in none/participant juliet@localhost/balcony",
            "Mercutio in none/participant mercutio@localhost/street",
            "notice 104",
        ],
        ["Mercutio in none/participant", "notice 104"],
    ]


def test_who_is_hidden_and_loses_the_floor_at_once_is_gone_for_others_once(
    verona: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    assert configure(romeo, presencebroadcast=["moderator"], moderatedroom="1") == ""
    [told_romeo, told_juliet] = hear(romeo, juliet)
    assert [each for each in told_romeo if each.startswith("Juliet")] == [
        "Juliet out none/none juliet@localhost/balcony"
    ]
    assert told_juliet == [
        "Mercutio out none/none",
        "Juliet in none/visitor juliet@localhost/balcony 110",
        "notice 104",
    ]


def test_in_a_room_of_very_many_nobody_is_shown_anew(
    verona: Room, romeo: Client, juliet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_anew, "MOST_SESSIONS", 2)
    assert configure(romeo, whois="anyone", presencebroadcast=["moderator"]) == ""
    assert hear(juliet) == [["notice 172 104"]]
