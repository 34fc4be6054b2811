"""XEP-0402, XEP-0048, XEP-0049, XEP-0411: whatever a client does to bookmarks in one form is seen in all of them."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from db import private, pubsub_nodes
from handlers.profile import bookmarks
from handlers.profile.bookmarks import formats
from handlers.profile.bookmarks.formats import Room
from handlers.pubsub.configuration import from_text
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from tests.harness.nodes import ask, comes_online, configure, create, events, items, owner, publish, retract
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.wire import parse, wire
from xmpp.server import Server

NATIVE, LIST = "urn:xmpp:bookmarks:1", "storage:bookmarks"
ORCHARD, COVEN, PLAY = "orchard@rooms.localhost", "coven@rooms.localhost", "play@rooms.localhost"
DEMANDED = {
    "persist_items": True,
    "max_items": "max",
    "send_last_published_item": "never",
    "access_model": "whitelist",
}
Rooms = Mapping[str, Room]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, pubsub={"max_nodes": 3, "max_item_bytes": 2_000}) as server:
        add_accounts(server, "juliet", "romeo")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


# -- the three forms: how a client sets bookmarks and sees them


def conference(room: Room, attributes: str, extensions: str = "") -> str:
    told = [f"name='{room.name}'" if room.name else "", "autojoin='true'" if room.autojoin else ""]
    children = [f"<nick>{room.nick}</nick>" if room.nick else ""]
    children += [f"<password>{room.password}</password>" if room.password else "", extensions]
    return f"<conference {attributes} {' '.join(told)}>{''.join(children)}</conference>"


def storage(rooms: Rooms, others: str = "") -> str:
    listed = [conference(room, f"jid='{address}'") for address, room in rooms.items()]
    return f"<storage xmlns='{LIST}'>{''.join(listed)}{others}</storage>"


def native(room: Room, extensions: str = "") -> str:
    return conference(room, f"xmlns='{NATIVE}'", extensions)


def query(content: str) -> str:
    return f"<query xmlns='jabber:iq:private'>{content}</query>"


def set_items(client: Client, rooms: Rooms) -> None:
    """As a client of XEP-0402 does: only what is another, one at a time."""
    seen = see_items(client)
    for address in seen.keys() - rooms.keys():
        assert ask(client, retract(NATIVE, address), to="") == ""
    for address, room in rooms.items():
        if seen.get(address) != room:
            answer = ask(client, publish(NATIVE, address, payload=native(room), **DEMANDED), to="")
            assert answer.startswith("<pubsub ")


def set_list(client: Client, rooms: Rooms) -> None:
    options = {"persist_items": True, "access_model": "whitelist"}
    answer = ask(client, publish(LIST, "current", payload=storage(rooms), **options), to="")
    assert answer.startswith("<pubsub ")


def set_private(client: Client, rooms: Rooms) -> None:
    assert ask(client, query(storage(rooms)), to="") == ""


def see_items(client: Client) -> Rooms:
    answer = ask(client, items(NATIVE, most=100), "get", to="")
    found = re.findall(r'<item id="([^"]*)">(.*?)</item>', answer)
    return {each.address: each.room for each in formats.bookmarks((id, xml(text).encode()) for id, text in found)}


def see_list(client: Client) -> Rooms:
    return rooms_in(ask(client, items(LIST), "get", to=""))


def see_private(client: Client) -> Rooms:
    return rooms_in(ask(client, query(f"<storage xmlns='{LIST}'/>"), "get", to=""))


def rooms_in(answer: str) -> Rooms:
    found = re.findall("<storage .*</storage>", answer)
    return {address: room for each in found for address, room in formats.rooms_in(each.encode()).items()}


SET: dict[str, Callable[[Client, Rooms], None]] = {"items": set_items, "list": set_list, "private": set_private}
SEE: dict[str, Callable[[Client], Rooms]] = {"items": see_items, "list": see_list, "private": see_private}

BEFORE = {ORCHARD: Room("Orchard", True, "J"), COVEN: Room()}
CHANGES = {
    "set": {},
    "another": BEFORE | {PLAY: Room("The Play's the Thing".replace("'", "&apos;"), True, "JC", "mouse")},
    "renamed": BEFORE | {ORCHARD: Room("The Orchard", True, "J")},
    "left": BEFORE | {ORCHARD: Room("Orchard", False, "J")},
    "with a password": BEFORE | {COVEN: Room(password="trouble")},
    "nothing but the address": BEFORE | {ORCHARD: Room()},
    "removed": {COVEN: Room()},
    "all removed": {},
}


def test_whom_to_tell_of_many_rooms_is_found_out_once(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "juliet")
        juliet = Client(server, "juliet@localhost/balcony")
        for rooms in (300, 299, 0):  # nor is each item looked up by itself
            statements = list[str]()
            server.db.connection.set_trace_callback(statements.append)
            set_private(juliet, {JID.parse(f"r{number}@rooms.example"): Room(f"{number}") for number in range(rooms)})
            server.db.connection.set_trace_callback(None)
            assert len([each for each in statements if each.startswith("SELECT")]) < 60


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("first", "then"), list(product(SET, SET)))
def test_what_changes_in_one_form_changes_in_all(juliet: Client, first: str, then: str, change: str) -> None:
    SET[first](juliet, BEFORE)
    assert [see(juliet) for see in SEE.values()] == [BEFORE] * 3
    SET[then](juliet, CHANGES[change])
    after = {address: room._replace(name=room.name.replace("&apos;", "'")) for address, room in CHANGES[change].items()}
    assert [see(juliet) for see in SEE.values()] == [after] * 3


@pytest.mark.parametrize("node", [NATIVE, LIST])
@pytest.mark.parametrize("request_", ["<purge node='{}'/>", "<delete node='{}'/>"])
def test_a_node_that_is_emptied_or_deleted_takes_all_rooms_along(juliet: Client, node: str, request_: str) -> None:
    set_private(juliet, BEFORE)
    assert ask(juliet, owner(request_.format(node)), to="") == ""
    assert [see(juliet) for see in SEE.values()] == [{}] * 3
    set_items(juliet, BEFORE)
    assert [see(juliet) for see in SEE.values()] == [BEFORE] * 3


# -- what only one form can say


PINNED = (
    "<extensions><pinned xmlns='urn:xmpp:bookmarks-pinning:0'/>"
    "<notify xmlns='urn:xmpp:notification-settings:1'><never/><advanced><night xmlns='urn:example'/></advanced>"
    "</notify><state xmlns='urn:example:state' minimized='true'>1 &lt; 2</state></extensions>"
)
SURROUNDINGS = (
    "<url name='Works' url='http://the-tech.mit.edu/Shakespeare/'/><conference jid='@@' name='Malformed'/>"
    "<conference name='Without'/><conference jid='coven@rooms.localhost/nick'/>"
    "<folder xmlns='urn:example'>A<b/></folder>"
)


@pytest.mark.parametrize("old", [set_list, set_private])
def test_extensions_outlive_a_client_that_knows_none(juliet: Client, old: Callable[[Client, Rooms], None]) -> None:
    ask(juliet, publish(NATIVE, ORCHARD, payload=native(Room("Orchard", nick="J"), PINNED), **DEMANDED), to="")
    old(juliet, {ORCHARD: Room("The Orchard", True)})
    assert xml(native(Room("The Orchard", True), PINNED)) in ask(juliet, items(NATIVE), "get", to="")


def test_pages_and_what_nobody_knows_outlive_a_client_that_has_no_place_for_them(juliet: Client) -> None:
    assert ask(juliet, query(storage(BEFORE, SURROUNDINGS)), to="") == ""
    assert [see(juliet) for see in SEE.values()] == [BEFORE] * 3
    set_items(juliet, {COVEN: Room("Coven"), PLAY: Room()})
    expected = (
        f"<storage xmlns='{LIST}'><conference jid='{COVEN}' name='Coven'/>{SURROUNDINGS}"
        f"<conference jid='{PLAY}'/></storage>"
    )
    assert ask(juliet, query(f"<storage xmlns='{LIST}'/>"), "get", to="") == xml(query(expected))
    assert xml(expected) in ask(juliet, items(LIST), "get", to="")


def test_what_a_client_has_added_to_a_room_in_the_list_stays_there(juliet: Client) -> None:
    listed = f"<conference jid='{COVEN}' minimize='1'><print_status xmlns='urn:example'>all</print_status></conference>"
    ask(juliet, query(f"<storage xmlns='{LIST}'>{listed}</storage>"), to="")
    set_items(juliet, {COVEN: Room("Coven", nick="Second Witch")})
    answer = ask(juliet, query(f"<storage xmlns='{LIST}'/>"), "get", to="")
    assert 'minimize="1"' in answer and "print_status" in answer
    assert see_private(juliet) == {COVEN: Room("Coven", nick="Second Witch")}


def test_items_that_are_no_bookmarks_stay_out_of_the_list_and_where_they_are(juliet: Client) -> None:
    for id, payload in {"@@": native(Room()), COVEN: "<note xmlns='urn:example'/>"}.items():
        ask(juliet, publish(NATIVE, id, payload=payload, **DEMANDED), to="")
    assert see_list(juliet) == see_private(juliet) == {}
    set_private(juliet, {ORCHARD: Room()})
    answer = ask(juliet, items(NATIVE), "get", to="")
    assert re.findall('<item id="([^"]*)"', answer) == ["@@", COVEN, ORCHARD]


def test_a_list_that_is_none_changes_nothing_else(juliet: Client) -> None:
    set_private(juliet, BEFORE)
    ask(juliet, publish(LIST, "current", payload="<note xmlns='urn:example'/>"), to="")
    assert see_items(juliet) == see_private(juliet) == BEFORE


def test_an_address_is_one_however_it_is_written(juliet: Client) -> None:
    set_private(juliet, {"Orchard@Rooms.LOCALHOST": Room("Orchard")})
    assert see_items(juliet) == {ORCHARD: Room("Orchard")}
    set_items(juliet, {ORCHARD: Room("The Orchard")})
    set_list(juliet, {"ORCHARD@rooms.localhost": Room("The Orchard", True)})
    assert see_items(juliet) == see_private(juliet) == {ORCHARD: Room("The Orchard", True)}


# -- who is told


def test_devices_are_told_in_the_form_that_they_want(server: Server, juliet: Client) -> None:
    new, old = Client(server, "juliet@localhost/garden"), Client(server, "juliet@localhost/chamber")
    comes_online(new, NATIVE)
    comes_online(old, LIST)
    ask(juliet, query(storage({ORCHARD: Room(), COVEN: Room()})), to="")
    assert events(new.received()) == [
        f"juliet@localhost: items {NATIVE} item {ORCHARD}",
        f"juliet@localhost: items {NATIVE} item {COVEN}",
    ]
    assert events(old.received()) == [f"juliet@localhost: items {LIST} item current"]
    ask(juliet, query(storage({ORCHARD: Room("Orchard")})), to="")  # one changed, one removed
    assert events(new.received()) == [
        f"juliet@localhost: items {NATIVE} retract {COVEN}",
        f"juliet@localhost: items {NATIVE} item {ORCHARD}",
    ]
    assert events(old.received()) == [f"juliet@localhost: items {LIST} item current"]


def test_nobody_is_told_of_what_is_as_it_was(server: Server, juliet: Client) -> None:
    """XEP-0402 section 5.3.2; "1" is as true as "true"."""
    set_items(juliet, {ORCHARD: Room("Orchard", True)})
    new, old = Client(server, "juliet@localhost/garden"), Client(server, "juliet@localhost/chamber")
    comes_online(new, NATIVE)
    comes_online(old, LIST)
    listed = f"<conference jid='{ORCHARD}' name='Orchard' autojoin='1'><nick/></conference>"
    ask(juliet, query(f"<storage xmlns='{LIST}'>{listed}</storage>"), to="")
    assert (events(new.received()), len(old.received())) == ([], 1)
    pinned = native(Room("Orchard", True), PINNED)
    ask(juliet, publish(NATIVE, ORCHARD, payload=pinned, **DEMANDED), to="")
    assert (len(new.received()), events(old.received())) == (1, [])


# -- who may look


@pytest.mark.parametrize("first", SET)
def test_nobody_else_may_look_into_what_conversion_has_made(server: Server, juliet: Client, first: str) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    befriend(server, juliet.account, romeo.account)
    comes_online(romeo, NATIVE, LIST)
    SET[first](juliet, BEFORE)
    for node in (NATIVE, LIST):
        assert ask(romeo, items(node), "get", to=juliet.account) == "not-allowed closed-node"
    assert romeo.received() == []


@pytest.mark.parametrize("node", [NATIVE, LIST])
def test_a_node_that_is_open_is_closed_before_anything_is_brought_there(
    server: Server, juliet: Client, node: str
) -> None:
    romeo = Client(server, "romeo@localhost/orchard")
    befriend(server, juliet.account, romeo.account)
    ask(juliet, create(node, access_model="open", max_items=1, title="Mine"), to="")
    comes_online(romeo, node)
    set_private(juliet, BEFORE)
    assert ask(romeo, items(node), "get", to=juliet.account) == "not-allowed closed-node"
    assert romeo.received() == []
    assert [see(juliet) for see in SEE.values()] == [BEFORE] * 3
    kept = pubsub_nodes.of_account(server.db, juliet.account)[node]
    assert from_text(kept.configuration).title == "Mine"


def test_what_clients_demand_of_the_nodes_is_met_by_those_that_conversion_has_made(juliet: Client) -> None:
    set_private(juliet, BEFORE)
    set_items(juliet, {PLAY: Room()})
    set_list(juliet, {})


# -- where not all of it can be kept


def test_what_does_not_fit_into_the_list_is_refused_whole(server: Server, juliet: Client) -> None:
    set_items(juliet, {ORCHARD: Room("A" * 1_500)})
    before = [see(juliet) for see in SEE.values()]
    answer = ask(juliet, publish(NATIVE, COVEN, payload=native(Room("B" * 1_500)), **DEMANDED), to="")
    assert answer == "not-acceptable payload-too-big"
    assert [see(juliet) for see in SEE.values()] == before


def test_private_xml_that_does_not_fit_into_nodes_is_refused_whole(server: Server, juliet: Client) -> None:
    for name in ("one", "two"):
        ask(juliet, create(name), to="")
    assert ask(juliet, query("<a xmlns='urn:example'/>" + storage(BEFORE)), to="").endswith("max-nodes-exceeded")
    assert see_private(juliet) == {}
    assert private.usage(server.db, juliet.account).elements == 0


def test_more_rooms_than_anybody_has_are_refused_whole(tmp_path: Path) -> None:
    rooms = {f"r{number}@r.example": Room() for number in range(formats.MAX_ROOMS + 1)}
    items = [(address, f'<conference xmlns="{NATIVE}"/>'.encode()) for address in rooms]
    assert len(formats.bookmarks(items[1:])) == formats.MAX_ROOMS
    with pytest.raises(StanzaError):
        formats.bookmarks(items)
    with server_in(tmp_path) as server:
        add_accounts(server, "juliet")
        juliet = Client(server, "juliet@localhost/balcony")
        assert ask(juliet, query(storage(rooms)), to="") == "resource-constraint"
        assert see_private(juliet) == {}
        assert pubsub_nodes.of_account(server.db, juliet.account) == {}


# -- bookmarks from before


def test_a_list_from_before_there_were_nodes_is_in_them_before_a_client_looks(server: Server, juliet: Client) -> None:
    old = wire(parse(storage(BEFORE, SURROUNDINGS).encode()))
    private.put(server.db, juliet.account, formats.STORAGE, old)
    bookmarks.adopt(juliet.session)
    assert [see(juliet) for see in SEE.values()] == [BEFORE] * 3
    assert private.get(server.db, juliet.account, formats.STORAGE) == old


def test_items_from_before_stay_beside_an_older_list(server: Server, juliet: Client) -> None:
    set_items(juliet, {COVEN: Room("Coven"), PLAY: Room()})
    pubsub_nodes.delete(server.db, pubsub_nodes.of_account(server.db, juliet.account)[LIST])
    private.put(server.db, juliet.account, formats.STORAGE, xml(storage(BEFORE)).encode())
    bookmarks.adopt(juliet.session)
    assert [see(juliet) for see in SEE.values()] == [BEFORE | {COVEN: Room("Coven"), PLAY: Room()}] * 3


def test_bookmarks_that_cannot_be_brought_into_nodes_keep_nobody_out(server: Server, juliet: Client) -> None:
    for name in ("one", "two"):
        ask(juliet, create(name), to="")
    private.put(server.db, juliet.account, formats.STORAGE, xml(storage(BEFORE)).encode())
    bookmarks.adopt(juliet.session)
    assert see_private(juliet) == BEFORE
    assert see_items(juliet) == {}


# -- any number of clients of all kinds


ROOMS = st.builds(Room, st.sampled_from(["", "A", "Ä <&'"]), st.booleans(), st.sampled_from(["", "J"]), st.just(""))
ADDRESSES = st.sampled_from([ORCHARD, COVEN, PLAY])


def escaped(room: Room) -> Room:
    return room._replace(name=room.name.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;"))


class Clients(RuleBasedStateMachine):
    """Clients that write now in this form, now in that."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        folder = self.opened.enter_context(tempfile.TemporaryDirectory())
        server = self.opened.enter_context(server_in(Path(folder)))
        add_accounts(server, "juliet")
        self.client = Client(server, "juliet@localhost/balcony")
        self.rooms: dict[str, Room] = {}

    @rule(address=ADDRESSES, room=ROOMS, extensions=st.sampled_from(["", PINNED]))
    def publish(self, address: str, room: Room, extensions: str) -> None:
        ask(self.client, publish(NATIVE, address, payload=native(escaped(room), extensions)), to="")
        if not self.rooms:
            ask(self.client, configure(NATIVE, max_items="max"), to="")
        self.rooms[address] = room

    @rule(address=ADDRESSES)
    def retract(self, address: str) -> None:
        answer = ask(self.client, retract(NATIVE, address), to="")
        assert answer == ("" if self.rooms.pop(address, None) is not None else "item-not-found")

    @rule(rooms=st.dictionaries(ADDRESSES, ROOMS), form=st.sampled_from([set_list, set_private]))
    def replace(self, rooms: Rooms, form: Callable[[Client, Rooms], None]) -> None:
        form(self.client, {address: escaped(room) for address, room in rooms.items()})
        self.rooms = dict(rooms)

    @rule(node=st.sampled_from([NATIVE, LIST]), action=st.sampled_from(["purge", "delete"]))
    def clear(self, node: str, action: str) -> None:
        if ask(self.client, owner(f"<{action} node='{node}'/>"), to="") == "":
            self.rooms = {}

    @invariant()
    def all_forms_tell_the_same_rooms(self) -> None:
        assert [see(self.client) for see in SEE.values()] == [self.rooms] * 3

    def teardown(self) -> None:
        self.opened.close()


