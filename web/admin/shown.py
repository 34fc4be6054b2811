"""Times and sizes as administrators read them; times are UTC."""

from datetime import UTC, datetime

UNITS = ("bytes", "KB", "MB", "GB", "TB")


def day(moment: float) -> str:
    """A time, in seconds since 1970, as its day."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def minute(moment: float) -> str:
    """The same to the minute."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


def second(moment: float) -> str:
    """The same to the second."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"


def size(count: float) -> str:
    """A number of bytes, such as 1.5 MB."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == UNITS[0] else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {UNITS[-1]}"


def duration(seconds: float) -> str:
    """A span of time, such as 3 d 4 h or 12 min."""
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
