"""XEP-0060 sections 8.6 to 8.9: owners say who belongs to their nodes, and nobody else does."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, befriend, online, server_in
from tests.harness.nodes import INFO, SERVICE, ask, configure, create, events, items, owner, publish, request, subscribe
from xmpp.data.wire import parse
from xmpp.server import Server

MUSINGS = "princely_musings"
Change = Callable[..., str]
AUTHORIZATION = "http://jabber.org/protocol/pubsub#subscribe_authorization"
HAMLET, FRANCISCO, POLONIUS = "hamlet@localhost", "francisco@localhost", "polonius@localhost"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, pubsub={"max_affiliations": 4, "max_subscriptions": 2}) as server:
        add_accounts(server, "hamlet", "francisco", "polonius")
        yield server


@pytest.fixture(params=[SERVICE, HAMLET])
def host(request: pytest.FixtureRequest) -> str:
    """The service, and an account."""
    return str(request.param)


@pytest.fixture
def hamlet(server: Server, host: str) -> Client:
    """He owns a node that anybody may see."""
    client = online(server, "hamlet@localhost/elsinore")
    assert ask(client, create(MUSINGS, access_model="open"), to=host) == ""
    return client


@pytest.fixture
def francisco(server: Server, hamlet: Client) -> Client:
    return online(server, "francisco@localhost/barracks")


def affiliations(**changes: str | None) -> str:
    return owner(f"<affiliations node='{MUSINGS}'>{_elements('affiliation', changes)}</affiliations>")


def subscriptions(**changes: str | None) -> str:
    return owner(f"<subscriptions node='{MUSINGS}'>{_elements('subscription', changes)}</subscriptions>")


def _elements(name: str, changes: dict[str, str | None]) -> str:
    values = {who: f" {name}='{value}'" if value else "" for who, value in changes.items()}
    return "".join(f"<{name} jid='{who}@localhost'{value}/>" for who, value in values.items())


def listed(client: Client, what: str, host: str) -> dict[str, str]:
    """The affiliations or the subscriptions of the node, by address."""
    answer = ask(client, owner(f"<{what} node='{MUSINGS}'/>"), "get", host)
    return {each.get("jid", ""): each.get(what[:-1], "") for each in parse(answer.encode())[0]}


def refused(client: Client, payload: str, host: str) -> tuple[str, list[dict[str, str]]]:
    """The condition of an error, and the entries that stand before it."""
    [answer] = [each for each in client.sends(request(payload, "set", host)) if ' id="q"' in each]
    stanza = parse(answer.encode())
    unchanged = [dict(each.attrib) for each in stanza[0][0]] if len(stanza) == 2 else []
    return str(stanza[-1][0].tag).rpartition("}")[2], unchanged


def approval(host: str, jid: str = FRANCISCO, *, type: str = "submit", node: str = MUSINGS, **fields: str) -> str:
    """An answer to a request to subscribe."""
    given = {"FORM_TYPE": AUTHORIZATION, "pubsub#node": node, "pubsub#subscriber_jid": jid}
    given |= {f"pubsub#{var}": value for var, value in fields.items()}
    values = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in given.items())
    return f"<message to='{host}' id='a'><x xmlns='jabber:x:data' type='{type}'>{values}</x></message>"


# -- 8.9 affiliations


def test_an_owner_sees_who_is_what(hamlet: Client, host: str) -> None:
    assert ask(hamlet, affiliations(francisco="publisher", polonius="outcast"), to=host) == ""
    assert listed(hamlet, "affiliations", host) == {
        HAMLET: "owner", FRANCISCO: "publisher", POLONIUS: "outcast",
    }  # fmt: skip


def test_a_publisher_publishes_until_it_is_none_any_more(hamlet: Client, francisco: Client, host: str) -> None:
    assert ask(francisco, publish(MUSINGS, "1"), to=host) == "forbidden"
    ask(hamlet, affiliations(francisco="publisher"), to=host)
    assert "<item" in ask(francisco, publish(MUSINGS, "1"), to=host)
    ask(hamlet, affiliations(francisco="none"), to=host)
    assert ask(francisco, publish(MUSINGS, "2"), to=host) == "forbidden"
    assert listed(hamlet, "affiliations", host) == {HAMLET: "owner"}


def test_who_is_something_else_now_is_told(hamlet: Client, francisco: Client, host: str) -> None:
    ask(hamlet, affiliations(francisco="member"), to=host)
    [told] = francisco.received()
    assert f'<affiliation affiliation="member" jid="{FRANCISCO}">' in told
    ask(hamlet, affiliations(francisco="member"), to=host)
    assert francisco.received() == []


def test_an_affiliation_is_that_of_the_bare_address(hamlet: Client, francisco: Client, host: str) -> None:
    change = affiliations(francisco="member").replace(FRANCISCO, str(francisco.jid))
    assert ask(hamlet, change, to=host) == ""
    assert listed(hamlet, "affiliations", host)[FRANCISCO] == "member"


def test_where_nothing_is_said_nothing_changes(hamlet: Client, francisco: Client, host: str) -> None:
    ask(hamlet, affiliations(francisco="member"), to=host)
    assert ask(hamlet, affiliations(francisco=None), to=host) == ""
    assert listed(hamlet, "affiliations", host)[FRANCISCO] == "member"


def test_an_outcast_is_subscribed_no_more(hamlet: Client, francisco: Client, host: str) -> None:
    ask(francisco, subscribe(MUSINGS, FRANCISCO), to=host)
    ask(hamlet, affiliations(francisco="outcast"), to=host)
    assert 'subscription="none"' in francisco.received()[-1]
    assert listed(hamlet, "subscriptions", host) == {}
    assert ask(francisco, subscribe(MUSINGS, FRANCISCO), to=host) in ("forbidden", "service-unavailable")


def test_who_is_no_member_any_more_leaves_a_closed_node(hamlet: Client, francisco: Client, host: str) -> None:
    ask(hamlet, configure(MUSINGS, access_model="whitelist"), to=host)
    ask(hamlet, affiliations(francisco="member"), to=host)
    ask(francisco, subscribe(MUSINGS, FRANCISCO), to=host)
    francisco.received()
    ask(hamlet, affiliations(francisco="none"), to=host)
    assert len(francisco.received()) == 2
    ask(hamlet, publish(MUSINGS, "1"), to=host)
    assert francisco.received() == []


def test_the_last_owner_stays(hamlet: Client, host: str) -> None:
    change = affiliations(hamlet="none", polonius="member")
    assert refused(hamlet, change, host) == ("not-acceptable", [{"jid": HAMLET, "affiliation": "owner"}])
    assert listed(hamlet, "affiliations", host) == {HAMLET: "owner", POLONIUS: "member"}


def test_an_owner_may_leave_the_node_of_a_service_to_another_one(
    server: Server, hamlet: Client, francisco: Client, host: str
) -> None:
    change = affiliations(hamlet="none", francisco="owner")
    if host == SERVICE:
        unchanged = [{"jid": HAMLET, "affiliation": "owner"}]
        assert refused(hamlet, change, host) == ("not-acceptable", unchanged)  # Francisco has not agreed yet
        assert ask(francisco, configure(MUSINGS, title="Mine"), to=host) == ""
        assert ask(hamlet, affiliations(hamlet="none"), to=host) == ""
        assert listed(francisco, "affiliations", host) == {FRANCISCO: "owner"}
    else:  # an account owns its nodes
        assert refused(hamlet, change, host) == ("not-acceptable", [{"jid": HAMLET, "affiliation": "owner"}])
        assert listed(hamlet, "affiliations", host) == {HAMLET: "owner", FRANCISCO: "owner"}


@pytest.mark.parametrize(
    ("before", "after"), [("owner", "outcast"), ("owner", "member"), ("publisher", "member"), ("member", "king")]
)
def test_a_step_that_the_state_chart_does_not_have(hamlet: Client, host: str, before: str, after: str) -> None:
    ask(hamlet, affiliations(francisco=before), to=host)
    unchanged = [{"jid": FRANCISCO, "affiliation": before}]
    assert refused(hamlet, affiliations(francisco=after), host) == ("not-acceptable", unchanged)


def test_there_are_at_most_so_many(hamlet: Client, host: str) -> None:
    assert ask(hamlet, affiliations(a="member", b="member", c="member"), to=host) == ""
    assert ask(hamlet, affiliations(d="member"), to=host) == "resource-constraint"
    assert ask(hamlet, affiliations(a="none", b="outcast"), to=host) == ""


@pytest.mark.parametrize("change", [affiliations, subscriptions])
@pytest.mark.parametrize(
    ("entries", "conditions"),
    [
        ("<{0} jid='a@b@c' {0}='none'/>", "jid-malformed"),
        ("<{0} {0}='none'/>", "bad-request jid-required"),
        ("<{0} jid='a@b' {0}='none'/><{0} jid='a@b' {0}='none'/>", "bad-request"),
    ],
)
def test_a_change_that_cannot_be_read_changes_nothing(
    hamlet: Client, host: str, change: Change, entries: str, conditions: str
) -> None:
    name = "affiliation" if change is affiliations else "subscription"
    good = f"<{name} jid='{POLONIUS}' {name}='{'member' if name == 'affiliation' else 'subscribed'}'/>"
    changes = f"<{name}s node='{MUSINGS}'>{good}{entries.format(name)}</{name}s>"
    assert ask(hamlet, owner(changes), to=host) == conditions
    assert POLONIUS not in listed(hamlet, f"{name}s", host)


@pytest.mark.parametrize(("change", "most"), [(affiliations, 500), (subscriptions, 250)])
def test_there_are_at_most_so_many_changes_at_once(hamlet: Client, host: str, change: Change, most: int) -> None:
    nothing: dict[str, str | None] = {f"n{number}": "none" for number in range(most + 1)}
    assert ask(hamlet, change(**nothing), to=host) == "policy-violation"
    del nothing["n0"]
    assert ask(hamlet, change(**nothing), to=host) == ""


@pytest.mark.parametrize("change", [affiliations, subscriptions])
def test_there_are_at_most_so_many_addresses_at_once_that_take_long_to_read(
    hamlet: Client, host: str, change: Change
) -> None:
    nothing: dict[str, str | None] = {f"é{number}": "none" for number in range(400)}
    assert ask(hamlet, change(**nothing), to=host) == "policy-violation"


@pytest.mark.parametrize("what", ["affiliations", "subscriptions"])
@pytest.mark.parametrize("type", ["get", "set"])
def test_only_owners_may_ask_and_only_of_a_node(hamlet: Client, francisco: Client, what: str, type: str) -> None:
    assert ask(hamlet, create("of_the_service")) == ""
    assert ask(francisco, owner(f"<{what} node='of_the_service'/>"), type) == "forbidden"
    assert ask(francisco, owner(f"<{what} node='nothing'/>"), type) == "item-not-found"
    assert ask(francisco, owner(f"<{what}/>"), type) == "bad-request nodeid-required"


def test_hundreds_of_changes_at_once_do_not_look_at_each_other_nor_at_all_subscriptions(tmp_path: Path) -> None:
    with server_in(tmp_path, pubsub={"max_affiliations": 1_000}) as server:
        add_accounts(server, "hamlet")
        hamlet, statements = online(server, f"{HAMLET}/elsinore"), list[str]()
        ask(hamlet, create(MUSINGS))
        for number in range(100):
            ask(hamlet, subscribe(MUSINGS, f"{HAMLET}/{number}"))
        hamlet.received()
        changes = affiliations(**{f"n{number}": "owner" for number in range(450)})
        server.db.connection.set_trace_callback(statements.append)
        assert ask(hamlet, changes) == ""
        server.db.connection.set_trace_callback(None)
    read = [each for each in statements if each.startswith("SELECT")]
    assert len(read) < 500  # the subscriptions of each


# -- 8.8 subscriptions


def test_an_owner_subscribes_who_waits_for_it_and_ends_that(hamlet: Client, waiting: Client, host: str) -> None:
    francisco = waiting
    assert ask(hamlet, subscriptions(francisco="subscribed"), to=host) == ""
    assert events(francisco.received()) == [
        f"{host}: subscription {MUSINGS}", f"{host}: items {MUSINGS} item 1",
    ]  # fmt: skip
    assert listed(hamlet, "subscriptions", host) == {FRANCISCO: "subscribed"}
    assert ask(hamlet, subscriptions(francisco="none"), to=host) == ""
    assert 'subscription="none"' in francisco.received()[0]
    assert listed(hamlet, "subscriptions", host) == {}


def test_an_owner_subscribes_nobody_who_has_not_asked_and_the_others_are_done(
    hamlet: Client, waiting: Client, host: str
) -> None:
    change = subscriptions(francisco="subscribed", polonius="subscribed")
    assert refused(hamlet, change, host) == ("not-acceptable", [{"jid": POLONIUS, "subscription": "none"}])
    assert listed(hamlet, "subscriptions", host) == {FRANCISCO: "subscribed"}


def test_an_owner_who_may_not_have_more_subscriptions_does_not_give_itself_one(hamlet: Client, host: str) -> None:
    for node in ("two", "three"):
        assert ask(hamlet, create(node, access_model="open"), to=host) == ""
        assert ask(hamlet, subscriptions(hamlet="subscribed").replace(MUSINGS, node), to=host) == ""
    unchanged = [{"jid": HAMLET, "subscription": "none"}]
    assert refused(hamlet, subscriptions(hamlet="subscribed"), host) == ("not-acceptable", unchanged)


def test_a_state_that_cannot_be_given(hamlet: Client, host: str) -> None:
    unchanged = [{"jid": FRANCISCO, "subscription": "none"}]
    assert refused(hamlet, subscriptions(francisco="pending"), host) == ("not-acceptable", unchanged)
    assert ask(hamlet, subscriptions(francisco=None, polonius="none"), to=host) == ""
    assert listed(hamlet, "subscriptions", host) == {}


# -- 8.6, 8.7 requests to subscribe


@pytest.fixture
def waiting(server: Server, hamlet: Client, francisco: Client, host: str) -> Client:
    """Francisco, a contact of Hamlet's, waits for his approval. There is an item already."""
    befriend(server, hamlet.account, francisco.account)
    ask(hamlet, configure(MUSINGS, access_model="authorize"), to=host)
    ask(hamlet, publish(MUSINGS, "1"), to=host)
    hamlet.received()
    ask(francisco, subscribe(MUSINGS, FRANCISCO), to=host)
    francisco.received()
    return francisco


