"""XMPP over BOSH (XEP-0124, XEP-0206): a stream that is carried by a sequence of HTTP requests."""
