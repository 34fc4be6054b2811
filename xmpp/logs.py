"""The log: to standard error, as text or as lines of JSON, and without secrets."""

import json
import logging
import re
from datetime import UTC, datetime
from types import TracebackType

import gevent

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


def start_logging(style: str, level: str) -> None:
    """Log what is of this level or above, as `text` or `json`; what escapes from a greenlet is logged too."""
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter() if style == "json" else TextFormatter(TEXT))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    gevent.get_hub().print_exception = _log_uncaught  # type: ignore[method-assign,assignment]


def redacted(text: str) -> str:
    """Return the text with secrets taken out of it. The second line of defence: nobody should log them at all."""
    return _NAMED.sub(rf"\1{REMOVED}", _IN_XML.sub(rf"\1{REMOVED}", text))


def one_word(text: str) -> str:
    """Return what somebody else has chosen as one word of a line: nothing in it begins another line, ends the word, or
    turns the direction of writing; and it is not longer than MAX_WORD."""
    shown = text[:MAX_WORD] + ("..." if len(text) > MAX_WORD else "")
    return "".join(each if each.isprintable() and not each.isspace() else f"\\u{ord(each):04x}" for each in shown)


class TextFormatter(logging.Formatter):
    """A line for people, with the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class JSONFormatter(logging.Formatter):
    """An object on a line of its own: time, level, logger, message, and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info:
            entry["traceback"] = redacted(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def _log_uncaught(
    context: object, _kind: type[BaseException] | None, error: BaseException | str | None, _at: TracebackType | None
) -> None:
    """In place of gevent's own, which prints past the log."""
    logging.getLogger("gevent").error(
        "%r failed: %r", context, error, exc_info=error if isinstance(error, BaseException) else None
    )
