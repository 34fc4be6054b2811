"""What rooms look like: their vCards (XEP-0054, XEP-0486); and the hats that their people wear (XEP-0317)."""

STATEMENTS = (
    """CREATE TABLE room_vcard (
        room INTEGER PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
        xml BLOB NOT NULL,
        photo_hashes TEXT NOT NULL
    )""",
    # The ids of both are their order: that of the hats in the list, and that in which somebody was given them
    """CREATE TABLE room_hat (
        id INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
        uri TEXT NOT NULL,
        title TEXT NOT NULL,
        hue TEXT NOT NULL,
        UNIQUE (room, uri)
    )""",
    """CREATE TABLE room_hat_worn (
        id INTEGER PRIMARY KEY,
        room INTEGER NOT NULL,
        jid TEXT NOT NULL,
        uri TEXT NOT NULL,
        UNIQUE (room, jid, uri),
        FOREIGN KEY (room, uri) REFERENCES room_hat (room, uri) ON DELETE CASCADE
    )""",
    "CREATE INDEX room_hat_worn_by_uri ON room_hat_worn (room, uri)",
    "CREATE INDEX room_hat_worn_by_jid ON room_hat_worn (jid)",
)
