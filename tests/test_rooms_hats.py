"""XEP-0317: the hats of a room, by commands (XEP-0050), and in presence."""

from pathlib import Path

import pytest
from lxml import etree

from db.rooms import Affiliation
from db.sqlite.database import Database
from handlers.login.accounts import ACCOUNT_REMOVED
from handlers.rooms.presence import content_of
from handlers.rooms.room import Room
from handlers.rooms.rooms_here import destroy
from handlers.rooms.settings import RoomSettings
from tests.harness.in_process import Client, add_accounts, server_in, xml
from tests.harness.rooms import (
    INFO,
    ITEMS,
    ROOM,
    SERVICE,
    ask_room,
    be,
    configure,
    enter,
    fields_in,
    leave,
    opened,
    told,
)
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.server import Server

COMMANDS = "http://jabber.org/protocol/commands"
FORM_TYPE = "urn:xmpp:hats:commands"
TEACHER, ASSISTANT = "http://tech.example.edu/hats#Teacher", "http://tech.example.edu/hats#TeacherAssistant"
MERCUTIO = "mercutio@localhost"
ALL = ["create", "destroy", "list", "assign", "unassign", "list-assigned"]
HATS = "{urn:xmpp:hats:0}hats"


def command(which: str, *, action: str = "", session: str = "", inside: str = "") -> str:
    more = "".join(f" {name}='{value}'" for name, value in (("action", action), ("sessionid", session)) if value)
    return f"<command xmlns='{COMMANDS}' node='{FORM_TYPE}:{which}'{more}>{inside}</command>"


def form(*, form_type: str = FORM_TYPE, type: str = "submit", **values: str) -> str:
    """A form that is filled in; by the names of the fields without what they all begin with."""
    fields = "".join(f"<field var='hats#{name}'><value>{value}</value></field>" for name, value in values.items())
    hidden = f"<field var='FORM_TYPE' type='hidden'><value>{form_type}</value></field>"
    return f"<x xmlns='jabber:x:data' type='{type}'>{hidden}{fields}</x>"


def ask(client: Client, which: str, *, action: str = "", **values: str) -> str:
    """Use a command with a form; the answer, or the condition of the error. What else came is in the inbox again."""
    return ask_room(client, command(which, action=action, inside=form(**values)))


def done(client: Client, which: str, **values: str) -> None:
    assert 'status="completed"' in ask(client, which, **values)


def make(client: Client, uri: str = TEACHER, title: str = "Teacher", **values: str) -> None:
    done(client, "create", uri=uri, title=title, **values)


def rows(client: Client, which: str) -> list[dict[str, str | None]]:
    """The items of a list, without what the names of all fields begin with."""
    answer = parse(client.asks(command(which), type="set", to=ROOM).encode())
    return [
        {field.get("var", "").removeprefix("hats#"): field.findtext("{*}value") for field in item}
        for item in answer.iter("{jabber:x:data}item")
    ]


def hats_in(stanza: str) -> list[str]:
    """The titles of the hats in a presence."""
    hats = parse(stanza.encode()).find(HATS)
    return [] if hats is None else [each.get("title", "") for each in hats]


def hear(client: Client) -> list[str]:
    """What a client was told since: presence with its nick and hats, and notices with their codes."""
    return [_short(parse(each.encode()), each) for each in client.received()]


def _short(element: etree._Element, text: str) -> str:
    codes = [each.get("code", "") for each in element.iter("{*}status")]
    if text.startswith("<message"):
        return " ".join(["notice", *codes])
    return " ".join([JID.parse(element.get("from", "")).resource, *hats_in(text), *codes])


@pytest.fixture
def room(romeo: Client, juliet: Client, mercutio: Client) -> Room:
    """Romeo's, in which all three are."""
    room = opened(romeo, "romeo")
    enter(juliet, "juliet")
    enter(mercutio, "mercutio")
    for client in (romeo, juliet, mercutio):
        client.received()
    return room


# -- how they are found


def test_a_room_says_that_it_has_hats(room: Room, romeo: Client) -> None:
    info = romeo.asks(INFO, to=ROOM)
    assert '<feature var="urn:xmpp:hats:0">' in info and f'<feature var="{COMMANDS}">' in info
    assert "hats#hash" not in info


