"""Ports for whoever has to know its port before it listens there: other people's servers, and one that is not to be
reached.

The system gives the ports of its own range to whoever asks for any port, and to whoever dials: one that was free a
moment ago may be anybody's. So these lie outside of that range; and each is one process's, for as long as it runs.
"""

import fcntl
import os
import socket
from functools import cache
from itertools import chain
from pathlib import Path
from tempfile import gettempdir

LOWEST, HIGHEST = 10_000, 65_535  # below are those that programs have of old
SYSTEMS_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
DYNAMIC = (32_768, 60_999)  # where that file is not


def free_port() -> int:
    """A port on loopback at which nobody listens, nor will, but for who was given it here."""
    for port in _left():
        if _is_reserved(port) and _can_be_bound(port):
            return port
    raise AssertionError("no port is left")


@cache
def _left() -> "chain[int]":
    """Those that this process has not tried yet."""
    try:
        first, last = map(int, SYSTEMS_RANGE.read_text(encoding="ascii").split())
    except FileNotFoundError:
        first, last = DYNAMIC
    return chain(range(LOWEST, min(first, HIGHEST)), range(last + 1, HIGHEST + 1))


@cache
def _reservations() -> int:
    """A file of which whoever has a port has locked the byte of that number."""
    path = Path(gettempdir()) / f"xserv-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_reserved(port: int) -> bool:
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:  # another process has it
        return False
    return True


def _can_be_bound(port: int) -> bool:
    with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        try:
            sock.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
