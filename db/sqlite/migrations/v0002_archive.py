"""The archive: what accounts have sent and received, as it came, and indexed; and what they want archived."""

# A message as both tables have it. `archive` has no cascade, see db/archive_deletion.py.
_MESSAGE = """
    archive INTEGER NOT NULL REFERENCES archive (number),
    uid TEXT NOT NULL,
    at INTEGER NOT NULL,
    contact TEXT NOT NULL,
    resource TEXT NOT NULL,
    is_sent INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    text TEXT NOT NULL,
    stanza BLOB NOT NULL
"""

STATEMENTS = (
    # AUTOINCREMENT: an archive that is still being deleted is never taken for another account's
    """CREATE TABLE archive (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT UNIQUE REFERENCES account (jid) ON DELETE SET NULL,
        by_default TEXT NOT NULL CHECK (by_default IN ('always', 'never', 'roster'))
    )""",
    """CREATE TABLE archive_rule (
        archive INTEGER NOT NULL REFERENCES archive (number) ON DELETE CASCADE,
        jid TEXT NOT NULL,
        is_archived INTEGER NOT NULL,
        PRIMARY KEY (archive, jid, is_archived)
    ) WITHOUT ROWID""",
    # The ids of all messages, never given again: those of archive_message were given here
    f"CREATE TABLE archive_incoming (id INTEGER PRIMARY KEY AUTOINCREMENT, {_MESSAGE})",
    f"CREATE TABLE archive_message (id INTEGER PRIMARY KEY, {_MESSAGE})",
    "CREATE INDEX archive_message_by_archive ON archive_message (archive)",
    "CREATE INDEX archive_message_by_contact ON archive_message (archive, contact)",
    "CREATE UNIQUE INDEX archive_message_by_uid ON archive_message (archive, uid)",
    # The archive's number is indexed like a word, so that a search meets the words of its own archive only
    """CREATE VIRTUAL TABLE archive_text USING fts5 (
        archive, text, content='archive_message', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER archive_text_insert AFTER INSERT ON archive_message WHEN new.text <> '' BEGIN
        INSERT INTO archive_text (rowid, archive, text) VALUES (new.id, new.archive, new.text);
    END""",
    """CREATE TRIGGER archive_text_delete AFTER DELETE ON archive_message WHEN old.text <> '' BEGIN
        INSERT INTO archive_text (archive_text, rowid, archive, text)
            VALUES ('delete', old.id, old.archive, old.text);
    END""",
    # A text is only ever taken away
    """CREATE TRIGGER archive_text_update AFTER UPDATE OF text ON archive_message WHEN old.text <> '' BEGIN
        INSERT INTO archive_text (archive_text, rowid, archive, text)
            VALUES ('delete', old.id, old.archive, old.text);
    END""",
)
