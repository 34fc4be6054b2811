"""Finding the servers of a domain (RFC 6120 section 3.2, XEP-0368)."""
