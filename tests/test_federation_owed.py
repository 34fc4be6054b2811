"""Who goes while another server cannot be reached is seen to be gone there as soon as it can."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.harness.federated import Directory, federated, federation_of, next_of, somebody
from tests.harness.in_process import Client
from tests.harness.peer_servers import PeerServer, PeerStream, agree
from tests.harness.ports import free_port
from tests.harness.streams import local_name
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.federation import link, owed
from xmpp.federation.dialback import Pair
from xmpp.federation.failures import not_found, timeout
from xmpp.federation.owed import MOST_BYTES, Owed
from xmpp.running.handling import Handled
from xmpp.server import Server

GONE = "<presence to='romeo@c.example/y' type='unavailable' id='gone'/>"
THERE = "<presence to='romeo@c.example/y' id='there'/>"
CHAT = "<message to='romeo@c.example' type='chat' id='{}'><body>hi</body></message>"
ROMEO = JID.parse("romeo@c.example/y")
UNREACHABLE = timeout("its server refuses connections")


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def server(tmp_path: Path, directory: Directory) -> Iterator[Server]:
    with federated(tmp_path, directory, "a.example", federation={"without_tls": ["c.example"]}) as one:
        directory.ports["c.example"] = free_port()
        yield one


@pytest.fixture
def juliet(server: Server) -> Client:
    return somebody(server, "juliet@a.example/x")


def is_unreachable(juliet: Client, id: str = "1") -> None:
    """The other server cannot be reached, as she learns."""
    told = juliet.sends(CHAT.format(id))
    assert "remote-server-timeout" in ("".join(told) or next_of(juliet, "message"))


def test_a_server_that_calls_is_told_who_has_gone_meanwhile(
    server: Server, juliet: Client, directory: Directory
) -> None:
    juliet.sends(GONE)
    is_unreachable(juliet)
    juliet.sends(GONE.replace("romeo", "paris"))  # in the pause
    with PeerServer() as authority, PeerStream.to(server) as caller:
        directory.ports["c.example"] = authority.port
        agree(caller, authority)
        with authority.accepts() as stream:
            answered(stream)
            told = next_but_pings(stream), next_but_pings(stream)
            assert [(each.get("to"), each.get("type")) for each in told] == [
                ("romeo@c.example/y", "unavailable"),
                ("paris@c.example/y", "unavailable"),
            ]
    assert not len(federation_of(server).owed)


def test_it_hears_what_any_domain_here_has_to_say(server: Server, juliet: Client, directory: Directory) -> None:
    sender = JID.parse("hall@rooms.a.example/romeo")
    with Handled():
        federation_of(server).send(Stanza.build("presence", id="gone", type="unavailable", sender=sender, to=ROMEO))
    is_unreachable(juliet)
    with PeerServer() as authority, PeerStream.to(server) as caller:
        directory.ports["c.example"] = authority.port
        agree(caller, authority)
        with authority.accepts() as stream:
            answered(stream, "rooms.a.example")
            assert (told := next_but_pings(stream)).get("from") == str(sender)
            assert told.get("id") == "gone"


def test_so_is_one_that_carries_both_directions(server: Server, juliet: Client, directory: Directory) -> None:
    juliet.sends(GONE)
    is_unreachable(juliet)
    with PeerServer() as authority, PeerStream.to(server) as caller:
        directory.ports["c.example"] = authority.port
        agree(caller, authority, both=True)
        assert caller.next().get("id") == "gone"


def test_it_is_said_before_what_is_sent_next(
    juliet: Client, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "FIRST_PAUSE_SECONDS", 0.0)
    juliet.sends(GONE)
    is_unreachable(juliet)
    with PeerServer() as peer:
        directory.ports["c.example"] = peer.port
        juliet.sends(CHAT.format("2"))
        with peer.accepts() as stream:
            answered(stream)
            assert [next_but_pings(stream).get("id"), next_but_pings(stream).get("id")] == ["gone", "2"]


def test_who_has_come_back_is_not_gone(server: Server, juliet: Client, directory: Directory) -> None:
    juliet.sends(GONE)
    is_unreachable(juliet)
    juliet.sends(THERE)
    with PeerServer() as authority, PeerStream.to(server) as caller:
        directory.ports["c.example"] = authority.port
        agree(caller, authority, both=True)
        juliet.sends(CHAT.format("2"))
        assert next_but_pings(caller).get("id") == "2"
    assert not len(federation_of(server).owed)


def next_but_pings(stream: PeerStream) -> etree._Element:
    """The next stanza that ours sends, but for pings."""
    while local_name(stanza := stream.next()) == "iq":
        pass
    return stanza


def answered(stream: PeerStream, ours: str = "a.example") -> None:
    """The other server agrees on what ours has dialled."""
    stream.answers()
    assert local_name(stream.next()) == "result"
    stream.send(f"<db:result from='c.example' to='{ours}' type='valid'/>")


# -- what is kept


def gone(name: str = "juliet", to: str = "romeo@c.example", content: bytes = b"") -> Stanza:
    return Stanza.build(
        "presence", content, type="unavailable", to=JID.parse(to), sender=JID.parse(f"{name}@a.example/x")
    )


PAIR = Pair("a.example", "c.example")


def test_each_is_owed_once_and_for_its_own_pair_of_domains() -> None:
    kept = Owed()
    for _ in range(2):
        kept.note(gone(), UNREACHABLE)
    kept.note(gone(to="romeo@d.example"), UNREACHABLE)
    assert [str(each.to) for each in kept.take(PAIR)] == ["romeo@c.example"]
    assert kept.take(PAIR) == []
    assert len(kept) == 1


@pytest.mark.parametrize("stanza", ["presence", "message"])
def test_nothing_else_is_owed(stanza: str) -> None:
    kept = Owed()
    to, sender = JID.parse("romeo@c.example"), JID.parse("juliet@a.example/x")
    kept.note(Stanza.build(stanza, to=to, sender=sender), UNREACHABLE)
    assert not len(kept)


@pytest.mark.parametrize("error", [not_found("its name has no address"), StanzaError("forbidden")])
def test_nothing_is_owed_to_a_server_that_is_not_there_or_not_talked_to(error: StanzaError) -> None:
    kept = Owed()
    kept.note(gone(), error)
    assert not len(kept)


def test_row_247_what_is_owed_is_bounded_also_for_each_account_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "MOST", 20)
    kept = Owed()
    kept.note(gone(content=b"<status>%b</status>" % (b"x" * MOST_BYTES)), UNREACHABLE)
    for number in range(10):
        kept.note(gone("mallory", f"x@c{number}.example"), UNREACHABLE)
    assert len(kept) == 1 + 4
    [short] = kept.take(PAIR)
    assert len(short.wire()) < 200
    for number in range(50):
        kept.note(gone(f"somebody{number}"), UNREACHABLE)
    assert len(kept) == 20
    assert str(kept.take(PAIR)[-1].sender) == "somebody49@a.example/x"
