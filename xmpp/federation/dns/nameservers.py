"""Which name servers to ask: those that are set, else those of the system (resolv.conf(5))."""

import logging
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from time import monotonic

from xmpp.federation.dns.settings import NameServer

log = logging.getLogger(__name__)

SYSTEM = Path("/etc/resolv.conf")
MOST = 3  # as many as the system itself would ask
AVOIDED_SECONDS = 60.0


class NameServers:
    """The name servers, and which of them have failed of late."""

    def __init__(self, file: Path = SYSTEM) -> None:
        self._file = file
        self._read_at: int | None = None  # when the file had been changed
        self._of_system: tuple[NameServer, ...] = ()
        self._failed = dict[NameServer, float]()

    def in_order(self, configured: Sequence[NameServer]) -> list[NameServer]:
        """The ones to ask, first those that have not failed lately."""
        servers = list(configured or self._system())[:MOST]
        now = monotonic()
        self._failed = {each: at for each, at in self._failed.items() if each in servers and now - at < AVOIDED_SECONDS}
        return sorted(servers, key=self._failed.__contains__)

    def failed(self, server: NameServer) -> None:
        """Ask the others first for a while."""
        self._failed[server] = monotonic()

    def _system(self) -> tuple[NameServer, ...]:
        """What the file says now: it changes when a machine comes into another network."""
        try:
            changed_at = self._file.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._of_system = tuple(_listed(self._file.read_text(encoding="utf-8", errors="replace")))
                self._read_at = changed_at
        except OSError as error:
            log.debug("%s cannot be read: %s", self._file, error.strerror)
        return self._of_system or (NameServer("127.0.0.1"),)


def _listed(text: str) -> Iterator[NameServer]:
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_] if _is_address(address):
                yield NameServer(address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
