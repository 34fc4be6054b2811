"""The last changes of who is what in each room, for clients that know the list as it was (XEP-0463)."""

STATEMENTS = (
    """CREATE TABLE room_change (
        room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        jid TEXT NOT NULL,
        was TEXT NOT NULL,
        became TEXT NOT NULL,
        PRIMARY KEY (room, version)
    ) WITHOUT ROWID""",
)
