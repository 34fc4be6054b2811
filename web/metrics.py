"""What watches the server can ask it: figures for Prometheus (OpenMetrics), and whether it is well.

Nothing is added up for this while stanzas are handled, but for a few counts: it is looked at when somebody asks. No
label names a person, an address or a domain: such series grow without end, and tell who is here.
"""

import hmac
import os
import resource
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import gevent

from db import uploads
from handlers.admin.comings_and_goings import Attempts
from web import openmetrics
from web.http.messages import Answer, HTTPError, Request, text
from web.openmetrics import Family, Figure, counter, gauge, histogram
from web.part import Part
from web.site import Site
from xmpp.config.configuration import setting
from xmpp.data.networks import Networks, check_networks
from xmpp.routing.errors_told import ErrorsTold
from xmpp.running.hub_delay import HubDelay

LEAST_TOKEN = 16  # characters
CERTIFICATE_DAYS = 7  # less than this is an emergency: it should have been renewed weeks ago
AT_ONCE = 1_000  # sessions or streams that are looked at before others have their turn
PAUSE_SECONDS = 1e-6  # a sleep of 0 would not let the loop look at its sockets
STATM = Path("/proc/self/statm")


def _check_token(token: str) -> None:
    if token and len(token) < LEAST_TOKEN:
        raise ValueError(f"expected at least {LEAST_TOKEN} characters, or none")


@dataclass(frozen=True)
class MetricsSettings:
    """Figures for Prometheus at `/metrics`, and `/healthz` and `/readyz` for whatever watches the server."""

    addresses: tuple[str, ...] = setting(("127.0.0.0/8", "::1"), "The addresses or networks that may ask. What comes "
                                         "through a proxy may not, wherever it is from.",
                                         check=check_networks)  # fmt: skip
    token: str = setting("", "Whoever sends this as a bearer token, over TLS or on this machine, may ask as well. "
                         "Empty: nobody.", check=_check_token, secret=True)  # fmt: skip


Item = TypeVar("Item")

part = Part("metrics", settings=MetricsSettings)


@part.at_start
def watch_the_loop(site: Site) -> None:
    """Measure how late the loop is, as long as the server runs."""
    site.server.state(HubDelay).start(until=lambda: site.server.is_stopping)


@part.get("/metrics")
def tell_figures(site: Site, request: Request) -> Answer:
    """OpenMetrics, or the format before it for those who accept that alone."""
    _refuse_others(site, request)
    families = list(_families(site))
    accepted = request.headers.get("accept")
    if accepted is None or openmetrics.OPENMETRICS in accepted or "*/*" in accepted:
        return text(openmetrics.text(families), Content_Type=openmetrics.TYPE)
    return text(openmetrics.older_text(families), Content_Type=openmetrics.OLDER_TYPE)


@part.get("/healthz")
def tell_that_it_runs(site: Site, request: Request) -> Answer:
    """The loop turns, or nobody would get this."""
    _refuse_others(site, request)
    return text("ok\n")


@part.get("/readyz")
def tell_whether_it_can_serve(site: Site, request: Request) -> Answer:
    """503, and why, if clients should rather not come."""
    _refuse_others(site, request)
    wrong = list(_what_is_wrong(site))
    return text("".join(f"{each}\n" for each in wrong), 503) if wrong else text("ok\n")


def _refuse_others(site: Site, request: Request) -> None:
    """Raise HTTPError unless who asks may know. Where nobody may by a token, others do not learn that it is here."""
    settings = site.server.settings(MetricsSettings)
    if not request.is_forwarded and request.client in Networks(settings.addresses):
        return
    if not settings.token:
        raise HTTPError(404)
    scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
    is_right = hmac.compare_digest(token.strip().encode(), settings.token.encode())
    if not (is_right and scheme.lower() == "bearer" and request.is_secure):
        raise HTTPError(401, headers={"WWW-Authenticate": "Bearer"})