def test_the_owner_is_asked_and_lets_somebody_in(hamlet: Client, waiting: Client, host: str) -> None:
    [question] = hamlet.received()
    assert f"<value>{AUTHORIZATION}</value>" in question
    assert listed(hamlet, "subscriptions", host) == {}
    assert hamlet.sends(approval(host, allow="true")) == []
    assert events(waiting.received()) == [f"{host}: subscription {MUSINGS}", f"{host}: items {MUSINGS} item 1"]
    assert "<item" in ask(waiting, items(MUSINGS), "get", host)
    assert listed(hamlet, "subscriptions", host) == {FRANCISCO: "subscribed"}


def test_who_is_not_let_in_is_told_and_may_ask_again(hamlet: Client, waiting: Client, host: str) -> None:
    hamlet.received()
    assert hamlet.sends(approval(host, allow="0")) == []
    [told] = waiting.received()
    assert f'jid="{FRANCISCO}" node="{MUSINGS}" subscription="none"' in told
    assert 'subscription="pending"' in ask(waiting, subscribe(MUSINGS, FRANCISCO), to=host)


def test_a_cancelled_answer_leaves_the_request_where_it_is(hamlet: Client, waiting: Client, host: str) -> None:
    hamlet.received()
    assert hamlet.sends(approval(host, type="cancel", allow="1")) == []
    assert waiting.received() == []
    assert ask(waiting, subscribe(MUSINGS, FRANCISCO), to=host) == "not-authorized pending-subscription"


