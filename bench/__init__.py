"""How fast xserv is, beside others: `make bench`, and docs/performance.md for what it measures and how."""
