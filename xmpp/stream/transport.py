"""A TCP socket as a stream connection uses it: blocking reads for one greenlet, writes that never block, TLS later on.

gevent's own recv first tries to read, and raises and catches BlockingIOError when nothing is there. Waiting first is
measurably cheaper, and it also means that every read yields: level-triggered readiness goes through the loop each
time, so a peer that sends without pause starves nobody.
"""

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

from gevent.exceptions import ConcurrentObjectUseError

# What is read at once is parsed at once. Also the largest record of TLS (RFC 8446 section 5.1): a read leaves nothing
# of it behind in the TLS layer, where no waiting for the socket would find it.
READ_BYTES = 16384


class SocketTransport:
    """The bytes of one connection."""

    _sock: Any  # gevent's socket, of which this file uses more than its stubs know
    _tls: Any

    def __init__(self, sock: socket.socket, dead_peer_seconds: int) -> None:
        self._sock = sock
        self._tls = None
        self._takes_bytes = True  # until our half is shut, or all of it closed
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _watch_for_dead_peer(sock, dead_peer_seconds)

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The TLS socket once the connection is secured."""
        tls: ssl.SSLSocket | None = self._tls
        return tls

    def read(self) -> bytes:
        """Wait for bytes and return at most READ_BYTES of them; b"" when the peer is done. Always yields.

        Raises OSError when the connection is broken or was closed here.
        """
        try:
            return self._read() if self._tls is None else self._read_tls()
        except ConcurrentObjectUseError:  # there is one reader, so it means just this
            raise OSError(errno.EBADF, "closed here") from None

    def _read(self) -> bytes:
        sock = self._sock
        while True:
            sock._wait(sock._read_event)
            try:
                data: bytes = sock._sock.recv(READ_BYTES)
                return data
            except BlockingIOError:
                continue

    def _read_tls(self) -> bytes:
        sock = self._tls
        layer = sock._sslobj  # kept: shutdown_write may drop it while this waits
        while True:
            sock._wait(sock._read_event)
            try:
                data: bytes = layer.read(READ_BYTES)
                return data
            except ssl.SSLWantReadError:
                continue
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""

    def try_send(self, data: bytes) -> int:
        """Send what the socket takes at once; returns how many bytes that was. Never yields.

        Raises OSError: when the connection is broken, or our half of it was closed here.
        """
        if not self._takes_bytes:
            raise OSError(errno.EPIPE, "closed here")
        if self._tls is not None:
            return self._try_send_tls(data)
        try:
            sent: int = self._sock._sock.send(data)
            return sent
        except BlockingIOError:
            return 0

    def _try_send_tls(self, data: bytes) -> int:
        sent = 0
        try:
            while sent < len(data):  # OpenSSL takes a record of 16 KiB at a time
                sent += self._tls._sslobj.write(data[sent:] if sent else data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        return sent

    def wait_writable(self) -> None:
        """Yield until the socket takes bytes again. Raises OSError."""
        if not self._takes_bytes:
            raise OSError(errno.EPIPE, "closed here")
        try:
            # By the socket's own watcher, which ends with the socket: one for the descriptor's number would go on
            # waiting, for whatever has that number next.
            self._sock._wait(self._sock._write_event)
        except ConcurrentObjectUseError:  # there is one writer, so it means just this
            raise OSError(errno.EBADF, "closed here") from None

    def start_tls(self, secure: Callable[[socket.socket], ssl.SSLSocket]) -> None:
        """Shake hands as the server. Yields; raises OSError (ssl.SSLError is one) when it fails."""
        self._sock = self._tls = secure(self._sock)

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more comes; what it still sends can be read. Does nothing once that is done."""
        if not self._takes_bytes:
            return
        self._takes_bytes = False
        try:
            self._notify_of_end()
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # gone already
        self._tls = None  # shutdown has dropped the TLS layer: what still comes is only counted, not understood

    def _notify_of_end(self) -> None:
        """RFC 8446 section 6.1: with this alert the peer knows that nothing was cut off. Its own is not waited for."""
        if self._tls is not None:
            try:
                self._tls._sslobj.shutdown()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass

    def close(self) -> None:
        """Close the socket; whoever waits on it gets an OSError."""
        self._takes_bytes = False
        self._sock.close()


def _watch_for_dead_peer(sock: socket.socket, seconds: int) -> None:
    """Let the kernel find out that a peer is gone: it probes silent ones, gives up on those that acknowledge nothing.

    No timer and no wake-up here, and no stanza that the client did not ask for. XMPP's whitespace pings do the same
    from the client's side; they are read and forgotten.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", max(1, seconds // 2)),
        ("TCP_KEEPINTVL", max(1, seconds // 8)),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", seconds * 1000),
    ):
        if hasattr(socket, option):  # Linux has them all
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