TestClients = Clients.TestCase
TestClients.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


# -- the formats


def test_a_bookmark_that_says_the_same_is_not_written_anew() -> None:
    payload = f'<conference xmlns="{NATIVE}" autojoin="1"><nick>J</nick></conference>'.encode()
    [bookmark] = formats.bookmarks([(ORCHARD, payload)])
    assert formats.bookmark_of(Room(autojoin=True, nick="J"), bookmark) == payload


@pytest.mark.parametrize("id", ["", "@@", "orchard@rooms.localhost/nick", "current item"])
def test_what_is_no_address_of_a_room_is_no_bookmark(id: str) -> None:
    assert formats.bookmarks([(id, f'<conference xmlns="{NATIVE}"/>'.encode())]) == []


@pytest.mark.parametrize("text", ["", "A", "Ä <&'\"> \n\t\r]]>"])
def test_a_new_bookmark_says_what_there_is_to_say_of_the_room(text: str) -> None:
    for room in (Room(text, True, text, text), Room(text, False, "", text), Room("A", nick=text)):
        [bookmark] = formats.bookmarks([(ORCHARD, formats.bookmark_of(room, None))])
        assert bookmark.room == room


def test_a_list_that_says_the_same_is_the_same() -> None:
    listed = xml(storage(BEFORE, SURROUNDINGS)).encode()
    rooms = formats.rooms_in(listed)
    assert formats.list_with(listed, rooms) is listed
    assert formats.list_with(listed, rooms | {JID.parse(PLAY): Room()}) is not listed
    assert formats.list_with(listed, {}) is not listed


def test_of_two_bookmarks_of_one_room_the_list_keeps_the_first() -> None:
    twice = xml(f"<storage xmlns='{LIST}'><conference jid='{COVEN}' name='1'/><conference jid='{COVEN}'/></storage>")
    rooms = formats.rooms_in(twice.encode())
    assert rooms == {COVEN: Room("1")}
    assert formats.list_with(twice.encode(), {JID.parse(COVEN): Room("2")}).count(b"<conference ") == 1


def test_bookmarks_that_would_take_too_long_to_read_are_refused() -> None:
    payload = b'<conference xmlns="urn:xmpp:bookmarks:1"/>' + b" " * 1_000
    with pytest.raises(StanzaError, match="bytes"):
        formats.bookmarks((f"{number}@rooms.localhost", payload) for number in range(1_000))
    rooms = "".join(f'<conference jid="{number}@{"ü" * 20}.example"/>' for number in range(400))
    with pytest.raises(StanzaError, match="too many"):
        formats.rooms_in(f'<storage xmlns="{LIST}">{rooms}</storage>'.encode())
