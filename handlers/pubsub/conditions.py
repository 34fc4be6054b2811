"""XEP-0060: the errors of publish-subscribe, each with its element of "pubsub#errors"."""

from lxml import etree

from xmpp.data.errors import StanzaError

ERRORS = "http://jabber.org/protocol/pubsub#errors"

# For each: the condition of RFC 6120, and the error type unless it is the usual one of that condition.
CONDITIONS: dict[str, tuple[str, str | None]] = {
    "closed-node": ("not-allowed", None),  # 6.1.3.4
    "invalid-jid": ("bad-request", None),  # 6.1.3.1
    "invalid-options": ("bad-request", None),  # 6.3.7
    "invalid-payload": ("bad-request", None),  # 7.1.3.6
    "item-forbidden": ("bad-request", None),  # 7.1.3.7
    "item-required": ("bad-request", None),  # 7.1.3.7, 7.2.3.4
    "jid-required": ("bad-request", None),  # 6.3.4.3
    "max-items-exceeded": ("not-allowed", None),  # 12.10
    "max-nodes-exceeded": ("policy-violation", "wait"),
    "node-full": ("conflict", None),  # 7.1.3.4
    "nodeid-required": ("bad-request", None),  # 7.2.3.3
    "not-in-roster-group": ("not-authorized", None),  # 6.1.3.3
    "not-subscribed": ("not-authorized", None),  # 6.5.9.3
    "payload-required": ("bad-request", None),  # 7.1.3.7
    "payload-too-big": ("not-acceptable", None),  # 7.1.3.5
    "pending-subscription": ("not-authorized", None),  # 6.1.3.7
    "precondition-not-met": ("conflict", None),  # 7.1.5
    "presence-subscription-required": ("not-authorized", None),  # 6.1.3.2
    "too-many-subscriptions": ("policy-violation", "wait"),  # 6.1.3.9
    "unsupported-access-model": ("not-acceptable", None),  # 8.1.2
}


# The one legacy error code (XEP-0086) that a client is known to need: only by this, and not by the condition, Profanity
# learns that there are no OMEMO devices yet, and publishes its own.
CODES = {"item-not-found": "404"}


def refused(reason: str, text: str | None = None) -> StanzaError:
    """The error for a reason: one of CONDITIONS, or a plain condition of RFC 6120, such as forbidden."""
    if reason not in CONDITIONS:
        return StanzaError(reason, text, code=CODES.get(reason))
    condition, type = CONDITIONS[reason]
    return StanzaError(condition, text, type=type, application=_element(reason))


def unsupported(feature: str) -> StanzaError:
    """The error for a feature that a node does not have, such as "persistent-items" (7.2.3.5)."""
    return StanzaError("feature-not-implemented", application=_element("unsupported", feature=feature))


def no_such_subscriber() -> StanzaError:
    """The error for an address without a subscription (6.2.3.2, 6.3.4.2)."""
    return StanzaError("unexpected-request", type="cancel", application=_element("not-subscribed"))


def _element(name: str, **attributes: str) -> etree._Element:
    return etree.Element(f"{{{ERRORS}}}{name}", attributes, nsmap={None: ERRORS})
