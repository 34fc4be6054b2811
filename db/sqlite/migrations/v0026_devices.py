"""The clients that have logged in to each account, as they describe themselves, and by what (XEP-0494)."""

STATEMENTS = (
    """CREATE TABLE device (
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        client TEXT NOT NULL,
        software TEXT NOT NULL,
        device TEXT NOT NULL,
        first_seen REAL NOT NULL,
        last_seen REAL NOT NULL,
        by_password INTEGER NOT NULL,
        by_certificate INTEGER NOT NULL,
        PRIMARY KEY (account, client)
    ) WITHOUT ROWID""",
    "CREATE INDEX device_by_time ON device (last_seen)",
)
