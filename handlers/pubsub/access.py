"""XEP-0060 sections 4.1 and 4.5: what somebody may do with a node. Works on data alone.

A function `refusal_to_...` returns None if something is allowed, else the reason, for `conditions.refused`.
"""

from typing import NamedTuple

from handlers.pubsub.configuration import NodeConfiguration

AFFILIATIONS = ("owner", "publisher", "publish-only", "member", "none", "outcast")
ON_WHITELIST = frozenset({"owner", "publisher", "member"})
PUBLISHERS = frozenset({"owner", "publisher", "publish-only"})


class Relation(NamedTuple):
    """What somebody is to a node and its owners.

    `subscription`: none, pending or subscribed. `sees_presence`: an owner shows them its presence; then `groups` are
    those of the owners' rosters that they are in.
    """

    affiliation: str = "none"
    subscription: str = "none"
    sees_presence: bool = False
    groups: tuple[str, ...] = ()


def refusal_to_show_items(configuration: NodeConfiguration, relation: Relation) -> str | None:
    """Why somebody may not retrieve items, or be notified of them (6.5.1)."""
    refusal = _refusal(configuration, relation)
    if refusal is None and configuration.access_model == "authorize":
        is_approved = relation.affiliation in ON_WHITELIST or relation.subscription == "subscribed"
        return None if is_approved else "not-subscribed"
    return refusal


class Refusals(dict[Relation, str | None]):
    """`refusal_to_show_items` by relation, for many people, of whom most have the same relation to the node."""

    def __init__(self, configuration: NodeConfiguration) -> None:
        super().__init__()
        self._configuration = configuration

    def __missing__(self, relation: Relation) -> str | None:
        refusal = self[relation] = refusal_to_show_items(self._configuration, relation)
        return refusal


def is_for_strangers(configuration: NodeConfiguration, relation: Relation) -> bool:
    """True if somebody who does not see an account's presence may still know of this node of the account."""
    is_known = relation.subscription != "none" or relation.affiliation not in ("none", "outcast")
    return is_known or configuration.access_model == "open"


def refusal_to_subscribe(configuration: NodeConfiguration, relation: Relation) -> str | None:
    """Why somebody may not subscribe (6.1.3). If owners approve subscriptions, anybody may ask."""
    return _refusal(configuration, relation)


def needs_approval(configuration: NodeConfiguration, relation: Relation) -> bool:
    """True if a subscription has to be approved by an owner (6.1.4)."""
    return configuration.access_model == "authorize" and relation.affiliation not in ON_WHITELIST


def may_publish(configuration: NodeConfiguration, relation: Relation) -> bool:
    """True if somebody may publish (7.1): by affiliation, or by the node's publish model."""
    if relation.affiliation in PUBLISHERS:
        return True
    if relation.affiliation == "outcast":
        return False
    match configuration.publish_model:
        case "open":
            return True
        case "subscribers":
            return relation.subscription == "subscribed"
    return False


def _refusal(configuration: NodeConfiguration, relation: Relation) -> str | None:
    """What affiliation and access model say both of retrieving items and of subscribing."""
    if relation.affiliation in ("outcast", "publish-only"):
        return "forbidden"
    if relation.affiliation in ON_WHITELIST:
        return None
    match configuration.access_model:
        case "presence":
            return None if relation.sees_presence else "presence-subscription-required"
        case "roster":
            is_in_group = not set(configuration.roster_groups_allowed).isdisjoint(relation.groups)
            return None if is_in_group else "not-in-roster-group"
        case "whitelist":
            return "closed-node"
    return None
