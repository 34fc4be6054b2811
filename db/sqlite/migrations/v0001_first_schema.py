"""Accounts, and what each account keeps; all of it goes when the account goes."""

_ACCOUNT = "account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE"

STATEMENTS = (
    "CREATE TABLE secret (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE account (
        jid TEXT NOT NULL PRIMARY KEY,
        domain TEXT NOT NULL,
        created REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX account_by_domain ON account (domain)",
    f"""CREATE TABLE credential (
        {_ACCOUNT},
        hash TEXT NOT NULL,
        salt BLOB NOT NULL,
        iterations INTEGER NOT NULL,
        stored_key BLOB NOT NULL,
        server_key BLOB NOT NULL,
        PRIMARY KEY (account, hash)
    ) WITHOUT ROWID""",
    f"""CREATE TABLE roster_version (
        {_ACCOUNT},
        version TEXT NOT NULL,
        PRIMARY KEY (account)
    ) WITHOUT ROWID""",
    f"""CREATE TABLE roster_item (
        {_ACCOUNT},
        contact TEXT NOT NULL,
        name TEXT NOT NULL,
        groups TEXT NOT NULL,
        subscription TEXT NOT NULL CHECK (subscription IN ('none', 'to', 'from', 'both')),
        ask INTEGER NOT NULL,
        approved INTEGER NOT NULL,
        PRIMARY KEY (account, contact)
    ) WITHOUT ROWID""",
    f"""CREATE TABLE subscription_request (
        {_ACCOUNT},
        sender TEXT NOT NULL,
        at REAL NOT NULL,
        stanza BLOB NOT NULL,
        PRIMARY KEY (account, sender)
    )""",
    f"""CREATE TABLE blocked (
        {_ACCOUNT},
        pattern TEXT NOT NULL,
        PRIMARY KEY (account, pattern)
    ) WITHOUT ROWID""",
    # AUTOINCREMENT: an id is not given again, so "all up to this one" never means a message that came later
    f"""CREATE TABLE offline_message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        {_ACCOUNT},
        at REAL NOT NULL,
        stanza BLOB NOT NULL
    )""",
    "CREATE INDEX offline_message_by_account ON offline_message (account, id)",
    f"""CREATE TABLE private_xml (
        {_ACCOUNT},
        element TEXT NOT NULL,
        xml BLOB NOT NULL,
        PRIMARY KEY (account, element)
    )""",
    f"""CREATE TABLE vcard (
        {_ACCOUNT},
        xml BLOB NOT NULL,
        photo_hash TEXT NOT NULL,
        PRIMARY KEY (account)
    )""",
    f"""CREATE TABLE last_activity (
        {_ACCOUNT},
        at REAL NOT NULL,
        status TEXT NOT NULL,
        PRIMARY KEY (account)
    ) WITHOUT ROWID""",
)
