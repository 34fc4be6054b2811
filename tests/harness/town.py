"""A server in this process, a few devices of a few people, and the lines between them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gevent

from db import accounts as account_records
from db.sqlite.database import Database
from db.sqlite.errors import StorageError
from handlers.tables import FEATURES, TABLES
from tests.harness.devices import Device, Management
from tests.harness.in_process import FOR_EVER, add_accounts, befriend, configuration
from tests.harness.lines import Line
from xmpp.data.errors import StreamError
from xmpp.routing.feature import Feature, State
from xmpp.routing.tables import Tables
from xmpp.server import Server
from xmpp.stream.client import ClientStream, Terms, stream_tags
from xmpp.stream.outbox import Flusher
from xmpp.stream.places import Places
from xmpp.stream.xml.nameguard import ProcessNames

# What the loop was asked to do may take more than one round of it: after 5 ms it looks for other work.
QUIET_ROUNDS = 4


class Town:
    """Everybody knows everybody. `restart` may be called; `stop` must be."""

    def __init__(
        self,
        folder: Path,
        addresses: Iterable[str],
        tables: Tables,
        settings: Mapping[str, Mapping[str, Any]],
        device: Callable[[str], Device] = Device,
    ) -> None:
        self.devices = [device(address) for address in addresses]
        self._folder = folder
        self._tables = tables
        self._settings = settings
        self._start()
        accounts = sorted({device.account for device in self.devices})
        add_accounts(self.server, *(account.local for account in accounts))
        for number, account in enumerate(accounts):
            for other in accounts[:number]:
                befriend(self.server, account, other)

    def _start(self) -> None:
        # A deadline counts from when the loop last looked at the clock: long ago, where tests before this one ran for
        # minutes without it.
        gevent.get_hub().loop.update_now()
        self._db = Database(self._folder / "test.db")
        self._flusher = Flusher()
        self._streams: list[ClientStream] = []
        watched = Feature("watched", steps=[*self._tables.all_steps.difference(TABLES.all_steps)])
        self.server = Server(
            configuration(**self._settings), self._db, (*FEATURES, watched), self._tables,
            storage_errors=(StorageError,),
        )  # fmt: skip
        self.server.portions.seconds = FOR_EVER
        self._terms = Terms(None, False, ProcessNames(), stream_tags(self.server.registry))

    def restart(self) -> None:
        """End the server as SIGTERM does, and start another one on the same file."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the server. Slow lines are dead before its last words get through."""
        for stream in self._streams:
            stream.close(StreamError("system-shutdown"))
        self.server.stop()
        self.settle()
        for device in self.devices:
            device.hang_up()
        self._db.close()

    # -- lines

    def settle(self) -> None:
        """Let everything go on until there is nothing more to do."""
        quiet_rounds = 0
        while quiet_rounds < QUIET_ROUNDS:
            self._db.flush()
            gevent.idle()
            moves = [self._carry(device) for device in self.devices]
            quiet_rounds = 0 if any(moves) else quiet_rounds + 1

    def _carry(self, device: Device) -> bool:
        """Take across what is under way; whether anything was, or has not been read yet."""
        line = device.line
        if line is None or line.is_slow:
            return line is not None and line.is_busy
        went_up, data = line.carry_up(), line.carry_down()
        if data:
            device.take(data)
        elif line.is_ended:
            device.hang_up()
        return went_up or bool(data) or line.is_busy

    def carry(self, device: Device, up: float, down: float) -> None:
        """Let a slow line take a share of what is under way to the server, then one of what comes from there."""
        assert device.line is not None
        device.line.carry_up(up)
        self.settle()
        device.take(device.line.carry_down(down))
        self.settle()

    def speed_up(self, device: Device) -> None:
        """Make a slow line a good one."""
        assert device.line is not None
        device.line.is_slow = False
        self.settle()

    def cut(self, device: Device, *, is_noticed: bool) -> None:
        """Lose a line, with all that is under way; the server may go on to believe in it."""
        if is_noticed:
            device.hang_up()
        else:
            device.let_go()
        self.settle()

    # -- sessions

    def log_in(self, device: Device, management: Management) -> None:
        """A new session on a new line, whatever the server thinks of an older one."""
        self._connect(device)
        device.bind()
        self.settle()
        device.session = self.server.online.session(device.jid)
        assert device.session is not None
        device.manage(management)
        self.settle()
        device.begin_session()

    def resume(self, device: Device) -> None:
        """Ask for the session that was lost; the answer is under way."""
        self._connect(device)
        device.resume()

    def _connect(self, device: Device) -> None:
        """Log in. How is no business of these tests: the stream is told who it is."""
        line = Line()
        place = Places().take("here", most=1, most_strangers=1)
        stream = ClientStream(self.server, self._terms, line, self._flusher, str(device), place)  # type: ignore
        gevent.spawn(stream.serve)
        self._streams = [each for each in self._streams if each.state is not State.CLOSED] + [stream]
        device.connect(line)
        self.settle()
        identity = account_records.identity(self.server.db, device.account)
        assert identity is not None
        stream.authenticated(device.account, identity)
        device.begin_stream()
        self.settle()
