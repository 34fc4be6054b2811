"""Imports point down only: the house of docs/architecture.md holds."""

import ast
from pathlib import Path

import pytest

from tests.harness.servers import ROOT

PARTS = ("cli", "handlers", "db", "xmpp", "web")
FILES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))

# What a folder, or a file that stands beside folders, may import of the project's own; the closest rule counts.
MAY_IMPORT = {
    "cli": ("cli", "assembly", "handlers", "db", "xmpp"),
    "handlers": ("handlers", "db", "xmpp.control", "xmpp.routing", "xmpp.running", "xmpp.config",
                 "xmpp.data", "xmpp.__version__"),
    "db": ("db", "xmpp.data"),
    "db/sqlite": ("db.sqlite", "xmpp.running.handling", "xmpp.running.tickets", "xmpp.running.durations"),
    "db/sqlite/migrations": ("db.sqlite", "xmpp.data.confusables"),
    "xmpp/config_review.py": ("xmpp",),
    "xmpp/control.py": ("xmpp.running",),
    "xmpp/federation": ("xmpp.federation", "xmpp.stream", "xmpp.server", "xmpp.routing", "xmpp.running", "xmpp.config",
                        "xmpp.data"),
    "xmpp/federation/dns": ("xmpp.federation.dns", "xmpp.running", "xmpp.config", "xmpp.data"),
    "xmpp/components": ("xmpp.components", "xmpp.stream", "xmpp.server", "xmpp.routing", "xmpp.running", "xmpp.config",
                        "xmpp.data"),
    "xmpp/stream": ("xmpp.stream", "xmpp.server", "xmpp.routing", "xmpp.running", "xmpp.config", "xmpp.data"),
    "xmpp/stream/tls": ("xmpp.stream.tls", "xmpp.stream.pace", "xmpp.config", "xmpp.data"),
    "xmpp/stream/xml": ("xmpp.stream.xml", "xmpp.data"),
    "xmpp/server.py": ("xmpp.routing", "xmpp.running", "xmpp.config", "xmpp.data"),
    "xmpp/routing": ("xmpp.routing", "xmpp.running", "xmpp.config", "xmpp.data"),
    "xmpp/config": ("xmpp.config", "xmpp.data"),
    "xmpp/running": ("xmpp.running",),
    "xmpp/data": ("xmpp.data",),
    "xmpp": (),
    "web": ("web", "handlers", "db", "xmpp"),
    "web/http": ("web.http", "xmpp.stream", "xmpp.data", "xmpp.running"),
}  # fmt: skip
# Handlers see stanzas, sessions and features, and no stream or socket.
HANDLERS_NEVER = ("xmpp.stream", "socket", "ssl", "gevent.socket", "web")
# Nothing dials out, starts programs, or takes chance from where it can be guessed; and only xmpp/data/wire.py escapes
# text.
NOBODY_EVER = ("urllib", "http", "requests", "asyncio", "subprocess", "ftplib", "smtplib", "random", "uuid", "xml")
ONLY_TEXT = ("urllib.parse",)  # of these, what works on text alone
# What works on data alone, so that tables can test it.
WITHOUT_GEVENT = (
    "xmpp/data/jid.py",
    "xmpp/data/stanza.py",
    "xmpp/data/wire.py",
    "xmpp/data/errors.py",
    "xmpp/data/commands.py",
    "xmpp/data/dataforms.py",
    "xmpp/data/disco.py",
    "xmpp/data/kept.py",
    "xmpp/data/resultsets.py",
    "xmpp/stream/xml/xmlfeed.py",
    "xmpp/stream/xml/nameguard.py",
    "xmpp/stream/xml/elementfeed.py",
    "xmpp/stream/xml/bodyfeed.py",
    "xmpp/stream/negotiation.py",
    "xmpp/stream/framing.py",
    "xmpp/stream/tls/records.py",
    "xmpp/running/tickets.py",
    "xmpp/running/handling.py",
    "xmpp/config/settings.py",
    "xmpp/routing/feature.py",
    "xmpp/routing/delivery.py",
    "xmpp/routing/tables.py",
    "web/websocket/frames.py",
    "web/websocket/framing.py",
    "web/bosh/answers.py",
    "web/host_meta.py",
    "handlers/discovery/caps_hashes.py",
    "handlers/contacts/subscription_states.py",
)