@pytest.mark.parametrize("node", [MUSINGS, "nothing"])
def test_what_others_answer_is_ignored(server: Server, hamlet: Client, waiting: Client, host: str, node: str) -> None:
    polonius = online(server, "polonius@localhost/arras")
    for liar in (waiting, polonius):
        assert liar.sends(approval(host, node=node, allow="1")) == []
    assert listed(hamlet, "subscriptions", host) == {}


def test_the_first_answer_decides(hamlet: Client, waiting: Client, host: str) -> None:
    hamlet.sends(approval(host, allow="1"))
    waiting.received()
    assert hamlet.sends(approval(host, allow="0")) == []
    assert listed(hamlet, "subscriptions", host) == {FRANCISCO: "subscribed"}
    assert waiting.received() == []


def test_nobody_is_let_in_who_has_not_asked(hamlet: Client, waiting: Client, host: str) -> None:
    hamlet.received()
    assert hamlet.sends(approval(host, POLONIUS, allow="1")) == []
    assert listed(hamlet, "subscriptions", host) == {}


@pytest.mark.parametrize("fields", [{}, {"allow": "perhaps"}, {"allow": "1", "subscriber_jid": "a@b@c"}])
def test_an_owner_is_told_that_its_answer_is_none(
    hamlet: Client, waiting: Client, host: str, fields: dict[str, str]
) -> None:
    hamlet.received()
    [error] = hamlet.sends(approval(host, **fields))
    assert "<bad-request " in error
    assert listed(hamlet, "subscriptions", host) == {}


