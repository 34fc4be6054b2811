"""Imports point down only: the house of docs/architecture.md holds."""

import ast
from pathlib import Path

import pytest

from tests.harness.servers import ROOT

PARTS = ("xmpp", "handlers", "db", "web")
FILES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))

# What each part may import of the project's own.
MAY_IMPORT = {
    "xmpp": ("xmpp",),
    "handlers": ("xmpp", "handlers", "db"),
    "db": ("db", "xmpp.jid"),
    "web": ("xmpp", "web"),
}
# Handlers see stanzas, sessions and features, and no stream or socket.
HANDLERS_NEVER = ("xmpp.stream", "socket", "ssl", "gevent.socket", "web")
# The engine's own layers: a server is handed its listeners, and routing does not know how stanzas come in.
WITHOUT_STREAMS = [
    ROOT / "xmpp" / "server.py",
    *(path for path in FILES if path.parent in (ROOT / "xmpp" / "routing", ROOT / "db")),
]
# Nothing dials out, starts programs, or takes chance from where it can be guessed.
NOBODY_EVER = ("urllib", "http", "requests", "asyncio", "subprocess", "ftplib", "smtplib", "random", "uuid")
# What works on data alone, so that tables can test it.
WITHOUT_GEVENT = (
    "xmpp/jid.py",
    "xmpp/stanza.py",
    "xmpp/wire.py",
    "xmpp/errors.py",
    "xmpp/dataforms.py",
    "xmpp/resultsets.py",
    "xmpp/stream/xmlfeed.py",
    "xmpp/stream/nameguard.py",
    "xmpp/stream/negotiation.py",
    "xmpp/stream/framing.py",
    "xmpp/stream/records.py",
    "xmpp/tickets.py",
    "xmpp/settings.py",
    "xmpp/routing/feature.py",
    "xmpp/routing/delivery.py",
    "xmpp/routing/tables.py",
    "handlers/caps_hashes.py",
    "handlers/subscription_states.py",
)


def imports_of(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def is_within(module: str, parts: tuple[str, ...]) -> bool:
    return any(module == part or module.startswith(part + ".") for part in parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_only(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0]
    own = [module for module in imports_of(path) if is_within(module, (*PARTS, "xserv", "assembly", "tests"))]
    upward = [module for module in own if not is_within(module, MAY_IMPORT[part])]
    upward = [module for module in upward if not (part == "db" and module == "xmpp")]
    assert not upward


@pytest.mark.parametrize("path", [p for p in FILES if "handlers" in p.parts], ids=lambda path: path.stem)
def test_handlers_never_see_a_stream_or_a_socket(path: Path) -> None:
    assert not [module for module in imports_of(path) if is_within(module, HANDLERS_NEVER)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_goes_out_and_nothing_is_guessable(path: Path) -> None:
    assert not [module for module in imports_of(path) if is_within(module, NOBODY_EVER)]


@pytest.mark.parametrize("path", WITHOUT_STREAMS, ids=lambda path: path.stem)
def test_servers_and_routing_know_no_stream(path: Path) -> None:
    assert not [module for module in imports_of(path) if is_within(module, ("xmpp.stream",))]


@pytest.mark.parametrize("path", [p for p in FILES if "handlers" in p.parts], ids=lambda path: path.stem)
def test_handlers_leave_each_others_private_names_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    others = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("handlers", "db")
        for alias in node.names
    }
    used = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in others
        if node.attr.startswith("_")
    ]
    assert not used


@pytest.mark.parametrize("name", WITHOUT_GEVENT)
def test_what_works_on_data_does_not_import_gevent(name: str) -> None:
    assert not [module for module in imports_of(ROOT / name) if is_within(module, ("gevent", "socket", "ssl"))]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.stem)
def test_no_test_imports_another(path: Path) -> None:
    tests = [module for module in imports_of(path) if module.rpartition(".")[2].startswith("test_")]
    assert not tests, "what tests share stands in tests/harness/"
