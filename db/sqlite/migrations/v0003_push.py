"""Push: whom the server tells that there is something for a device that is away; with the node at the app server."""

STATEMENTS = (
    """CREATE TABLE push_registration (
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        service TEXT NOT NULL,
        node TEXT NOT NULL,
        resource TEXT NOT NULL,
        options BLOB NOT NULL,
        PRIMARY KEY (account, service, node)
    )""",
)
