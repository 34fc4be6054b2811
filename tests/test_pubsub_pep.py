"""XEP-0163: every account is a service, for those who see its presence."""

from pathlib import Path

import pytest
from lxml import etree

from db import blocklists, pubsub_affiliations, pubsub_nodes, pubsub_people, rosters
from handlers.login import accounts
from handlers.pubsub.occasions import ITEM_PUBLISHED
from handlers.pubsub.publishing import publish_for, retract_for
from handlers.pubsub.retrieval import item_of, items_of, last_item
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import (
    INFO,
    SERVICE,
    answers_what_it_wants,
    ask,
    comes_online,
    create,
    events,
    ids_in,
    items,
    owner,
    publish,
    pubsub,
    request,
    retract,
    subscribe,
)
from xmpp.data.jid import JID
from xmpp.data.wire import parse
from xmpp.routing import servers
from xmpp.server import Server

TUNE = "urn:example:tune"


def test_a_contact_retrieves_what_was_published(romeo: Client, juliet: Client) -> None:
    answer = ask(romeo, publish(TUNE, "1"), to="")
    assert ids_in(answer) == ["1"]
    shown = ask(juliet, items(TUNE), "get", to="romeo@localhost")
    assert '<item id="1"><tune xmlns="urn:example:tune"></tune></item>' in shown


def test_contacts_and_own_devices_that_want_to_hear_of_a_node_are_notified_once(romeo: Client, juliet: Client) -> None:
    comes_online(romeo, TUNE)
    comes_online(juliet, TUNE)
    romeo.received()
    assert events(romeo.sends(f"<iq type='set' id='q'>{publish(TUNE, '1')}</iq>")[:1]) == [
        f"romeo@localhost: items {TUNE} item 1"
    ]
    assert events(juliet.received()) == [f"romeo@localhost: items {TUNE} item 1"]


def test_who_does_not_want_to_hear_of_a_node_is_not_notified(romeo: Client, juliet: Client) -> None:
    comes_online(juliet, "urn:example:mood")
    ask(romeo, publish(TUNE, "1"), to="")
    assert events(juliet.received()) == []


def test_whoever_comes_online_gets_the_last_item_of_each_node_it_wants_to_hear_of(
    server: Server, romeo: Client, juliet: Client
) -> None:
    ask(romeo, publish(TUNE, "1"), to="")
    ask(romeo, publish(TUNE, "2"), to="")
    assert events(comes_online(juliet, TUNE)) == [f"romeo@localhost: items {TUNE} item 2"]
    assert events(comes_online(Client(server, "romeo@localhost/tomb"), TUNE)) == [
        f"romeo@localhost: items {TUNE} item 2"
    ]


def test_a_stranger_cannot_tell_an_account_from_none(romeo: Client, mercutio: Client) -> None:
    ask(romeo, publish(TUNE, "1"), to="")
    for to in ("romeo@localhost", "nobody@localhost"):
        assert ask(mercutio, items(TUNE), "get", to=to) == "service-unavailable"
        assert ask(mercutio, publish(TUNE, "1"), to=to) == "service-unavailable"


def test_a_stranger_reads_an_open_node(romeo: Client, mercutio: Client) -> None:
    ask(romeo, publish(TUNE, "1", access_model="open"), to="")
    assert ids_in(ask(mercutio, items(TUNE), "get", to="romeo@localhost")) == ["1"]
    assert ask(mercutio, publish(TUNE, "1"), to="romeo@localhost") == "forbidden"


def test_a_retracted_item_is_gone_and_told_of_if_asked_for(romeo: Client, juliet: Client) -> None:
    comes_online(juliet, TUNE)
    ask(romeo, publish(TUNE, "1"), to="")
    juliet.received()
    assert ask(romeo, retract(TUNE, "1", notify=True), to="") == ""
    assert events(juliet.received()) == [f"romeo@localhost: items {TUNE} retract 1"]
    assert ids_in(ask(romeo, items(TUNE), "get", to="")) == []


