"""Files that people have uploaded (XEP-0363): whose they are, and how long they are kept. The bytes lie elsewhere.

The owner is a row of its own, so that the files of an account that is removed are found, and deleted, bit by bit.
"""

STATEMENTS = (
    """CREATE TABLE upload_owner (
        number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        account TEXT UNIQUE REFERENCES account (jid) ON DELETE SET NULL
    )""",
    """CREATE TABLE upload (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        slot TEXT NOT NULL UNIQUE,
        owner INTEGER NOT NULL REFERENCES upload_owner (number),
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        state TEXT NOT NULL,
        created REAL NOT NULL,
        stored REAL,
        expires REAL,
        due REAL
    )""",
    "CREATE INDEX upload_by_owner ON upload (owner, created, state, purpose, size)",
    "CREATE INDEX upload_by_time ON upload (due) WHERE due IS NOT NULL",
    "CREATE INDEX upload_by_state ON upload (state, size)",
    "CREATE INDEX upload_owner_that_is_gone ON upload_owner (number) WHERE account IS NULL",
)
