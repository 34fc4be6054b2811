"""XMPP over WebSocket (RFC 7395): the handshake, frames, and a client's stream that they carry."""
