"""The bytes of files on the disk: others have their turn, and what breaks off leaves nothing."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gevent
import pytest

from db.files.disk import PIECE_BYTES, DiskStore

KEY = "a" * 32
COMES = bytes(65_536)
TIMES = 160


class Turns:
    """How many bytes have passed between two turns of somebody else, at most."""

    def __init__(self) -> None:
        self.most = 0
        self._passed = 0
        self._greenlet = gevent.spawn(self._go_round)

    def passes(self, data: bytes) -> bytes:
        self._passed += len(data)
        return data

    def close(self) -> None:
        self._greenlet.kill()

    def _go_round(self) -> None:
        while True:
            self.most, self._passed = max(self.most, self._passed), 0
            gevent.sleep(0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    with closing(DiskStore(tmp_path / "uploads")) as store:
        yield store


def test_others_have_their_turn_however_fast_a_file_comes_and_goes(store: DiskStore) -> None:
    with closing(Turns()) as turns:
        store.keep(KEY, (turns.passes(COMES) for _ in range(TIMES)))
        assert 0 < turns.most <= 2 * PIECE_BYTES
    with closing(Turns()) as turns:
        assert sum(len(turns.passes(piece)) for piece in store.read(KEY, 0, TIMES * len(COMES))) == TIMES * len(COMES)
        assert 0 < turns.most <= 2 * PIECE_BYTES


def test_a_file_is_there_whole_or_not_at_all(store: DiskStore, tmp_path: Path) -> None:
    def breaks_off() -> Iterator[bytes]:
        yield COMES
        assert not store.path(KEY).exists()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.keep(KEY, breaks_off())
    assert not [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]


@pytest.mark.parametrize("key", ["", "..", "../a", "a/b", "a.b", "ä"])
def test_a_key_leads_nowhere_else(store: DiskStore, key: str) -> None:
    with pytest.raises(ValueError):
        store.path(key)
