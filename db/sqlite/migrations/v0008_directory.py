"""The directory (XEP-0055): what people can be found by. It is read from vCards when somebody searches."""

STATEMENTS = (
    """CREATE TABLE directory_entry (
        account TEXT NOT NULL REFERENCES account (jid) ON DELETE CASCADE,
        given TEXT NOT NULL,
        family TEXT NOT NULL,
        nick TEXT NOT NULL,
        email TEXT NOT NULL,
        PRIMARY KEY (account)
    ) WITHOUT ROWID""",
    # Another vCard is read anew; whoever writes it need not know of the directory
    """CREATE TRIGGER directory_entry_of_new_vcard AFTER INSERT ON vcard BEGIN
        DELETE FROM directory_entry WHERE account = new.account;
    END""",
    """CREATE TRIGGER directory_entry_of_changed_vcard AFTER UPDATE ON vcard BEGIN
        DELETE FROM directory_entry WHERE account = new.account;
    END""",
    """CREATE TRIGGER directory_entry_of_no_vcard AFTER DELETE ON vcard BEGIN
        DELETE FROM directory_entry WHERE account = old.account;
    END""",
)