def nodes_listed(client: Client) -> list[str]:
    answer = parse(client.asks(ITEMS.replace("/>", f" node='{COMMANDS}'/>"), to=ROOM).encode())
    assert answer.get("node") == COMMANDS
    items = list(answer)
    assert all(each.get("jid") == ROOM and each.get("name") for each in items)
    return [each.get("node", "").removeprefix(f"{FORM_TYPE}:") for each in items]


@pytest.mark.parametrize(
    ("affiliation", "whois", "expected"),
    [
        ("owner", "moderators", ALL),
        ("admin", "moderators", ALL),
        ("member", "moderators", ["list"]),
        ("member", "anyone", ["list", "list-assigned"]),
        ("none", "anyone", ["list"]),
        ("outcast", "anyone", []),
    ],
)
def test_everybody_is_shown_the_commands_that_are_for_him(
    room: Room, juliet: Client, affiliation: str, whois: str, expected: list[str]
) -> None:
    configure(room, whois=whois)
    be(room, juliet, affiliation)
    assert nodes_listed(juliet) == expected
    for which in ALL:
        node = INFO.replace("/>", f" node='{FORM_TYPE}:{which}'/>")
        described = juliet.asks(node, to=ROOM)
        if which in expected:
            assert '<identity category="automation" name=' in described and 'type="command-node"' in described
            assert f'<feature var="{COMMANDS}">' in described and '<feature var="jabber:x:data">' in described
        else:
            assert described == "forbidden"
            assert juliet.asks(command(which), type="set", to=ROOM) == "forbidden"


def test_the_list_of_commands_says_what_it_is(room: Room, juliet: Client) -> None:
    info = juliet.asks(INFO.replace("/>", f" node='{COMMANDS}'/>"), to=ROOM)
    assert 'category="automation"' in info and 'type="command-list"' in info


def test_a_command_that_does_not_exist_is_not_found(room: Room, romeo: Client) -> None:
    assert romeo.asks(command("wash"), type="set", to=ROOM) == "item-not-found"
    assert romeo.asks(INFO.replace("/>", f" node='{FORM_TYPE}:wash'/>"), to=ROOM) == "item-not-found"
    assert romeo.asks(f"<command xmlns='{COMMANDS}'/>", type="set", to=ROOM) == "item-not-found"


def test_a_room_that_does_not_exist_has_no_commands(romeo: Client) -> None:
    assert romeo.asks(command("list"), type="set", to=f"nowhere@{SERVICE}") == "item-not-found"


def hash_told(client: Client) -> list[str] | None:
    return fields_in(parse(client.asks(INFO, to=ROOM).encode())).get("hats#hash")


def test_the_hash_of_the_list_changes_with_it(room: Room, romeo: Client, mercutio: Client) -> None:
    make(romeo)
    one = hash_told(mercutio)
    make(romeo, ASSISTANT, "Assistant")
    two = hash_told(mercutio)
    make(romeo, ASSISTANT, "Helper")
    three = hash_told(mercutio)
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    assert hash_told(mercutio) == three
    assert one and two and three and len({*one, *two, *three}) == 3
    done(romeo, "destroy", uri=ASSISTANT)
    assert hash_told(mercutio) == one


