"""Accounts: an identity beside the name, which may be another's one day."""

STATEMENTS = (
    "ALTER TABLE account ADD COLUMN identity TEXT NOT NULL DEFAULT ''",
    "UPDATE account SET identity = lower(hex(randomblob(8)))",
)
