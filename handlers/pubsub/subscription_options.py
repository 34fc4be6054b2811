"""XEP-0060 section 6.3: the options of a subscription, read from forms, written as forms, and as the text that is
kept."""

from dataclasses import dataclass, replace
from functools import lru_cache

from lxml import etree

from handlers.pubsub.conditions import refused
from xmpp.data import dataforms, kept
from xmpp.data.dataforms import Field

SUBSCRIBE_OPTIONS = "http://jabber.org/protocol/pubsub#subscribe_options"
DELIVER = "pubsub#deliver"
PUBLIC_IN_TEXT = '"public": true'  # what queries look for in the text that is kept
FIELDS = (Field(DELIVER, "boolean", "Whether you are notified"),)


@dataclass(frozen=True)
class SubscriptionOptions:
    """`deliver`: the subscriber is notified. `public`: others may know of the subscription; an element of <subscribe/>
    says that, and no field of the form (XEP-0465)."""

    deliver: bool = True
    public: bool = False


def submitted(x: etree._Element, base: SubscriptionOptions) -> SubscriptionOptions:
    """`base` with what a form changes. Raises StanzaError if the form is malformed (6.3.7.2)."""
    try:
        answers = dataforms.submitted(x, SUBSCRIBE_OPTIONS, FIELDS)
    except ValueError as error:
        raise refused("invalid-options", str(error)) from None
    return replace(base, deliver=dataforms.boolean(answers[DELIVER])) if DELIVER in answers else base


def form(options: SubscriptionOptions) -> etree._Element:
    """The form to change the options with, filled in."""
    filled = _values(options)
    return dataforms.form(SUBSCRIBE_OPTIONS, [replace(field, values=filled[field.var]) for field in FIELDS])


def result(options: SubscriptionOptions) -> etree._Element:
    """The options as a form of type "result"."""
    return dataforms.result(SUBSCRIBE_OPTIONS, _values(options), dataforms.types_of(FIELDS))


def _values(options: SubscriptionOptions) -> dict[str, tuple[str, ...]]:
    return {DELIVER: ("1" if options.deliver else "0",)}


def to_text(options: SubscriptionOptions) -> str:
    """The options as the text that is kept."""
    return kept.to_text(options)


@lru_cache(maxsize=1_024)
def from_text(text: str) -> SubscriptionOptions:
    """The options of which this text was kept; the default ones for ""."""
    return kept.from_text(SubscriptionOptions, text) if text else SubscriptionOptions()
