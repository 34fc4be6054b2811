"""Who asks, if a proxy has passed the request on: X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239).

Each proxy adds the address that it was asked from at the right end, and anybody can send anything at the left. So the
list is walked from the right, past the proxies that are trusted: the first other address is the client. From a peer
that is not trusted none of it counts.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import NamedTuple

from web.http.messages import Headers, HTTPError
from xmpp.data.networks import Networks, unmapped

MOST_HOPS = 20
"""So many proxies may stand one behind the other; what is farther to the left is not looked at."""

SIGNS = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "via")
SECURE = ("https", "wss")

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
PAIR = re.compile(rf'[ \t]*(?:({TOKEN})=(?:({TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*)?([;,]|\Z)')
WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[\w.-]+)?|([0-9.]+)(?::[\w.-]+)?|([0-9A-Fa-f:.]+)", re.ASCII)


class Client(NamedTuple):
    """Who asks.

    `is_secure`: whether trusted proxies say that the client uses TLS; None if none says anything of it. `is_forwarded`:
    the request looks as if a proxy, trusted or not, had passed it on, so the client may be anywhere.
    """

    address: str
    is_secure: bool | None = None
    is_forwarded: bool = False


def client_of(peer: str, headers: Headers, trusted: Networks) -> Client:
    """Who asks, where `peer` is who has connected, and `trusted` are the proxies that may speak for others.

    A proxy that does not tell for whom it asks is the client itself. Raises HTTPError 400 if `Forwarded` is malformed,
    or says otherwise than X-Forwarded-For: then the client has sent one of them, and the proxy has let it pass.
    """
    peer = str(unmapped(ip_address(peer)))
    is_forwarded = any(headers.get(each) is not None for each in SIGNS)
    if not is_forwarded or peer not in trusted:
        return Client(peer, None, is_forwarded)
    listed = [each for value in headers.all("x-forwarded-for") for each in value.rsplit(",", MOST_HOPS)]
    elements = [each for value in headers.all("forwarded") for each in _elements(value)]
    client, _ = _walk(peer, listed, trusted)
    its_client, hops = _walk(peer, [each.get("for", "") for each in elements], trusted)
    if listed and elements and client != its_client:
        raise HTTPError(400, "Forwarded and X-Forwarded-For do not agree.")
    said = headers.tokens("x-forwarded-proto")[-1:]
    if elements and "proto" in elements[-hops]:
        said.append(elements[-hops]["proto"].lower())
    return Client(client if listed else its_client, all(each in SECURE for each in said) if said else None, True)


def _walk(peer: str, listed: Sequence[str], trusted: Networks) -> tuple[str, int]:
    """The client, and how many items from the right were looked at to find it."""
    client, hops = peer, 0
    for item in reversed(listed[-MOST_HOPS:]):
        hops += 1
        address = _address(item)
        if address is None:  # hidden, unknown, or garbage
            break
        client = address
        if client not in trusted:
            break
    return client, hops


def _address(item: str) -> str | None:
    """The IP address in an item such as `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`."""
    found = WITH_PORT.fullmatch(item.strip(" \t"))
    if found is None:
        return None
    try:
        return str(unmapped(ip_address(next(filter(None, found.groups())))))
    except ValueError:
        return None


def _elements(value: str) -> list[dict[str, str]]:
    """The elements of a `Forwarded` field. Raises HTTPError 400 unless it is well-formed: behind a quote that stands
    open, a client could hide what a proxy has added."""
    elements: list[dict[str, str]] = [{}]
    at, end = 0, ","
    while end:
        pair = PAIR.match(value, at)
        if pair is None:
            raise HTTPError(400, "Forwarded is malformed.")
        name, token, quoted, end = pair.groups()
        if name is not None:
            name = name.lower()
            if name in elements[-1]:
                raise HTTPError(400, "Forwarded is malformed.")
            elements[-1][name] = token if token is not None else re.sub(r"\\(.)", r"\1", quoted)
        if end == ",":
            elements.append({})
        at = pair.end()
    return [each for each in elements if each]
