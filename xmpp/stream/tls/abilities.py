"""What OpenSSL can be made to do past Python, tried out at the start: else a warning says what there will not be."""

import logging
import ssl
from typing import Protocol, TypeVar

from xmpp.stream.tls.any_certificate import AnyCertificate
from xmpp.stream.tls.certificates import Certificate
from xmpp.stream.tls.contexts import context_for_servers, context_towards_servers
from xmpp.stream.tls.exporter import Exporter

log = logging.getLogger(__name__)


class _Ability(Protocol):
    def works(self, server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
        """Try it out, with two contexts that nobody uses else."""


Ability = TypeVar("Ability", bound=_Ability)


def any_certificate(certificate: Certificate, without: str) -> AnyCertificate | None:
    """None if peers cannot be asked for their certificates; the log says what that means. The one here is for the
    trial. Blocks for some milliseconds."""
    return _tried(AnyCertificate, certificate, without)


def exporter(certificate: Certificate) -> Exporter | None:
    """None if no keying material can be exported."""
    return _tried(Exporter, certificate, "the channel binding tls-exporter is not offered, as this Python cannot do it")


def _tried(kind: type[Ability], certificate: Certificate, without: str) -> Ability | None:
    server, client = context_for_servers(certificate, None), context_towards_servers(certificate, None, is_direct=False)
    try:
        found = kind()
        if found.works(server, client):
            return found
        reason = "the trial failed"
    except (AttributeError, OSError, MemoryError) as error:
        reason = str(error) or type(error).__name__
    log.warning("%s: %s", without, reason)
    return None
