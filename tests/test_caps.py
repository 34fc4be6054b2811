"""XEP-0115 and XEP-0390: the hash of what a server tells about itself."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from handlers.discovery import caps, caps2
from tests.harness.capabilities import CAPS, COMPLEX, INFO, SIMPLE
from tests.harness.in_process import Client, add_accounts, configuration, server_in
from xmpp.data.disco import Info
from xmpp.server import Server


@pytest.mark.parametrize(
    ("info", "ver"),
    [(SIMPLE, "QgayPKawpkPSDYmwT/WM94uAlu0="), (COMPLEX, "q07IKJEyjvHSyhy//CH0CxmKi8w=")],
    ids=["section 5.2", "section 5.3"],
)
def test_the_examples_of_the_specification(info: Info, ver: str) -> None:
    assert caps.verification_string(info) == ver


def announced(server: Server) -> tuple[str, str]:
    """The node and the hash in the stream features."""
    provide, _ = caps.feature.stream_features
    element = provide[1](SimpleNamespace(server=server, host="localhost"))
    assert element is not None and element.tag == f"{{{CAPS}}}c"
    assert element.get("hash") == "sha-1"
    return str(element.get("node")), str(element.get("ver"))


def test_what_is_announced_can_be_asked_for(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        node = "#".join(announced(server))
        head, _, rest = romeo.asks(f"<query xmlns='{INFO}'/>", to="localhost").partition(">")
        assert romeo.asks(f"<query xmlns='{INFO}' node='{node}'/>", to="localhost") == f'{head} node="{node}">{rest}'
        assert romeo.asks(f"<query xmlns='{INFO}' node='{node}x'/>", to="localhost") == "item-not-found"


def test_another_configuration_has_another_hash(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with server_in(tmp_path) as server, server_in(tmp_path / "other", disco={"name": "Verona"}) as other:
        assert announced(server)[0] == announced(other)[0]
        assert announced(server)[1] != announced(other)[1]


def announced_node(server: Server) -> str:
    """The node of the hash in the stream features, by XEP-0390."""
    provide, _ = caps2.feature.stream_features
    element = provide[1](SimpleNamespace(server=server, host="localhost"))
    assert element is not None and element.tag == "{urn:xmpp:caps}c"
    [hash] = element
    assert (hash.tag, hash.get("algo")) == ("{urn:xmpp:hashes:2}hash", "sha-256")
    return f"urn:xmpp:caps#sha-256.{hash.text}"


def test_the_newer_hash_can_be_asked_for(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        node = announced_node(server)
        head, _, rest = romeo.asks(f"<query xmlns='{INFO}'/>", to="localhost").partition(">")
        assert romeo.asks(f"<query xmlns='{INFO}' node='{node}'/>", to="localhost") == f'{head} node="{node}">{rest}'
        assert romeo.asks(f"<query xmlns='{INFO}' node='{node}x'/>", to="localhost") == "item-not-found"


def test_the_last_three_hashes_can_be_asked_for(tmp_path: Path) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        nodes = []
        for name in ("Verona", "Mantua", "Padua", "Venice"):
            server.reload(configuration(disco={"name": name}))
            nodes.append(announced_node(server))
        answers = [romeo.asks(f"<query xmlns='{INFO}' node='{node}'/>", to="localhost") for node in nodes]
        assert answers[0] == "item-not-found"
        assert "Mantua" in answers[1] and "Padua" in answers[2] and "Venice" in answers[3]
