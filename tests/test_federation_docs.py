"""docs/federation.md has each text that people may be told where another server is found, and cannot be talked to."""

import ast
from collections.abc import Iterator

from tests.harness.servers import ROOT

TEXT = (ROOT / "docs" / "federation.md").read_text(encoding="utf-8")
FOLDER = ROOT / "xmpp" / "federation"
FILES = ("broken.py", "certificates.py", "federation.py", "link.py", "outgoing.py")
TELLING = {"timeout", "not_found", "not_us", "CertificateRejected"}
TO_OTHER_SERVERS = "the authoritative server"  # begins what only those are told that have shown a key


def beginning(text: ast.expr) -> str:
    """Of a text, what does not differ."""
    if isinstance(text, ast.JoinedStr):
        text = text.values[0]
    return str(text.value).rstrip(": ") if isinstance(text, ast.Constant) else ""


def texts() -> Iterator[str]:
    for file in FILES:
        for node in ast.walk(ast.parse((FOLDER / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TELLING:
                in_public = [each.value for each in node.keywords if each.arg == "in_public"]
                yield beginning((in_public or node.args)[0])


def test_every_text_stands_in_the_tables() -> None:
    found = {each for each in texts() if " " in each and not each.startswith(TO_OTHER_SERVERS)}
    assert {"has expired, on", "its server offers no encryption", "its server closed the connection"} <= found
    assert [each for each in sorted(found) if each not in TEXT] == []
