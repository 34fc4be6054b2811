"""What a domain says to each of its accounts once, and which account was told what."""

STATEMENTS = (
    """
    CREATE TABLE greeting (
        domain TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        text TEXT NOT NULL,
        since FLOAT NOT NULL,
        PRIMARY KEY (domain, kind)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE greeting_told (
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        PRIMARY KEY (account, kind)
    ) WITHOUT ROWID
    """,
)
