"""Domains that are not talked to, from a file."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.harness.federated import Directory, federated, federation_of, somebody
from tests.harness.in_process import configuration
from tests.harness.peer_servers import PeerServer, PeerStream, agree, condition_of
from xmpp.config.configuration import ConfigError
from xmpp.federation.denied import MOST_BYTES, read_denied
from xmpp.federation.settings import is_beneath

LIST = """# of spammers
c.example
BÜCHER.example   # as it is pronounced

"""
CHAT = "<message to='romeo@{}' type='chat' id='1'><body>hi</body></message>"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "denied.txt"
    file.write_text(LIST, encoding="utf-8")
    return file


@pytest.fixture
def authority() -> Iterator[PeerServer]:
    with PeerServer() as peer:
        yield peer


def test_a_file_of_domains_is_read_as_people_write_it(file: Path) -> None:
    assert read_denied(file) == {"c.example", "bücher.example"}


@pytest.mark.parametrize("line", ["romeo@c.example", "c.example/x", "c..example", "two words"])
def test_what_is_no_domain_is_not_passed_over(file: Path, line: str) -> None:
    file.write_text(f"# comment\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        read_denied(file)


def test_a_file_that_cannot_be_read_is_a_mistake_of_the_configuration(tmp_path: Path, file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    for bad in (file, tmp_path / "missing"):
        with pytest.raises(ValueError, match="readable"):
            read_denied(bad)
    with pytest.raises(ConfigError, match="missing"):
        configuration(federation={"denied_file": str(tmp_path / "missing")})
    with file.open("wb") as large:
        large.truncate(MOST_BYTES + 1)
    with pytest.raises(ValueError, match="at most"):
        read_denied(file)


def test_what_is_beneath_a_domain_is_so_by_whole_labels() -> None:
    listed = frozenset({"c.example"})
    assert [is_beneath(each, listed) for each in ("c.example", "a.b.c.example", "xc.example", "example", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_the_file_is_heeded_both_ways_and_once_it_has_changed(
    tmp_path: Path, file: Path, authority: PeerServer
) -> None:
    directory = Directory()
    directory.ports["d.example"] = authority.port
    settings = {"denied_file": str(file), "without_tls": ["d.example"]}
    with federated(tmp_path, directory, "a.example", federation=settings) as server:
        juliet = somebody(server, "juliet@a.example/x")
        assert "forbidden" in "".join(juliet.sends(CHAT.format("rooms.c.example")))
        with PeerStream.to(server) as refused:
            assert condition_of(refused.opens(sender="c.example")) == "policy-violation"
        with PeerStream.to(server) as peer:
            agree(peer, authority, "d.example", both=True)
            juliet.sends(CHAT.format("d.example"))
            assert peer.next().get("id") == "1"
            file.write_text(f"{LIST}d.example\n", encoding="utf-8")
            server.reload(configuration(server={"domains": ["a.example"]}, federation=settings))
            federation_of(server).look_after(monotonic())
            assert "policy-violation" in peer.last_words()
            assert "forbidden" in "".join(juliet.sends(CHAT.format("d.example")))
