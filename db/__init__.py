"""What the server keeps, in one SQLite file: one module per subject, each with its models and functions."""
