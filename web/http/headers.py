"""The header fields that every response has."""

from collections.abc import Mapping
from email.utils import formatdate

STANDARD = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""A response may replace these; a value of "" leaves one out."""
# Pages of other sites may use what is answered without cookies (Fetch standard); errors too, or nobody would see them.
CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Content-Type, Authorization, Range, If-Range, If-None-Match, If-Modified-Since",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, ETag, Retry-After",
    "Access-Control-Max-Age": "7200",
}


def complete(own: Mapping[str, str], *, cross_origin_methods: str = "") -> dict[str, str]:
    """These header fields, and the standard ones. `cross_origin_methods`: what pages of other sites may do here."""
    headers = {"Date": formatdate(usegmt=True), **STANDARD}
    if cross_origin_methods:
        headers |= CROSS_ORIGIN | {"Access-Control-Allow-Methods": cross_origin_methods}
    return {name: value for name, value in (headers | _named(own)).items() if value}


def _named(own: Mapping[str, str]) -> dict[str, str]:
    """The same under the names that they have above, since names of fields are the same in any case."""
    standard = {name.lower(): name for name in (*STANDARD, *CROSS_ORIGIN, "Date")}
    return {standard.get(name.lower(), name): value for name, value in own.items()}
