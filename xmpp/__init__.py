"""The engine: streams, addresses, stanzas, routing. It knows no feature and no table."""

__version__ = "0.1.0"