def test_options_are_a_condition_for_a_node_that_is_there(romeo: Client) -> None:
    ask(romeo, publish(TUNE, "1", access_model="open", max_items="max"), to="")
    ask(romeo, publish(TUNE, "2", access_model="open", max_items="max", persist_items=True), to="")
    assert ask(romeo, publish(TUNE, "3", access_model="whitelist"), to="") == "conflict precondition-not-met"
    assert ask(romeo, publish(TUNE, "3", sky="blue"), to="") == "conflict precondition-not-met"
    assert ids_in(ask(romeo, items(TUNE), "get", to="")) == ["1", "2"]


def test_contacts_that_are_apart_by_blocking_are_not_notified(server: Server, romeo: Client, juliet: Client) -> None:
    comes_online(juliet, TUNE)
    for blocker, blocked in ((romeo, juliet), (juliet, romeo)):
        blocklists.add(server.db, blocker.account, [blocked.account])
        ask(romeo, publish(TUNE, "1"), to="")
        assert events(juliet.received()) == []
        assert events(comes_online(Client(server, f"juliet@localhost/by-{blocker.jid.local}"), TUNE)) == []
        blocklists.clear(server.db, blocker.account)


def test_who_can_see_each_other_again_gets_the_last_items_that_were_missed(romeo: Client, juliet: Client) -> None:
    comes_online(juliet, TUNE)
    for blocker, blocked in ((romeo, juliet), (juliet, romeo)):
        blocker.asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{blocked.account}'/></block>", type="set")
        ask(romeo, publish(TUNE, blocker.account), to="")
        assert events(juliet.received()) == []
        received = blocker.sends("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>")
        told = received if blocker is juliet else juliet.received()
        assert events(told) == [f"romeo@localhost: items {TUNE} item {blocker.account}"]


def test_who_comes_back_gets_the_last_item_again_and_another_presence_brings_nothing(
    romeo: Client, juliet: Client
) -> None:
    ask(romeo, publish(TUNE, "1"), to="")
    assert len(events(comes_online(juliet, TUNE))) == 1
    assert events(juliet.sends("<presence><show>away</show></presence>")) == []
    juliet.sends("<presence type='unavailable'/>")
    caps = f"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:example' ver='{TUNE}'/>"
    received = juliet.sends(f"<presence>{caps}</presence>")
    if not events(received):  # asked again, since nothing is proven
        received = answers_what_it_wants(juliet, received, TUNE)
    assert len(events(received)) == 1


def test_who_wants_to_hear_of_more_later_gets_the_items_of_what_is_new(romeo: Client, juliet: Client) -> None:
    ask(romeo, publish(TUNE, "1"), to="")
    ask(romeo, publish("urn:example:mood", "2"), to="")
    comes_online(juliet, TUNE)
    assert events(comes_online(juliet, TUNE, "urn:example:mood")) == ["romeo@localhost: items urn:example:mood item 2"]


def test_an_interest_that_was_withdrawn_is_a_new_one_when_it_is_renewed(romeo: Client, juliet: Client) -> None:
    ask(romeo, publish(TUNE, "1"), to="")
    told = [f"romeo@localhost: items {TUNE} item 1"]
    for _ in range(2):
        assert events(comes_online(juliet, TUNE)) == told
        assert events(comes_online(juliet)) == []


def test_a_node_can_keep_its_last_item_to_itself(romeo: Client, juliet: Client) -> None:
    ask(romeo, publish(TUNE, "1", send_last_published_item="never"), to="")
    assert events(comes_online(juliet, TUNE)) == []


def test_a_new_contact_gets_the_last_items(romeo: Client, mercutio: Client) -> None:
    comes_online(romeo)
    ask(romeo, publish(TUNE, "1"), to="")
    comes_online(mercutio, TUNE)
    mercutio.sends("<presence type='subscribe' to='romeo@localhost'/>")
    assert events(mercutio.received()) == []
    romeo.sends("<presence type='subscribed' to='mercutio@localhost'/>")
    assert events(mercutio.received()) == [f"romeo@localhost: items {TUNE} item 1"]
    romeo.sends("<presence type='unsubscribed' to='mercutio@localhost'/>")
    ask(romeo, publish(TUNE, "2"), to="")
    assert events(mercutio.received()) == []


