"""Finds where TLS records end, however their bytes are cut (RFC 8446 section 5.1); without I/O and without keys."""

from collections.abc import Iterator

from xmpp.stream.tls.client_hello import RECORD_HEADER_BYTES


class Records:
    """Follows the records of one direction. Whether they are valid is for OpenSSL to judge."""

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._header = b""  # of the next one, as far as it has come
        self._left = 0  # bytes still to come of the one whose header is whole

    @property
    def is_between(self) -> bool:
        """True if the last byte was the end of a record."""
        return not (self._left or self._header)

    def follow(self, data: bytes) -> None:
        """Follow these bytes without cutting them."""
        for _ in self.portions(data, len(data)):
            pass

    def portions(self, data: bytes, most: int) -> Iterator[tuple[bytes, int]]:
        """Cut these bytes into portions in which at most `most` records end; yields each with the number of those."""
        begin = end = whole = 0
        while (end := self._record_end(data, end)) >= 0:
            whole += 1
            if whole == most:
                yield data[begin:end], whole
                begin, whole = end, 0
        if begin < len(data):
            yield data[begin:], whole

    def _record_end(self, data: bytes, at: int) -> int:
        """Where the record ends that begins or goes on at `at`; -1 if its end is not in this data."""
        if not self._left:
            begun = len(self._header)
            self._header += data[at : at + RECORD_HEADER_BYTES - begun]
            if len(self._header) < RECORD_HEADER_BYTES:
                return -1
            at += RECORD_HEADER_BYTES - begun
            self._left, self._header = int.from_bytes(self._header[3:]), b""
        end = at + self._left
        self._left = max(0, end - len(data))
        return -1 if self._left else end
