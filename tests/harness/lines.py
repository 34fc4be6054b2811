"""Lines between a device and a server in the same process, without sockets: slow if a test likes, and cut at any byte.

What either side writes is under way until it is carried across.
"""

from gevent.queue import SimpleQueue


class Line:
    """A connection between a device and the server. `is_slow`: nothing goes across before somebody says so."""

    tls = None  # and never will be

    def __init__(self) -> None:
        self.up, self.down = bytearray(), bytearray()
        self.is_slow = False
        self.is_ended = False  # by the server
        self._arrived: SimpleQueue[bytes] = SimpleQueue()

    def carry_up(self, share: float = 1) -> bool:
        """Take a share of what the device has written to the server; whether that was anything."""
        data = _taken_off(self.up, share)
        if data:
            self._arrived.put(data)
        return bool(data)

    def carry_down(self, share: float = 1) -> bytes:
        """Take a share of what the server has written off the line."""
        return _taken_off(self.down, share)

    @property
    def is_busy(self) -> bool:
        """Whether something has arrived that the server has not read yet."""
        return not (self.is_ended or self._arrived.empty())

    def cut(self) -> None:
        """Lose what is under way, and let the server see that the line is dead."""
        self.up.clear()
        self.down.clear()
        self.close()

    # -- the server's end: xmpp.stream.connection.Transport

    def read(self) -> bytes:
        data = self._arrived.get()
        if not data:
            raise ConnectionResetError
        return data

    def try_send(self, data: bytes) -> int:
        if self.is_ended:
            raise BrokenPipeError
        self.down += data
        return len(data)

    def wait_writable(self) -> None:
        raise AssertionError("a line takes all that it is given")

    def trust(self) -> None:
        pass

    def shutdown_write(self) -> None:
        self.is_ended = True

    def close(self) -> None:
        self.is_ended = True
        self._arrived.put(b"")


def _taken_off(waiting: bytearray, share: float) -> bytes:
    amount = round(len(waiting) * share)
    taken = bytes(waiting[:amount])
    del waiting[:amount]
    return taken
