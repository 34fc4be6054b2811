"""Who can be dialled on loopback: a listener that accepts, one that refuses, and one that never answers."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gevent import socket

from tests.harness.zone import Zone
from xmpp.federation.dns.dialing import Dialer
from xmpp.federation.dns.settings import DialSettings

SYN_SENT = "02"
LOOPBACK = ("127.0.0.0/8", "::1")


def dialer(zone: Zone, *, private_addresses: Sequence[str] = LOOPBACK, **settings: object) -> Dialer:
    """One that asks this zone, and dials loopback."""
    given = {"nameservers": (zone.address,), "private_addresses": tuple(private_addresses), **settings}
    chosen = DialSettings(**given)  # type: ignore[arg-type]
    return Dialer(lambda: chosen)


@contextmanager
def listening(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Connections are accepted there; the port, which the system chooses."""
    with _bound(address, port) as sock:
        sock.listen()
        yield sock.getsockname()[1]


@contextmanager
def refusing(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port at which nobody listens, nor will."""
    with _bound(address, port) as sock:
        yield sock.getsockname()[1]


@contextmanager
def silent(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port where whoever connects hears nothing: the queue of those that nobody accepts is full."""
    with _bound(address, port) as sock, ExitStack() as opened:
        sock.listen(0)
        first = opened.enter_context(socket.socket(sock.family))
        first.connect(sock.getsockname())
        yield sock.getsockname()[1]


def is_being_dialled(port: int) -> bool:
    """Whether somebody on this machine waits for an answer from that port (Linux)."""
    lines = Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(fields[2].endswith(f":{port:04X}") and fields[3] == SYN_SENT for fields in map(str.split, lines))


def _bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was here before may linger
    sock.bind((address, port))
    return sock
