"""Nodes: owners who have agreed, items that have moved to a new place since they came, and what is kept for whom.

Until now nobody was asked to be an owner, so that only those have agreed who made the node.
"""

# What a row takes beside its text: its other columns, and its places in indexes.
NODE, ITEM, AFFILIATION, SUBSCRIPTION = 500, 100, 100, 150


def _octets(*columns: str) -> str:
    return " + ".join(f"length(CAST({column} AS BLOB))" for column in columns)


def _node(row: str) -> str:
    return f"{NODE} + " + _octets(f"{row}.name", f"{row}.configuration")


def _item(row: str) -> str:
    return f"{ITEM} + length({row}.payload) + " + _octets(f"{row}.item_id", f"{row}.publisher")


def _affiliation(row: str) -> str:
    return f"{AFFILIATION} + " + _octets(f"{row}.jid")


def _subscription(row: str) -> str:
    return f"{SUBSCRIPTION} + " + _octets(f"{row}.jid")


def _begin(jid: str) -> str:
    """There is something to count for somebody, and so for all together."""
    return f"INSERT INTO pubsub_usage VALUES ({jid}, 0), ('', 0) ON CONFLICT (jid) DO NOTHING;"


def _charge(jid: str, bytes: str) -> str:
    """More, or less, is kept."""
    return f"""UPDATE pubsub_usage SET bytes = bytes + {bytes} WHERE jid = {jid};
        UPDATE pubsub_usage SET bytes = bytes + {bytes} WHERE jid = '';"""


def _end(jid: str) -> str:
    """Whoever has nothing left is not counted any more."""
    return f"DELETE FROM pubsub_usage WHERE jid = {jid} AND bytes = 0;"


# What is there already; a node counts for who made it, a subscription for who is subscribed.
COUNTING = (
    f"""UPDATE pubsub_node SET bytes = {_node("pubsub_node")}
        + (SELECT ifnull(sum({_item("pubsub_item")}), 0) FROM pubsub_item WHERE node = pubsub_node.id)
        + (SELECT ifnull(sum({_affiliation("pubsub_affiliation")}), 0) FROM pubsub_affiliation
            WHERE node = pubsub_node.id)""",
    f"""INSERT INTO pubsub_usage
        SELECT jid, sum(bytes) FROM (
            SELECT creator AS jid, bytes FROM pubsub_node
            UNION ALL SELECT subscriber, {_subscription("pubsub_subscription")} FROM pubsub_subscription
        ) GROUP BY jid
        UNION ALL SELECT '', (SELECT ifnull(sum(bytes), 0) FROM pubsub_node)
            + (SELECT ifnull(sum({_subscription("pubsub_subscription")}), 0) FROM pubsub_subscription)""",
)

STATEMENTS = (
    "ALTER TABLE pubsub_affiliation ADD COLUMN has_agreed INTEGER NOT NULL DEFAULT 0",
    """UPDATE pubsub_affiliation SET has_agreed = 1
        WHERE affiliation = 'owner' AND jid = (SELECT creator FROM pubsub_node WHERE id = node)""",
    "ALTER TABLE pubsub_item ADD COLUMN has_moved INTEGER NOT NULL DEFAULT 0",
    # To look for those of somebody to one node took as long as to read all of the node
    "DROP INDEX pubsub_subscription_by_subscriber",
    "CREATE INDEX pubsub_subscription_by_subscriber ON pubsub_subscription (subscriber, node, jid)",
    # By bare address, and under no name for all together
    """CREATE TABLE pubsub_usage (
        jid TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (jid)
    ) WITHOUT ROWID""",
    "DROP TRIGGER pubsub_item_insert",
    "DROP TRIGGER pubsub_item_delete",
    *COUNTING,
    f"""CREATE TRIGGER pubsub_node_insert AFTER INSERT ON pubsub_node BEGIN
        {_begin("new.creator")}
        UPDATE pubsub_node SET bytes = {_node("new")} WHERE id = new.id;
    END""",
    f"""CREATE TRIGGER pubsub_node_configure AFTER UPDATE OF configuration ON pubsub_node BEGIN
        UPDATE pubsub_node SET bytes = bytes + {_octets("new.configuration")} - {_octets("old.configuration")}
            WHERE id = new.id;
    END""",
    f"""CREATE TRIGGER pubsub_node_bytes AFTER UPDATE OF bytes ON pubsub_node BEGIN
        {_charge("new.creator", "new.bytes - old.bytes")}
    END""",
    f"""CREATE TRIGGER pubsub_node_delete AFTER DELETE ON pubsub_node BEGIN
        {_charge("old.creator", "-old.bytes")}
        {_end("old.creator")}
    END""",
    f"""CREATE TRIGGER pubsub_item_insert AFTER INSERT ON pubsub_item BEGIN
        UPDATE pubsub_node SET items = items + 1, bytes = bytes + {_item("new")} WHERE id = new.node;
    END""",
    f"""CREATE TRIGGER pubsub_item_delete AFTER DELETE ON pubsub_item BEGIN
        UPDATE pubsub_node SET items = items - 1, bytes = bytes - ({_item("old")}) WHERE id = old.node;
    END""",
    f"""CREATE TRIGGER pubsub_affiliation_insert AFTER INSERT ON pubsub_affiliation BEGIN
        UPDATE pubsub_node SET bytes = bytes + {_affiliation("new")} WHERE id = new.node;
    END""",
    f"""CREATE TRIGGER pubsub_affiliation_delete AFTER DELETE ON pubsub_affiliation BEGIN
        UPDATE pubsub_node SET bytes = bytes - ({_affiliation("old")}) WHERE id = old.node;
    END""",
    f"""CREATE TRIGGER pubsub_subscription_insert AFTER INSERT ON pubsub_subscription BEGIN
        {_begin("new.subscriber")}
        {_charge("new.subscriber", _subscription("new"))}
    END""",
    f"""CREATE TRIGGER pubsub_subscription_delete AFTER DELETE ON pubsub_subscription BEGIN
        {_charge("old.subscriber", f"-({_subscription('old')})")}
        {_end("old.subscriber")}
    END""",
)
