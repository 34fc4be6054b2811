"""Rooms (XEP-0045): what is kept of each, and what people are in it. Its archive is one as those of accounts."""

STATEMENTS = (
    """CREATE TABLE room (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        jid TEXT NOT NULL UNIQUE,
        creator TEXT NOT NULL,
        created REAL NOT NULL,
        configuration TEXT NOT NULL,
        is_public INTEGER NOT NULL,
        secret BLOB NOT NULL,
        subject TEXT NOT NULL,
        subject_nick TEXT NOT NULL,
        subject_at REAL NOT NULL
    )""",
    "CREATE INDEX room_by_creator ON room (creator)",
    "CREATE INDEX room_public ON room (substr(jid, instr(jid, '@') + 1), jid) WHERE is_public",
    """CREATE TABLE room_affiliation (
        room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        jid TEXT NOT NULL,
        affiliation TEXT NOT NULL,
        nick TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (room, jid)
    ) WITHOUT ROWID""",
    "CREATE INDEX room_affiliation_by_jid ON room_affiliation (jid)",
    """CREATE TABLE room_tombstone (
        jid TEXT PRIMARY KEY,
        until REAL NOT NULL,
        venue TEXT NOT NULL,
        reason TEXT NOT NULL
    ) WITHOUT ROWID""",
    # An archive is that of an account, or of a room, or what is left of one, which is deleted bit by bit
    "ALTER TABLE archive ADD COLUMN room INTEGER REFERENCES room (id) ON DELETE SET NULL",
    "CREATE UNIQUE INDEX archive_by_room ON archive (room)",
    "CREATE INDEX archive_left ON archive (number) WHERE account IS NULL AND room IS NULL",
)
