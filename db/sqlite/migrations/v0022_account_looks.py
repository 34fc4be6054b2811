"""What the name of each account looks like (UTS #39), so that a name that could be taken for it is found by an index.

`look` is a function that is lent to SQLite while steps run.
"""

STATEMENTS = (
    "ALTER TABLE account ADD COLUMN looks_like TEXT NOT NULL DEFAULT ''",
    "UPDATE account SET looks_like = look(substr(jid, 1, instr(jid, '@') - 1))",
    "CREATE INDEX account_looks_like ON account (looks_like, domain)",
)
