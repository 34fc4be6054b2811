"""docs/federation.md has each text that people may be told of a server that was not found, or not reached."""

import ast
import re

from tests.harness.servers import ROOT

TEXT = (ROOT / "docs" / "federation.md").read_text(encoding="utf-8")
FILES = sorted((ROOT / "xmpp" / "federation" / "dns").glob("*.py"))
RAISED = ("NoSuchServer", "Unreachable")


def texts() -> set[str]:
    """What these errors are made with, up to what differs."""
    told = [
        node
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Return)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED)
    ]
    strings = [node.value for each in told for node in ast.walk(each) if isinstance(node, ast.Constant)]
    return {each for each in strings if isinstance(each, str) and " " in each}


def test_every_text_stands_in_the_table() -> None:
    found = texts()
    assert "its name has no address" in found
    told = re.findall(r"^\| ([^|]+) \| `remote", TEXT, re.MULTILINE)
    assert [text for text in sorted(found) if not any(text in each for each in told)] == []
