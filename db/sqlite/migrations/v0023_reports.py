"""What people have reported of others, for the administrators."""

STATEMENTS = (
    """
    CREATE TABLE abuse_report (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        at FLOAT NOT NULL,
        reported TEXT NOT NULL,
        reason TEXT NOT NULL,
        text TEXT NOT NULL,
        messages BLOB NOT NULL
    )
    """,
    "CREATE INDEX abuse_report_by_account ON abuse_report (account)",
)
