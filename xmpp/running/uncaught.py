"""Logs exceptions that nobody catches: in threads, in greenlets, and where Python cannot raise, as in callbacks from C.

Without these hooks Python and gevent print them, in no format of the log and without a limit.
"""

import logging
import sys
import threading
import traceback
from collections import OrderedDict
from types import TracebackType

from gevent.hub import Hub

log = logging.getLogger("uncaught")

TIMES, SECONDS = 3, 60.0  # so many tracebacks of one kind are logged in so many seconds
KINDS = 200  # of tracebacks, counted at a time
SHOWN = 200  # characters of an exception's text, or of what it happened to


def log_what_nobody_catches() -> None:
    """Install the hooks. The exception that ends the process is logged by logs.py."""
    Hub.print_exception = staticmethod(_uncaught_in_greenlet)  # type: ignore[method-assign,assignment]
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


class RepeatedTracebacks(logging.Filter):
    """Lets a few tracebacks of each kind pass in a minute, and counts the others. A kind is a place and a message.

    A client that makes something fail may be able to do so again and again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: OrderedDict[object, _Seen] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.exc_info:
            return True
        kind = _kind_of(record)
        seen = self._seen.setdefault(kind, _Seen(record.created))
        if len(self._seen) > KINDS:
            self._seen.popitem(last=False)
        left_out = seen.count(record.created)
        if left_out:
            record.msg, record.args = "%s (and %d times more since it was last said)", (record.getMessage(), left_out)
        return left_out is not None


class _Seen:
    """How often one kind of traceback was seen in this minute."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._times = 0

    def count(self, now: float) -> int | None:
        """Count one more; returns how many were left out before it, or None if it is to be left out itself."""
        left_out = 0
        if now - self._since > SECONDS:
            left_out = max(0, self._times - TIMES)
            self._since, self._times = now, 0
        self._times += 1
        return left_out if self._times <= TIMES else None


def _kind_of(record: logging.LogRecord) -> object:
    """A key that is the same for two records that differ only in time and in the client that they are about."""
    error, at = record.exc_info[1:] if record.exc_info else (None, None)
    places = tuple((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(at))
    return record.name, record.msg, type(error), places[-1:]


def _uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
    if what.exc_type is not SystemExit:
        name = what.thread.name if what.thread else "a thread"
        log.error("%s failed: %s", name, _shown(what.exc_value), exc_info=what.exc_value)


def _uncaught_in_greenlet(
    context: object, _kind: type[BaseException] | None, error: BaseException | str | None, _at: TracebackType | None
) -> None:
    exc_info = error if isinstance(error, BaseException) else None
    log.error("%s failed: %s", _shown(context), _shown(error), exc_info=exc_info)


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    about = what.err_msg or "an exception is ignored in"
    log.error("%s %s: %s", about, _shown(what.object), _shown(what.exc_value), exc_info=what.exc_value)


def _shown(what: object) -> str:
    """The start of its repr: it may be anything, even a large thing that a client sent."""
    try:
        return repr(what)[:SHOWN]
    except Exception:
        return f"a {type(what).__name__}"