def _what_is_wrong(site: Site) -> Iterator[str]:
    try:
        site.server.db.check()
    except site.server.storage_errors as error:
        yield f"database: {error}"
    until = site.listener.certificates_valid_until
    if until is not None and until - datetime.now(UTC) < timedelta(days=CERTIFICATE_DAYS):
        yield f"certificate: valid until {until:%Y-%m-%d %H:%M} UTC"


# -- the figures


def _families(site: Site) -> Iterator[Family]:
    server, carriers, unsent = site.server, Counter({"tcp": 0}), 0
    for stream in _unhurried(site.streams):
        carriers[stream.carrier] += 1
        unsent += stream.unsent
    if site.listener.http_side is not None:
        carriers["http"] = site.listener.http_side.connections
    connected = Counter(session.connection is not None for session in _unhurried(server.online))
    yield gauge("xserv_sessions", "Sessions of clients; those that hibernate can be resumed.",
                (connected[True], {"state": "connected"}), (connected[False], {"state": "hibernating"}))  # fmt: skip
    yield gauge("xserv_connections", "Streams, logged in or not, by what carries them; connections of HTTP.",
                *((number, {"kind": carrier}) for carrier, number in sorted(carriers.items())))  # fmt: skip
    others = server.router.others
    states = Counter(link.state for link in _unhurried(others.links() if others is not None else ()))
    yield gauge("xserv_server_links", "Pairs of domains, ours and elsewhere, by how they are connected.",
                *((states[state], {"state": state}) for state in ("connected", "dialling", "failed")))  # fmt: skip
    yield counter("xserv_stanzas", "Stanzas: in, from clients; out, to accounts, once for all their devices.",
                  *_stanzas(site))  # fmt: skip
    errors = sorted(server.state(ErrorsTold).items())
    yield counter("xserv_stanza_errors", "Errors that senders of stanzas were told.",
                  *((number, {"condition": condition}) for condition, number in errors))  # fmt: skip
    attempts = sorted(server.state(Attempts).items())
    yield counter("xserv_logins", "Attempts to log in.",
                  *((number, {"result": result, "mechanism": how}) for (result, how), number in attempts))  # fmt: skip
    yield histogram("xserv_archive_commit_seconds", "How long a group of writes took to the disk, once committed.",
                    server.db.waits_for_disk)  # fmt: skip
    yield gauge("xserv_outbox_bytes", "What waits to be written to clients.",
                (unsent, {}), unit="bytes")  # fmt: skip
    yield histogram("xserv_hub_delay_seconds", "How late the loop was, looked at once a second.",
                    server.state(HubDelay).durations)  # fmt: skip
    yield gauge("xserv_upload_bytes", "Uploaded files, with those that are on their way.",
                (uploads.total(server.db), {}), unit="bytes")  # fmt: skip
    yield from _of_the_process()


def _unhurried(each_of: Iterable[Item]) -> Iterator[Item]:
    """The same; after a part of them others have their turn. Yields."""
    for number, item in enumerate(each_of):
        if number % AT_ONCE == AT_ONCE - 1:
            gevent.sleep(PAUSE_SECONDS)
        yield item


def _stanzas(site: Site) -> Iterator[Figure]:
    tables = site.server.tables
    for direction, by_kind in (("in", tables.sent), ("out", tables.received)):
        for kind, steps in by_kind.items():
            yield steps.runs, {"kind": kind, "direction": direction}


def _of_the_process() -> Iterator[Family]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield counter("process_cpu_seconds", "Processor time, of user and system.",
                  (round(used.ru_utime + used.ru_stime, 6), {}), unit="seconds")  # fmt: skip
    if STATM.exists():
        pages = int(STATM.read_text().split()[1])
        yield gauge("process_resident_memory_bytes", "Memory.",
                    (pages * os.sysconf("SC_PAGE_SIZE"), {}), unit="bytes")  # fmt: skip
