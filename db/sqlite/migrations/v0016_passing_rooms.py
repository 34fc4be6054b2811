"""Rooms that are not to stay when nobody is in them: what is left of them by a server that was ended is found."""

STATEMENTS = (
    """CREATE TABLE room_passing (
        room INTEGER PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
        is_locked INTEGER NOT NULL
    )""",
    """INSERT INTO room_passing (room, is_locked)
        SELECT id, 0 FROM room WHERE NOT json_extract(configuration, '$.persistentroom')""",
)
