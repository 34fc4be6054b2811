"""The archive: one table for all messages, in which they stay, and one index for all that they are looked for by.

An index of SQLite's writes a page for each account that a batch has messages of. FTS5 writes what a batch adds in one
piece and merges the pieces later. So the archive's number and the contact are words, too, which no text has.
"""

STATEMENTS = (
    "DROP TRIGGER archive_text_insert",
    "DROP TRIGGER archive_text_delete",
    "DROP TRIGGER archive_text_update",
    "DROP TABLE archive_text",
    # AUTOINCREMENT: ids are never given again. No foreign key: what deletes an archive would look at all messages
    """CREATE TABLE archive_message_new (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        archive INTEGER NOT NULL,
        uid TEXT NOT NULL,
        at INTEGER NOT NULL,
        contact TEXT NOT NULL,
        resource TEXT NOT NULL,
        is_sent INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        text TEXT NOT NULL,
        stanza BLOB NOT NULL
    )""",
    """INSERT INTO sqlite_sequence (name, seq)
        SELECT 'archive_message_new', seq FROM sqlite_sequence WHERE name = 'archive_incoming'""",
    "INSERT INTO archive_message_new SELECT * FROM archive_message",
    "INSERT INTO archive_message_new SELECT * FROM archive_incoming",
    "DROP TABLE archive_message",
    "DROP TABLE archive_incoming",
    "ALTER TABLE archive_message_new RENAME TO archive_message",
    # A uid begins with its time: what is added comes to the end of the index
    "CREATE UNIQUE INDEX archive_message_by_uid ON archive_message (uid, archive)",
    """CREATE VIEW archive_words AS
        SELECT id, 'archive' || archive AS archive, hex(archive || ' ' || contact) AS contact, text
        FROM archive_message""",
    """CREATE VIRTUAL TABLE archive_text USING fts5 (
        archive, contact, text, content='archive_words', content_rowid='id', columnsize=0,
        tokenize='unicode61 remove_diacritics 2'
    )""",
    "INSERT INTO archive_text (archive_text) VALUES ('rebuild')",
    # Pieces are merged a little with each batch, not many in the middle of one; see db/archive.py
    "INSERT INTO archive_text (archive_text, rank) VALUES ('automerge', 0)",
    "INSERT INTO archive_text (archive_text, rank) VALUES ('crisismerge', 256)",
    "INSERT INTO archive_text (archive_text, rank) VALUES ('usermerge', 8)",
    "CREATE TABLE archive_indexed (up_to INTEGER NOT NULL)",
    "INSERT INTO archive_indexed SELECT coalesce(max(id), 0) FROM archive_message",
    """CREATE TRIGGER archive_text_delete BEFORE DELETE ON archive_message
        WHEN old.id <= (SELECT up_to FROM archive_indexed) BEGIN
        INSERT INTO archive_text (archive_text, rowid, archive, contact, text)
            SELECT 'delete', id, archive, contact, text FROM archive_words WHERE id = old.id;
    END""",
    # Only texts are ever changed
    """CREATE TRIGGER archive_text_before BEFORE UPDATE OF text ON archive_message
        WHEN old.id <= (SELECT up_to FROM archive_indexed) BEGIN
        INSERT INTO archive_text (archive_text, rowid, archive, contact, text)
            SELECT 'delete', id, archive, contact, text FROM archive_words WHERE id = old.id;
    END""",
    """CREATE TRIGGER archive_text_after AFTER UPDATE OF text ON archive_message
        WHEN old.id <= (SELECT up_to FROM archive_indexed) BEGIN
        INSERT INTO archive_text (rowid, archive, contact, text)
            SELECT id, archive, contact, text FROM archive_words WHERE id = old.id;
    END""",
)
