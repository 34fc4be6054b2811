"""TLS between two of our own transports over loopback: each side sees what the other one shows, whatever that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import gevent
import pytest
from gevent import socket as gevent_socket

from tests.harness.authority import KINDS, Authority, Issued
from xmpp.stream.pace import Pace
from xmpp.stream.tls.between_servers import ClientTLS
from xmpp.stream.tls.contexts import HTTP, XMPP
from xmpp.stream.tls.tls import ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns

CAPULET, MONTAGUE = "capulet.test", "montague.test"
PATIENCE = 30  # seconds, only reached by a test that fails


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def tls_of(folder: Path, certificates: Mapping[str, Issued]) -> ServerTLS:
    """What a server has that shows these certificates."""
    files = {domain: issued.write(folder / domain) for domain, issued in certificates.items()}
    served = {domain: [f"rooms.{domain}"] for domain in certificates}
    return ServerTLS(TLSSettings(certificates=files), served, folder, (XMPP, HTTP), with_servers=True)


def as_client(tls: ServerTLS) -> ClientTLS:
    assert tls.as_client is not None
    return tls.as_client


class Ends(NamedTuple):
    """Both ends of a connection between servers."""

    answering: SocketTransport
    dialling: SocketTransport


@contextmanager
def connected() -> Iterator[Ends]:
    """Both ends of a connection without TLS yet."""
    with gevent.Timeout(PATIENCE), gevent_socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        dialling = gevent_socket.create_connection(listener.getsockname())
        answering, _ = listener.accept()
        ends = Ends(SocketTransport(answering, 60), SocketTransport(dialling, 60))
        yield ends
        for end in ends:
            end.close()


def pace() -> Pace:
    return Pace(1_000_000, Turns())


def shake_hands(
    ends: Ends,
    answering: ServerTLS,
    dialling: ClientTLS,
    ours: str = MONTAGUE,
    theirs: str = CAPULET,
    *,
    is_direct: bool = False,
    for_servers: bool = True,
) -> None:
    """Both shake hands. Raises what the end that dials raises, else what the other one does."""
    answer = gevent.spawn(
        ends.answering.start_tls, answering, pace(), is_direct=is_direct, for_servers=for_servers
    )
    try:
        ends.dialling.start_tls_as_client(dialling, ours, theirs, pace(), is_direct=is_direct)
    finally:
        answer.get()


@pytest.mark.parametrize("kind", KINDS)
def test_each_side_sees_what_the_other_shows_whatever_it_is(kind: str, authority: Authority, tmp_path: Path) -> None:
    ours, theirs = authority.case(kind, MONTAGUE), authority.case(kind, CAPULET)
    answering, dialling = tls_of(tmp_path, {CAPULET: theirs}), tls_of(tmp_path, {MONTAGUE: ours})
    with connected() as ends:
        assert ends.answering.peer_chain == ends.dialling.peer_chain == ()
        shake_hands(ends, answering, as_client(dialling))
        assert ends.dialling.peer_chain == theirs.der
        assert ends.answering.peer_chain == ours.der
        ends.dialling.try_send(b"<stream>")
        assert ends.answering.read() == b"<stream>"
        ends.answering.try_send(b"<features/>")
        assert ends.dialling.read() == b"<features/>"
