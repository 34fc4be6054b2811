"""Builds dist/xserv.pyz as shiv does, with its options, but with start.py in place of shiv's own start."""

from pathlib import Path

from shiv import builder, cli

START = (Path(__file__).parent / "start.py").read_text(encoding="utf-8")

builder.MAIN_TEMPLATE = START.replace("{", "{{").replace("}", "}}")
cli.main()
