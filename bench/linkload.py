"""The load generator with senders on one server and receivers on another, and the CPU time of each of the two.

    python -m bench.linkload --far-port PORT --far-domain DOMAIN --far-pid PID throughput --port PORT --server-pid PID

What xmppload.py itself is told is about the server of the senders.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from bench import xmppload

known_options: Any = xmppload.parser  # for which ours stands in


class Sides(xmppload.Server):
    """The servers on both sides; `readings` has the CPU seconds of each whenever those of both were asked for."""

    def __init__(self, near: list[int], far: list[int]) -> None:
        xmppload.Server.__init__(self, [*near, *far])
        self._sides: Any = xmppload.Server(near), xmppload.Server(far)
        self.readings: list[tuple[float, float]] = []

    def cpu(self) -> float:
        """Of both together."""
        near, far = (side.cpu() for side in self._sides)
        self.readings.append((near, far))
        return sum(self.readings[-1])


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options: argparse.ArgumentParser = known_options()
    options.add_argument("--far-port", type=int, default=5222)
    options.add_argument("--far-domain", default="localhost")
    options.add_argument("--far-pid", type=int, action="append", default=[])
    return options


def messages(a: Any, near: Any) -> dict[str, float]:
    """Messages from each sender to a receiver of its own on the other server; returns the figures."""
    sides = Sides(near.roots, a.far_pid)
    far = argparse.Namespace(**{**vars(a), "port": a.far_port, "domain": a.far_domain})
    loop = xmppload.Loop(a)
    try:
        senders = loop.login(xmppload.names(a, a.pairs), a.concurrency)
        loop.a = far
        receivers = loop.login(xmppload.names(a, a.pairs), a.concurrency)
        _open_link(loop, senders[0], receivers[0])
        written = _written([each.jid for each in receivers], xmppload.texts(a.one_text))
        flow = xmppload.Flow(loop, senders, 1, written, a.window, a.rate)
        for number, receiver in enumerate(receivers):
            receiver.tag, receiver.handler = number, flow.on_data
        loop.run_for(0.5)
        figures: dict[str, float] = flow.run(sides)
    finally:
        loop.close()
    return figures | of_each_side(figures, sides)


def _written(addresses: list[str], said: Any) -> Any:
    heads = [b"<message to='%b' type='chat' id='xl-%d-" % (each.encode(), lane) for lane, each in enumerate(addresses)]
    tail = b"</body>" + xmppload.CHATX + b"</message>"

    def write(lane: int, number: int, stamp: bytes) -> bytes:
        return b"%b%d-%b~'><body>%b%b" % (heads[lane], number, stamp, xmppload.text_of(said, lane, number), tail)

    return write


def _open_link(loop: Any, sender: Any, receiver: Any) -> None:
    """Send a message, and wait for it: not many may wait for a server that has to be found first."""
    arrived: list[bytes] = []
    receiver.handler = lambda _, data: arrived.append(data)
    sender.send(b"<message to='%b' type='chat'><body>first</body></message>" % receiver.jid.encode())
    loop.wait(lambda: b"first" in b"".join(arrived), "the link")


def of_each_side(figures: Mapping[str, float], sides: Any) -> dict[str, float]:
    """What a message costs each server, out of the figures of both together."""
    used = [after - before for before, after in zip(sides.readings[0], sides.readings[-1], strict=True)]
    number = max(1.0, figures["messages_per_server_cpu_s"] * sum(used))
    return {
        "near_cpu_s_per_1000_messages": round(used[0] * 1000 / number, 4),
        "far_cpu_s_per_1000_messages": round(used[1] * 1000 / number, 4),
        "messages_per_busier_cpu_s": round(number / max(*used, 1 / xmppload.CLK), 1),
    }


if __name__ == "__main__":
    xmppload.parser, xmppload.cmd_throughput = parser, messages
    sys.exit(xmppload.main())
