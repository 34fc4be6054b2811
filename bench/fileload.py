"""Loads over HTTP: one client uploads files of 20 MB, or downloads one, again and again (XEP-0363), or reads the start
page. Files are also put into nginx and had from there, for comparison.

    python -m bench.fileload download --port PORT --http-port PORT --server-pid PID

`--port` speaks XMPP without TLS, as in a demo.
"""

import argparse
import json
import os
import re
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from itertools import count
from urllib.parse import urlsplit

from bench import nginx

LOADS = ("upload", "download", "page")
FILE_BYTES = 20_000_000
PIECE_BYTES = 1 << 18
PATIENCE = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
HEADER = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{}' version='1.0'>"
REQUEST = (
    "<iq type='get' id='slot' to='upload.{}'>"
    "<request xmlns='urn:xmpp:http:upload:0' filename='bench.bin' size='{}'/></iq>"
)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = argparse.ArgumentParser()
    options.add_argument("cmd", choices=LOADS)
    options.add_argument("--port", type=int)
    options.add_argument("--http-port", type=int)
    options.add_argument("--server-pid", type=int)
    options.add_argument("--domain", default="localhost")
    options.add_argument("--user", default="u0")
    options.add_argument("--password", default="password")
    options.add_argument("--size", type=int, default=FILE_BYTES)
    options.add_argument("--duration", type=float, default=3.0)
    options.add_argument("--warmup", type=float, default=1.0)
    options.add_argument("--stall", type=float, default=PATIENCE)
    options.add_argument("--json", action="store_true")
    return options


class Uploader:
    """A client that is logged in, and asks for slots."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._sock = socket.create_connection(("127.0.0.1", options.port), timeout=options.stall)
        secret = b64encode(f"\0{options.user}\0{options.password}".encode()).decode()
        self._ask(HEADER.format(options.domain), "</stream:features>")
        self._ask(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>", "<success")
        self._ask(HEADER.format(options.domain), "</stream:features>")
        self._ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</iq>")

    def slot(self) -> str:
        """The path of a new slot."""
        answer = self._ask(REQUEST.format(self._options.domain, self._options.size), "</iq>")
        found = re.search(r"<put url=['\"]([^'\"]+)", answer)
        if found is None:
            raise SystemExit(f"no slot: {answer}")
        return urlsplit(found[1]).path

    def _ask(self, text: str, end: str) -> str:
        self._sock.sendall(text.encode())
        answer = b""
        while end.encode() not in answer:
            data = self._sock.recv(65536)
            if not data:
                raise SystemExit(f"the stream has ended: {answer!r}")
            answer += data
        return answer.decode()


def put(sock: socket.socket, path: str, content: bytes) -> None:
    """Upload a file, and wait until it is there."""
    sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n".encode())
    sock.sendall(content)
    answer = sock.recv(65536)
    if not answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 204")):  # 204 where nginx had it already
        raise SystemExit(f"not uploaded: {answer!r}")


def get(sock: socket.socket, path: str, size: int) -> None:
    """Download a file."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := sock.recv(1024)):
            raise SystemExit("not downloaded: hung up")
        head += data
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"not downloaded: {head!r}")
    left = size - len(head.partition(b"\r\n\r\n")[2])
    while left > 0:
        left -= len(sock.recv(min(PIECE_BYTES, left)))


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Run a load; returns its figures."""
    if options.cmd == "page":
        return _of_pages(options)
    uploader, content = Uploader(options), os.urandom(options.size)
    figures = _of_files(options, options.http_port, options.server_pid, content, uploader.slot)
    numbers = count()
    with nginx.alone() as other:
        if other is None:
            return figures
        theirs = _of_files(options, other.port, other.pid, content, lambda: f"/{next(numbers) % 10}")
    return figures | {f"nginx_{name}": value for name, value in theirs.items()}


def _of_files(
    options: argparse.Namespace, port: int, pid: int, content: bytes, new_path: Callable[[], str]
) -> dict[str, float]:
    """The figures of files that are put at new paths, or of one that is had again and again."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=options.stall)
    path = new_path()
    put(sock, path, content)

    def once() -> None:
        if options.cmd == "upload":
            put(sock, new_path(), content)
        else:
            get(sock, path, options.size)

    times, used, seconds = _repeated(once, options, pid)
    megabytes = times * options.size / 1e6
    return {
        "megabytes_per_server_cpu_s": round(megabytes / used, 1),
        "megabytes_per_s": round(megabytes / seconds, 1),
    }


def _of_pages(options: argparse.Namespace) -> dict[str, float]:
    """The figures of the start page, each connection being used for as many requests as the server takes on it."""
    sockets: list[socket.socket] = []

    def once() -> None:
        if not sockets:
            sockets.append(_connection(options))
        if page(sockets[0]):
            sockets.pop().close()

    times, used, _ = _repeated(once, options, options.server_pid)
    return {"server_cpu_s_per_1000_pages": round(used / times * 1000, 4)}


def _connection(options: argparse.Namespace) -> socket.socket:
    """To the port for HTTP, which a server that has just begun may not listen on yet."""
    end = time.monotonic() + options.stall
    while True:
        try:
            return socket.create_connection(("127.0.0.1", options.http_port), timeout=options.stall)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def page(sock: socket.socket) -> bool:
    """Read the start page; true if the server closes the connection after it."""
    sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(65536)
    head, _, content = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        raise SystemExit(f"no page: {head!r}")
    left = int(length[1]) - len(content)
    while left > 0:
        left -= len(sock.recv(left))
    return b"connection: close" in head.lower()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the load that the command line names, and print its figures."""
    print(json.dumps({"figures": measured(parser().parse_args(arguments))}))


def _repeated(act: Callable[[], None], options: argparse.Namespace, pid: int) -> tuple[int, float, float]:
    """How often it was done, in how many seconds of the server's CPU, and of time."""
    _repeat(act, options.warmup)
    cpu, began = _cpu_seconds(pid), time.monotonic()
    times = _repeat(act, options.duration)
    return times, max(_cpu_seconds(pid) - cpu, 1 / TICKS), time.monotonic() - began


def _repeat(act: Callable[[], None], seconds: float) -> int:
    end, times = time.monotonic() + seconds, 0
    while not times or time.monotonic() < end:
        act()
        times += 1
    return times


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
