"""Owners of nodes who have agreed to be it: until now nobody was asked, so that only those have who made the node."""

STATEMENTS = (
    "ALTER TABLE pubsub_affiliation ADD COLUMN has_agreed INTEGER NOT NULL DEFAULT 0",
    """UPDATE pubsub_affiliation SET has_agreed = 1
        WHERE affiliation = 'owner' AND jid = (SELECT creator FROM pubsub_node WHERE id = node)""",
)
