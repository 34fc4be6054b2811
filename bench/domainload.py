"""Many other servers at once, all played by this process: somebody writes to each of them, and each answers on a stream
of its own. All links are over TLS, with one certificate for all.

    python -m bench.domainload domains --port PORT --server-port PORT --server-pid PID --listen PORT --certificate DIR

`--port` speaks XMPP to clients without TLS, as in a demo; `--listen` is where the other servers are. Figures: how long
until all is there, and for each link the server's CPU time and memory.
"""

import argparse
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import gevent
from gevent import socket
from gevent.pool import Pool
from gevent.server import StreamServer

from bench import xmppload
from bench.others import SASL, STREAM, Arrivals, Others, name_of, until
from tests.harness.ports import free_port
from tests.harness.world import World

LOADS = ("domains",)
FIRST = 5  # links made before anything is measured, so that what a server reads and makes once is there
AT_ONCE = 100  # connections that others are making: not all servers let more wait
CLIENT_HEADER = f"<stream:stream xmlns='jabber:client' xmlns:stream='{STREAM}' to='{{}}' version='1.0'>"


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = argparse.ArgumentParser()
    options.add_argument("cmd", choices=LOADS)
    options.add_argument("--domains", type=int, default=1000)
    options.add_argument("--port", type=int)
    options.add_argument("--server-port", type=int)
    options.add_argument("--listen", type=int)
    options.add_argument("--certificate", type=Path)
    options.add_argument("--server-pid", type=int, action="append", default=[])
    options.add_argument("--domain", default="localhost")
    options.add_argument("--user", default="u0")
    options.add_argument("--password", default="password")
    options.add_argument("--settle", type=float, default=5.0)
    options.add_argument("--duration", type=float, default=0.0, help="of no meaning here, nor is --warmup")
    options.add_argument("--warmup", type=float, default=0.0)
    options.add_argument("--stall", type=float, default=60.0)
    options.add_argument("--json", action="store_true")
    return options


def announced(world: World, arguments: Sequence[str]) -> list[str]:
    """Make all domains known; returns the arguments that this load needs to play them."""
    port, names = free_port(), [name_of(number) for number in range(parser().parse_args(arguments).domains + FIRST)]
    world.announce(*names, port=port)
    folder = world.authority.issue("*.test", purposes=()).write(world.folder / "others")
    return ["--listen", str(port), "--certificate", str(folder)]


class Client:
    """Somebody on the server that is measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._sock = socket.create_connection(("127.0.0.1", options.port), timeout=options.stall)
        secret = b64encode(f"\0{options.user}\0{options.password}".encode()).decode()
        self._ask(CLIENT_HEADER.format(options.domain), "</stream:features>")
        self._ask(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>", "<success")
        self._ask(CLIENT_HEADER.format(options.domain), "</stream:features>")
        bound = self._ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</iq>")
        self.jid = bound.partition("<jid>")[2].partition("</jid>")[0]
        self._ask("<presence/>", "<presence")

    def write_to(self, addresses: Iterable[str]) -> None:
        """Send a message to each."""
        text = "<message to='{}' type='chat'><body>how do you do</body></message>"
        self._sock.sendall("".join(map(text.format, addresses)).encode())

    def read(self, hear: Callable[[str], None]) -> None:
        """Hear all messages, until the greenlet is ended."""
        self._sock.settimeout(None)
        data = ""
        while more := self._sock.recv(65536):
            data += more.decode()
            whole, end, data = data.rpartition("</message>")
            if "type='error'" in whole or 'type="error"' in whole:
                raise SystemExit(f"a message came back: {whole[:1000]}")
            for found in re.findall(r"<body>([^<]*)", whole + end):
                hear(found)

    def _ask(self, text: str, end: str) -> str:
        self._sock.sendall(text.encode())
        return until(self._sock, end)


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Run the load; returns its figures."""
    arrivals, server = Arrivals(), xmppload.Server(options.server_pid)
    others, client = Others(options.certificate, options.domain, arrivals), Client(options)
    StreamServer(("127.0.0.1", options.listen), others.serve, backlog=4096).start()
    gevent.spawn(client.read, arrivals.hear)

    def write_to(numbers: Sequence[int]) -> None:
        arrivals.expect(map(name_of, numbers))
        client.write_to(f"a@{name_of(number)}" for number in numbers)
        arrivals.wait(options.stall)

    def answer(numbers: Sequence[int]) -> None:
        arrivals.expect(map(name_of, numbers))
        pool = Pool(AT_ONCE)
        for number in numbers:
            pool.spawn(others.answer, number, options.server_port, client.jid)
        arrivals.wait(options.stall)

    def figures(act: Callable[[Sequence[int]], None], ending: str) -> dict[str, float]:
        memory, window, number = server.rss_kib(), xmppload.Window(server), options.domains
        act(range(number))
        window.stop()
        gevent.sleep(options.settle)
        return {
            f"seconds_until_all_{ending}": round(window.secs, 3),
            f"server_cpu_s_per_1000_{ending}": round((window.cpu or 0.0) * 1000 / number, 4),
            f"kib_per_link_that_{ending}": round((server.rss_kib() - memory) / number, 2),
        }

    for act in (write_to, answer):
        act(range(options.domains, options.domains + FIRST))
    return figures(write_to, "are_up") | figures(answer, "have_answered")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the load, and print its figures."""
    print(json.dumps({"figures": measured(parser().parse_args(arguments))}))


if __name__ == "__main__":
    main()
