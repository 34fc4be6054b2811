"""docs/security.md rows about TLS and its key files."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gevent import socket as gevent_socket

from xmpp.stream.pace import Pace
from xmpp.stream.tls.certificates import self_signed_certificate
from xmpp.stream.tls.tls import ServerTLS, TLSSettings
from xmpp.stream.transport import SocketTransport
from xmpp.stream.turns import Turns


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="only OpenSSL's own client can ask for a renegotiation")
def test_row_9_a_client_cannot_renegotiate(tmp_path: Path) -> None:
    server_tls = ServerTLS(TLSSettings(), {"localhost": []}, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve_until_the_client_leaves, listener, server_tls)
        client = subprocess.run(
            ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{listener.getsockname()[1]}"],
            input="R\n",  # s_client's command: renegotiate
            capture_output=True,
            text=True,
            timeout=30,
            check=False,  # being refused is what it is for
        )
        served.result(30)
    assert "RENEGOTIATING" in client.stdout + client.stderr
    assert "no renegotiation" in client.stderr


def serve_until_the_client_leaves(listener: socket.socket, server_tls: ServerTLS) -> None:
    connection, _ = listener.accept()
    transport = SocketTransport(gevent_socket.socket(fileno=connection.detach()), dead_peer_seconds=60)
    transport.start_tls(server_tls, Pace(1_000_000, Turns()))
    assert transport.tls is not None
    assert transport.tls.context.options & ssl.OP_NO_RENEGOTIATION
    try:
        while transport.read():
            pass
    except OSError:
        pass  # the refused client just goes
    transport.close()


def test_row_59_a_key_is_readable_by_its_owner_only(tmp_path: Path, no_umask: None) -> None:
    folder = tmp_path / "data" / "certificates"
    key_file = self_signed_certificate(folder, "localhost").key_file
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == [key_file.name]
