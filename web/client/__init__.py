"""A client in the browser: Converse.js, unchanged, with what it has to know of this server."""
