"""Conditional requests and ranges (RFC 9110 sections 13 and 14), for a thing with an ETag and a time of its last
change."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from web.http.messages import Headers

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,50})\s*-\s*([0-9]{0,50})\s*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Verdict(Enum):
    """What the conditions of a request come to."""

    GO_ON = auto()
    NOT_MODIFIED = auto()  # 304
    FAILED = auto()  # 412


def verdict(headers: Headers, tag: str, changed: int) -> Verdict:
    """Check the conditions of a GET or HEAD, in the order of section 13.2.2. `tag`: the strong ETag, with its quotes.
    `changed`: in whole seconds since 1970."""
    match, unmodified = headers.get("if-match"), headers.get("if-unmodified-since")
    if match is not None:
        if not names(match, tag, is_weak_enough=False):
            return Verdict.FAILED
    elif unmodified is not None and (moment := _moment(unmodified)) is not None and changed > moment:
        return Verdict.FAILED
    none_match, modified = headers.get("if-none-match"), headers.get("if-modified-since")
    if none_match is not None:
        return Verdict.NOT_MODIFIED if names(none_match, tag) else Verdict.GO_ON
    if modified is not None and (moment := _moment(modified)) is not None and changed <= moment:
        return Verdict.NOT_MODIFIED
    return Verdict.GO_ON


def names(field: str, tag: str, *, is_weak_enough: bool = True) -> bool:
    """True if a list such as that of If-None-Match has this strong tag, or a weak one like it if that is enough."""
    if field.strip() == "*":
        return True
    return any(each[1] == tag and (is_weak_enough or not each[0].startswith("W/")) for each in _TAG.finditer(field))


def range_of(headers: Headers, tag: str, changed: int, size: int) -> tuple[int, int] | None:
    """The first byte that is asked for, and the one after the last; None if all are to be sent. Raises ValueError if
    there are none such (416).

    Several ranges, other units, and what is no range are ignored, as section 14.2 allows; so is a range for something
    that has changed.
    """
    asked, if_range = headers.get("range"), headers.get("if-range")
    found = _RANGE.fullmatch(asked or "")
    if found is None or (if_range is not None and not _is_still(if_range, tag, changed)):
        return None
    first, last = found[1], found[2]
    if not first:
        if not last:
            return None
        if not int(last):
            raise ValueError("no bytes are asked for")
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise ValueError("there are not so many bytes")
    return int(first), min(size, int(last) + 1) if last else size


def _is_still(if_range: str, tag: str, changed: int) -> bool:
    """Section 13.1.5: a strong tag, or the very time."""
    return if_range.strip() == tag or _moment(if_range) == changed


def _moment(field: str) -> float | None:
    try:
        found = parsedate_to_datetime(field)
    except (ValueError, TypeError, OverflowError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
