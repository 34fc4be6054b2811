"""Publish-subscribe: nodes of accounts and of the service, their items, and who has what to do with them."""

STATEMENTS = (
    # An account's nodes go with it; the service's belong to no account. Ids are never given again.
    """CREATE TABLE pubsub_node (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        host TEXT NOT NULL,
        name TEXT NOT NULL,
        account TEXT REFERENCES account (jid) ON DELETE CASCADE,
        creator TEXT NOT NULL,
        created REAL NOT NULL,
        configuration TEXT NOT NULL,
        items INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    )""",
    "CREATE UNIQUE INDEX pubsub_node_by_name ON pubsub_node (host, name)",
    "CREATE INDEX pubsub_node_by_account ON pubsub_node (account)",
    "CREATE INDEX pubsub_node_by_creator ON pubsub_node (host, creator)",
    # An item that is published again is the newest again
    """CREATE TABLE pubsub_item (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        node INTEGER NOT NULL REFERENCES pubsub_node (id) ON DELETE CASCADE,
        item_id TEXT NOT NULL,
        publisher TEXT NOT NULL,
        at REAL NOT NULL,
        payload BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX pubsub_item_by_id ON pubsub_item (node, item_id)",
    "CREATE INDEX pubsub_item_by_sequence ON pubsub_item (node, sequence)",
    # What a node holds is bounded, and to count it for each item would cost more the more there is
    """CREATE TRIGGER pubsub_item_insert AFTER INSERT ON pubsub_item BEGIN
        UPDATE pubsub_node SET items = items + 1, bytes = bytes + length(new.payload) WHERE id = new.node;
    END""",
    """CREATE TRIGGER pubsub_item_delete AFTER DELETE ON pubsub_item BEGIN
        UPDATE pubsub_node SET items = items - 1, bytes = bytes - length(old.payload) WHERE id = old.node;
    END""",
    """CREATE TABLE pubsub_affiliation (
        node INTEGER NOT NULL REFERENCES pubsub_node (id) ON DELETE CASCADE,
        jid TEXT NOT NULL,
        affiliation TEXT NOT NULL,
        PRIMARY KEY (node, jid)
    )""",
    "CREATE INDEX pubsub_affiliation_by_jid ON pubsub_affiliation (jid)",
    """CREATE TABLE pubsub_subscription (
        node INTEGER NOT NULL REFERENCES pubsub_node (id) ON DELETE CASCADE,
        jid TEXT NOT NULL,
        subscriber TEXT NOT NULL,
        state TEXT NOT NULL,
        options TEXT NOT NULL,
        PRIMARY KEY (node, jid)
    )""",
    "CREATE INDEX pubsub_subscription_by_subscriber ON pubsub_subscription (subscriber)",
)