def roster_set(contact: str, *groups: str) -> str:
    inside = "".join(f"<group>{group}</group>" for group in groups)
    return f"<query xmlns='jabber:iq:roster'><item jid='{contact}'>{inside}</item></query>"


def test_a_contact_that_is_put_into_the_group_gets_the_last_item_and_out_of_it_loses_its_subscription(
    romeo: Client, juliet: Client
) -> None:
    ask(romeo, publish(TUNE, "1", access_model="roster", roster_groups_allowed=["Friends"]), to="")
    assert events(comes_online(juliet, TUNE)) == []
    ask(romeo, roster_set("juliet@localhost", "Friends"), to="")
    assert events(juliet.received()) == [f"romeo@localhost: items {TUNE} item 1"]
    ask(juliet, subscribe(TUNE, "juliet@localhost"), to="romeo@localhost")
    juliet.received()
    ask(romeo, roster_set("juliet@localhost", "Servants"), to="")
    assert events(juliet.received()) == [f"romeo@localhost: subscription {TUNE}"]
    ask(romeo, publish(TUNE, "2"), to="")
    assert events(juliet.received()) == []


def test_a_subscription_ends_with_the_presence_that_it_needs(romeo: Client, juliet: Client) -> None:
    ask(romeo, publish(TUNE, "1"), to="")
    juliet.sends("<presence/>")
    ask(juliet, subscribe(TUNE, "juliet@localhost"), to="romeo@localhost")
    juliet.received()
    romeo.sends("<presence type='unsubscribed' to='juliet@localhost'/>")
    assert f"romeo@localhost: subscription {TUNE}" in events(
        [each for each in juliet.received() if "pubsub#event" in each]
    )


def test_who_is_subscribed_and_wants_to_hear_of_a_node_is_notified_once(romeo: Client, juliet: Client) -> None:
    ask(romeo, publish(TUNE, "1"), to="")
    comes_online(juliet, TUNE)
    ask(juliet, subscribe(TUNE, "juliet@localhost"), to="romeo@localhost")
    juliet.received()
    ask(romeo, publish(TUNE, "2"), to="")
    assert events(juliet.received()) == [f"romeo@localhost: items {TUNE} item 2"]


def test_only_the_owner_makes_nodes_and_by_publishing_too(romeo: Client, juliet: Client) -> None:
    assert ask(juliet, create(TUNE), to="romeo@localhost") == "forbidden"
    assert ask(juliet, publish(TUNE, "1"), to="romeo@localhost") == "item-not-found"
    assert ask(romeo, publish(TUNE), to="") == "bad-request item-required"
    assert ask(romeo, items(TUNE), "get", to="") == "item-not-found"  # a request that fails leaves no node


def test_an_account_is_described_as_a_service(romeo: Client, juliet: Client) -> None:
    shown = ask(juliet, f"<query xmlns='{INFO}'/>", "get", "romeo@localhost")
    assert '<identity category="pubsub" type="pep">' in shown
    assert '<feature var="http://jabber.org/protocol/pubsub#pubsub-on-a-jid">' in shown


@pytest.mark.parametrize("payload", [
    "<a xmlns='jabber:client'><b/></a>",
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>Hi</body></message></forwarded>",
    "<x:a xmlns:x='urn:x' xmlns:y='urn:y' y:c='1'>&lt; <x:b/> text <y:d/></x:a>",
    "<a xmlns=''><b xmlns='urn:b'/></a>",
    "<a/>",
])  # fmt: skip
def test_a_payload_means_the_same_wherever_it_stands(romeo: Client, payload: str) -> None:
    comes_online(romeo, TUNE)
    event, _ = romeo.sends(request(publish(TUNE, "1", payload=payload), "set", ""))
    shown = ask(romeo, items(TUNE), "get", to="")
    given = meaning(parse(pubsub(f"<item>{payload}</item>").encode())[0])
    assert meaning(parse(event.encode())[0][0][0]) == given
    assert meaning(parse(shown.encode())[0][0]) == given


