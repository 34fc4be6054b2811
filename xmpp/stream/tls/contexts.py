"""OpenSSL's contexts: for clients, for servers that connect to us, and for us where we connect to them."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Self

from xmpp.stream.tls.any_certificate import AnyCertificate
from xmpp.stream.tls.certificates import Certificate, CertificateError
from xmpp.stream.tls.kept_sessions import keep_none

XMPP, HTTP, XMPP_SERVER = "xmpp-client", "http/1.1", "xmpp-server"  # application protocols; HTTP/2 is never offered
TLS_1_2_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # forward secrecy and AEAD only; TLS 1.3 has nothing else


class _Layer(ssl.SSLObject):
    """An SSLObject that gevent's callbacks take for the socket that they expect."""

    def _sslsock(self) -> Self:
        return self


class _Context(ssl.SSLContext):
    """A context that keeps what it calls."""

    calls: AnyCertificate | None = None


def context_for_clients(
    certificate: Certificate, minimum_version: ssl.TLSVersion, protocols: Sequence[str] = (XMPP,)
) -> _Context:
    """The context for clients that are shown this certificate. Raises CertificateError if OpenSSL cannot use it."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificate)
    context.minimum_version = minimum_version
    context.num_tickets = 0
    context.set_alpn_protocols(list(protocols))
    return context


def context_for_servers(certificate: Certificate, any_certificate: AnyCertificate | None) -> ssl.SSLContext:
    """The context for servers that connect to us. They are asked for a certificate if it is possible to take any.

    Raises CertificateError.
    """
    context = context_for_clients(certificate, ssl.TLSVersion.TLSv1_2, (XMPP_SERVER,))
    context.sni_callback = acknowledge_name
    if any_certificate is not None:
        ask_for_certificates(context, any_certificate)
    return context


def context_towards_servers(
    certificate: Certificate, any_certificate: AnyCertificate | None, *, is_direct: bool
) -> ssl.SSLContext:
    """The context for us where we connect to another server: ours is shown if that asks for it, and theirs is taken
    whatever it is. `is_direct`: TLS comes first (XEP-0368).

    Raises CertificateError.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if is_direct:
        context.set_alpn_protocols([XMPP_SERVER])
    if any_certificate is not None:  # spares OpenSSL the work on a chain that it would then ignore
        _take(context, any_certificate)
    return context


def ask_for_certificates(context: _Context, any_certificate: AnyCertificate) -> None:
    """Have peers with this context asked for a certificate; any is taken, and none."""
    context.verify_mode = ssl.CERT_OPTIONAL
    _take(context, any_certificate)


def acknowledge_name(_secured: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
    """Does nothing: a callback makes OpenSSL tell the client that the name was understood (RFC 6066 section 3)."""


def _take(context: _Context, any_certificate: AnyCertificate) -> None:
    any_certificate.take(context)
    context.calls = any_certificate


def _context(side: int, certificate: Certificate) -> _Context:
    context = _Context(side)
    context.sslobject_class = _Layer
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # A session that cannot be resumed always has the keys, and thus the bindings, of its own handshake.
    context.options |= ssl.OP_NO_TICKET
    keep_none(context)
    context.set_ciphers(TLS_1_2_CIPHERS)
    try:
        context.load_cert_chain(certificate.chain_file, certificate.key_file)
    except OSError as error:
        raise CertificateError(f"{certificate.chain_file}: cannot be used for TLS: {error}.") from error
    return context
