"""What is done bit by bit: a removed account's nodes are deleted, and what the archives hold is counted, in bytes."""

STATEMENTS = (
    # They leave the account at once. No address is `-`, so nobody can ask for a node there, least of all the next
    # account of that name.
    """CREATE TRIGGER pubsub_node_left BEFORE DELETE ON account BEGIN
        UPDATE pubsub_node SET host = '-', name = id, account = NULL WHERE account = old.jid;
    END""",
    "ALTER TABLE archive ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0",
    # Up to which message; what is there already is counted later, too
    "CREATE TABLE archive_counted (up_to INTEGER NOT NULL)",
    "INSERT INTO archive_counted VALUES (0)",
    """CREATE TRIGGER archive_counted_delete AFTER DELETE ON archive_message
        WHEN old.id <= (SELECT up_to FROM archive_counted) BEGIN
        UPDATE archive SET bytes = bytes - length(old.stanza) WHERE number = old.archive;
    END""",
    """CREATE TRIGGER archive_counted_update AFTER UPDATE OF stanza ON archive_message
        WHEN old.id <= (SELECT up_to FROM archive_counted) BEGIN
        UPDATE archive SET bytes = bytes + length(new.stanza) - length(old.stanza) WHERE number = old.archive;
    END""",
)