def imports_of(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def is_within(module: str, parts: tuple[str, ...]) -> bool:
    return any(module == part or module.startswith(part + ".") for part in parts)


def rule_for(path: Path) -> str:
    """The rule of MAY_IMPORT for a file: its own, else that of the folder it is in."""
    file = path.relative_to(ROOT)
    return next(str(each) for each in (file, *file.parents) if str(each) in MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_only(path: Path) -> None:
    rule = rule_for(path)
    own = (*PARTS, "xserv", "assembly", "tests")
    for module in imports_of(path):
        assert not is_within(module, own) or is_within(module, MAY_IMPORT[rule]), f"{rule} may not import {module}"


def test_every_folder_has_a_rule_and_every_rule_a_folder() -> None:
    folders = {str(path.parent.relative_to(ROOT)) for path in FILES}
    assert set(PARTS) <= folders
    assert [rule for rule in MAY_IMPORT if not (ROOT / rule).exists()] == []
    assert [folder for folder in folders if folder.startswith("xmpp/") and folder not in MAY_IMPORT] == []


@pytest.mark.parametrize("path", [p for p in FILES if "handlers" in p.parts], ids=lambda path: path.stem)
def test_handlers_never_see_a_stream_or_a_socket(path: Path) -> None:
    assert not [module for module in imports_of(path) if is_within(module, HANDLERS_NEVER)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_goes_out_and_nothing_is_guessable(path: Path) -> None:
    found = [module for module in imports_of(path) if is_within(module, NOBODY_EVER)]
    assert not [module for module in found if not is_within(module, ONLY_TEXT)]


@pytest.mark.parametrize("path", [p for p in FILES if "handlers" in p.parts], ids=lambda path: path.stem)
def test_handlers_leave_each_others_private_names_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    others = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and is_within(node.module, ("handlers", "db"))
        for alias in node.names
    }
    used = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in others
        if node.attr.startswith("_")
    ]
    assert not used


def test_service_discovery_and_services_do_not_know_each_other() -> None:
    """What a service is, and what it has, follows from its declaration."""
    disco = sorted((ROOT / "handlers" / "discovery").glob("disco*.py"))
    assert len(disco) == 2
    for path in disco:
        assert not [module for module in imports_of(path) if is_within(module, ("handlers.pubsub",))]
    theirs = tuple(f"handlers.discovery.{path.stem}" for path in disco)
    for path in (ROOT / "handlers" / "pubsub").glob("*.py"):
        assert not [module for module in imports_of(path) if is_within(module, theirs)]


def test_state_has_an_owner() -> None:
    """What is remembered beside a server, a session or a database is what functions of data alone gave, no stanza and
    no configuration among it; and no module has a generator, which is state that moves on."""
    remembering, moving = set(), []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        remembering |= {
            name for name, node in functions.items() if "cache" in "".join(map(ast.unparse, node.decorator_list))
        }
        generators = {
            name
            for name, node in functions.items()
            if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node))
        }
        moving += [
            f"{path}: {ast.unparse(node)}"
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.GeneratorExp)
            if isinstance(node.targets[0], ast.Name)  # several names take all that it has
        ]
        called = [
            node.value.func for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        ]
        moving += [ast.unparse(each) for each in called if ast.unparse(each) in {*generators, "iter", "count", "cycle"}]
    pure = {"_offered", "_page_query", "_table", "_with_rows", "from_text", "interests", "looks"}
    assert remembering == {*pure, "_tried_control"}  # that is about the library of the process
    assert moving == []


@pytest.mark.parametrize("name", WITHOUT_GEVENT)
def test_what_works_on_data_does_not_import_gevent(name: str) -> None:
    assert not [module for module in imports_of(ROOT / name) if is_within(module, ("gevent", "socket", "ssl"))]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.stem)
def test_no_test_imports_another(path: Path) -> None:
    tests = [module for module in imports_of(path) if module.rpartition(".")[2].startswith("test_")]
    assert not tests, "what tests share stands in tests/harness/"