def test_strangers_to_a_secret_room_learn_nothing_of_its_hats(
    room: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    make(romeo)
    leave(mercutio, "mercutio")
    configure(room, membersonly=True)
    assert hash_told(mercutio) is None
    assert nodes_listed(mercutio) == []


# -- forms and sessions


@pytest.mark.parametrize(
    ("which", "fields"),
    [
        ("create", [("hats#title", "text-single"), ("hats#uri", "text-single"), ("hats#hue", "text-single")]),
        ("destroy", [("hats#uri", "list-single")]),
        ("assign", [("hats#jid", "jid-single"), ("hats#uri", "list-single")]),
        ("unassign", [("hats#jid", "jid-single"), ("hats#uri", "list-single")]),
    ],
)
def test_a_command_shows_its_form(room: Room, romeo: Client, which: str, fields: list[tuple[str, str]]) -> None:
    make(romeo)
    answer = parse(romeo.asks(command(which, action="execute"), type="set", to=ROOM).encode())
    assert answer.get("status") == "executing" and answer.get("sessionid")
    assert answer.get("node") == f"{FORM_TYPE}:{which}"
    assert [each.tag for each in answer[0]] == [f"{{{COMMANDS}}}complete"] and answer[0].get("execute") == "complete"
    [x] = answer.findall("{jabber:x:data}x")
    assert x.get("type") == "form"
    shown = [(each.get("var"), each.get("type")) for each in x.iterchildren("{jabber:x:data}field")]
    assert shown == [("FORM_TYPE", "hidden"), *fields]
    options = [(each.get("label"), each.findtext("{*}value")) for each in x.iter("{jabber:x:data}option")]
    assert options == ([] if which == "create" else [("Teacher", TEACHER)])


def test_the_answers_keep_the_name_of_the_session(room: Room, romeo: Client) -> None:
    one = parse(romeo.asks(command("create"), type="set", to=ROOM).encode()).get("sessionid")
    other = parse(romeo.asks(command("create"), type="set", to=ROOM).encode()).get("sessionid")
    assert one and other and one != other
    filled_in = command("create", session=one, inside=form(title="Teacher", uri=TEACHER))
    answer = parse(romeo.asks(filled_in, type="set", to=ROOM).encode())
    assert (answer.get("sessionid"), answer.get("status")) == (one, "completed")


@pytest.mark.parametrize("action", ["", "execute", "complete"])
def test_a_form_may_be_sent_at_once(room: Room, romeo: Client, action: str) -> None:
    assert 'status="completed"' in ask(romeo, "create", action=action, title="Teacher", uri=TEACHER)
    assert rows(romeo, "list") == [{"title": "Teacher", "uri": TEACHER, "hue": None}]


def test_what_is_cancelled_is_not_done(room: Room, romeo: Client) -> None:
    assert 'status="canceled"' in ask(romeo, "create", action="cancel", title="Teacher", uri=TEACHER)
    assert rows(romeo, "list") == []


def error_of(client: Client, payload: str) -> tuple[str, str, str]:
    """The type of the error, its condition, and that of the application."""
    [answer] = client.sends(f"<iq type='set' id='q' to='{ROOM}'>{payload}</iq>")
    error = parse(answer.encode()).find("{jabber:client}error")
    assert error is not None
    own = [each for each in error if str(each.tag).startswith(f"{{{COMMANDS}}}")]
    return error.get("type", ""), etree.QName(error[0]).localname, etree.QName(own[0]).localname if own else ""


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (command("create", action="dance"), ("modify", "bad-request", "malformed-action")),
        (command("create", action="prev"), ("modify", "bad-request", "bad-action")),
        (command("create", action="next"), ("modify", "bad-request", "bad-action")),
        (command("create", action="complete"), ("modify", "bad-request", "bad-payload")),
        (command("create", inside=form(title="Teacher")), ("modify", "bad-request", "bad-payload")),
        (command("create", inside=form(title="", uri=TEACHER)), ("modify", "bad-request", "bad-payload")),
        (
            command("create", inside=form(title="A", uri=TEACHER, form_type="urn:example")),
            ("modify", "bad-request", "bad-payload"),
        ),
        (command("create", inside=form(title="A", uri=TEACHER, type="form")), ("modify", "bad-request", "bad-payload")),
        (command("destroy", inside=form(uri="urn:example:none")), ("modify", "bad-request", "bad-payload")),
        (
            command("assign", inside=form(jid=MERCUTIO, uri="urn:example:none")),
            ("modify", "bad-request", "bad-payload"),
        ),
        (command("assign", inside=form(uri=ASSISTANT)), ("modify", "bad-request", "bad-payload")),
        (command("assign", inside=form(jid="a@b@c", uri=ASSISTANT)), ("modify", "jid-malformed", "")),
        (command("assign", inside=form(jid="localhost", uri=ASSISTANT)), ("modify", "not-acceptable", "")),
        (command("unassign", inside=form(jid=MERCUTIO, uri=ASSISTANT)), ("cancel", "item-not-found", "")),
        (command("create", inside=form(title="  ", uri=TEACHER)), ("modify", "not-acceptable", "")),
        (command("create", inside=form(title="A", uri="two words")), ("modify", "not-acceptable", "")),
        (command("create", inside=form(title="A", uri=" ")), ("modify", "not-acceptable", "")),
        (command("create", inside=form(title="ä" * 128, uri=TEACHER)), ("modify", "not-acceptable", "")),
        (command("create", inside=form(title="A", uri="u:" + "x" * 254)), ("modify", "not-acceptable", "")),
        *(
            (command("create", inside=form(title="A", uri=TEACHER, hue=hue)), ("modify", "not-acceptable", ""))
            for hue in ("red", "-1", "360.1", "1e2", "nan", "1" * 30)
        ),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    room: Room, romeo: Client, mercutio: Client, payload: str, expected: tuple[str, str, str]
) -> None:
    make(romeo, ASSISTANT, "Assistant")
    mercutio.received(), romeo.received()
    assert error_of(romeo, payload) == expected
    assert rows(romeo, "list") == [{"title": "Assistant", "uri": ASSISTANT, "hue": None}]
    assert rows(romeo, "list-assigned") == []
    assert mercutio.received() == []


