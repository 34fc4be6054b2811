"""The forms of nodes (XEP-0060 section 16.4): each field is of the type that is registered, and a client library that
nobody here wrote fills them in: slixmpp."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from lxml import etree
from slixmpp.plugins.xep_0004.stanza import FieldOption, Form, FormField
from slixmpp.xmlstream import register_stanza_plugin

from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import (
    NODE_CONFIG,
    SERVICE,
    SUBSCRIBE_OPTIONS,
    ask,
    configure,
    create,
    owner,
    publish,
    pubsub,
    request,
    subscribe,
)
from xmpp.data.dataforms import FIELD, VALIDATE, VALUE, X
from xmpp.data.wire import parse
from xmpp.server import Server

NODE = "musings"
HAMLET = "hamlet@localhost"
REGISTERED = {
    "list-single": ("access_model", "itemreply", "language", "node_type", "notification_type", "publish_model",
                    "publish_node_full", "send_last_published_item"),
    "list-multi": ("roster_groups_allowed",),
    "jid-multi": ("contact",),
    "text-single": ("title", "description", "type", "max_items", "item_expire", "max_payload_size"),
    "boolean": ("deliver_notifications", "deliver_payloads", "notify_config", "notify_delete", "notify_retract",
                "notify_sub", "persist_items", "presence_based_delivery", "subscribe", "deliver"),
}  # fmt: skip
TYPES = {f"pubsub#{name}": type for type, names in REGISTERED.items() for name in names} | {
    "FORM_TYPE": "hidden",
    "pubsub#node": "text-single",
    "pubsub#subscriber_jid": "jid-single",
    "pubsub#allow": "boolean",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "hamlet", "polonius")
        yield server


@pytest.fixture
def hamlet(server: Server) -> Client:
    """He owns a node of which everything is said."""
    client = Client(server, f"{HAMLET}/elsinore")
    client.sends("<presence/>")
    said = {"title": "Musings", "language": "da", "contact": [HAMLET], "roster_groups_allowed": ["Players", "Ghosts"]}
    assert ask(client, create(NODE, access_model="authorize", **said)) == ""
    assert "subscribed" in ask(client, subscribe(NODE, HAMLET))
    return client


def read_by_the_library(x: etree._Element) -> Any:
    register_stanza_plugin(FormField, FieldOption, iterable=True)
    register_stanza_plugin(Form, FormField, iterable=True)
    form: Any = Form(xml=ElementTree.fromstring(etree.tostring(x)))  # type: ignore[no-untyped-call]
    return form


def form_in(text: str) -> etree._Element:
    return next(parse(text.encode()).iter(X))


def asked_for(hamlet: Client, payload: str) -> etree._Element:
    return form_in(ask(hamlet, payload, "get"))


def approval(hamlet: Client) -> etree._Element:
    ask(Client(hamlet.server, "polonius@localhost/arras"), subscribe(NODE, "polonius@localhost"))
    [question] = hamlet.received()
    return form_in(question)


def all_forms(hamlet: Client) -> list[etree._Element]:
    payloads = (
        owner(f"<configure node='{NODE}'/>"),
        owner("<default/>"),
        pubsub(f"<options node='{NODE}' jid='{HAMLET}'/>"),
    )
    return [*(asked_for(hamlet, payload) for payload in payloads), approval(hamlet)]


def test_each_field_has_the_type_that_is_registered(hamlet: Client) -> None:
    for form in all_forms(hamlet):
        for field in form.iterchildren(FIELD):
            assert field.get("type") == TYPES[field.get("var", "")], field.get("var")


def test_a_list_offers_what_is_chosen_in_it_and_says_if_it_takes_more(hamlet: Client) -> None:
    for form in all_forms(hamlet):
        for field in form.iterchildren(FIELD):
            if str(field.get("type")).startswith("list-"):
                offered = [option.findtext(VALUE) for option in field.iterchildren("{jabber:x:data}option")]
                assert {value.text for value in field.iterchildren(VALUE)} <= set(offered)
                assert offered or field.find(VALIDATE) is not None


@pytest.mark.parametrize("what", ["configure", "options"])
def test_a_client_library_reads_a_form_and_sends_it_back_as_it_is(hamlet: Client, what: str) -> None:
    element = f"<{what} node='{NODE}'{{}}/>"
    payload = owner(element.format("")) if what == "configure" else pubsub(element.format(f" jid='{HAMLET}'"))
    before = asked_for(hamlet, payload)
    form = read_by_the_library(before)
    values = form.get_values()
    assert values["FORM_TYPE"] in ([NODE_CONFIG], [SUBSCRIBE_OPTIONS], NODE_CONFIG, SUBSCRIBE_OPTIONS)
    form.reply()
    form.set_values({var: value for var, value in values.items() if value is not None})
    filled_in = payload.replace("/></pubsub>", f">{form}</{what}></pubsub>")
    assert ask(hamlet, filled_in) == ""
    assert etree.tostring(asked_for(hamlet, payload)) == etree.tostring(before)


@pytest.mark.parametrize("language", ["en", "tlh", "zh-Hant"])
def test_a_node_has_any_language(hamlet: Client, language: str) -> None:
    assert ask(hamlet, configure(NODE, language=language)) == ""
    assert f"<value>{language}</value>" in ask(hamlet, owner(f"<configure node='{NODE}'/>"), "get")


def test_what_is_told_of_another_configuration_can_be_read(hamlet: Client) -> None:
    ask(hamlet, configure(NODE, notify_config=True))
    [told] = [each for each in hamlet.sends(request(configure(NODE, title="B"), "set", SERVICE)) if "<message" in each]
    values = read_by_the_library(form_in(told)).get_values()
    assert values["pubsub#title"] == "B"
    assert ask(hamlet, publish(NODE, "1")).startswith("<pubsub")
