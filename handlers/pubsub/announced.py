"""The namespaces of publish-subscribe, and what accounts and services announce of it (XEP-0060 section 10)."""

from xmpp.data.disco import ITEMS

PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = "http://jabber.org/protocol/pubsub#owner"
EVENT = "http://jabber.org/protocol/pubsub#event"
PUBLIC_SUBSCRIPTIONS = "urn:xmpp:pps:0"

_BOTH = (
    "config-node",
    "config-node-max",
    "create-and-configure",
    "create-nodes",
    "delete-items",
    "delete-nodes",
    "instant-nodes",
    "item-ids",
    "last-published",
    "manage-subscriptions",
    "member-affiliation",
    "meta-data",
    "modify-affiliations",
    "multi-items",
    "outcast-affiliation",
    "persistent-items",
    "publish",
    "publish-node-full",
    "publish-only-affiliation",
    "publish-options",
    "publisher-affiliation",
    "purge-nodes",
    "retract-items",
    "retrieve-affiliations",
    "retrieve-default",
    "retrieve-default-sub",
    "retrieve-items",
    "retrieve-subscriptions",
    "rsm",
    "subscribe",
    "subscription-notifications",
    "subscription-options",
)
_OF_ACCOUNTS = (
    "access-presence",
    "auto-create",
    "auto-subscribe",
    "filtered-notifications",
    "presence-subscribe",
    "pubsub-on-a-jid",
)
ACCOUNT_FEATURES = (PUBSUB, PUBLIC_SUBSCRIPTIONS, *(f"{PUBSUB}#{name}" for name in (*_BOTH, *_OF_ACCOUNTS)))
SERVICE_FEATURES = (
    PUBSUB,
    PUBLIC_SUBSCRIPTIONS,
    ITEMS,
    *(f"{PUBSUB}#{name}" for name in (*_BOTH, "access-open")),
)
