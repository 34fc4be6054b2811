"""Removal: an account's nodes leave it at once, and are deleted bit by bit, as its archive is.

No address is `-`, so nobody can ask for a node there, least of all the next account of that name.
"""

STATEMENTS = (
    """CREATE TRIGGER pubsub_node_left BEFORE DELETE ON account BEGIN
        UPDATE pubsub_node SET host = '-', name = id, account = NULL WHERE account = old.jid;
    END""",
)
