"""Connections to the servers of a domain."""

from typing import NamedTuple

from gevent import socket


class NoSuchServer(Exception):
    """No server is to be found for this domain, and none will be soon. The text says why, without its name."""


class Unreachable(Exception):
    """The domain's servers cannot be found or reached now. The text says why, without its name."""


class Dialled(NamedTuple):
    """A connection. `is_direct`: it begins with TLS. `where`: the other end, for the log."""

    sock: socket.socket
    is_direct: bool
    where: str
