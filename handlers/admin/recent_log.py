"""What the log has said lately, for administrators: as much as is kept in memory, without secrets."""

from typing import TYPE_CHECKING

from handlers.admin.given import SHOWN, Administrator
from xmpp.control import Refused
from xmpp.running import logs
from xmpp.running.recent_log import Entry

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

LEVELS = ("debug", "info", "warning", "error")


def entries(
    server: "Server",
    by: Administrator,
    level: str = "info",
    text: str = "",
    since: float = 0.0,
    before: int = 0,
    most: int = SHOWN,
) -> list[Entry]:
    """At most so many entries, the newest first: of this level and above, with this text in them, since this time (in
    seconds since 1970), and before the entry of this number, unless that is 0."""
    if level not in LEVELS:
        raise Refused(f"{level!r} is no level, expected one of {', '.join(LEVELS)}.")
    recent = logs.recent()
    if recent is None:
        return []
    return recent.newest(level=level, text=text.strip(), since=since, before=before, most=most)
