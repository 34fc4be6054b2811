"""Moments on the wire (XEP-0082, profile DateTime) and, inside the server, as seconds since 1970 in UTC."""

import re
from datetime import UTC, datetime
from typing import Literal

_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
)


def format_utc(moment: float, precision: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """`2026-11-22T21:00:00Z`, or `2026-11-22T21:00:00.000Z`; truncated to the precision, not rounded."""
    # Always UTC: an offset would show where somebody is (XEP-0082, security considerations).
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def stamp(moment: float) -> str:
    """When a stanza was sent: to the millisecond, wherever that is said, so that clients sort what comes late and what
    comes from an archive in one order."""
    return format_utc(moment, "milliseconds")


def parse(text: str) -> float:
    """The moment, in seconds since 1970, to the microsecond. Raises ValueError if `text` is not a DateTime."""
    if not _DATE_TIME.fullmatch(text):
        raise ValueError(f"not a date and time of XEP-0082: {text[:40]!r}")
    return datetime.fromisoformat(text).timestamp()
