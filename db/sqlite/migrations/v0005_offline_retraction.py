"""Offline: who sent a message and the id it was given, by which it can be taken back while it waits."""

STATEMENTS = (
    "ALTER TABLE offline_message ADD COLUMN sender TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE offline_message ADD COLUMN message_id TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX offline_message_by_message_id ON offline_message (account, sender, message_id)",
)