def test_other_forms_and_messages_are_no_answers(server: Server, hamlet: Client, host: str) -> None:
    hamlet.received()
    form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>a</value></field></x>"
    [received] = hamlet.sends(f"<message to='{host}'>{form}</message>")
    assert ("<service-unavailable" in received) == (host == SERVICE)
    [other] = hamlet.sends(approval(host).replace("type='submit'", "type='form'"))
    assert ("<service-unavailable" in other) == (host == SERVICE)


def test_who_becomes_a_member_needs_no_approval_any_more(hamlet: Client, waiting: Client, host: str) -> None:
    ask(hamlet, affiliations(francisco="publisher"), to=host)
    assert listed(hamlet, "subscriptions", host) == {FRANCISCO: "subscribed"}
    assert f"{host}: items {MUSINGS} item 1" in events(waiting.received()[1:])


def test_the_request_of_an_outcast_is_refused(hamlet: Client, waiting: Client, host: str) -> None:
    ask(hamlet, affiliations(francisco="outcast"), to=host)
    assert 'subscription="none"' in waiting.received()[-1]
    hamlet.sends(approval(host, allow="1"))
    assert listed(hamlet, "subscriptions", host) == {}


def test_nobody_waits_at_a_node_that_is_opened(hamlet: Client, waiting: Client, host: str) -> None:
    ask(hamlet, configure(MUSINGS, access_model="open"), to=host)
    assert listed(hamlet, "subscriptions", host) == {FRANCISCO: "subscribed"}


def test_pending_requests_are_not_listed_by_a_command(hamlet: Client) -> None:
    command = "<command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/pubsub#get-pending'/>"
    assert ask(hamlet, command) == "service-unavailable"
    assert "get-pending" not in ask(hamlet, f"<query xmlns='{INFO}'/>", "get")