def test_who_may_not_use_a_command_is_told_so_as_commands_have_it(room: Room, juliet: Client) -> None:
    assert error_of(juliet, command("create")) == ("cancel", "forbidden", "")


# -- which hats there are


def test_hats_are_listed_in_the_order_in_which_they_were_made(room: Room, romeo: Client, mercutio: Client) -> None:
    make(romeo, TEACHER, "Teacher")
    make(romeo, ASSISTANT, "Teacher's assistant &amp; friend", hue="327.255249")
    make(romeo, TEACHER, "Professor")
    assert rows(mercutio, "list") == [
        {"title": "Professor", "uri": TEACHER, "hue": None},
        {"title": "Teacher's assistant & friend", "uri": ASSISTANT, "hue": "327.255249"},
    ]


def test_a_hat_that_is_changed_keeps_the_colour_of_which_nothing_is_said(room: Room, romeo: Client) -> None:
    make(romeo, hue="30")
    make(romeo, title="Professor")
    assert rows(romeo, "list") == [{"title": "Professor", "uri": TEACHER, "hue": "30"}]
    make(romeo, title="Professor", hue="")
    assert rows(romeo, "list") == [{"title": "Professor", "uri": TEACHER, "hue": None}]


def test_all_hear_that_the_list_has_changed_after_the_admin(room: Room, romeo: Client, mercutio: Client) -> None:
    payload = command("create", inside=form(title="Teacher", uri=TEACHER))
    answer, notice = romeo.sends(f"<iq type='set' id='q' to='{ROOM}'>{payload}</iq>")
    assert 'type="result"' in answer and 'code="104"' in notice
    assert hear(mercutio) == ["notice 104"]
    make(romeo)  # as it is already
    assert hear(mercutio) == []
    done(romeo, "destroy", uri=TEACHER)
    assert hear(mercutio) == ["notice 104"]
    assert rows(romeo, "list") == []


def test_there_are_only_so_many(tmp_path: Path) -> None:
    with server_in(tmp_path, rooms={"max_hats": 1}) as server:
        romeo = in_school(server)
        assert ask(romeo, "create", title="Assistant", uri=ASSISTANT) == "resource-constraint"
        make(romeo, title="Professor")


def in_school(server: Server) -> Client:
    """The owner of a room with a hat."""
    add_accounts(server, "romeo", "juliet", "mercutio")
    romeo = Client(server, "romeo@localhost/orchard")
    opened(romeo, "romeo")
    make(romeo)
    romeo.received()
    return romeo


# -- who wears which


def test_who_is_given_a_hat_is_shown_with_it(room: Room, romeo: Client, juliet: Client, mercutio: Client) -> None:
    make(romeo, hue="327.255249")
    make(romeo, ASSISTANT, "Assistant")
    for client in (romeo, juliet, mercutio):
        client.received()
    done(romeo, "assign", jid=f"{MERCUTIO}/some", uri=TEACHER)
    [presence] = juliet.received()
    assert xml(
        f'<hats xmlns="urn:xmpp:hats:0"><hat title="Teacher" uri="{TEACHER}" hue="327.255249"/></hats>'
    ) in presence.replace("></hat>", "></hat>")
    assert told([presence]) == ["mercutio in none/participant"]
    assert hear(mercutio) == ["mercutio Teacher 110"]
    assert hear(romeo) == ["mercutio Teacher"]
    done(romeo, "assign", jid=MERCUTIO, uri=ASSISTANT)
    assert hear(juliet) == ["mercutio Teacher Assistant"]
    done(romeo, "unassign", jid=MERCUTIO, uri=TEACHER)
    assert hear(juliet) == ["mercutio Assistant"]
    done(romeo, "unassign", jid=MERCUTIO, uri=ASSISTANT)
    [presence] = juliet.received()
    assert "urn:xmpp:hats:0" not in presence


