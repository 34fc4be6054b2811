"""Owners who have agreed to be it, and items that have moved to a new place since they came.

Until now nobody was asked to be an owner, so that only those have agreed who made the node.
"""

STATEMENTS = (
    "ALTER TABLE pubsub_affiliation ADD COLUMN has_agreed INTEGER NOT NULL DEFAULT 0",
    """UPDATE pubsub_affiliation SET has_agreed = 1
        WHERE affiliation = 'owner' AND jid = (SELECT creator FROM pubsub_node WHERE id = node)""",
    "ALTER TABLE pubsub_item ADD COLUMN has_moved INTEGER NOT NULL DEFAULT 0",
)
