"""What a request is for: its target decoded and normalised, and its host (RFC 9110 section 7, RFC 9112 section 3.2).

Whatever could be read in two ways is refused, so that what is checked is what is served (CVE-2023-32315).
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from web.http.messages import HTTPError

QUERY_FIELDS = 100
PATH_SEGMENTS = 100
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/?#@\s,]+)(?::([0-9]{1,5}))?", re.IGNORECASE)


class Target(NamedTuple):
    """A target: its decoded path, without a slash at the end, the path's segments, its query, and the authority that it
    names itself, if it does."""

    path: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    authority: str | None


def target_of(text: str) -> Target:
    """Read the target of a request. Raises HTTPError 400."""
    absolute = _ABSOLUTE.match(text)
    rest = text[absolute.end() :] if absolute else text
    path, _, query = rest.partition("?")
    if not (path.startswith("/") or (absolute and not path)) or "#" in text:
        raise HTTPError(400)
    segments = tuple(_segments(path))
    try:
        fields = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS, errors="strict"))
    except ValueError:
        raise HTTPError(400) from None
    return Target("/" + "/".join(segments), segments, fields, absolute[1] if absolute else None)


def _segments(path: str) -> list[str]:
    if path.count("/") > PATH_SEGMENTS:
        raise HTTPError(404)  # nothing here is as deep, and to look at thousands takes long
    found: list[str] = []
    for raw in path.split("/")[1:-1] + path.rsplit("/", 1)[1:]:
        segment = _decoded(raw)
        if segment == "..":
            if not found:
                raise HTTPError(400)
            found.pop()
        elif segment != ".":
            found.append(segment)
    if found and not found[-1]:
        found.pop()  # the slash at the end says nothing
    if "" in found:
        raise HTTPError(404)
    return found


def _decoded(raw: str) -> str:
    if _BAD_ESCAPE.search(raw):
        raise HTTPError(400)
    try:
        segment = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise HTTPError(400) from None
    if "/" in segment or "\\" in segment or any(ord(each) < 0x20 or each == "\x7f" for each in segment):
        raise HTTPError(400)
    return segment


def host_of(field: str | None) -> str:
    """The host that a Host field names, in lower case, without its port. Raises HTTPError 400."""
    found = _HOST.fullmatch(field or "")
    if found is None:
        raise HTTPError(400, "The request has to name a host.")
    return found[1].rstrip(".").lower()


def is_address(host: str) -> bool:
    """True if this is an IP address: no page of another site can have that as its name (DNS rebinding)."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
