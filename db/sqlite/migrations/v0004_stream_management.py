"""Stream management: how many stanzas a stream had handled that is over, so that its client knows what to repeat."""

STATEMENTS = (
    """CREATE TABLE ended_stream (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        stream TEXT NOT NULL,
        handled INTEGER NOT NULL,
        until REAL NOT NULL
    )""",
    "CREATE INDEX ended_stream_by_account ON ended_stream (account, id)",
    "CREATE INDEX ended_stream_by_until ON ended_stream (until)",
)
