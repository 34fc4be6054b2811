"""Processes that run `xserv`, without the second that Python takes for each to start and import: they are forked from
one that has imported everything and done nothing yet.

All else is as if it were started anew: arguments, environment, descriptors, a process of its own with its own end. What
is about starting Python, about a terminal or about another program around it, starts the command itself.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1 << 20  # of what a child is to be started with


class Process:
    """A child, for whoever knows subprocess.Popen."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        told = json.dumps({"arguments": arguments, "environment": dict(environment), "folder": os.getcwd()}).encode()
        assert len(told) < MOST_BYTES
        self._status, theirs = os.pipe()
        socket.send_fds(_parent(), [told], [stdin, stdout, stderr, theirs])
        os.close(theirs)
        self._heard = b""
        self.returncode: int | None = None
        while b"\n" not in self._heard:
            self._hear()
        self.pid = int(self._heard.partition(b"\n")[0])

    def _hear(self) -> bool:
        heard = os.read(self._status, 100)
        self._heard += heard
        return bool(heard)

    def poll(self) -> int | None:
        """Its exit status, negative where a signal has ended it, or None while it runs."""
        return self._wait(0)

    def wait(self, timeout: float) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if (status := self._wait(timeout)) is None:
            raise subprocess.TimeoutExpired("xserv", timeout)
        return status

    def _wait(self, seconds: float) -> int | None:
        until = time.monotonic() + seconds
        while self.returncode is None:
            if not select.select([self._status], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            if not self._hear():
                os.close(self._status)
                self.returncode = os.waitstatus_to_exitcode(int(self._heard.split(b"\n")[1]))
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


_parents: dict[int, socket.socket] = {}  # of this process alone: not of one that was forked from it


def _parent() -> socket.socket:
    """What all are forked from."""
    if os.getpid() not in _parents:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
        parent = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        _parents[os.getpid()] = ours
        atexit.register(parent.wait)  # it ends when this end is closed, as it is before
        atexit.register(ours.close)
    return _parents[os.getpid()]


# -- over there


def _fork_for_ever(descriptor: int) -> None:
    """Answer requests until nobody can make any; returns in a child that is to run what was asked for."""
    requests = socket.socket(fileno=descriptor)
    fork, waitpid, receive, handle = os.fork, os.waitpid, socket.recv_fds, signal.signal  # before gevent has its own
    import xserv  # noqa: F401

    handle(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        told, descriptors, _, _ = receive(requests, MOST_BYTES, 4)
        if not told:
            os._exit(0)
        if fork():
            for each in descriptors:
                os.close(each)
            continue
        handle(signal.SIGCHLD, signal.SIG_DFL)
        status = descriptors[3]
        child = fork()
        if not child:
            _become(json.loads(told), descriptors)
            return
        for each in (0, 1, 2, descriptor, *descriptors[:3]):
            os.close(each)
        os.write(status, b"%d\n" % child)
        os.write(status, b"%d" % waitpid(child, 0)[1])
        os._exit(0)


def _become(told: dict, descriptors: list[int]) -> None:  # type: ignore[type-arg]
    for number, each in enumerate(descriptors[:3]):
        os.dup2(each, number)
    os.closerange(3, 1 << 16)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = ["xserv", *told["arguments"]]
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)


def _run() -> None:
    from cli.commands import main
    from xmpp.running import logs

    if logs.asks_for_json(sys.argv[1:]):
        logs.start_logging("json", "info")
    main(prog_name="xserv")


if __name__ == "__main__":
    _fork_for_ever(int(sys.argv[1]))
    _run()
