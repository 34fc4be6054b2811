"""Strangers with browsers, of which none logs in, for hostile_clients.py: what they ask over HTTPS, without end.

Greenlets, since hundreds of threads would keep each other from asking.
"""

import itertools
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import gevent
from gevent import socket, ssl

CONNECTIONS, ADDRESSES = 300, 3
RECEIVE_BYTES = 1 << 18
PATIENCE_SECONDS = 60.0
SEVERAL = 5  # requests at a time, of one who waits for no answer
HOST = b"Host: localhost\r\n"
PAGE = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
ONLY_PAGE = b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
WRONG_SLOT = b"PUT /upload/none/none HTTP/1.1\r\nContent-Length: 60000\r\n" + HOST + b"\r\n" + bytes(60_000)
SESSION = (
    b"<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='%d' to='localhost' wait='60'"
    b" hold='1' ver='1.11' xmpp:version='1.0'/>"
)

Visit = Callable[[Any, float], None]
"""What is done over one connection, until it has ended or by time.monotonic."""


def crowd(port: int, until: float, visit: Visit) -> None:
    """Many do this, each again and again, until the moment to stop."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])

    def one(number: int) -> None:
        source = f"127.0.1.{2 + number % ADDRESSES}"
        while time.monotonic() < until:
            with suppress(OSError):
                plain = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (source, 0))
                with closing(context.wrap_socket(plain, server_hostname="localhost")) as connection:
                    visit(connection, until)
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(one, number) for number in range(CONNECTIONS)])


def ask_on(request: bytes) -> Visit:
    """Ask the same as fast as the server takes it."""

    def visit(connection: Any, until: float) -> None:
        reading = gevent.spawn(_read, connection)
        try:
            while not reading.ready() and time.monotonic() < until:
                connection.sendall(request * SEVERAL)
                gevent.sleep(0)
            reading.join()
        finally:
            reading.kill()

    return visit


def ask_once(connection: Any, until: float) -> None:
    """Ask for a page, and hang up."""
    connection.sendall(ONLY_PAGE)
    _read(connection)


def begin_sessions(connection: Any, until: float) -> None:
    """Create sessions of BOSH."""
    for number in itertools.count(1):
        content = SESSION % number
        head = b"POST /http-bind HTTP/1.1\r\nContent-Length: %d\r\n" % len(content)
        connection.sendall(head + HOST + b"\r\n" + content)
        if not connection.recv(RECEIVE_BYTES) or time.monotonic() > until:
            return


def _read(connection: Any) -> None:
    with suppress(OSError):
        while connection.recv(RECEIVE_BYTES):
            pass


CROWDS: dict[str, Visit] = {
    "300 that ask for a page, again and again": ask_on(PAGE),
    "300 that ask for a page, each time anew": ask_once,
    "300 that upload without a slot": ask_on(WRONG_SLOT),
    "300 that create sessions over BOSH": begin_sessions,
}
"""By name; the port is one for TLS."""
