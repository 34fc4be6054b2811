"""The file of domains that are not talked to, as people share them: one in each line, with comments."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from xmpp.data.jid import JID, MalformedJID

MOST_BYTES = 500_000  # some 18,000 domains, which take 50 ms
COMMENT = "#"
# Stands in addresses as it is, which takes a twentieth of the time to see.
_PLAIN = re.compile(r"(?!.{64}|.*xn--)(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,20}")


def read_denied(file: Path) -> frozenset[str]:
    """The domains in the file, normalised. Raises ValueError, which names the line, if it cannot be read or something
    else is in it: to leave that out would let somebody in."""
    try:
        size = file.stat().st_size
        text = file.read_text(encoding="utf-8") if size <= MOST_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"expected a readable file of domains; {file}: {error}") from None
    if size > MOST_BYTES:
        raise ValueError(f"expected a file of at most {MOST_BYTES} bytes; {file} has {size}")
    return frozenset(_domains(text.splitlines(), file))


def _domains(lines: Iterable[str], file: Path) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        entry = line.partition(COMMENT)[0].strip()
        if entry:
            yield entry if _PLAIN.fullmatch(entry) else _domain(entry, f"{file}, line {number}")


def _domain(entry: str, place: str) -> str:
    try:
        address = JID.parse(entry)
    except MalformedJID as error:
        raise ValueError(f"expected domains; {place}: {error}") from None
    if address != address.domain:
        raise ValueError(f"expected domains alone; {place}: {entry}")
    return str(address)
