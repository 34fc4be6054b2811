"""Which accounts are those of guests: they are removed when their session ends, and at the start if one was left."""

STATEMENTS = (
    "CREATE TABLE guest (account TEXT NOT NULL PRIMARY KEY REFERENCES account (jid) ON DELETE CASCADE) WITHOUT ROWID",
)