def meaning(item: etree._Element) -> list[tuple[object, ...]]:
    """What is said, whatever prefixes are used."""
    return [(each.tag, sorted(each.items()), each.text, each.tail) for each in item[0].iter()]


# -- for other features


def test_a_feature_keeps_an_item_as_the_owner_would(server: Server, romeo: Client, juliet: Client) -> None:
    comes_online(juliet, TUNE)
    publish_for(server, romeo.account, TUNE, "1", b'<a xmlns="x"/>', max_items=None)
    publish_for(server, romeo.account, TUNE, "2", b'<b xmlns="x"/>', max_items=1)
    assert events(juliet.received()) == [f"romeo@localhost: items {TUNE} item {id}" for id in "12"]
    assert items_of(server, romeo.account, TUNE) == [("1", b'<a xmlns="x"/>'), ("2", b'<b xmlns="x"/>')]
    assert last_item(server, romeo.account, TUNE) == ("2", b'<b xmlns="x"/>')
    retract_for(server, romeo.account, TUNE, "2")
    retract_for(server, romeo.account, TUNE, "2")
    assert events(juliet.received()) == [f"romeo@localhost: items {TUNE} retract 2"]
    assert item_of(server, romeo.account, TUNE, "2") is None
    assert items_of(server, romeo.account, "nothing") == []


def test_other_features_hear_of_items_that_come_and_go(tmp_path: Path) -> None:
    heard = list[tuple[str, str, str, bytes | None]]()

    def hear(server: servers.Server, account: JID, node: str, id: str, payload: bytes | None) -> None:
        heard.append((account, node, id, payload))

    with server_in(tmp_path) as server:
        server.tables = server.tables.but(ITEM_PUBLISHED.runs(hear))
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        ask(romeo, publish("n", "1", max_items="max"), to="")
        ask(romeo, publish("n", "2", "3"), to="")
        ask(romeo, retract("n", "1"), to="")
        ask(romeo, owner("<purge node='n'/>"), to="")
        ask(romeo, publish("n", "4"), to="")
        ask(romeo, owner("<delete node='n'/>"), to="")
    told = [id if payload is not None else "gone" for _, _, id, payload in heard]
    assert told == ["1", "2", "3", "gone", "gone", "4", "gone"]
    assert {(account, node) for account, node, _, _ in heard} == {("romeo@localhost", "n")}


def test_what_an_account_is_to_nodes_elsewhere_goes_with_it(server: Server, romeo: Client, juliet: Client) -> None:
    for to, name in ((SERVICE, "his"), (SERVICE, "theirs"), ("", TUNE)):
        assert ask(romeo, create(name), to=to) == ""
    theirs = pubsub_nodes.get(server.db, JID.parse(SERVICE), "theirs")
    assert theirs is not None
    pubsub_affiliations.affiliate(server.db, theirs, juliet.account, "owner", has_agreed=True)
    ask(juliet, create("hers"))
    ask(romeo, subscribe("hers", "romeo@localhost"))
    accounts.remove(server, romeo.account)
    assert [node.name for node in pubsub_nodes.of_host(server.db, JID.parse(SERVICE))] == ["hers", "theirs"]
    assert pubsub_affiliations.affiliations(server.db, theirs) == {juliet.account: "owner"}
    assert pubsub_people.count_subscriptions_of(server.db, JID.parse(SERVICE), romeo.account) == 0
    assert pubsub_nodes.of_host(server.db, romeo.account) == []


def test_who_is_refused_costs_nobody_what_is_remembered(server: Server, romeo: Client, mercutio: Client) -> None:
    ask(romeo, publish(TUNE, "1", access_model="open"), to="")
    known = rosters.roster(server.db, romeo.account)
    for asker, payload in ((mercutio, publish(TUNE, "2")), (romeo, publish(TUNE, "2", access_model="presence"))):
        assert ask(asker, payload, to="romeo@localhost") in ("forbidden", "conflict precondition-not-met")
    assert rosters.roster(server.db, romeo.account) is known