def test_what_somebody_wears_already_is_no_change(room: Room, romeo: Client, juliet: Client) -> None:
    make(romeo)
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    juliet.received()
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    assert hear(juliet) == []
    assert [row["jid"] for row in rows(romeo, "list-assigned")] == [MERCUTIO]


def test_who_enters_sees_the_hats_of_others_and_his_own(
    room: Room, romeo: Client, juliet: Client, mercutio: Client
) -> None:
    make(romeo)
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    done(romeo, "assign", jid="juliet@localhost", uri=TEACHER)
    leave(juliet, "juliet")
    seen = {JID.parse(parse(each.encode()).get("from", "")).resource: hats_in(each) for each in enter(juliet, "juliet")}
    assert seen == {"romeo": [], "mercutio": ["Teacher"], "juliet": ["Teacher"], "": []}


def test_a_hat_is_worn_under_every_nick_and_on_every_device(room: Room, romeo: Client, juliet: Client) -> None:
    tablet = Client(romeo.server, f"{MERCUTIO}/tablet")
    enter(tablet, "queen mab")
    make(romeo)
    juliet.received()
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    assert sorted(hear(juliet)) == ["mercutio Teacher", "queen mab Teacher"]


def test_new_presence_has_the_hats_and_the_end_has_not(room: Room, romeo: Client, mercutio: Client) -> None:
    make(romeo)
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    romeo.received()
    claimed = "<hats xmlns='urn:xmpp:hats:0'><hat title='King' uri='urn:example:king'/></hats>"
    mercutio.sends(f"<presence to='{ROOM}/mercutio'><show>away</show>{claimed}</presence>")
    assert hear(romeo) == ["mercutio Teacher"]
    leave(mercutio, "mercutio")
    assert hear(romeo) == ["mercutio"]


def test_what_claims_a_hat_is_not_taken_from_elsewhere_either() -> None:
    """From our accounts it does not come this far (security.md row 20)."""
    presence = "<presence><show>away</show><hats xmlns='urn:xmpp:hats:0'><hat title='A' uri='a:b'/></hats></presence>"
    assert content_of(Stanza.read(parse(presence.encode()))) == b"<show>away</show>"


def test_a_hat_that_is_changed_is_shown_anew(room: Room, romeo: Client, juliet: Client) -> None:
    make(romeo)
    make(romeo, ASSISTANT, "Assistant")
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    juliet.received()
    make(romeo, title="Professor")
    assert hear(juliet) == ["notice 104", "mercutio Professor"]
    make(romeo, ASSISTANT, "Helper")
    assert hear(juliet) == ["notice 104"]


def test_a_hat_that_is_destroyed_is_worn_by_nobody(room: Room, romeo: Client, juliet: Client) -> None:
    make(romeo)
    make(romeo, ASSISTANT, "Assistant")
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    done(romeo, "assign", jid=MERCUTIO, uri=ASSISTANT)
    done(romeo, "assign", jid="tybalt@localhost", uri=TEACHER)
    juliet.received()
    done(romeo, "destroy", uri=TEACHER)
    assert hear(juliet) == ["notice 104", "mercutio Assistant"]
    assert [(row["jid"], row["uri"]) for row in rows(romeo, "list-assigned")] == [(MERCUTIO, ASSISTANT)]
    make(romeo)  # nobody wears the new one
    assert [row["jid"] for row in rows(romeo, "list-assigned")] == [MERCUTIO]


def test_who_is_away_wears_it_once_he_comes(room: Room, romeo: Client, juliet: Client) -> None:
    leave(juliet, "juliet")
    make(romeo)
    romeo.received()
    done(romeo, "assign", jid="juliet@localhost", uri=TEACHER)
    assert hear(romeo) == []
    enter(juliet, "juliet")
    assert hear(romeo) == ["juliet Teacher"]


def test_the_list_of_who_wears_what(room: Room, romeo: Client) -> None:
    make(romeo, hue="30")
    make(romeo, ASSISTANT, "Assistant")
    done(romeo, "assign", jid=MERCUTIO, uri=ASSISTANT)
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    done(romeo, "assign", jid="juliet@elsewhere.example", uri=TEACHER)
    teacher = {"uri": TEACHER, "title": "Teacher", "hue": "30"}
    assert rows(romeo, "list-assigned") == [
        {"jid": MERCUTIO, "uri": ASSISTANT, "title": "Assistant", "hue": None},
        {"jid": MERCUTIO, **teacher},
        {"jid": "juliet@elsewhere.example", **teacher},
    ]


