"""Whom elsewhere an account has written to, who are not its contacts; and whether it wants to hear of strangers."""

STATEMENTS = (
    """
    CREATE TABLE acquaintance (
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        contact TEXT NOT NULL,
        at FLOAT NOT NULL,
        PRIMARY KEY (account, contact)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE stranger_rule (
        account TEXT NOT NULL PRIMARY KEY REFERENCES account (jid) ON DELETE CASCADE,
        rule TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)
