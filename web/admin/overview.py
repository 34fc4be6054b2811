"""The first page for administrators: how the server is."""

import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple

from web.admin.area import ROOT, Visit, page
from web.http.messages import Response
from web.site import Site
from xmpp.running.durations import BOUNDS
from xmpp.running.hub_delay import HubDelay

NEARLY_ALWAYS = 0.99


class Validity(NamedTuple):
    """How long the certificate of a domain is still valid."""

    domain: str
    days: int
    is_self_signed: bool


@page(ROOT)
def overview(visit: Visit) -> Response:
    """How the server is just now; for administrators of one domain, what there is of it."""
    if visit.domain:
        return visit.show(
            "admin/domain.html",
            population=visit.carry_out("population"),
            certificates=[each for each in _certificates(visit.site) if each.domain == visit.domain],
        )
    health = visit.carry_out("health")
    return visit.show(
        "admin/overview.html",
        health=health,
        versions={**health.versions, "OpenSSL": ssl.OPENSSL_VERSION.split(" ")[1]},
        uptime=time.time() - health.started_at,
        certificates=list(_certificates(visit.site)),
        delay=_usual_delay(visit.site),
    )


def _certificates(site: Site) -> Iterator[Validity]:
    now = datetime.now(UTC)
    for domain, certificate in site.listener.certificates.items():
        leaf = certificate.x509
        yield Validity(domain, (leaf.not_valid_after_utc - now).days, leaf.issuer == leaf.subject)


def _usual_delay(site: Site) -> float | None:
    """By how many milliseconds at most the loop is nearly always late; None if that is not measured, or was too much to
    be told."""
    counts = site.server.state(HubDelay).durations.counts
    reached = zip(BOUNDS, accumulate(counts), strict=False)
    return next((bound * 1000 for bound, count in reached if count >= NEARLY_ALWAYS * sum(counts) > 0), None)
