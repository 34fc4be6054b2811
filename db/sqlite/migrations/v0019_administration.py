"""What administrators keep of accounts: roles, and who may not log in. It belongs to the account, and goes with it."""

_ACCOUNT = "account TEXT NOT NULL PRIMARY KEY REFERENCES account (jid) ON DELETE CASCADE"

STATEMENTS = (
    f"CREATE TABLE account_role ({_ACCOUNT}, role TEXT NOT NULL) WITHOUT ROWID",
    f"CREATE TABLE account_suspension ({_ACCOUNT}, disabled_at REAL, remove_at REAL) WITHOUT ROWID",
    """CREATE INDEX account_suspension_by_time ON account_suspension (remove_at)
        WHERE remove_at IS NOT NULL""",
)
