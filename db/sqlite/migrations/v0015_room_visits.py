"""Rooms: who of its people has been in one, and whether anything has been said there since."""

STATEMENTS = (
    """CREATE TABLE room_visit (
        room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        jid TEXT NOT NULL,
        nick TEXT NOT NULL,
        has_news INTEGER NOT NULL,
        PRIMARY KEY (room, jid)
    ) WITHOUT ROWID""",
)
