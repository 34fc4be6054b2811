"""Who has set the subject of a room, by the id of that occupant: who enters is told it with the subject (XEP-0421)."""

STATEMENTS = ("ALTER TABLE room ADD COLUMN subject_by TEXT NOT NULL DEFAULT ''",)
