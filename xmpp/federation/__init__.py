"""Streams with other servers (RFC 6120, RFC 6121): what our people send to other domains, and what comes from there."""
