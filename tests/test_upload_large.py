"""A file of 100 MB is uploaded and downloaded, directly and through nginx; the server's memory does not grow by it."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.harness.browsing import Browser
from tests.harness.bulk import PIECE, SIZE
from tests.harness.configured import demo_server
from tests.harness.proxies import connection, needs, nginx_in_front_of, secured
from tests.harness.rawclient import RawClient
from tests.harness.servers import RunningServer
from xmpp.stream.tls.contexts import HTTP

GROWTH = 30_000_000  # bytes; far less than the file, and more than what both directions take for themselves
UPLOAD = "urn:xmpp:http:upload:0"


def test_a_large_file_comes_and_goes_without_filling_the_memory(tmp_path: Path) -> None:
    with demo_server(tmp_path) as server:
        assert growth(server, server.port_for("HTTPS")) < GROWTH


@needs("nginx")
def test_so_it_does_through_nginx(tmp_path: Path) -> None:
    with demo_server(tmp_path) as server, nginx_in_front_of(server.port_for("HTTP"), tmp_path) as port:
        assert growth(server, port) < GROWTH


def growth(server: RunningServer, port: int) -> int:
    """By how many bytes the memory of the server grows while the file goes to this port and comes back."""
    path = slot(server.port)
    before = most_memory(server.process.pid)
    with closing(secured(connection(port, "127.0.0.9"), HTTP)) as sock:
        put(sock, path)
    with closing(secured(connection(port, "127.0.0.9"), HTTP)) as sock:
        assert received(sock, path) == SIZE
    return most_memory(server.process.pid) - before


def slot(port: int) -> str:
    """The path of a slot for the file."""
    with RawClient(port) as client:
        client.open()
        client.register("uploader", "a long password")
        client.authenticate("uploader", "a long password")
        client.bind()
        wanted = f"<request xmlns='{UPLOAD}' filename='film.mp4' size='{SIZE}'/>"
        given = client.ask("get", wanted, "upload.localhost").find(f".//{{{UPLOAD}}}put")
        assert given is not None
        return urlsplit(given.get("url", "")).path


def put(sock: Any, path: str) -> None:
    sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n".encode())
    for start in range(0, SIZE, len(PIECE)):
        sock.sendall(PIECE[: SIZE - start])
    assert Browser.over(sock).response("PUT").status == 201


def received(sock: Any, path: str) -> int:
    """How many bytes come as the content of the file."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head, content = b"", 0
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    head, _, begun = head.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    content = len(begun)
    while content < SIZE and (data := sock.recv(1 << 20)):
        content += len(data)
    return content


def most_memory(process: int) -> int:
    """The most bytes that the process has ever had."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024
