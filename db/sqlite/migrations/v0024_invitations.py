"""Invitations to make an account, to become somebody's contact, or to set another password; and groups of people who
are each other's contacts.

Of the token of an invitation there is only the SHA-256: who reads the file cannot use it.
"""

STATEMENTS = (
    """
    CREATE TABLE contact_group (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        domain TEXT NOT NULL,
        name TEXT NOT NULL,
        room TEXT NOT NULL,
        created FLOAT NOT NULL,
        UNIQUE (domain, name)
    )
    """,
    """
    CREATE TABLE contact_group_member (
        group_id INTEGER NOT NULL REFERENCES contact_group (id) ON DELETE CASCADE,
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        is_connected INTEGER NOT NULL,
        PRIMARY KEY (group_id, account)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX contact_group_member_by_account ON contact_group_member (account)",
    "CREATE INDEX contact_group_member_unconnected ON contact_group_member (group_id) WHERE is_connected = 0",
    """
    CREATE TABLE invitation (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        token_hash BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        domain TEXT NOT NULL,
        inviter TEXT REFERENCES account (jid) ON DELETE CASCADE,
        is_contact INTEGER NOT NULL,
        reserved TEXT,
        reserved_look TEXT,
        resets TEXT REFERENCES account (jid) ON DELETE CASCADE,
        group_id INTEGER REFERENCES contact_group (id) ON DELETE CASCADE,
        uses_left INTEGER NOT NULL,
        created FLOAT NOT NULL,
        expires FLOAT NOT NULL
    )
    """,
    "CREATE INDEX invitation_by_inviter ON invitation (inviter)",
    "CREATE INDEX invitation_by_reset ON invitation (resets)",
    "CREATE INDEX invitation_by_group ON invitation (group_id)",
    "CREATE INDEX invitation_by_look ON invitation (reserved_look, domain)",
    "CREATE INDEX invitation_by_time ON invitation (expires)",
)
