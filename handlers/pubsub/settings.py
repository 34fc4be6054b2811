"""The settings of publish-subscribe."""

from dataclasses import dataclass

from xmpp.config.configuration import setting


@dataclass(frozen=True)
class PubSubSettings:
    """Publish-subscribe: nodes that accounts keep, and the service at pubsub.DOMAIN."""

    creators: str = setting("accounts", "Who may create nodes on the service: `accounts` are those of the domain. For "
                            "accounts' own nodes it is they.",
                            choices=("nobody", "accounts", "everybody"), by_domain=True)  # fmt: skip
    max_nodes: int = setting(1_000, "The most nodes that one account has, and that one address makes on the service.",
                             minimum=1, maximum=1_000_000)  # fmt: skip
    max_items: int = setting(10_000, "The most items that one node keeps.", minimum=1, maximum=10_000_000)
    max_item_bytes: int = setting(131_072, "The longest payload of an item.",
                                  minimum=1_000, maximum=10_000_000,
                                  at_most=("max_bytes", "streams.stanza_bytes"))  # fmt: skip
    max_bytes: int = setting(20_000_000, "How much is kept for one account: nodes of its own, and those that it has "
                             "made on the service, with titles, items, affiliations and all, and its subscriptions. "
                             "What others may keep there leaves it half of that.",
                             minimum=10_000, maximum=1_000_000_000_000, at_most="max_bytes_in_all")  # fmt: skip
    max_bytes_in_all: int = setting(10_000_000_000, "How much of that is kept for all accounts together.",
                                    minimum=10_000, maximum=1_000_000_000_000_000)  # fmt: skip
    max_subscriptions: int = setting(1_000, "The most subscriptions that one address has at one account, or on the "
                                     "service.", minimum=1, maximum=1_000_000)  # fmt: skip
    max_subscribers: int = setting(10_000, "The most subscriptions to one node.", minimum=1, maximum=1_000_000)
    max_affiliations: int = setting(1_000, "The most addresses that are something to one node.",
                                    minimum=1, maximum=1_000_000)  # fmt: skip
    page_items: int = setting(100, "How many items are sent at a time, if no other number is asked for.",
                              minimum=1, maximum=10_000, at_most="max_page_items")  # fmt: skip
    max_page_items: int = setting(500, "The most items that are sent at a time.", minimum=1, maximum=10_000)
