"""XEP-0060 section 16.4.4: the configuration of a node, read from forms, written as forms, and as the text that is
kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

from lxml import etree

from handlers.pubsub.conditions import refused
from xmpp.data import dataforms, kept
from xmpp.data.dataforms import Field

NODE_CONFIG = "http://jabber.org/protocol/pubsub#node_config"
PUBLISH_OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
PREFIX = "pubsub#"
MAX = "max"
MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class NodeConfiguration:
    """The configuration of a node, with the names of the form's fields. None stands for "max": what the service allows.

    The defaults are those of the service; ACCOUNT_NODE has those of accounts.
    """

    title: str = ""
    description: str = ""
    type: str = ""
    language: str = ""
    contact: tuple[str, ...] = ()
    access_model: str = "open"
    roster_groups_allowed: tuple[str, ...] = ()
    publish_model: str = "publishers"
    persist_items: bool = True
    max_items: int | None = None
    item_expire: int | None = None
    publish_node_full: str = "retract-oldest"
    max_payload_size: int | None = None
    subscribe: bool = True
    deliver_notifications: bool = True
    deliver_payloads: bool = True
    send_last_published_item: str = "on_sub_and_presence"
    notification_type: str = "headline"
    itemreply: str = "none"
    presence_based_delivery: bool = False
    notify_config: bool = False
    notify_delete: bool = True
    notify_retract: bool = False
    notify_sub: bool = False
    node_type: str = "leaf"


SERVICE_NODE = NodeConfiguration()
ACCOUNT_NODE = NodeConfiguration(access_model="presence", max_items=1)  # XEP-0163 section 5


def _choice(var: str, label: str, **options: str) -> Field:
    offered = {value.replace("_", "-"): text for value, text in options.items()}
    return Field(PREFIX + var, "list-single", label, options=offered)


def _text(var: str, label: str) -> Field:
    return Field(PREFIX + var, "text-single", label)


def _boolean(var: str, label: str) -> Field:
    return Field(PREFIX + var, "boolean", label)


LANGUAGES = {
    "ar": "العربية",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "hi": "हिन्दी",
    "it": "Italiano",
    "ja": "日本語",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "ru": "Русский",
    "tr": "Türkçe",
    "uk": "Українська",
    "zh": "中文",
}
"""Those that the form offers; any other can be given, too."""

FIELDS = (
    _text("title", "A short name for the node"),
    _text("description", "A description of the node"),
    _text("type", "The type of the node's data, usually the namespace of the payload"),
    Field("pubsub#language", "list-single", "The default language of the node", options=LANGUAGES, is_open=True),
    Field("pubsub#contact", "jid-multi", "Whom to contact with questions"),
    _choice(
        "access_model",
        "Who may subscribe and retrieve items",
        authorize="Whoever an owner has approved",
        open="Anyone",
        presence="Whoever sees the owner's presence",
        roster="Whoever is in certain groups of the owner's roster",
        whitelist="Members of the node",
    ),
    Field("pubsub#roster_groups_allowed", "list-multi", "These groups of the roster", options={}, is_open=True),
    _choice(
        "publish_model",
        "Who may publish",
        publishers="Publishers of the node",
        subscribers="Subscribers, too",
        open="Anyone",
    ),
    _boolean("persist_items", "Whether items are kept"),
    _text("max_items", "How many items are kept; max: as many as the service allows"),
    _text("item_expire", "After how many seconds items are removed; max: never"),
    _choice(
        "publish_node_full",
        "What is done when there are so many",
        retract_oldest="The oldest is retracted",
        discard_oldest="The oldest is removed",
        reject="The new item is rejected",
    ),
    _text("max_payload_size", "How many bytes a payload may have; max: as many as the service allows"),
    _boolean("subscribe", "Whether anyone can subscribe"),
    _boolean("deliver_notifications", "Whether subscribers are notified"),
    _boolean("deliver_payloads", "Whether notifications hold the payload"),
    Field(
        "pubsub#send_last_published_item",
        "list-single",
        "When the last item is sent",
        options={
            "never": "Never",
            "on_sub": "To new subscribers",
            "on_sub_and_presence": "To new subscribers, and to those who come online",
        },
    ),
    _choice("notification_type", "The type of notifications", normal="Normal", headline="Headline"),
    _choice(
        "itemreply",
        "Whose address items hold",
        owner="The owner's",
        publisher="That of the publisher",
        none="None",
    ),
    _boolean("presence_based_delivery", "Whether only those are notified who are online"),
    _boolean("notify_config", "Whether subscribers are told of another configuration"),
    _boolean("notify_delete", "Whether subscribers are told that the node is deleted"),
    _boolean("notify_retract", "Whether subscribers are told that items are removed"),
    _boolean("notify_sub", "Whether owners are told of subscribers who come and go"),
    _choice("node_type", "The type of the node", leaf="Leaf"),
)
TYPES = dataforms.types_of(FIELDS)
NUMBERS = frozenset({"max_items", "item_expire", "max_payload_size"})
NAMES = frozenset(field.name for field in fields(NodeConfiguration))


# -- from forms


def submitted(x: etree._Element, base: NodeConfiguration, form_type: str = NODE_CONFIG) -> NodeConfiguration:
    """`base` with what a form changes. Raises StanzaError if the form is malformed, or asks for what cannot be."""
    return replace(base, **_changes(x, form_type))


def demanded(x: etree._Element) -> Mapping[str, Any]:
    """The publish options in a form, by field of the configuration. Raises StanzaError for an unknown field: no node
    can meet it (7.1.5)."""
    for field in x.iterchildren(dataforms.FIELD):
        var = field.get("var", "")
        if var != "FORM_TYPE" and var.removeprefix(PREFIX) not in NAMES:
            raise refused("precondition-not-met", f"no node here has the option {var}")
    return _changes(x, PUBLISH_OPTIONS)


def _changes(x: etree._Element, form_type: str) -> dict[str, Any]:
    _refuse_unknown_access_model(x)
    try:
        answers = dataforms.submitted(x, form_type, FIELDS)
        return {
            field.var.removeprefix(PREFIX): _value(field, answers[field.var])
            for field in FIELDS
            if field.var in answers
        }
    except ValueError as error:
        raise refused("not-acceptable", str(error)) from None


def _refuse_unknown_access_model(x: etree._Element) -> None:
    known = next(field.options for field in FIELDS if field.var == "pubsub#access_model") or {}
    for field in x.iterchildren(dataforms.FIELD):
        if field.get("var") == "pubsub#access_model" and field.findtext(dataforms.VALUE, "") not in known:
            raise refused("unsupported-access-model")


def _value(field: Field, values: tuple[str, ...]) -> Any:
    """What was filled in, as the configuration has it; the default if a field was emptied."""
    name = field.var.removeprefix(PREFIX)
    if field.type == "boolean":
        return dataforms.boolean(values)
    if field.type in dataforms.MULTIPLE:
        return tuple(sorted(map(str, values)))
    if not values:
        return getattr(SERVICE_NODE, name)
    return _number(values[0]) if name in NUMBERS else values[0]


def _number(text: str) -> int | None:
    if text == MAX:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_NUMBER):
        raise ValueError(f"{text[:40]!r} is no number from 1 to {MAX_NUMBER}, nor {MAX}")
    return int(text)


# -- to forms


def form(configuration: NodeConfiguration) -> etree._Element:
    """The form to configure a node with, filled in as the node is configured (8.2.2)."""
    values = values_of(configuration)
    return dataforms.form(NODE_CONFIG, [dataforms.filled(field, values[field.var]) for field in FIELDS])


def result(configuration: NodeConfiguration) -> etree._Element:
    """The configuration as the form that tells subscribers of a change (8.2.5.3)."""
    return dataforms.result(NODE_CONFIG, values_of(configuration), TYPES)


def values_of(configuration: NodeConfiguration) -> dict[str, tuple[str, ...]]:
    """The values of all fields, as forms have them."""
    return {PREFIX + name: dataforms.texts(value, none=MAX) for name, value in asdict(configuration).items()}


# -- to be kept


def to_text(configuration: NodeConfiguration) -> str:
    """A configuration as the text that is kept."""
    return kept.to_text(configuration)


@lru_cache(maxsize=1_024)
def from_text(text: str) -> NodeConfiguration:
    """The configuration of which this text was kept."""
    return kept.from_text(NodeConfiguration, text)
