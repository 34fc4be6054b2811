"""The log: to standard error, as text or as lines of JSON, and without secrets."""

import itertools
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from xmpp.running.recent_log import RecentLog
from xmpp.running.uncaught import RepeatedTracebacks, log_what_nobody_catches

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
REMOVED = "[removed]"
MAX_WORD = 100  # characters of an address: it may have 3,000

# What carries a secret: the content of SASL elements and of passwords in XML, and the value behind such a name.
_IN_XML = re.compile(
    r"(<(?:[\w.-]+:)?(?:auth|response|challenge|success|initial-response|additional-data|authenticate|password|token)"
    r"(?:\s[^<>]*)?>)[^<]+"
)
_NAMED = re.compile(
    r"""(\b\w*(?:password|passwd|secret|token|authorization|salted_key|stored_key|server_key)\w*["']?\s*[:=]\s*b?)"""
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;})\]]+)""",
    re.IGNORECASE,
)
# One of them is in each of those names, in whatever case: no more of "authorization", whose "i" has odd capitals.
_HINTS = ("passw", "secret", "token", "author", "_key")


def start_logging(style: str, level: str) -> None:
    """Log records of this level and above, in the style `text` or `json`.

    Python's warnings, exceptions that nobody catches, and the one that ends the process are logged in the same style.
    """
    handler = _Handler()
    handler.addFilter(RepeatedTracebacks())
    handler.setFormatter(JSONFormatter() if style == "json" else TextFormatter(TEXT))
    logging.basicConfig(handlers=[handler, RecentLog(TextFormatter("%(message)s"))], level=level.upper(), force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_crash
    log_what_nobody_catches()


def recent() -> RecentLog | None:
    """What was logged lately; None if the log has not been started."""
    return next((each for each in logging.getLogger().handlers if isinstance(each, RecentLog)), None)


def asks_for_json(arguments: Sequence[str]) -> bool:
    """True if a command line has `--log-format json`: for what is printed before the command line has been parsed."""
    return "--log-format=json" in arguments or ("--log-format", "json") in itertools.pairwise(arguments)


def printer(style: str, print_line: Callable[[str], object]) -> Callable[[str], object]:
    """A function that prints a line with `print_line`: as it is, or as an object if the style is `json`."""
    if style != "json":
        return print_line
    return lambda text: print_line(_json_line(time.time(), logging.INFO, "xserv", text))


def redacted(text: str) -> str:
    """The text without secrets. This is the second line of defence: nothing should log a secret at all."""
    without_content = _IN_XML.sub(rf"\1{REMOVED}", text)
    folded = without_content.casefold()
    if not any(hint in folded for hint in _HINTS):  # nearly always true, and costs a tenth of the pattern
        return without_content
    return _NAMED.sub(rf"\1{REMOVED}", without_content)


def log_refusal(log: logging.Logger, error: Exception, what: str, *about: object) -> None:
    """Log that the storage has refused something, and why.

    Only at level DEBUG if the trouble lasts (`error.lasts`): the storage itself logs when that begins and ends.
    """
    level = logging.DEBUG if getattr(error, "lasts", False) else logging.ERROR
    log.log(level, f"{what}: %s", *about, error)


def one_word(text: str) -> str:
    """Text of somebody else's choosing, as one word of a log line: at most MAX_WORD characters, in which nothing can
    begin another line, end the word, or turn the direction of writing."""
    shown = text[:MAX_WORD] + ("..." if len(text) > MAX_WORD else "")
    return "".join(each if each.isprintable() and not each.isspace() else f"\\u{ord(each):04x}" for each in shown)


class TextFormatter(logging.Formatter):
    """A line for people to read, with the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class JSONFormatter(logging.Formatter):
    """An object on a line of its own: time, level, logger, message, and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        more = {"traceback": redacted(self.formatException(record.exc_info))} if record.exc_info else {}
        return _json_line(record.created, record.levelno, record.name, redacted(record.getMessage()), **more)


class _Handler(logging.StreamHandler[Any]):
    """Logs to standard error. A record that cannot be formatted is reported in the log's own style, not in Python's."""

    def handleError(self, record: logging.LogRecord) -> None:
        told = logging.LogRecord(
            record.name, logging.ERROR, record.pathname, record.lineno, "not logged: %r", (record.msg,), sys.exc_info()
        )
        try:
            self.stream.write(self.format(told) + self.terminator)
            self.flush()
        except (OSError, ValueError):  # nobody reads the log any more
            return


def _json_line(created: float, level: int, logger: str, message: str, **more: str) -> str:
    """In ASCII, so that it is one line of JSON whatever the encoding of the terminal or pipe."""
    moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    level_name = logging.getLevelName(level).lower()
    return json.dumps({"time": moment, "level": level_name, "logger": logger, "message": message, **more})


def _log_crash(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """In place of Python's own hook, which would not write to the log."""
    logging.getLogger("xserv").critical("ended by a mistake: %r", error, exc_info=(kind, error, at))