@pytest.mark.parametrize(("which", "most"), [("max_hats_worn", 1), ("max_hats_given", 2)])
def test_one_person_wears_only_so_many_and_so_do_all_together(tmp_path: Path, which: str, most: int) -> None:
    with server_in(tmp_path, rooms={which: most}) as server:
        romeo = in_school(server)
        make(romeo, ASSISTANT, "Assistant")
        done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
        if most == 2:
            done(romeo, "assign", jid="juliet@localhost", uri=TEACHER)
        assert ask(romeo, "assign", jid=MERCUTIO, uri=ASSISTANT) == "resource-constraint"
        done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)  # as it is already
        done(romeo, "unassign", jid=MERCUTIO, uri=TEACHER)
        done(romeo, "assign", jid=MERCUTIO, uri=ASSISTANT)
        assert server.settings(RoomSettings).max_hats == 50


# -- how they last


def count(db: Database) -> tuple[int, int]:
    """How many hats there are, and how many are worn."""
    one, other = (
        db.connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("room_hat", "room_hat_worn")
    )
    return one, other


def test_hats_are_there_after_a_restart(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        romeo = in_school(server)
        make(romeo, ASSISTANT, "Assistant")
        done(romeo, "assign", jid=MERCUTIO, uri=ASSISTANT)
        done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    with server_in(tmp_path) as server:
        mercutio = Client(server, f"{MERCUTIO}/street")
        [own, _] = enter(mercutio, "mercutio")
        assert hats_in(own) == ["Assistant", "Teacher"]


def test_hats_go_with_the_room(room: Room, romeo: Client) -> None:
    make(romeo)
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    assert count(romeo.server.db) == (1, 1)
    destroy(room, until=0.0, venue="", reason="")
    assert count(romeo.server.db) == (0, 0)


def test_what_is_destroyed_or_taken_leaves_nothing(room: Room, romeo: Client) -> None:
    make(romeo)
    make(romeo, ASSISTANT, "Assistant")
    for uri in (TEACHER, ASSISTANT):
        done(romeo, "assign", jid=MERCUTIO, uri=uri)
    done(romeo, "unassign", jid=MERCUTIO, uri=ASSISTANT)
    assert count(romeo.server.db) == (2, 1)
    done(romeo, "destroy", uri=TEACHER)
    assert count(romeo.server.db) == (1, 0)


@pytest.mark.parametrize("is_in_memory", [True, False])
def test_who_gets_the_name_of_an_account_that_is_gone_wears_nothing(
    room: Room, romeo: Client, juliet: Client, mercutio: Client, is_in_memory: bool
) -> None:
    make(romeo)
    for jid in (MERCUTIO, "juliet@localhost"):
        done(romeo, "assign", jid=jid, uri=TEACHER)
    for client, nick in ((mercutio, "mercutio"), (juliet, "juliet"), (romeo, "romeo")):
        if not is_in_memory:
            leave(client, nick)
    server = romeo.server
    for step in server.tables[ACCOUNT_REMOVED]:
        step(server, mercutio.account)
    assert count(server.db) == (1, 1)
    assert [row["jid"] for row in rows(romeo, "list-assigned")] == ["juliet@localhost"]


# -- rights


def test_a_banned_person_has_no_list(room: Room, mercutio: Client) -> None:
    room.set_affiliations({mercutio.account: Affiliation("outcast")})
    assert mercutio.asks(command("list"), type="set", to=ROOM) == "forbidden"


def test_an_admin_who_is_not_in_the_room_gives_hats(room: Room, romeo: Client, juliet: Client) -> None:
    be(room, juliet, "admin")
    leave(juliet, "juliet")
    make(juliet)
    done(juliet, "assign", jid=MERCUTIO, uri=TEACHER)
    assert hear(romeo)[-2:] == ["notice 104", "mercutio Teacher"]


def test_messages_say_nothing_of_hats(room: Room, romeo: Client, mercutio: Client) -> None:
    make(romeo)
    done(romeo, "assign", jid=MERCUTIO, uri=TEACHER)
    romeo.received()
    mercutio.sends(f"<message to='{ROOM}' type='groupchat'><body>Ay, while you live</body></message>")
    [message] = romeo.received()
    assert "urn:xmpp:hats:0" not in message
