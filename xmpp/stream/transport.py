"""A TCP socket as a stream connection uses it: blocking reads for one greenlet, writes that never block, TLS later on.

gevent's own recv reads first, and catches BlockingIOError when nothing is there. To wait first is measurably cheaper,
and makes every read yield, so that a peer that sends without pause starves nobody.
"""

import errno
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent.exceptions import ConcurrentObjectUseError

from xmpp.stream.pace import Pace
from xmpp.stream.tls.any_certificate import shown_chain
from xmpp.stream.tls.between_servers import ClientTLS
from xmpp.stream.tls.secured import READ_BYTES, SecuredSocket, receive
from xmpp.stream.tls.tls import ServerTLS

PEEKED_BYTES = 16


class SocketTransport:
    """The bytes of one connection."""

    _sock: Any  # gevent's socket, of which this file uses more than its stubs know

    def __init__(self, sock: socket.socket, dead_peer_seconds: int) -> None:
        self._sock = sock
        self._secured: SecuredSocket | None = None
        self._takes_bytes = True  # until our half of the connection is shut, or the socket is closed
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _watch_for_dead_peer(sock, dead_peer_seconds)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS layer once the connection is secured."""
        return self._secured.layer if self._secured is not None else None

    def read(self) -> bytes:
        """Wait for bytes and return at most READ_BYTES of them; b"" when the peer sends no more. Always yields.

        Raises OSError when the connection is broken or was closed here.
        """
        try:
            return receive(self._sock, READ_BYTES) if self._secured is None else self._secured.read()
        except ConcurrentObjectUseError:  # there is one reader, so it means just this
            raise OSError(errno.EBADF, "closed here") from None

    def peek(self) -> bytes:
        """Wait for bytes and return the first ones, which will be read all the same; b"" when the peer sends no more.

        Yields. Raises OSError.
        """
        if self._secured is not None:
            data = self._secured.read()
            if data:
                self._secured.unread(data)
            return data
        while True:
            try:
                self._sock._wait(self._sock._read_event)
                first: bytes = self._sock._sock.recv(PEEKED_BYTES, socket.MSG_PEEK)
                return first
            except BlockingIOError:
                continue
            except ConcurrentObjectUseError:
                raise OSError(errno.EBADF, "closed here") from None

    def try_send(self, data: bytes) -> int:
        """Send what the socket takes at once; returns how many bytes that was. Never yields.

        Raises OSError when the connection is broken, or our half of it was shut here.
        """
        if not self._takes_bytes:
            raise OSError(errno.EPIPE, "closed here")
        if self._secured is not None:
            return self._secured.try_send(data)
        try:
            sent: int = self._sock._sock.send(data)
            return sent
        except BlockingIOError:
            return 0

    def wait_writable(self) -> None:
        """Yield until the socket takes bytes again. Raises OSError."""
        if not self._takes_bytes:
            raise OSError(errno.EPIPE, "closed here")
        try:
            # With the socket's own watcher, which is closed with the socket. A watcher of the descriptor's number would
            # go on waiting, for whatever has that number next.
            self._sock._wait(self._sock._write_event)
        except ConcurrentObjectUseError:  # there is one writer, so it means just this
            raise OSError(errno.EBADF, "closed here") from None

    def start_tls(
        self, tls: ServerTLS, pace: Pace, *, is_direct: bool = False, for_servers: bool = False, asked_for: str = ""
    ) -> None:
        """Shake hands as the server, with a client that starts with TLS (`is_direct`) or has asked for it. It is
        another server if the port is `for_servers`, or if it starts with TLS and says so by ALPN; then it is shown the
        certificate of the domain it has `asked_for` where it names none in the handshake.

        Yields. Raises OSError (such as ssl.SSLError) when it fails. Nothing can be sent meanwhile.
        """
        shake_hands = partial(
            SecuredSocket.shake_hands, tls=tls, is_direct=is_direct, for_servers=for_servers, asked_for=asked_for
        )
        self._secure(pace, shake_hands)

    def start_tls_as_client(self, tls: ClientTLS, ours: str, theirs: str, pace: Pace, *, is_direct: bool) -> None:
        """Shake hands as the client: for our domain, with the server of the domain `theirs`, which has agreed to it, or
        expects TLS first (`is_direct`). Whose certificate it shows is not judged here.

        Yields. Raises OSError (such as ssl.SSLError) when it fails. Nothing can be sent meanwhile.
        """
        shake_hands = partial(
            SecuredSocket.shake_hands_as_client, tls=tls, ours=ours, theirs=theirs, is_direct=is_direct
        )
        self._secure(pace, shake_hands)

    def _secure(self, pace: Pace, shake_hands: Callable[[SecuredSocket], None]) -> None:
        secured = SecuredSocket(self._sock, pace)
        self._takes_bytes = False
        try:
            shake_hands(secured)
        except ConcurrentObjectUseError:
            raise OSError(errno.EBADF, "closed here") from None
        self._secured = secured
        self._takes_bytes = True

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The certificates that the peer has shown, in DER, its own first; () if none. Made anew each time."""
        return shown_chain(self._secured.layer) if self._secured is not None else ()

    def trust(self) -> None:
        """Say that the peer has a session: the limits on TLS records for strangers no longer apply."""
        if self._secured is not None:
            self._secured.trust()

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more comes; what it still sends can be read. Does nothing the second time."""
        if not self._takes_bytes:
            return
        self._takes_bytes = False
        try:
            if self._secured is not None:
                self._secured.send_close_notify()
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # gone already
        self._secured = None  # what still comes is not decrypted any more

    def close(self) -> None:
        """Close the socket; whoever waits on it gets an OSError."""
        self._takes_bytes = False
        self._sock.close()


def _watch_for_dead_peer(sock: socket.socket, seconds: int) -> None:
    """Let the kernel find out that a peer is gone: it probes silent peers, and gives up on those that do not answer.

    That takes no timer and no wake-up here, and no stanza that the client did not ask for. The whitespace pings that
    clients send for the same purpose are read and ignored.
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
