"""Tokens by which clients log in (XEP-0484): what each is worked out from, never the token itself."""

STATEMENTS = (
    """CREATE TABLE fast_token (
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        client TEXT NOT NULL,
        slot INTEGER NOT NULL,
        salt BLOB NOT NULL,
        issued REAL NOT NULL,
        expires REAL NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (account, client, slot)
    ) WITHOUT ROWID""",
    "CREATE INDEX fast_token_by_time ON fast_token (expires)",
)
