"""What the service for files announces, and what files can be for (XEP-0363)."""

UPLOAD = "urn:xmpp:http:upload:0"
PURPOSES = "urn:xmpp:http:upload:purpose:0"
MESSAGE, PROFILE, EPHEMERAL, PERMANENT = "message", "profile", "ephemeral", "permanent"
EVERY_PURPOSE = (MESSAGE, PROFILE, EPHEMERAL, PERMANENT)
MAX_FILE_SIZE = "max-file-size"
