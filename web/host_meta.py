"""XEP-0156: where clients in browsers, which cannot look up SRV records, find WebSocket and BOSH; and XEP-0487, where
all that it needs is configured.

It belongs at https://DOMAIN/, which is often another machine than this one. Nothing is fetched from there: what has to
stand there is printed instead (`pasted`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from web.http.messages import Request, Response, text
from web.part import Part
from xmpp.config.configuration import setting
from xmpp.data.wire import quoted

if TYPE_CHECKING:
    from web.site import Site

XRD = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
RELATION = "urn:xmpp:alt-connections:"
PATH = "/.well-known/host-meta"
# Which part carries what, under which name, and where it is.
CARRIERS = (("bosh", "xbosh", "https", "/http-bind"), ("websocket", "websocket", "wss", "/xmpp-websocket"))
UNSET = -1


def _check_addresses(addresses: tuple[str, ...]) -> None:
    try:
        if any(not ip_address(address).is_global for address in addresses):
            raise ValueError
    except ValueError:
        raise ValueError("expected public IP addresses, such as those of the A and AAAA records") from None


@dataclass(frozen=True)
class HostMetaSettings:
    """How clients in browsers find this server (XEP-0156). The settings are for XEP-0487, which is published only when
    all of them are given: clients that know it look at no DNS record any more."""

    ips: tuple[str, ...] = setting((), "The public addresses of this machine, IPv4 and IPv6.", check=_check_addresses)
    ttl: int = setting(UNSET, "For how many seconds clients may remember it. Keep it short, and shorten it before "
                       "addresses change.", minimum=-1, maximum=86_400)  # fmt: skip
    priority: int = setting(UNSET, "The priority of this machine, as in an SRV record.", minimum=-1, maximum=65_535)
    weight: int = setting(UNSET, "Its weight, as in an SRV record.", minimum=-1, maximum=65_535)
    sni: str = setting("", "The name that clients ask for in TLS.")

    @property
    def is_complete(self) -> bool:
        """True if all that XEP-0487 needs is given."""
        return bool(self.ips and self.sni) and self.ttl > 0 and UNSET not in (self.priority, self.weight)


part = Part("host_meta", xep="0156", settings=HostMetaSettings)


@part.get(PATH, cross_origin=True)
def host_meta(site: "Site", request: Request) -> Response:
    """As XRD (RFC 6415)."""
    return _published(as_xrd(_links(site, request)), "application/xrd+xml")


@part.get(f"{PATH}.json", cross_origin=True)
def host_meta_json(site: "Site", request: Request) -> Response:
    """As JSON, also with what XEP-0487 adds."""
    settings = site.server.settings(HostMetaSettings)
    port = next((site.listener.ports[each] for each in ("everything", "TLS") if each in site.listener.ports), None)
    return _published(as_json(_links(site, request), settings, port), "application/json")


def links(base: str, has: Callable[[str], bool]) -> dict[str, str]:
    """The addresses by their relations. Only what TLS protects is named (XEP-0156 section 3.2)."""
    scheme, _, place = base.partition("://")
    if scheme != "https":
        return {}
    return {
        RELATION + relation: f"{scheme}://{place}{path}" for part, relation, scheme, path in CARRIERS if has(part)
    }


def as_xrd(found: dict[str, str]) -> str:
    """These links as XRD."""
    lines = [f"  <Link rel={quoted(relation)} href={quoted(address)}/>\n" for relation, address in found.items()]
    return f"<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='{XRD}'>\n{''.join(lines)}</XRD>\n"


def as_json(found: dict[str, str], settings: HostMetaSettings, tls_port: int | None = None) -> str:
    """The same as JSON. If all settings are given, each link says what would be looked up otherwise (XEP-0487)."""
    listed: list[dict[str, Any]] = [{"rel": relation, "href": address} for relation, address in found.items()]
    whole: dict[str, Any] = {"links": listed}
    if settings.is_complete and found:
        if tls_port is not None:
            listed.append({"rel": f"{RELATION}tls", "port": tls_port})
        more = {"ips": [*settings.ips], "sni": settings.sni, "priority": settings.priority, "weight": settings.weight}
        for link in listed:
            link.update(more)
        whole = {"xmpp": {"ttl": settings.ttl}, **whole}
    return json.dumps(whole, indent=2) + "\n"


def pasted(domain: str, base: str, has: Callable[[str], bool]) -> str:
    """What to put onto the web server of a domain that is not this machine: the files, or the lines that pass on."""
    found = links(base, has)
    if not found:
        return f"{domain}: there is nothing that clients in browsers could find, since {base} is without TLS.\n"
    return f"""\
https://{domain}/ has to answer for {PATH} and {PATH}.json. If that is another machine than this one, either
put these files there,

{PATH}:
{as_xrd(found)}
{PATH}.json:
{as_json(found, HostMetaSettings())}
each with the header Access-Control-Allow-Origin: *, or pass on requests for them. In nginx:

    location ^~ {PATH} {{
        proxy_pass {base};
        proxy_ssl_server_name on;
    }}

In the Caddyfile, in the block of {domain}:

    reverse_proxy {PATH}* {base} {{
        header_up Host {{upstream_hostport}}
    }}
"""


def _links(site: "Site", request: Request) -> dict[str, str]:
    return links(site.base(site.domain_for(request.host)), site.has)


def _published(content: str, type: str) -> Response:
    return text(content, type=type, Cache_Control="public, max-age=3600")
